"""What the same calls did to the processes of both arms beyond their answers: compared row by row, told as alarms."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from harness.records import Alarm, Arm
from harness.text import visible_line
from harness.trial.inputs import WORK
from harness.trial.replay.answers import Answer
from harness.trial.replay.panel import Panel, Series
from harness.trial.replay.scripts import Script, Step

LAST: Final = Script(steps=(Step(op="effects", args=()),), observed=1)
_ARMS: Final[tuple[Arm, Arm]] = ("baseline", "candidate")
_TOLD: Final = 10  # alarms
_NOT_CAUGHT: Final = "can be caught as "


def effects(panel: Panel, scripts: Sequence[Script], base: Answer, theirs: Answer) -> tuple[Alarm, ...]:
    """Asks fresh workers of both arms once more where the first ones were not left alike.

    A file that the arms' trees themselves do not share, and that lies there as it came, is nothing that was left.
    """
    ours, others = (_changed(panel.files[arm], panel.files[other]) for arm, other in (_ARMS, _ARMS[::-1]))
    if not _apart(_rows(base, ours), _rows(theirs, others)):
        return ()
    asked = (*scripts, LAST)
    told = panel.ask(Series("baseline", asked), Series("candidate", asked), Series("baseline", asked))
    first, second, third = (_rows(each[-1], own) for each, own in zip(told, (ours, others, ours), strict=True))
    steady = {name for name, text in first.items() if third.get(name) == text}
    found = [alarm for name, alarm in _apart(first, second) if name in steady or name not in first]
    return tuple(found[:_TOLD])


def _apart(base: dict[str, str], theirs: dict[str, str]) -> list[tuple[str, Alarm]]:
    """Rows that are not the same; none where one of the workers did not live to tell."""
    return list(_alarms(base, theirs)) if base and theirs else []


def _changed(files: Mapping[str, bytes], others: Mapping[str, bytes]) -> dict[str, int]:
    """Sizes by place of an arm's own files that the other one does not have, or has otherwise."""
    return {f"{WORK}/{path}": len(data) for path, data in files.items() if others.get(path) != data}


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


def _rows(answer: Answer, own: Mapping[str, int]) -> dict[str, str]:
    """What the worker told, less the arm's own changed files as long as they have the size that they came with."""
    match answer.seen:
        case [seen] if seen.ending == "v" and type(seen.value) is list:
            value: Any = seen.value
            told = {row[1]: row[2] for row in value[1:] if _is_row(row)}
            return {
                name: text
                for name, text in told.items()
                if name not in own or not text.endswith(f", {own[name]} bytes")
            }
    return {}


def _is_row(row: Any) -> bool:
    return type(row) is list and len(row) == 3 and all(type(part) is str for part in row)
