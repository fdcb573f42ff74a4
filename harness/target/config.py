"""holdpoint.toml as frozen records that cannot contradict themselves; pure, reads no text and no file.

Each field's description is what the errors of `parse.py` call "allowed".
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_serializer,
    model_validator,
)

from harness.records import Record, Severity
from harness.target.values import (
    KEY_TYPES,
    Branch,
    Duration,
    Pattern,
    PublicKey,
    RelativePath,
    ReviewerName,
    Runtime,
    Size,
    inside,
    refusal,
)

CONFIG_NAME = "holdpoint.toml"
PACKAGED_POLICIES = ("default", "strict", "self")
_KEYS = ", ".join(KEY_TYPES)
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*", re.ASCII)

Suite = Literal["pytest-benchmark", "asv"]
Kind = Literal["time", "cpu", "memory", "score", "count", "pass_fail"]
_SUITED = "kind time, and of asv also score or count (its track_ functions)"
Paths = Annotated[tuple[RelativePath, ...], Field(min_length=1)]
Patterns = tuple[Pattern, ...]
Fraction = Annotated[StrictFloat, Field(ge=0, le=10, allow_inf_nan=False)]
Name = Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Module = Annotated[StrictStr, Field(max_length=200, pattern=f"^(?:{_MODULE.pattern})$")]


class TargetSection(Record):
    """What may be changed, and what judges it."""

    source: Paths = Field(description='a list of files and folders of this repository, such as ["src/pkg"]')
    tests: Paths = Field(description='a list of files and folders of this repository, such as ["tests"]')
    requirements: RelativePath | None = Field(None, description="the path of a hash-locked requirements file")
    ref: Branch = Field("main", description='the name of a branch, such as "main"')


class SandboxSection(Record):
    """Limits of one trial: seconds, bytes, cores, processes, bytes of output; and what runs its containers."""

    timeout: Duration = Field(120.0, description='a duration up to 24h, such as "120s" or "2m"')
    memory: Size = Field(1 << 30, ge=16 << 20, description='a size from 16MiB to 1024GiB, such as "1GiB"')
    cpus: StrictFloat = Field(
        1.0, gt=0, le=256, allow_inf_nan=False, description="a number of cores above 0, such as 1.0"
    )
    pids: StrictInt = Field(128, ge=8, le=32768, description="a whole number from 8 to 32768")
    output: Size = Field(4 << 20, ge=1024, le=1 << 30, description='a size from 1KiB to 1GiB, such as "4MiB"')
    runtime: Runtime = Field("runc", description='the name of a runtime that the engine has, such as "runc" or "runsc"')
    artifacts: Patterns = Field((), description='a list of path patterns below the work directory, as "report/*.xml"')
    replay: StrictInt = Field(3000, ge=0, le=100_000, description="a whole number of calls up to 100000; 0 for none")
    worker: Literal["file", "test"] = Field("file", description="file or test (what gets a process of its own)")


class PolicySection(Record):
    """Which rules hold, and what they guard beside tests, configuration and CI."""

    use: StrictStr = Field(
        "default", min_length=1, description="default, strict, self, or the path of a .toml file here"
    )
    protect: Patterns = Field((), description='a list of path patterns, such as ["bench/**"]')
    imports: tuple[Module, ...] = Field((), description='a list of module names, such as ["json", "numpy"]')
    block_from: Severity | None = Field(
        None, description="low, medium, high or critical: what is as severe is refused, whatever the policy says"
    )

    @model_validator(mode="after")
    def _use_is_known(self) -> Self:
        if self.use not in PACKAGED_POLICIES and not self.use.endswith(".toml"):
            raise refusal(
                f"policy.use: found {self.use!r}, allowed: default, strict, self, or the path of a .toml file"
            )
        return self


class ReviewerEntry(Record):
    """A person who may sign, and the public key they sign with (its comment dropped)."""

    name: ReviewerName = Field(description="letters, digits and . _ @ -, starting with a letter or digit")
    key: PublicKey = Field(description=f"one public key line of type {_KEYS}")
    roles: tuple[Name, ...] = Field((), description='a list of short names that the policy asks for, ["security"]')

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without roles where there are none: roots that were signed before there were any keep their digests."""
        found: dict[str, Any] = handler(self)
        if not self.roles:
            del found["roles"]
        return found


class MetricEntry(Record):
    """A named number to compare; exactly one of `run` (a script, or a `suite`) and `bench` (a [[bench]]) measures it.

    An `exact` metric is deterministic and compared exactly. `then` names the exact metric that breaks ties;
    that one is not judged on its own.
    """

    name: Name = Field(description="a short name of letters, digits, _ . -")
    kind: Kind = Field(description="time, cpu, memory, score, count or pass_fail")
    direction: Literal["lower", "higher"] = Field(description="lower or higher (which is better)")
    unit: StrictStr = Field("", max_length=32, description='a short text, such as "s"')
    run: RelativePath | None = Field(None, description="the path of a script in this repository")
    bench: Name | None = Field(None, description="the name of a [[bench]]")
    suite: Suite | None = Field(None, description="pytest-benchmark or asv, where run is such a suite")
    effect: Fraction = Field(0.03, description="a number from 0 to 10, such as 0.03 for 3 %")
    margin: Fraction = Field(0.0, description="a number from 0 to 10, such as 0.02 for 2 %")
    pairs: StrictInt = Field(60, ge=1, le=100_000, description="a whole number from 1 to 100000")
    role: Literal["objective", "guardrail"] = Field("objective", description="objective or guardrail")
    exact: StrictBool = Field(default=False, description="true or false")
    then: Name | None = Field(None, description="the name of another exact [[metric]] of the same bench")


class BenchEntry(Record):
    """A benchmark whose judge runs apart from the candidate; `timeout` and `total` are seconds."""

    name: Name = Field(description="a short name of letters, digits, _ . -")
    judge: RelativePath = Field(description="the path of a script outside the editable scope")
    candidate: Module = Field(description='a module name, such as "tinker.worker"')
    ships: Patterns = Field(min_length=1, description='a list of path patterns, such as ["src/**"]')
    scratch: RelativePath | None = Field(None, description="the path of a script outside the editable scope")
    files: Patterns = Field((), description='a list of path patterns, such as ["bench/**"]')
    timeout: Duration = Field(10.0, description='a duration up to 24h, such as "10s"')
    total: Duration = Field(300.0, description='a duration up to 24h, such as "5m"')


class AgentSection(Record):
    """The proposer that lives in this repository and runs inside a container."""

    module: Module = Field(description='a module name, such as "tinker.propose"')
    ships: Patterns = Field(min_length=1, description='a list of path patterns, such as ["src/**"]')


class SelfSection(Record):
    """Whether the proposer's own package may be the target."""

    allow: StrictBool = Field(default=False, description="true or false")


class TargetConfig(Record):
    """A whole holdpoint.toml, its lists named in the plural (`TOML_NAMES` has the keys of the file)."""

    target: TargetSection = Field(description="a [target] table with source and tests")
    sandbox: SandboxSection = Field(SandboxSection(), description="a [sandbox] table")
    policy: PolicySection = Field(PolicySection(), description="a [policy] table")
    reviewers: tuple[ReviewerEntry, ...] = Field((), description="[[reviewer]] tables with name and key")
    metrics: tuple[MetricEntry, ...] = Field((), description="[[metric]] tables")
    benches: tuple[BenchEntry, ...] = Field((), description="[[bench]] tables")
    agent: AgentSection | None = Field(None, description="an [agent] table with module and ships")
    self_: SelfSection = Field(SelfSection(), description="a [self] table with allow")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for check in (_scope_apart, _names_once, _metrics_fit):
            why = check(self)
            if why:
                raise refusal(why)
        return self


TOML_NAMES = {"reviewer": "reviewers", "metric": "metrics", "bench": "benches", "self": "self_"}


def _scope_apart(config: TargetConfig) -> str:
    """What judges a change may not lie in what the change may edit."""
    judges = [("target.tests", path) for path in config.target.tests]
    judges += [("[[metric]] run", metric.run) for metric in config.metrics if metric.run]
    judges += [("[[bench]] judge", bench.judge) for bench in config.benches]
    judges += [("[[bench]] scratch", bench.scratch) for bench in config.benches if bench.scratch]
    judges += [("target.requirements", path) for path in [config.target.requirements] if path]
    judges += [("policy.use", path) for path in [config.policy.use] if path not in PACKAGED_POLICIES]
    judges.append(("the configuration", CONFIG_NAME))
    for source in config.target.source:
        for key, path in judges:
            if inside(path, source) or inside(source, path):
                return (
                    f"target.source and {key}: found {source!r} and {path!r}, which overlap; "
                    "allowed: a scope that holds nothing of what judges it"
                )
    return ""


def _names_once(config: TargetConfig) -> str:
    groups = {
        "target.source": config.target.source,
        "target.tests": config.target.tests,
        "[[reviewer]] name": [entry.name.casefold() for entry in config.reviewers],
        "[[reviewer]] key": [entry.key for entry in config.reviewers],
        "[[metric]] name": [entry.name for entry in config.metrics],
        "[[bench]] name": [entry.name for entry in config.benches],
    }
    for key, values in groups.items():
        seen: set[str] = set()
        for value in values:
            if value in seen:
                return f"{key}: found {value[:60]!r} twice; allowed: each one once"
            seen.add(value)
    return ""


def _metrics_fit(config: TargetConfig) -> str:
    benches = [bench.name for bench in config.benches]
    exact = {metric.name: metric for metric in config.metrics if metric.exact}
    for metric in config.metrics:
        key = f"[[metric]] {metric.name}"
        if (metric.run is None) == (metric.bench is None):
            found = "neither" if metric.run is None else "both"
            return f"{key}: found {found} of run and bench; allowed: exactly one of them"
        if metric.suite is not None and (metric.run is None or not _suits(metric)):
            return f"{key}.suite: found {metric.suite!r} with kind {metric.kind}; allowed with run: {_SUITED}"
        if metric.bench is not None and metric.bench not in benches:
            allowed = _options(benches, "a [[bench]], and there is none")
            return f"{key}.bench: found {metric.bench!r}; allowed: {allowed}"
        if metric.then is not None:
            fits = [n for n, m in exact.items() if n != metric.name and (m.run, m.bench) == (metric.run, metric.bench)]
            if metric.then not in fits or not metric.exact:
                return (
                    f"{key}.then: found {metric.then!r}; allowed on an exact metric: "
                    f"{_options(fits, 'another exact metric of the same bench, and there is none')}"
                )
            if _circular(metric, exact):
                return f"{key}.then: found a circle through {metric.then!r}; allowed: a chain that ends"
    return ""


def _suits(metric: MetricEntry) -> bool:
    return metric.kind == "time" or (metric.suite == "asv" and metric.kind in ("score", "count"))


def _circular(start: MetricEntry, exact: dict[str, MetricEntry]) -> bool:
    seen, name = {start.name}, start.then
    while name is not None and name in exact:
        if name in seen:
            return True
        seen.add(name)
        name = exact[name].then
    return False


def _options(names: list[str], otherwise: str) -> str:
    return ", ".join(names) or otherwise
