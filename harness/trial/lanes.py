"""Which lane each test of a base belongs to, and what a candidate's two lanes together say; starts nothing by itself
but the oracle's runs of the base.

A test is of the *oracle* lane when it ends the same natively and twice through the oracle, on the base's own code;
else of the *in-process* lane. The base alone decides that: a candidate cannot move a test.
"""

import random
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.records import Alarm, Record, TestsResult, TrialRecord
from harness.trial.inputs import TrialInputs
from harness.trial.oracle import OracleRun, Order, Served, ask_shapes, run_oracle
from harness.trial.replay.recorder import Recorder
from harness.trial.report import Outcome, SessionReport
from harness.trial.tests import TestRun, judge, run_tests
from harness.trial.workshop import Workshop

MOST_NAMED: Final = 2000  # names of tests that go into the evidence, which travels with a merge
_TOLD: Final = 3
_MOST_ALARMS: Final = 100
_WORDS: Final = {
    "decided": ("decided by the candidate", "comparisons that the base did not decide by itself"),
    "swallowed": ("exception swallowed", "an exception of the test that did not come out again"),
    "exit": ("exception swallowed", "an __exit__ that would have hidden an exception of the test"),
    "mutated": ("arguments changed", "arguments changed that the base leaves as they are"),
    "shape": ("classes changed", "a class that is not built as the base's"),
    "late": ("late callback", "a call into a test that is over"),
    "opaque": ("opaque value", "a subclass of a builtin type where the base has none"),
    "fault": ("lane", "a value that cannot cross where the base's could"),
}


class OracleBase(Record):
    """What the oracle made of the base itself: the measure for every candidate on it.

    `outcomes` holds the tests of the oracle lane, `skip` what the oracle collects besides; `why` says why there is no
    oracle lane at all, else it is empty.
    """

    outcomes: Mapping[str, tuple[Outcome, str]] = {}
    tallies: Mapping[str, Mapping[str, int]] = {}
    skip: tuple[str, ...] = ()
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
    seen = None if base.why else ask_oracle(shop, inputs, base)
    alone = bool(inputs.config.sandbox.artifacts)  # what tests leave behind is brought by that lane
    inside = run_tests(shop.engine, inputs, "candidate") if alone or needs_process(base, native) else None
    result, alarms = judge_lanes(native, base, seen, inside)
    if inside is None and (result.failed or result.missing or result.skipped):
        # For words: which limit was met, and whether it would have passed where it can tell a test from production.
        inside = run_tests(shop.engine, inputs, "candidate")
        result, alarms = judge_lanes(native, base, seen, inside)
    return LanesRun(result, alarms, seen, inside)


def oracle_base(shop: Workshop, inputs: TrialInputs, native: TestRun, recorder: Recorder | None = None) -> OracleBase:
    """Runs the base through the oracle, in its own order, which is recorded, and in a random one."""
    report, files = native.report, inputs.read(inputs.base_commit, inputs.config.target.source)
    wanted = dict(zip(report.ids, zip(report.outcomes, report.bodies, strict=True), strict=True))
    shapes = ask_shapes(shop, files)
    first = run_oracle(shop, Served("baseline", files, shapes), Order(_entries(shop, wanted), None), recorder)
    if not first.outcomes:
        return OracleBase(why=first.problems[0] if first.problems else "the oracle could collect none of the tests")
    fit = [name for name, ended in first.outcomes.items() if wanted.get(name) == ended]
    skip = tuple(name for name in first.outcomes if name not in set(fit))
    second = run_oracle(shop, Served("baseline", files, shapes), _shuffled(_entries(shop, fit), skip))
    lane = {name: first.outcomes[name] for name in fit if second.outcomes.get(name) == first.outcomes[name]}
    return OracleBase(
        outcomes=lane,
        tallies={name: _most(run.tallies.get(name, {}) for run in (first, second)) for name in (*lane, "")},
        skip=tuple(name for name in first.outcomes if name not in lane),
        problems=tuple(dict.fromkeys((*first.problems, *second.problems))),
        shapes=shapes,
        why="" if lane else "no test passes through the oracle at the base",
        lines=first.lines,
    )


def ask_oracle(shop: Workshop, inputs: TrialInputs, base: OracleBase) -> OracleRun:
    """Runs the oracle lane on a candidate, in an order that nobody knew before."""
    files = inputs.read(inputs.merge_commit, inputs.config.target.source)
    return run_oracle(
        shop, Served("candidate", files, base.shapes), _shuffled(_entries(shop, base.outcomes), base.skip)
    )


def needs_process(base: OracleBase, native: TestRun) -> bool:
    """Whether some tests have to run in the candidate's process, since they cannot cross."""
    return any(name not in base.outcomes for name in native.report.ids)


def judge_lanes(
    native: TestRun, base: OracleBase, seen: OracleRun | None, inside: TestRun | None
) -> tuple[TestsResult, tuple[Alarm, ...]]:
    """The oracle lane counts by its oracle outcomes only, the rest by what it did in-process; alarms beside it."""
    expected = _expected(native, base)
    result = judge(expected, _together(native, base, seen, inside))
    good = {name for name, was in zip(native.report.ids, native.report.outcomes, strict=True) if was == "passed"}
    bad = {*result.failed, *result.missing, *result.skipped}
    unverified = tuple(name for name in native.report.ids if name in good - bad and name not in base.outcomes)
    counted = result.model_copy(
        update={
            "verified": len((good - bad) & set(base.outcomes)),
            "unverified": unverified[:MOST_NAMED],
            "unnamed": max(0, len(unverified) - MOST_NAMED),
            "decided": _decided(seen),
            "oracle": base.why or "used",
        }
    )
    alarms = (*(seen.alarms if seen else ()), *_tally_alarms(base, seen), *_disagreements(base, seen, inside))
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


def _tally_alarms(base: OracleBase, seen: OracleRun | None) -> Iterator[Alarm]:
    """What the candidate decided in a test and the base did not, by kind."""
    places: dict[str, list[str]] = {}
    for name, words in seen.tallies.items() if seen else ():
        if name and name not in base.outcomes:
            continue
        before = base.tallies.get(name, {})
        for word in words:
            if word not in before and word.partition(":")[0] in _WORDS:
                places.setdefault(word, []).append(name or "outside of the tests")
    for word, names in places.items():
        kind, text = _WORDS[word.partition(":")[0]]
        extra = word.partition(":")[2]
        yield Alarm(kind=kind, detail=f"{text}{f' ({extra})' if extra else ''}: {_some(names)}", place=names[0])


def _disagreements(base: OracleBase, seen: OracleRun | None, inside: TestRun | None) -> Iterator[Alarm]:
    if seen is None or inside is None:
        return
    told = dict(zip(inside.report.ids, inside.report.outcomes, strict=True))
    for words, first, second in (
        ("pass in the candidate's process and not through the oracle", "passed", None),
        ("pass through the oracle and not in the candidate's process", None, "passed"),
    ):
        names = []
        for name in base.outcomes:
            here, there = told.get(name), seen.outcomes.get(name, ("missing", ""))[0]
            if here != there and (here == first if first else there == second):
                names.append(name)
        if names:
            yield Alarm(kind="lanes disagree", detail=f"{len(names)} tests {words}: {_some(names)}", place=names[0])


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(name[:200] for name in names[:_TOLD]) + more
