"""Turns the lines between an oracle and its workers into call scripts while they pass; asks nobody, changes nothing.

Only the base's own run is recorded, so the lines are trusted; what cannot be asked again (objects of the tests,
classes made by tests, stopped clocks) is left out together with whatever depends on it.
"""

from typing import Any, Final

from harness.trial.replay.scripts import (
    CONTAINERS,
    MOST_STEPS,
    OPS,
    Recording,
    Script,
    Step,
    kept_within,
    mapped,
    named_in,
    needs,
    parts_of,
    values_of,
)
from harness.trial.replay.scripts import selected as chosen

_DEEPEST: Final = 20
_MOST_LOOKS: Final = 6
_LOOKED_AT: Final = ("__repr__", "__len__")
_INNER: Final = ("_", "cr_", "gi_", "ag_")
_CALLABLE: Final = frozenset(
    [("builtins", "builtin_function_or_method"), ("builtins", "method"), ("functools", "partial")]
)
_MOST_SCRIPTS: Final = 20_000


class Lost(Exception):
    """This value cannot be asked for again."""


class Recorder:
    """`hear` takes each line that was relayed, in order; `recording` what it amounts to."""

    def __init__(self) -> None:
        self._scripts: list[Script] = []
        self._aliases: dict[tuple[str, str], list[Any]] = {}
        self._properties: dict[str, tuple[str, ...]] = {}
        self._life = _Life(self._aliases, self._properties)

    def fresh(self) -> None:
        """From here on another worker answers."""
        if len(self._scripts) < _MOST_SCRIPTS:
            self._scripts += self._life.scripts()
        self._life = _Life(self._aliases, self._properties)

    def hear(self, who: str, frame: dict[str, Any]) -> None:
        """One message of the oracle ("J") or the worker ("W")."""
        self._life.hear(who, frame)

    def recording(self) -> Recording:
        """Bounded; what was heard counts up to here."""
        self.fresh()
        return kept_within(self._scripts).model_copy(update={"properties": dict(self._properties)})


class _Life:
    """What passed between the oracle and one worker."""

    def __init__(self, aliases: dict[tuple[str, str], list[Any]], properties: dict[str, tuple[str, ...]]) -> None:
        self._aliases = aliases
        self._properties = properties
        self._marks: dict[int, list[Any]] = {}  # handle of the worker: how to come by it again
        self._names: dict[int, list[Any]] = {}  # handle of a class: the names that it was described with
        self._shared: dict[int, list[Any]] = {}
        self._callables: set[int] = set()  # handles of the oracle: what the tests hand over to be called
        self._steps: list[Step] = []
        self._kinds: dict[int, int] = {}  # step that answered an object: the handle of its class
        self._iterators: set[int] = set()
        self._answers: list[Any] = []
        self._open: list[tuple[str, Step | None]] = []
        self._importing = False
        self._packages: set[str] = set()

    def hear(self, who: str, frame: dict[str, Any]) -> None:
        for number, item in frame.get("y", ()):
            self._shared[number] = item
        if "q" in frame:
            self._request(who, frame)
        else:
            self._reply(who, frame)

    def _request(self, who: str, frame: dict[str, Any]) -> None:
        for item in (*frame["a"], *(value for _, value in frame.get("k", ()))):
            self._host(item) if who == "J" else self._learn(item)
        self._open.append((who, self._step(frame) if who == "J" and not self._open else None))

    def _reply(self, who: str, frame: dict[str, Any]) -> None:
        asker, step = self._open.pop()
        item: Any = frame.get("v", frame.get("x"))
        if asker == "W":
            self._answer(item)
            return
        if self._importing and "v" in frame:
            self._alias(item)
        at = len(self._steps) if step is not None and "f" not in frame else None
        if step is not None and at is not None:
            self._steps.append(step)
        self._learn(item, None if at is None else ["$", at], outer=at)

    def _answer(self, item: Any) -> None:
        """What a callback of the tests answered."""
        self._host(item)
        try:
            self._answers.append(self._symbolic(item))
        except Lost:
            self._answers.append(None)

    def _step(self, frame: dict[str, Any]) -> Step | None:
        op, args = frame["op"], frame["a"]
        self._importing = op == "import"
        if self._importing:
            self._packages.add(args[0].partition(".")[0])
        if op not in OPS or frame.get("clock") or _is_noise(op, args):
            return None
        try:
            return Step(
                op=op,
                args=tuple(self._symbolic(item) for item in args),
                kwargs=tuple((name, self._symbolic(item)) for name, item in frame.get("k", ())),
            )
        except Lost:
            return None

    def _symbolic(self, item: Any, depth: int = 0) -> Any:
        if depth > _DEEPEST:
            raise Lost

        def replaced(mark: list[Any]) -> Any:
            match mark:
                case ["y", handle] if handle in self._marks:
                    return self._marks[handle]
                case ["f", *_]:
                    return ["&", 0]
                case ["o" | "h", handle, *_] if handle in self._callables:
                    return ["&", 0]
                case ["@", number] if number in self._shared:
                    return self._symbolic(self._shared[number], depth + 1)
            raise Lost

        made = mapped(item, replaced)
        return _unnumbered(made)

    def _host(self, item: Any) -> None:
        """Notes containers and callables in what the oracle says; its handles are not the worker's."""
        if type(item) is not list or not item:
            return
        if item[0] in CONTAINERS and item[1]:
            self._shared[item[1]] = item
        if item[0] == "f" or (item[0] == "o" and item[2][:1] == ["g"] and tuple(item[2][1:3]) in _CALLABLE):
            self._callables.add(item[1])
        for _, part in parts_of(item):
            self._host(part)

    def _learn(self, item: Any, place: list[Any] | None = None, outer: int | None = None) -> None:
        """Notes every object and container that a value describes; `place` is where in a reply it stands."""
        if type(item) is not list or not item:
            return
        tag = item[0]
        if tag in CONTAINERS and item[1]:
            self._shared[item[1]] = item
        if tag in ("c", "f"):
            self._named(item, place)
        elif tag in ("o", "E"):
            if place is not None:
                self._marks.setdefault(item[1], place)
            if tag == "o" and outer is not None and place == ["$", outer]:
                self._kind(outer, item[2])
        for at, part in parts_of(item):
            self._learn(part, None if place is None else [*place, *at])

    def _named(self, item: list[Any], place: list[Any] | None) -> None:
        _, handle, _, module, qualname, *rest = item
        if item[0] == "c" and module.partition(".")[0] in self._packages:
            self._names[handle] = rest[1]
            public = [name for name, kind in rest[1] if kind == "p" and not name.startswith("_")]
            self._properties[f"{module}.{qualname}"] = tuple(public[:_MOST_LOOKS])
        if "<" not in qualname:
            self._marks[handle] = self._aliases.setdefault((module, qualname), ["#", module, qualname])
        elif place is not None:
            self._marks.setdefault(handle, place)

    def _alias(self, description: list[Any]) -> None:
        """What a module holds is asked for as the tests come by it, wherever it is defined."""
        for name, value in named_in(description):
            match value:
                case ["c" | "f", _, _, str(home), str(qualname), *_]:
                    self._aliases.setdefault((home, qualname), ["#", description[1], name])

    def _kind(self, at: int, kind: list[Any]) -> None:
        if kind[0] in ("c", "h"):
            self._kinds[at] = kind[1]
        elif kind[0] == "g":
            self._iterators.add(at)

    # scripts

    def scripts(self) -> list[Script]:
        """Steps that share objects, together and in order, at most so many in one script."""
        groups: dict[int, list[int]] = {}
        roots: list[int] = []
        for at, step in enumerate(self._steps):
            earlier = {roots[other] for other in needs(values_of(step))}
            root = min(earlier, default=at)
            roots.append(root)
            groups.setdefault(root, []).append(at)
            for other in earlier - {root}:
                for each in groups.pop(other):
                    roots[each] = root
                    groups[root].append(each)
        return [self._script(sorted(part)) for group in groups.values() for part in _parts(sorted(group))]

    def _script(self, group: list[int]) -> Script:
        steps = chosen(tuple(self._steps), group)
        kept = sorted(self._closed(group))
        looks = [look for new, old in enumerate(kept) for look in self._looks(new, old, steps)][: 2 * _MOST_LOOKS]
        return Script(steps=(*steps, *looks), answers=tuple(self._answers[:50]), observed=len(steps))

    def _closed(self, group: list[int]) -> set[int]:
        kept: set[int] = set()
        todo = list(group)
        while todo:
            at = todo.pop()
            if at not in kept:
                kept.add(at)
                todo += needs(values_of(self._steps[at]))
        return kept

    def _looks(self, new: int, old: int, steps: tuple[Step, ...]) -> list[Step]:
        """Steps that look at the object which a step answered: properties, text and length that its class has."""
        mark = ["$", new]
        if old in self._iterators and not any(mark in values_of(step) for step in steps):
            return [Step(op="drain", args=(mark, 20, True))]
        names = self._names.get(self._kinds.get(old, 0), [])
        found = [Step(op="get", args=(mark, name)) for name, kind in names if kind == "p" and not name.startswith("_")]
        found += [Step(op="m", args=(mark, name)) for name, kind in names if kind == "f" and name in _LOOKED_AT]
        return found[:_MOST_LOOKS]


def _parts(group: list[int]) -> list[list[int]]:
    return [group[at : at + MOST_STEPS] for at in range(0, len(group), MOST_STEPS)]


def _is_noise(op: str, args: list[Any]) -> bool:
    """What pytest asks of everything that it finds, by private names, and what leads to an interpreter's frames."""
    return op == "get" and len(args) > 1 and type(args[1]) is str and args[1].startswith(_INNER)


def _unnumbered(item: Any) -> Any:
    if type(item) is not list or not item:
        return item
    if item[0] in CONTAINERS:
        return [item[0], 0, *(_unnumbered(part) for part in item[2:])]
    return [_unnumbered(part) if type(part) is list else part for part in item]
