"""Call scripts: what an oracle asked of a worker, freed of handles so that any other worker can be asked the same.

Values stay in the pipe's own JSON form (`crossing.py`), with some marks more: `["#", module, name]` something that a
module in scope holds under a name, `["$", step, …]` what an earlier step of the script answered (a path into its reply
follows), `["&", n]` a callback of the host's, `["!", name, text]` an exception of the host's, and `0` for the number of
a container. Pure; asks nobody.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from pydantic import Field

from harness.records import Record, canonical_json

OPS: Final = frozenset(
    ["call", "m", "get", "set", "del", "item", "contains", "send", "throw", "close", "drain", "copy"]
)
MOST_STEPS: Final = 40
MOST_BYTES: Final = 4 * 1024 * 1024  # of one base's recording
_LONGEST: Final = 16 * 1024  # bytes of one script
CONTAINERS: Final = frozenset(("l", "S", "d", "O", "N", "P", "D", "q", "B"))
Item = TypeVar("Item")
LEAVES: Final = frozenset(("i", "x", "s", "b", "e", "n", "g", "m", "j"))


class Step(Record):
    """One request: an operation of the worker, its arguments, and keyword arguments as [name, value]."""

    op: str
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...] = ()


class Script(Record):
    """Requests that belong together since they share objects; `answers` is what its callbacks answer in turn.

    The steps from `observed` on are the host's own looks at the objects, not something that a suite asked.
    """

    steps: tuple[Step, ...]
    answers: tuple[Any, ...] = ()
    observed: int

    @property
    def asked(self) -> tuple[Step, ...]:
        """The steps without the looks at the end."""
        return self.steps[: self.observed]


class Recording(Record):
    """All different scripts of a base's suite, how many did not fit, and public properties by class."""

    scripts: tuple[Script, ...] = ()
    left: int = 0
    properties: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)


def once(step: Step) -> Step:
    """What an `again` (times, seconds, operation, …) or the last row of an `acts` repeats; any other step itself."""
    match step.op, step.args:
        case "again", (_, _, str(op), *args):
            return Step(op=op, args=tuple(args), kwargs=step.kwargs)
        case "acts", (_, _, ["t", *_, ["t", str(op), ["t", *args], *_]]):
            return Step(op=op, args=tuple(args))
    return step


def callee(script: Script, at: int) -> str:
    """What a step is about, such as `pkg.Stock.reserve`: the unit by which differences are grouped."""
    step = once(script.steps[at])
    match step.args:
        case (first, str(name), *_) if step.op in ("m", "get", "set", "del"):
            return f"{owner(script, first)}.{name}"
        case (first, *_):
            return owner(script, first) + {"item": "[]", "contains": "[]"}.get(step.op, "")
    return step.op


def owner(script: Script, value: Any) -> str:
    """The name of a function, a class, or of what made an object."""
    match value:
        case ["#", module, name]:
            return f"{module}.{name}"
        case ["m", name]:
            return str(name)
        case ["$", int(step), *_] if script.steps[step].op == "call":
            return callee(script, step)
        case ["$", int(step), *_]:
            return f"{callee(script, step)}()"
    return "object"


def subject(script: Script) -> str:
    """What a script is there to ask: the last thing that it asks itself."""
    return callee(script, max(0, script.observed - 1))


def mapped(value: Any, change: Callable[[list[Any]], Any]) -> Any:
    """A copy of a value in which `change` has replaced the marks of objects; everything else is copied."""
    if type(value) is not list or not value:
        return value
    if value[0] in LEAVES:
        return value
    if value[0] in ("#", "$", "&", "!", "y", "h", "c", "f", "o", "E", "@"):
        return change(value)
    return [mapped(item, change) if type(item) is list else item for item in value]


def parts_of(item: list[Any]) -> list[tuple[tuple[int, ...], list[Any]]]:
    """The values inside of a value, each with the way to it."""
    match item[0]:
        case "c":
            return [((5, at), base) for at, base in enumerate(item[5])]
        case "f":
            return []
        case "E":
            inside = [((key, at), part) for key in (3, 4) for at, part in enumerate(item[key])]
            return [((2,), item[2]), *((way, part) for way, part in inside if type(part) is list)]
    return [((at,), part) for at, part in enumerate(item) if type(part) is list]


def named_in(description: Any) -> list[tuple[str, list[Any]]]:
    """Names and values that the description of a module tells (its last part); none when it is no such thing."""
    match description:
        case ["t", str(), bool(), *_, ["t", *rows]]:
            return [(row[1], row[2]) for row in rows if type(row) is list and len(row) == 3 and type(row[1]) is str]
    return []


def needs(values: Iterable[Any]) -> set[int]:
    """The steps whose answers the values hold."""
    found: set[int] = set()

    def note(mark: list[Any]) -> Any:
        if mark[0] == "$":
            found.add(mark[1])
        return mark

    for value in values:
        mapped(value, note)
    return found


def moved(step: Step, places: Callable[[int], int]) -> Step:
    """The step with other numbers for the steps that it builds on."""

    def renumber(mark: list[Any]) -> Any:
        return ["$", places(mark[1]), *mark[2:]] if mark[0] == "$" else mark

    return step.model_copy(
        update={
            "args": tuple(mapped(value, renumber) for value in step.args),
            "kwargs": tuple((name, mapped(value, renumber)) for name, value in step.kwargs),
        }
    )


def values_of(step: Step) -> tuple[Any, ...]:
    """Arguments of both kinds."""
    return (*step.args, *(value for _, value in step.kwargs))


def selected(steps: tuple[Step, ...], chosen: Iterable[int]) -> tuple[Step, ...]:
    """The chosen steps with everything that they build on, in order and renumbered."""
    kept: set[int] = set()
    todo = list(chosen)
    while todo:
        at = todo.pop()
        if at not in kept:
            kept.add(at)
            todo += needs(values_of(steps[at]))
    order = {old: new for new, old in enumerate(sorted(kept))}
    return tuple(moved(steps[old], order.__getitem__) for old in order)


def kept_within(scripts: Iterable[Script], most: int = MOST_BYTES) -> Recording:
    """Different scripts up to a size; those of a subject that has few go before the rest of one that has many."""
    by_subject: dict[str, list[tuple[Script, int]]] = {}
    seen: set[bytes] = set()
    for script in scripts:
        data = canonical_json(script)
        if data not in seen:
            seen.add(data)
            by_subject.setdefault(subject(script), []).append((script, len(data)))
    found: list[Script] = []
    size = left = 0
    for script, length in in_turns(by_subject.values()):
        if length <= _LONGEST and size + length <= most:
            found.append(script)
            size += length
        else:
            left += 1
    return Recording(scripts=tuple(found), left=left)


def in_turns(groups: Iterable[Iterable[Item]]) -> Iterator[Item]:
    """One of each group, then a second of each, and so on."""
    waiting = [iter(group) for group in groups]
    while waiting:
        going = []
        for each in waiting:
            try:
                yield next(each)
            except StopIteration:
                continue
            going.append(each)
        waiting = going
