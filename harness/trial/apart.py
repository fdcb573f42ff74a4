"""What a candidate's lanes show besides the outcomes: what it decided in a test, and where its lanes disagree; pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from harness.records import Alarm
from harness.trial.oracle import OracleRun
from harness.trial.tests import TestRun

Tallies = Mapping[str, Mapping[str, int]]
_TOLD: Final = 3
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


def tally_alarms(lane: Collection[str], measure: Tallies, seen: OracleRun | None) -> Iterator[Alarm]:
    """What the candidate decided in a test and the base did not, by kind."""
    places: dict[str, list[str]] = {}
    for name, words in seen.tallies.items() if seen else ():
        if name and name not in lane:
            continue
        before = measure.get(name, {})
        for word in words:
            if word not in before and word.partition(":")[0] in _WORDS:
                places.setdefault(word, []).append(name or "outside of the tests")
    for word, names in places.items():
        kind, text = _WORDS[word.partition(":")[0]]
        extra = word.partition(":")[2]
        yield Alarm(kind=kind, detail=f"{text}{f' ({extra})' if extra else ''}: {some(names)}", place=names[0])


def disagreements(lane: Collection[str], seen: OracleRun | None, inside: TestRun | None) -> Iterator[Alarm]:
    """Tests of the oracle lane that ended otherwise in the candidate's own process."""
    if seen is None or inside is None:
        return
    told = dict(zip(inside.report.ids, inside.report.outcomes, strict=True))
    for words, first, second in (
        ("pass in the candidate's process and not through the oracle", "passed", None),
        ("pass through the oracle and not in the candidate's process", None, "passed"),
    ):
        names = []
        for name in lane:
            here, there = told.get(name), seen.outcomes.get(name, ("missing", ""))[0]
            if here != there and (here == first if first else there == second):
                names.append(name)
        if names:
            yield Alarm(kind="lanes disagree", detail=f"{len(names)} tests {words}: {some(names)}", place=names[0])


def some(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(name[:200] for name in names[:_TOLD]) + more
