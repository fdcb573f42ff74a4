"""How much of a real package's own suite crosses to the oracle, from its sdist, in real containers; decides nothing.

An sdist is a file name.tar.gz or its unpacked folder, on this machine; nothing of it is changed. What its tests need is
locked in `benchmarks/locks/NAME.lock`, or in SDIST:LOCK. Each becomes a repository with one commit and the
configuration that `init` finds; tests that lie inside the package are taken out of the scope, as a person would.
"""

import argparse
import collections
import json
import re
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from harness.container import Engine
from harness.errors import UsageError
from harness.repo import Repo
from harness.target import SandboxSection, StateDir, TargetConfig, TargetSection, discover
from harness.trial.inputs import TrialInputs
from harness.trial.lab import Lab
from harness.trial.lanes import OracleBase, agreeing, ask_oracle, judge_lanes, oracle_base
from harness.trial.oracle import OracleRun
from harness.trial.question import Question
from harness.trial.shipping import shipment
from harness.trial.tests import TestRun, run_tests
from harness.trial.workshop import Workshop

LOCKS = Path(__file__).resolve().parent / "locks"
LOCK = "requirements.lock"
TIMEOUT = 120.0
TESTS = ("tests", "test")
MOST_REASONS = 12
MOST_NAMED = 100
AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Suite:
    """A package's name and its files, the lock among them."""

    name: str
    files: Mapping[str, bytes]


def suite_of(text: str) -> Suite:
    """The sdist at a path, or the folder that it was unpacked to, with what its tests need."""
    place, _, lock = text.partition(":")
    path = Path(place).resolve()
    files = of_folder(path) if path.is_dir() else of_tar(path)
    name = re.sub(r"-\d.*", "", path.name)
    needed = Path(lock) if lock else LOCKS / f"{name}.lock"
    return Suite(name, {**files, LOCK: needed.read_bytes()} if needed.is_file() else files)


def of_folder(folder: Path) -> dict[str, bytes]:
    """Its plain files by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"__pycache__", ".git"} & set(path.parts)
    }


def of_tar(path: Path) -> dict[str, bytes]:
    """The files below the one folder of an sdist."""
    with tarfile.open(path) as archive:
        return {
            entry.name.partition("/")[2]: found.read()
            for entry in archive
            if entry.isreg() and (found := archive.extractfile(entry))
        }


def config_of(files: Mapping[str, bytes], timeout: float = TIMEOUT) -> TargetConfig:
    """What `init` would write; with tests inside the package, its other parts are the scope; seconds."""
    try:
        source, tests = discover(files)
    except UsageError:
        source, tests = apart(files)
    target = TargetSection(source=source, tests=tests, requirements=LOCK if LOCK in files else None)
    return TargetConfig(target=target, sandbox=SandboxSection(timeout=timeout))


def apart(files: Mapping[str, bytes]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parts of packages with folders of tests in them, those folders apart."""
    python = [PurePosixPath(path) for path in files if path.endswith(".py")]
    packages = {path.parts[0] for path in python if len(path.parts) == 2 and path.name == "__init__.py"}
    folders = {parent for path in python for parent in path.parents if parent.name in TESTS}
    tests = {folder for folder in folders if folder.parts[0] in packages and not folders & set(folder.parents)}
    source = tuple(sorted(scope(packages, tests, python)))
    named = (*sorted(map(str, tests)), *(name for name in ("test.py", "tests.py") if name in files))
    if not source or not named:
        raise UsageError("there is no source, or there are no tests.", "name another package")
    return source, named


def scope(packages: set[str], tests: set[PurePosixPath], python: list[PurePosixPath]) -> Iterator[str]:
    """The largest folders without tests in them, and the modules beside them."""
    mixed = {parent for folder in tests for parent in folder.parents}
    for path in {part for found in python for part in (found, *found.parents)}:
        inside = path.parts and path.parts[0] in packages and path not in mixed and not tests & {path, *path.parents}
        if inside and (len(path.parts) == 1 or path.parent in mixed):
            yield str(path)


@contextmanager
def opened(engine: Engine, suite: Suite, config: TargetConfig) -> Iterator[tuple[TrialInputs, Workshop]]:
    """The suite as a repository with one commit, which is base and candidate, and containers for its oracle."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        repo = Repo.init(folder / "target", bare=True)
        edits: dict[str, bytes | None] = dict(suite.files)
        commit, _ = repo.commit_edits(None, edits, message=suite.name, author="human:sdist", branch=None, at=AT)
        state = StateDir(repo.common_dir)
        state.create()
        lab = stack.enter_context(Lab(engine, repo, state, tell))
        inputs = lab.inputs(Question(base=commit, merge=commit, parent=None, config=config, claims_gain=False))
        yield inputs, stack.enter_context(Workshop(engine, inputs, shipment(inputs)))


def measured(engine: Engine, text: str, tests: tuple[str, ...], timeout: float, *, quick: bool) -> dict[str, Any]:
    """One suite's figures: the base as its own candidate, so that every test that passes natively should pass."""
    suite = suite_of(text)
    config = config_of(suite.files, timeout)
    if tests:
        config = config.model_copy(update={"target": config.target.model_copy(update={"tests": tests})})
    with opened(engine, suite, config) as (inputs, shop):
        began = time.monotonic()
        native = run_tests(engine, inputs, "baseline")
        tell(f"{suite.name}: {time.monotonic() - began:.1f} s natively")
        base = oracle_base(shop, inputs, native)
        tell(f"{suite.name}: {time.monotonic() - began:.1f} s with the base's own runs of the oracle")
        if base.why:
            return {"suite": suite.name, "why": base.why, "problems": native.report.problems}
        seen = None if quick else ask_oracle(shop, inputs, base)
        result, _ = judge_lanes(native, base, seen, native, agreeing(shop, inputs, base))
    corroborated = set(result.corroborated)
    return {"suite": suite.name, **figures(native, base, seen, corroborated)}


def figures(native: TestRun, base: OracleBase, seen: OracleRun | None, corroborated: set[str]) -> dict[str, Any]:
    """Counts and reasons; without a candidate's run the base's lane is what one like it has verified."""
    passed = set(native.named("passed"))
    outcomes = base.outcomes if seen is None else seen.outcomes
    through = {name for name in base.outcomes if outcomes.get(name, ("missing", ""))[0] == "passed"}
    late = {} if seen is None else seen.whys
    alone = passed - through - corroborated
    return {
        "native": len(passed),
        "not_passing_natively": len(native.report.ids) - len(passed),
        "verified": len(passed & through),
        "corroborated": len(corroborated - through),
        "unverified": len(alone),
        "wrong_passes": sorted(through - passed),
        "plain_s": round(native.trial.state.seconds, 1),
        "oracle_s": None if seen is None else round(seen.seconds, 1),
        "lines": base.lines if seen is None else seen.lines,
        "problems": [*base.problems, *(() if seen is None else seen.problems)],
        "alarms": [f"{alarm.kind}: {alarm.detail}"[:200] for alarm in (() if seen is None else seen.alarms)],
        "reasons": counted(base.whys.get(name) or late.get(name) or "did not run" for name in passed - through),
        "untold": counted(base.untold.get(name, "a candidate's worker answers otherwise") for name in alone),
    }


def counted(whys: Iterable[str]) -> dict[str, int]:
    """How often each, most frequent first."""
    return dict(collections.Counter(map(shortened, whys)).most_common())


def shortened(why: str) -> str:
    """A reason without what differs from test to test."""
    return re.sub(r"0x[0-9a-f]+|\d{3,}", "…", why)[:160]


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="+", metavar="SDIST", help="name.tar.gz or its unpacked folder, or SDIST:LOCK")
    parser.add_argument("--tests", default="", metavar="PATH,…", help="these test files or folders only")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, metavar="SECONDS", help="for the plain tests")
    parser.add_argument("--quick", action="store_true", help="the base's own runs only, no third one as a candidate")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    with Engine.connect() as engine:
        tests = tuple(filter(None, options.tests.split(",")))
        rows = [measured(engine, text, tests, options.timeout, quick=options.quick) for text in options.suites]
    if options.json:
        print(json.dumps({"schema": "holdpoint/benchmark-suites/1", "suites": rows}))
        return
    for row in rows:
        show(row)


def show(row: Mapping[str, Any]) -> None:
    """One suite in words."""
    if "why" in row:
        print(f"{row['suite']}: {row['why']} {row['problems']}")
        return
    share = 100 / max(1, row["native"])
    print(
        f"{row['suite']}: {row['native']} pass natively ({row['not_passing_natively']} do not); "
        f"verified {row['verified']} ({share * row['verified']:.1f} %), "
        f"corroborated {row['corroborated']}, together {share * (row['verified'] + row['corroborated']):.1f} %, "
        f"unverified {row['unverified']}; {len(row['wrong_passes'])} pass that natively do not; "
        f"{row['plain_s']} s natively, {row['oracle_s']} s through the oracle, {row['lines'] // 2} calls"
    )
    for text in (*row["problems"], *row["alarms"]):
        print(f"  ! {text}")
    for why, count in list(row["reasons"].items())[:MOST_REASONS]:
        print(f"  {count:5} {why}")
    for why, count in list(row["untold"].items())[:MOST_REASONS]:
        print(f"  not corroborated: {count:5} {why}")


if __name__ == "__main__":
    main()
