"""Which lane each test of a base belongs to, and what a candidate's two lanes together say; starts nothing by itself
but the oracle's runs of the base.

A test is of the *oracle* lane when it ends the same natively and twice through the oracle, on the base's own code;
else of the *in-process* lane. The base alone decides that: a candidate cannot move a test.
"""

import random
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from harness.records import Alarm, Record, TestsResult, TrialRecord
from harness.trial.apart import disagreements, some, tally_alarms
from harness.trial.corroborate import Testimony, corroborated, testimonies
from harness.trial.forged import failing, forged
from harness.trial.inputs import TrialInputs
from harness.trial.oracle import OracleRun, Order, Served, ask_shapes, run_oracle
from harness.trial.replay.recorder import Recorder
from harness.trial.report import Outcome, SessionReport
from harness.trial.tests import TestRun, judge, run_tests
from harness.trial.workshop import Workshop

MOST_NAMED: Final = 2000  # names of tests that go into the evidence, which travels with a merge
_CODE: Final = (".py", ".pyi", ".pyc", ".pyo", ".so", ".pyd", ".pth")
_MOST_ALARMS: Final = 100


class OracleBase(Record):
    """What the oracle made of the base itself: the measure for every candidate on it.

    `outcomes` holds the tests of the oracle lane, `skip` what the oracle collects besides, and `whys` why, where it
    failed; `why` says why there is no oracle lane at all, else it is empty. `with_data` are tests of the lane that read
    data files of the scope: they are of it as long as a candidate leaves these as they are. `testimonies` are all that
    tests outside of the lane ask of the packages, `untold` why there is none; `must_fail` those whose twins fail.
    """

    outcomes: Mapping[str, tuple[Outcome, str]] = {}
    tallies: Mapping[str, Mapping[str, int]] = {}
    skip: tuple[str, ...] = ()
    whys: Mapping[str, str] = {}
    with_data: tuple[str, ...] = ()
    testimonies: Mapping[str, Testimony] = {}
    untold: Mapping[str, str] = {}
    must_fail: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    shapes: Any = None
    why: str = ""
    lines: int = 0


@dataclass(frozen=True)
class LanesRun:
    """A candidate's tests: the result, what a person should know besides, and what belongs in the evidence."""

    result: TestsResult
    alarms: tuple[Alarm, ...]
    seen: OracleRun | None
    inside: TestRun | None

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """The containers that ran."""
        return tuple(run.trial for run in (self.seen, self.inside) if run)

    @property
    def blobs(self) -> tuple[bytes, ...]:
        """What the records name."""
        return tuple(blob for run in (self.seen, self.inside) if run for blob in run.blobs)

    @property
    def log(self) -> bytes:
        """The sessions' own output; hostile text."""
        oracle = b"" if self.seen is None else self.seen.log.encode("utf-8", "replace")
        return b"\n".join(part for part in (oracle, self.inside.log if self.inside else b"") if part)


def run_lanes(shop: Workshop, inputs: TrialInputs, native: TestRun, base: OracleBase) -> LanesRun:
    """Runs a candidate's tests: through the oracle, and in its own process where some cannot cross."""
    base = lane_for(base, inputs)
    seen = None if base.why else ask_oracle(shop, inputs, base)
    alone = bool(inputs.config.sandbox.artifacts)  # what tests leave behind is brought by that lane
    inside = run_tests(shop.engine, inputs, "candidate") if alone or needs_process(base, native) else None
    agreed = agreeing(shop, inputs, base) if inside is not None else frozenset()
    result, alarms = judge_lanes(native, base, seen, inside, agreed)
    if inside is not None:
        result, alarms = _without_forged(shop, inputs, base, (result, alarms))
    if inside is None and (result.failed or result.missing or result.skipped):
        # For words: which limit was met, and whether it would have passed where it can tell a test from production.
        inside = run_tests(shop.engine, inputs, "candidate")
        result, alarms = judge_lanes(native, base, seen, inside)
    return LanesRun(result, alarms, seen, inside)


def oracle_base(shop: Workshop, inputs: TrialInputs, native: TestRun, recorder: Recorder | None = None) -> OracleBase:
    """Runs the base through the oracle, in its own order, which is recorded, and in a random one.

    Where the scope holds data files, once more without them, to learn which tests read them.
    """
    report, files = native.report, inputs.read(inputs.base_commit, inputs.config.target.source)
    wanted = dict(zip(report.ids, zip(report.outcomes, report.bodies, strict=True), strict=True))
    served = Served("baseline", files, ask_shapes(shop, files), data_of(files))
    first = run_oracle(shop, served, Order(_entries(shop, wanted), None), recorder)
    if not first.outcomes:
        return OracleBase(why=first.problems[0] if first.problems else "the oracle could collect none of the tests")
    fit = {name: None for name, ended in first.outcomes.items() if wanted.get(name) == ended}
    skip = tuple(name for name in first.outcomes if name not in fit)
    second = run_oracle(shop, served, _shuffled(_entries(shop, fit), skip))
    lane = {name: first.outcomes[name] for name in fit if second.outcomes.get(name) == first.outcomes[name]}
    skip = tuple(name for name in first.outcomes if name not in lane)
    reading = _reading_data(shop, served, lane, skip)
    rest = tuple(name for name in native.named("passed") if name not in lane or name in reading)
    testimony, untold = testimonies(shop, inputs, served.shapes, rest)
    return OracleBase(
        outcomes=lane,
        tallies={name: _most(run.tallies.get(name, {}) for run in (first, second)) for name in (*lane, "")},
        skip=skip,
        whys={name: why for name, why in {**second.whys, **first.whys}.items() if name not in lane},
        with_data=reading,
        testimonies=testimony,
        untold=untold,
        must_fail=failing(shop, inputs, rest, native.trial.state.seconds),
        problems=tuple(dict.fromkeys((*first.problems, *second.problems))),
        shapes=served.shapes,
        why="" if lane else "no test passes through the oracle at the base",
        lines=first.lines,
    )


def data_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a scope that are no code: a test may read them by path, as the base's code does."""
    return {path: data for path, data in files.items() if not path.endswith(_CODE)}


def _reading_data(
    shop: Workshop, served: Served, lane: Mapping[str, tuple[Outcome, str]], skip: tuple[str, ...]
) -> tuple[str, ...]:
    if not served.data or not lane:
        return ()
    bare = run_oracle(shop, replace(served, data={}), _shuffled(_entries(shop, lane), skip))
    return tuple(name for name, ended in lane.items() if bare.outcomes.get(name) != ended)


def lane_for(base: OracleBase, inputs: TrialInputs) -> OracleBase:
    """The base's lanes for a candidate: without the tests that read data files of the scope, where it changes one."""
    if not base.with_data or _data(inputs, inputs.base_commit) == _data(inputs, inputs.merge_commit):
        return base
    reading = set(base.with_data)
    lane = {name: ended for name, ended in base.outcomes.items() if name not in reading}
    why = base.why or ("" if lane else "all tests read data files of the scope, and the candidate changes some")
    return base.model_copy(update={"outcomes": lane, "skip": (*base.skip, *base.with_data), "why": why})


def _data(inputs: TrialInputs, commit: str) -> dict[str, bytes]:
    return data_of(inputs.read(commit, inputs.config.target.source))


def ask_oracle(shop: Workshop, inputs: TrialInputs, base: OracleBase) -> OracleRun:
    """Runs the oracle lane on a candidate, in an order that nobody knew before; `base` is that of `lane_for`.

    Data files beside the tests are the base's, and only where the candidate has the same: none of its own gets there.
    """
    files = inputs.read(inputs.merge_commit, inputs.config.target.source)
    data = _data(inputs, inputs.base_commit)
    served = Served("candidate", files, base.shapes, data if data == data_of(files) else {})
    return run_oracle(shop, served, _shuffled(_entries(shop, base.outcomes), base.skip))


def needs_process(base: OracleBase, native: TestRun) -> bool:
    """Whether some tests have to run in the candidate's process, since they cannot cross."""
    return any(name not in base.outcomes for name in native.report.ids)


def _without_forged(
    shop: Workshop, inputs: TrialInputs, base: OracleBase, judged: tuple[TestsResult, tuple[Alarm, ...]]
) -> tuple[TestsResult, tuple[Alarm, ...]]:
    """A test whose twin passes in the candidate's process has failed, whatever it says itself."""
    result, alarms = judged
    passed = {*result.corroborated, *result.unverified} & base.must_fail
    names = forged(shop, inputs, frozenset(passed))
    if not names:
        return judged
    left = {
        "failed": (*result.failed, *names),
        "passed": result.passed - len(names),
        "corroborated": tuple(name for name in result.corroborated if name not in names),
        "unverified": tuple(name for name in result.unverified if name not in names),
    }
    alarm = Alarm(kind="forged outcome", detail=f"twins that must fail pass: {some(names)}")
    return result.model_copy(update=left), (alarm, *alarms)


def agreeing(shop: Workshop, inputs: TrialInputs, base: OracleBase) -> frozenset[str]:
    """The in-process tests to all whose calls a fresh worker of the candidate gives the base's answers."""
    files = inputs.read(inputs.merge_commit, inputs.config.target.source)
    wanted = {name: each for name, each in base.testimonies.items() if name not in base.outcomes}
    return corroborated(shop, files, base.shapes, wanted) if wanted else frozenset()


def judge_lanes(
    native: TestRun,
    base: OracleBase,
    seen: OracleRun | None,
    inside: TestRun | None,
    agreed: frozenset[str] = frozenset(),
) -> tuple[TestsResult, tuple[Alarm, ...]]:
    """The oracle lane counts by its oracle outcomes only, the rest by what it did in-process; alarms beside it.

    `agreed` are the tests that are corroborated if they passed.
    """
    expected = _expected(native, base)
    result = judge(expected, _together(native, base, seen, inside))
    good = {name for name, was in zip(native.report.ids, native.report.outcomes, strict=True) if was == "passed"}
    bad = {*result.failed, *result.missing, *result.skipped}
    well = good - bad
    alone = tuple(name for name in native.report.ids if name in well and name not in base.outcomes)
    unverified = tuple(name for name in alone if name not in agreed)
    counted = result.model_copy(
        update={
            "verified": len(well & set(base.outcomes)),
            "corroborated": tuple(name for name in alone if name in agreed)[:MOST_NAMED],
            "unverified": unverified[:MOST_NAMED],
            "unnamed": max(0, len(unverified) - MOST_NAMED),
            "decided": _decided(seen),
            "oracle": base.why or "used",
        }
    )
    alarms = (
        *(seen.alarms if seen else ()),
        *tally_alarms(base.outcomes, base.tallies, seen),
        *disagreements(base.outcomes, seen, inside),
    )
    return counted, alarms[:_MOST_ALARMS]


def _entries(shop: Workshop, names: Iterable[str]) -> tuple[str, ...]:
    """What gets a worker of its own: test files, or single tests."""
    if shop.fresh == "test":
        return tuple(names)
    return tuple(dict.fromkeys(name.partition("::")[0] for name in names))


def _shuffled(files: tuple[str, ...], skip: tuple[str, ...]) -> Order:
    seed = secrets.randbits(32)
    ours = list(files)
    random.Random(seed).shuffle(ours)  # noqa: S311 - the seed is the secret, and is recorded
    return Order(tuple(ours), seed, skip)


def _most(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for words in counts:
        for word, count in words.items():
            found[word] = max(found.get(word, 0), count)
    return found


def _expected(native: TestRun, base: OracleBase) -> TestRun:
    """The base's own session, with the oracle's bodies where the oracle is asked."""
    report = native.report
    bodies = [base.outcomes[name][1] if name in base.outcomes else body for name, body in _pairs(report)]
    return native.model_copy(update={"report": report.model_copy(update={"bodies": tuple(bodies)})})


def _pairs(report: SessionReport) -> Iterator[tuple[str, str]]:
    return zip(report.ids, report.bodies, strict=True)


def _together(native: TestRun, base: OracleBase, seen: OracleRun | None, inside: TestRun | None) -> TestRun:
    """One session of both lanes; tests that the base does not know are kept, so that they are noticed."""
    ended: dict[str, tuple[Outcome, str]] = {}
    problems: list[str] = []
    hit: tuple[str, ...] = ()
    if inside is not None:
        report = inside.report
        for name, outcome, body in zip(report.ids, report.outcomes, report.bodies, strict=True):
            if name not in base.outcomes:
                ended[name] = (outcome, body)
        decides = needs_process(base, native)
        problems += report.problems if decides else ()
        hit = report.hit if decides else (*report.hit, *report.problems)
    if seen is not None:
        known = set(base.skip)
        ended |= {name: how for name, how in seen.outcomes.items() if name not in known}
        problems += [f"oracle: {problem}" for problem in seen.problems if problem not in base.problems]
    report = SessionReport(
        ids=tuple(ended),
        outcomes=tuple(how[0] for how in ended.values()),
        bodies=tuple(how[1] for how in ended.values()),
        problems=tuple(problems),
        log="",
        hit=hit,
    )
    return (inside or native).model_copy(update={"report": report})


def _decided(seen: OracleRun | None) -> int:
    tallies = seen.tallies.values() if seen else ()
    return sum(count for words in tallies for word, count in words.items() if word.startswith("decided"))
