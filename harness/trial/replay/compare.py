"""Compares what two workers answered to the same scripts, exactly; asks nobody, and says nothing about who is right."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from harness.records import Record, canonical_json
from harness.trial.replay.answers import Answer, Seen
from harness.trial.replay.scripts import Script, callee

DifferenceKind = Literal["value", "error", "text", "time", "memory"]
Answers = Mapping[int, Answer]  # by the number of a script
_UNFINISHED: Final = ["t", 0, 0, None]
_WORDLESS: Final = {"words": ()}
_TYPE_ERRORS: Final = frozenset(("builtins.TypeError", "builtins.AttributeError"))
_GONE: Final = ("ended", "start", "size")


class Unlike(Record):
    """Where two answers to one script part: at which step, about what, and in what respect."""

    script: int
    at: int
    function: str
    kind: DifferenceKind


def unlike(script: Script, first: Answer, second: Answer, number: int = 0) -> Unlike | None:
    """The first step at which the answers are not the same; `text` only when nothing else differs anywhere."""
    if "not asked" in (first.lost, second.lost) or "no time left" in (first.lost, second.lost):
        return None
    worded: Unlike | None = None
    for at, (one, other) in enumerate(zip(first.seen, second.seen, strict=False)):
        if script.steps[at].op == "acts" and _UNFINISHED in (one.value, other.value):
            return worded  # how far each came is a matter of time, and what follows depends on it
        kind = _apart(script, at, one, other)
        if kind is None:
            continue
        found = Unlike(script=number, at=at, function=callee(script, at), kind=kind)
        if kind != "text":
            return found
        worded = worded or found
    if first.lost != second.lost and len(first.seen) != len(second.seen):
        at = min(len(first.seen), len(second.seen))
        lost = first.lost or second.lost
        kind = "memory" if lost in _GONE else "time"
        return Unlike(script=number, at=at, function=callee(script, at), kind=kind)
    return worded


def differing(scripts: Sequence[Script], first: Answers, second: Answers) -> dict[int, Unlike]:
    """By the number of a script, for those that both have answered and not alike."""
    pairs = ((at, unlike(scripts[at], answer, second[at], at)) for at, answer in first.items() if at in second)
    return {at: each for at, each in pairs if each is not None}


def _apart(script: Script, at: int, one: Seen, other: Seen) -> DifferenceKind | None:
    if one.ending == "f" and other.ending == "f":
        return None
    # As JSON: for Python 1, 1.0 and True are equal.
    if canonical_json(one.model_copy(update=_WORDLESS)) == canonical_json(other.model_copy(update=_WORDLESS)):
        return None if one.words == other.words else "text"
    if "builtins.MemoryError" in (_error(one), _error(other)):
        return "memory"
    if one.ending == other.ending == "x":
        both = {_error(one), _error(other)}
        return "text" if both <= _TYPE_ERRORS else "error"
    step = script.steps[at]
    is_text = at >= script.observed and step.op == "m" and step.args[1:] == ("__repr__",)
    return "text" if is_text and one.ending == other.ending else "value"


def _error(seen: Seen) -> str:
    return str(seen.value[1]) if seen.ending == "x" and type(seen.value) is list else ""
