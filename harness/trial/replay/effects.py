"""What the same calls did to the processes of both arms beyond their answers: compared row by row, told as alarms."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from harness.records import Alarm
from harness.text import visible_line
from harness.trial.replay.answers import Answer
from harness.trial.replay.panel import Panel, Series
from harness.trial.replay.scripts import Script, Step

LAST: Final = Script(steps=(Step(op="effects", args=()),), observed=1)
_TOLD: Final = 10  # alarms
_NOT_CAUGHT: Final = "can be caught as "


def effects(panel: Panel, scripts: Sequence[Script], base: Answer, theirs: Answer) -> tuple[Alarm, ...]:
    """Asks fresh workers of both arms once more where the first ones were not left alike."""
    if not _apart(base, theirs):
        return ()
    asked = (*scripts, LAST)
    told = panel.ask(Series("baseline", asked), Series("candidate", asked), Series("baseline", asked))
    first, second, third = (each[-1] for each in told)
    steady = {name for name, text in _rows(first).items() if _rows(third).get(name) == text}
    found = [alarm for name, alarm in _apart(first, second) if name in steady or name not in _rows(first)]
    return tuple(found[:_TOLD])


def _apart(base: Answer, theirs: Answer) -> list[tuple[str, Alarm]]:
    """Rows that are not the same; none where one of the workers did not live to tell."""
    ours, others = _rows(base), _rows(theirs)
    return list(_alarms(ours, others)) if ours and others else []


def _alarms(base: dict[str, str], theirs: dict[str, str]) -> Iterator[tuple[str, Alarm]]:
    for name in sorted(base.keys() | theirs.keys()):
        one, other = base.get(name), theirs.get(name)
        if one == other or ((one or other or "").startswith(_NOT_CAUGHT) and not _lost(one, other)):
            continue
        detail = f"after the same calls {name} is: {other or 'not there'}; with the base: {one or 'not there'}"
        yield name, Alarm(kind="effects", detail=visible_line(detail, 400), place=visible_line(name, 120))


def _lost(one: str | None, other: str | None) -> set[str]:
    """Names under which an exception of the base can be caught and the candidate's cannot; a new one loses nothing."""
    if one is None or other is None:
        return set()
    return set(one.split()) - set(other.split())


def _rows(answer: Answer) -> dict[str, str]:
    match answer.seen:
        case [seen] if seen.ending == "v":
            value: Any = seen.value
            return {row[1]: row[2] for row in value[1:] if _is_row(row)} if type(value) is list else {}
    return {}


def _is_row(row: Any) -> bool:
    return type(row) is list and len(row) == 3 and all(type(part) is str for part in row)
