"""What was seen of a candidate: Trial, Effect, alarms, answers compared, and the bundle behind a verdict."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from harness.records.frozen import Record, Stored
from harness.records.proposal import Finding
from harness.records.semantic import Semantic

VerdictWord = Literal["pass", "fail", "inconclusive", "error"]

Arm = Literal["baseline", "candidate"]

EffectOutcome = Literal["win", "no worse", "worse", "inconclusive"]


class TestsResult(Stored):
    """Tests against the ids collected at the base: `expected` and `passed` are counts, the rest are ids.

    Of those that passed, `verified` counts the ones whose outcome candidate code could not reach; `corroborated` and
    `unverified` name those that ran in its process (`unnamed` more of these are only counted). `decided` counts the
    comparisons that the candidate decided; `oracle` says why there was no oracle, is "used", or empty before one.
    """

    __test__ = False  # pytest: this is no test class

    expected: int
    passed: int
    failed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    run: bool = True
    verified: int = 0
    corroborated: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    unnamed: int = 0
    decided: int = 0
    oracle: str = ""


class Effect(Stored):
    """One metric's paired difference, signed so that positive is better, in log-ratio or the metric's own unit.

    `alpha` is the level at which a win is declared (in a campaign, e-LOND's), None where none can be or none is needed.
    `futile`: a gain of the smallest effect sought is refuted. `path` is the e-value after each pair, which the ledger's
    events leave to the evidence. `over` is the commit that it was compared with, where that is not the base.
    """

    metric: str
    unit: str
    kind: str
    role: Literal["objective", "guardrail"]
    exact: bool
    baseline: float | None
    candidate: float | None
    estimate: float
    low: float | None
    high: float | None
    e_value: float | None
    pairs: int
    outcome: EffectOutcome
    alpha: float | None = None
    futile: bool = False
    path: tuple[float, ...] = ()
    over: str = ""


class Alarm(Record):
    """Something a person should know that does not change the verdict; `place` is a line, a function or a test."""

    kind: str
    detail: str
    place: str = ""


class ContainerState(Record):
    """How one container ended, read from the engine, never from the guest."""

    exit_code: int | None
    oom_killed: bool
    timed_out: bool
    output_capped: bool
    seconds: float


class TrialRecord(Record):
    """One sandboxed execution as it goes into the evidence; streams are named by their SHA-256."""

    arm: Arm
    purpose: Literal["tests", "metric"]
    image: str
    profile: str
    argv: tuple[str, ...]
    state: ContainerState
    stdout: str
    stderr: str


class BehaviourDifference(Record):
    """A smallest input found on which base and candidate differ, as safe text; `count` inputs differed in all.

    `where` names the surroundings in which alone it shows, or is empty. `declared`: the proposal said so beforehand.
    """

    function: str
    kind: Literal["value", "error", "text", "time", "memory"]
    inputs: Literal["suite", "unusual"]
    script: str
    base: str
    candidate: str
    count: int = 1
    where: str = ""
    declared: bool = False


class Replayed(Record):
    """Base and candidate asked the same questions: `scripts` of `calls` about `functions`, `suite` of them as the tests
    ask, the rest made with `seed`. `unstable` ones were left out, since the base differs from itself there.

    `differing` names functions, `differences` shows some of them. `ran` and `not_ran` name surroundings; `why` says why
    nothing was asked, or is empty.
    """

    seed: str = ""
    scripts: int = 0
    calls: int = 0
    functions: int = 0
    suite: int = 0
    unstable: int = 0
    differing: tuple[str, ...] = ()
    differences: tuple[BehaviourDifference, ...] = ()
    ran: tuple[str, ...] = ()
    not_ran: tuple[str, ...] = ()
    seconds: float = 0.0
    why: str = ""


class ArtifactEntry(Record):
    """A file that a candidate's tests left for the reader; its bytes are stored by their digest, and hostile."""

    path: str
    digest: str
    size: int


class Evidence(Record):
    """The bundle behind a verdict; its digest is the SHA-256 of its canonical JSON. `log` names the tests' output,
    `differences` are the pairs of noisy metrics, which a later run of an open question continues, at the same `level`;
    `attempt` counts the runs that it continues. `coins` name the logs of the coin flips.
    """

    schema_: Literal["holdpoint/evidence/1"] = Field("holdpoint/evidence/1", alias="schema")
    proposal: str
    proposal_digest: str
    base: str
    commit: str
    merge: str
    tree: str
    manifest: str
    diff: str
    policy: str
    config: str
    image: str
    profile: str
    findings: tuple[Finding, ...]
    tests: TestsResult
    effects: tuple[Effect, ...]
    alarms: tuple[Alarm, ...]
    trials: tuple[TrialRecord, ...]
    verdict: VerdictWord
    reasons: tuple[str, ...]
    log: str = ""
    differences: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    level: float | None = None
    attempt: int = 0
    coins: tuple[str, ...] = ()
    artifacts: tuple[ArtifactEntry, ...] = ()
    replay: Replayed | None = None
    semantic: Semantic | None = None
    finished: datetime

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)
