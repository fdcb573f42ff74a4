"""The must-fail twins of a target's tests, with the correct base as the candidate: none may pass, in no lane."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from harness.integrity.check import Examination
from harness.integrity.corpus import Target
from harness.integrity.judged import Check
from harness.patch.twins import Twin, twin_of
from harness.records import VerdictWord
from harness.trial.oracle import Order, Served, ask_shapes, run_oracle
from harness.trial.shipping import shipment
from harness.trial.tests import run_tests
from harness.trial.workshop import Workshop


def twin_checks(examination: Examination, target: Target, most: int | None = None) -> Iterator[Check]:
    """A check for each turn of the twins, up to `most`."""
    for turn in count():
        twins = {path: twin for path, text in target.files.items() if (twin := _twin(path, text, turn))}
        if turn >= max((twin.turns for twin in twins.values()), default=0) or turn == most:
            return
        yield _check(examination, target, turn, twins)


def _twin(path: str, text: str, turn: int) -> Twin | None:
    name = path.rpartition("/")[2]
    found = twin_of(text, turn) if name.startswith("test_") and name.endswith(".py") else None
    return found if isinstance(found, Twin) else None


def _check(examination: Examination, target: Target, turn: int, twins: Mapping[str, Twin]) -> Check:
    commit = examination.tree(None, {**target.files, **{path: twin.text for path, twin in twins.items()}})
    inputs = examination.lab.inputs(examination.question(target, commit, commit))
    engine = examination.lab.engine
    files = examination.read(commit, target.source)
    alone = run_tests(engine, inputs, "candidate").report
    with Workshop(engine, inputs, shipment(inputs)) as shop:
        served = Served("candidate", files, ask_shapes(shop, files))
        seen = run_oracle(shop, served, Order(tuple(sorted(twins)), None)).outcomes
    must_fail = {f"{path}::{name}" for path, twin in twins.items() for name in twin.tests}
    lanes = {
        "through the oracle": {name: outcome for name, (outcome, _) in seen.items()},
        "in the candidate's process": dict(zip(alone.ids, alone.outcomes, strict=True)),
    }
    verdict, why = _verdict(must_fail, lanes)
    return Check(
        id=f"{target.name}-twin-{turn}",
        target=target.name,
        kind="twin",
        category="twin",
        expected="fail",
        verdict=verdict,
        alarms=(),
        why=why,
        policy="",
        ok=verdict == "fail",
    )


def _verdict(must_fail: set[str], lanes: Mapping[str, Mapping[str, str]]) -> tuple[VerdictWord, str]:
    """Fail when each of them failed in each lane; a test that did not run at all has proven nothing."""
    for lane, outcomes in lanes.items():
        ended = [(name, outcome) for name, outcome in outcomes.items() if _test(name) in must_fail]
        passed = [name for name, outcome in ended if outcome == "passed"]
        if passed:
            return "pass", f"{_some(passed)} must fail and passed {lane}"
        missing = must_fail - {_test(name) for name, outcome in ended if outcome in ("failed", "skipped")}
        if missing:
            return "error", f"{_some(sorted(missing))} did not run {lane}"
    return "fail", f"all {len(must_fail)} twins failed in both lanes"


def _test(name: str) -> str:
    """A test's name without its parameters."""
    return name.partition("[")[0]


def _some(names: Iterable[str]) -> str:
    first, *rest = names
    return f"{first} and {len(rest)} more" if rest else first
