"""Turns confirmed suspicions into what a person reads: smallest inputs by function, and alarms in plain words.

It asks fresh workers only to make an input smaller, to see whether the suite's own inputs differ too, and to tell which
of the surroundings it was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.records import Alarm, BehaviourDifference, Record, canonical_json
from harness.trial.replay.answers import Answer
from harness.trial.replay.compare import Unlike, unlike
from harness.trial.replay.panel import Panel, Series
from harness.trial.replay.scripts import Script, callee
from harness.trial.replay.show import outcome, rendered
from harness.trial.replay.shrink import shrunk, weight
from harness.trial.replay.surroundings import SOAK, each_alone

_LISTED: Final = 10  # functions
_SUITE: Final = 200  # of the suite's scripts that are asked about functions which differ on unusual inputs
_TWICE: Final = "the same question asked twice"
_TAKES: Final = 3.0  # seconds that a round of shrinking may take, for the time that is left


class Suspicion(Record):
    """A script on which two answers differ; for `itself` both are the candidate's."""

    unlike: Unlike
    base: Answer
    candidate: Answer


class Suspects(Record):
    """By how they show: always; from one time to the next; after many calls; in other surroundings."""

    scripts: tuple[Script, ...] = ()
    plain: tuple[Suspicion, ...] = ()
    itself: tuple[Suspicion, ...] = ()
    soaked: tuple[Suspicion, ...] = ()
    apart: tuple[Suspicion, ...] = ()
    unsteady: int = 0


@dataclass(frozen=True)
class Asked:
    """All of the suite's scripts, the canonical forms of those that were asked, functions declared to change."""

    recorded: tuple[Script, ...]
    suite: frozenset[bytes]
    declared: frozenset[str]
    seed: int

    def has(self, script: Script) -> bool:
        """Whether it is one of the suite's own that were asked."""
        return canonical_json(script) in self.suite


def told_apart(
    panel: Panel, suspects: Suspects, asked: Asked
) -> tuple[tuple[BehaviourDifference, ...], tuple[Alarm, ...]]:
    """What to show and what to warn of."""
    groups = _grouped(suspects.plain)
    on_suite = _on_suite(panel, suspects, asked, groups)
    chosen = _chosen(suspects, groups, asked)
    limits = {name for name, group in groups.items() if any(each.unlike.kind in ("time", "memory") for each in group)}
    able = [name for name in chosen if name not in limits]  # what ends workers is not asked for over and over
    small = shrunk([chosen[name] for name in able], lambda scripts: _differ(panel, scripts))
    shown = {**dict(zip(able, small, strict=True)), **{name: chosen[name] for name in chosen if name in limits}}
    listed = [*_plain(panel, shown, groups, on_suite, asked)]
    away = _surroundings(panel, suspects, asked.seed)
    listed += _shown(suspects, suspects.soaked, lambda _: SOAK)
    listed += _shown(suspects, suspects.itself, lambda _: _TWICE)
    listed += _shown(suspects, suspects.apart, lambda at: away.get(at, "other surroundings"))
    return tuple(listed), tuple(_alarms(listed))


def _grouped(found: Iterable[Suspicion]) -> dict[str, list[Suspicion]]:
    groups: dict[str, list[Suspicion]] = {}
    for each in found:
        groups.setdefault(each.unlike.function, []).append(each)
    # Differences in text alone come last.
    ordered = sorted(groups.items(), key=lambda item: all(each.unlike.kind == "text" for each in item[1]))
    return dict(ordered)


def _chosen(suspects: Suspects, groups: Mapping[str, list[Suspicion]], asked: Asked) -> dict[str, Script]:
    """The script that stands for a function: not text alone where there is more, the suite's own, the smallest."""
    chosen = {}
    for function, group in list(groups.items())[:_LISTED]:
        scripts = [(each.unlike.kind == "text", suspects.scripts[each.unlike.script]) for each in group]
        chosen[function] = min(scripts, key=lambda pair: (pair[0], not asked.has(pair[1]), weight(pair[1])))[1]
    return chosen


def _on_suite(panel: Panel, suspects: Suspects, asked: Asked, groups: Mapping[str, list[Suspicion]]) -> set[str]:
    """Functions that differ on inputs of the suite too, in more than words; all of theirs are asked for that."""
    found = {
        function
        for function, group in groups.items()
        if any(each.unlike.kind != "text" and asked.has(suspects.scripts[each.unlike.script]) for each in group)
    }
    open_ = {name for name, group in groups.items() if any(each.unlike.kind != "text" for each in group)} - found
    more = [
        script
        for script in asked.recorded
        if not asked.has(script) and any(callee(script, at) in open_ for at in range(len(script.steps)))
    ][:_SUITE]
    return found | {each.function for each in _unlike(panel, more) if each is not None and each.kind != "text"}


def _unlike(panel: Panel, scripts: Sequence[Script]) -> list[Unlike | None]:
    base, theirs = panel.ask(Series("baseline", tuple(scripts)), Series("candidate", tuple(scripts)))
    return [
        None if one.lost else unlike(script, one, other, at)
        for at, (script, one, other) in enumerate(zip(scripts, base, theirs, strict=True))
    ]


def _differ(panel: Panel, scripts: Sequence[Script]) -> list[bool]:
    if panel.left() < _TAKES:
        return [False] * len(scripts)
    return [each is not None and each.kind != "text" for each in _unlike(panel, scripts)]


def _plain(
    panel: Panel, small: Mapping[str, Script], groups: Mapping[str, list[Suspicion]], on_suite: set[str], asked: Asked
) -> Iterator[BehaviourDifference]:
    scripts = tuple(small.values())
    base, theirs = panel.ask(Series("baseline", scripts), Series("candidate", scripts))
    for function, script, one, other in zip(small, scripts, base, theirs, strict=True):
        found = unlike(script, one, other) or groups[function][0].unlike
        yield BehaviourDifference(
            function=function,
            kind=found.kind,
            inputs="suite" if function in on_suite or (found.kind == "text" and asked.has(script)) else "unusual",
            script=rendered(script),
            base=outcome(one, found.at),
            candidate=outcome(other, found.at),
            count=len(groups[function]),
            declared=function in asked.declared,
        )


def _shown(
    suspects: Suspects, group: Sequence[Suspicion], where: Callable[[int], str]
) -> Iterator[BehaviourDifference]:
    """One for each function, as it was asked."""
    for same in list(_grouped(group).values())[:_LISTED]:
        each = _first(suspects, same)
        found = each.unlike
        yield BehaviourDifference(
            function=found.function,
            kind=found.kind,
            inputs="unusual",
            script=rendered(suspects.scripts[found.script]),
            base=outcome(each.base, found.at),
            candidate=outcome(each.candidate, found.at),
            count=len(same),
            where=where(found.script),
        )


def _first(suspects: Suspects, group: Sequence[Suspicion]) -> Suspicion:
    """The one that stands for a function: not text alone where there is more, the smallest."""
    return min(group, key=lambda one: (one.unlike.kind == "text", weight(suspects.scripts[one.unlike.script])))


def _surroundings(panel: Panel, suspects: Suspects, seed: int) -> dict[int, str]:
    """Which of the variations it is that a script differs in."""
    groups = list(_grouped(suspects.apart).values())[:_LISTED]
    numbers = [_first(suspects, group).unlike.script for group in groups]
    scripts = tuple(suspects.scripts[at] for at in numbers)
    found: dict[int, str] = {}
    for around in each_alone(seed) if scripts else ():
        base, theirs = panel.ask(Series("baseline", scripts, around), Series("candidate", scripts, around))
        for at, script, one, other in zip(numbers, scripts, base, theirs, strict=True):
            if not one.lost and unlike(script, one, other) is not None:
                found.setdefault(at, around.words[0])
    return found


def _alarms(listed: Sequence[BehaviourDifference]) -> Iterator[Alarm]:
    for each in listed:
        if each.kind == "text":
            continue
        asked = "; ".join(each.script.splitlines())
        seen = f"{asked} gives {each.candidate}, the base {each.base}"
        if each.where == _TWICE:
            yield Alarm(
                kind="disagrees with itself",
                detail=f"{each.function} answers the same question differently: {asked} gives {each.base}, then "
                f"{each.candidate}; the base does not",
                place=each.function,
            )
        elif each.where:
            detail = f"{each.function} differs only with {each.where}: {seen}"
            yield Alarm(kind="surroundings", detail=detail, place=each.function)
        elif each.kind in ("time", "memory"):
            detail = f"{each.function} runs into a limit, the base not: {seen}"
            yield Alarm(kind="one-sided limit", detail=detail, place=each.function)
        elif each.inputs == "suite" and not each.declared:
            detail = f"{each.function} is not declared to change, no test fails, and it answers otherwise: {seen}"
            yield Alarm(kind="undeclared change", detail=detail, place=each.function)
        elif not each.declared:
            yield Alarm(
                kind="unusual inputs",
                detail=f"{each.function} is right on all that the suite asks, and differs on others: {seen}",
                place=each.function,
            )
