"""Makes scripts that nobody has run out of scripts that a suite ran: other arguments, order, repetition, mixture.

Pure: the same scripts, seed, literals and budget give the same mutations. The seed is secret until a trial is over, so
no source can know what it will be asked.
"""

import random
from collections.abc import Sequence
from typing import Any, Final

from harness.records import canonical_json
from harness.trial.replay.literals import Literals
from harness.trial.replay.scripts import (
    CONTAINERS,
    MOST_STEPS,
    Script,
    Step,
    in_turns,
    needs,
    subject,
    values_of,
)
from harness.trial.replay.unusual import pools
from harness.trial.replay.walks import Walks, inserted

_LARGEST: Final = 64 * 1024  # bytes of one script
_TRIES: Final = 4  # drafts for each mutation that is wanted
_FAVOUR: Final = 10  # turns of a favoured subject
_SEEN: Final = 200
_MANY: Final = 60  # items that are made one by one
_TIMES: Final = (2, 3, 10)
_ALIKE: Final = {"l": "list", "d": "dict", "S": "set", "t": "tuple", "F": "set", "O": "dict"}
Site = tuple[int, tuple[int | str, ...]]  # step, and the way to a value: argument number or keyword, then positions


def mutations(
    scripts: Sequence[Script], seed: int, literals: Literals, budget: int, favoured: frozenset[str] = frozenset()
) -> tuple[Script, ...]:
    """Different scripts with about `budget` steps in all; each subject gets its turn, one with a favoured name more."""
    groups: dict[str, list[Script]] = {}
    for script in scripts:
        groups.setdefault(subject(script), []).append(script)
    if not groups:
        return ()
    maker = _Maker(groups, seed, literals, favoured)
    known = {canonical_json(script) for script in scripts}
    found: list[Script] = []
    spent = 0
    turns = [name for name in sorted(groups) for _ in range(_FAVOUR if favoured & set(name.split(".")) else 1)]
    for script in in_turns([maker.endless(name, budget * _TRIES) for name in turns]):
        if spent >= budget:
            break
        data = canonical_json(script)
        if data not in known and len(data) <= _LARGEST:
            known.add(data)
            found.append(script)
            spent += len(script.steps)
    return tuple(found)


class _Maker:
    def __init__(
        self, groups: dict[str, list[Script]], seed: int, literals: Literals, favoured: frozenset[str]
    ) -> None:
        self._groups = groups
        self._random = random.Random(seed)  # noqa: S311 - the seed is the secret
        self._pools = pools(seed % 2**64, literals)
        self._seen: dict[str, list[Any]] = {}
        self._walks = Walks((each for group in groups.values() for each in group), self._random, favoured)
        for script in (each for group in groups.values() for each in group):
            for step in script.asked:
                self._note(values_of(step))

    def endless(self, name: str, most: int) -> Any:
        """Mutations of one subject's scripts."""
        for _ in range(most):
            yield self._mutated(self._random.choice(self._groups[name]), name)

    def _mutated(self, script: Script, name: str) -> Script:
        chance = self._random.random()
        if len(script.asked) > 1 and chance < 0.4:
            script = self._walks.variant(script)
            if self._random.random() < 0.7:
                return script
        elif len(script.asked) > 1 and chance < 0.55:
            script = self._random.choice((self._repeated, self._swapped, self._mixed))(script, name)
            if self._random.random() < 0.5:
                return script
        for _ in range(1 if chance < 0.75 else self._random.randint(1, 4)):
            script = self._changed(script)
        return script

    # arguments

    def _changed(self, script: Script) -> Script:
        sites = [site for at, step in enumerate(script.asked) for site in _sites(at, step)]
        if not sites:
            return script
        last = [site for site in sites if site[0] == script.observed - 1]
        at, way = self._random.choice(last if last and self._random.random() < 0.5 else sites)
        step = script.steps[at]
        return _with_step(script, at, _replaced(step, way, self._other(_at(step, way))))

    def _other(self, value: Any) -> Any:
        """Another value for this one: mostly of its type."""
        kind = kind_of(value)
        chance = self._random.random()
        if chance < 0.06:
            return self._random.choice((None, True, 0, "", -1.5, "text", ["l", 0], ["t"], ["d", 0], ["b", "AA=="]))
        if kind in _ALIKE.values():
            return self._container(value)
        if chance < 0.25 and kind in ("int", "float", "str"):
            return self._near(value, kind)
        for pool, upto in ((self._pools.get(f"literal:{kind}", ()), 0.5), (self._seen.get(kind, ()), 0.6)):
            if pool and chance < upto:
                # The first ones of the literals are new in the candidate.
                return self._random.choice(pool[:12] if len(pool) > 12 and self._random.random() < 0.4 else pool)
        if kind == "bool":
            return not value
        pool = self._pools.get(kind, ())
        return self._random.choice(pool) if pool else self._random.choice((None, 0, "", ["l", 0]))

    def _varied(self, value: Any) -> Any:
        """The same, something near, or another one of its kind."""
        chance, kind = self._random.random(), kind_of(value)
        if chance < 0.3 or not kind:
            return value
        return self._near(value, kind) if chance < 0.6 and kind in ("int", "float", "str") else self._other(value)

    def _near(self, value: Any, kind: str) -> Any:
        """Something close to a value, in the way that a boundary or a key is missed."""
        if kind == "str" and type(value) is str:
            if self._random.random() < 0.5:
                return "".join(self._letter(letter) for letter in value)
            at = self._random.randint(0, len(value))
            letter = self._random.choice("aZ09 -.é")
            return self._random.choice(
                (value.upper(), value.lower(), value[::-1], value[:at] + letter + value[at:], value[:at], value * 2)
            )
        if kind == "int" and type(value) is int:
            return self._random.choice((value + 1, value - 1, -value, value * 2, value * 10, value // 2))
        if kind == "float" and type(value) is float:
            return self._random.choice((value + 1, -value, value * 10, value / 3, 0.0, float(int(value))))
        return value

    def _letter(self, letter: str) -> str:
        """Another one of its sort, often enough: what has a form keeps it."""
        if self._random.random() < 0.4 or not letter.isascii():
            return letter
        if letter.isdigit():
            return self._random.choice("0123456789")
        if letter.isalpha():
            return self._random.choice("aegiknorstuz" if letter.islower() else "AEGIKNORSTUZ")
        return letter

    def _container(self, value: list[Any]) -> list[Any]:
        start = 2 if value[0] in CONTAINERS else 1
        head, parts = value[:start], value[start:]
        pairs = value[0] in ("d", "O", "N")
        items = [parts[at : at + 2] for at in range(0, len(parts), 2)] if pairs else [[part] for part in parts]
        if not items:
            key = self._random.choice(self._pools["str"][:12])
            return [*head, *([key, self._other(0)] if pairs else [self._other(0)])]
        match self._random.randint(0, 5):
            case 0:
                items.pop(self._random.randrange(len(items)))
            case 1:
                items = []
            case 2:
                items.reverse()
            case 3:
                items.insert(self._random.randrange(len(items) + 1), self._random.choice(items))
            case 4 if not pairs:
                items = items * self._random.choice((2, 10, 50))
                if self._random.random() < 0.6:  # many different ones
                    items = [[self._varied(item[0])] for item in items[:_MANY]]
            case _:
                at = self._random.randrange(len(items))
                items[at] = [*items[at][:-1], self._other(items[at][-1])]
        if pairs or value[0] in ("S", "F"):
            items = list({canonical_json(item[0]): item for item in items}.values())
        return [*head, *(part for item in items for part in item)]

    # order, repetition, mixture

    def _repeated(self, script: Script, _: str) -> Script:
        """One step asked several times, on the same objects."""
        at = self._random.randrange(1, script.observed)
        copies = [script.steps[at]] * self._random.choice(_TIMES)
        return inserted(script, at, copies[: max(1, MOST_STEPS + 20 - len(script.steps))])

    def _swapped(self, script: Script, _: str) -> Script:
        """Two steps in the other order, when neither makes something that is needed between them."""
        at = self._random.randrange(1, script.observed)
        other = self._random.randrange(1, script.observed)
        first, second = min(at, other), max(at, other)
        used = {need for step in script.steps for need in needs(values_of(step))}
        steps = list(script.steps)
        if first == second or {first, second} & used or any(n >= first for n in needs(values_of(steps[second]))):
            return script
        steps[first], steps[second] = steps[second], steps[first]
        return script.model_copy(update={"steps": tuple(steps)})

    def _mixed(self, script: Script, _: str) -> Script:
        """Steps that another script takes on its first object, taken on this script's as well."""
        makers = {canonical_json(script.steps[0].args[:1])}
        others = [
            each
            for group in self._groups.values()
            for each in group
            if len(each.asked) > 1 and canonical_json(each.steps[0].args[:1]) in makers and each is not script
        ]
        if not others:
            return script
        other = self._random.choice(others)
        more = [step for step in other.asked[1:] if needs(values_of(step)) == {0}][:10]
        return inserted(script, self._random.randrange(1, script.observed + 1), more)

    def _note(self, values: Sequence[Any]) -> None:
        for value in values:
            kind = kind_of(value)
            pool = self._seen.setdefault(kind, [])
            if len(pool) < _SEEN and value not in pool:
                pool.append(value)
            if kind in _ALIKE.values():
                self._note([part for part in value[1:] if not _is_mark(part)])


def kind_of(value: Any) -> str:
    """The pool that a value belongs to; empty for what is no data."""
    match value:
        case None:
            return "none"
        case bool():
            return "bool"
        case int() | ["i", _]:
            return "int"
        case float() | ["x", _]:
            return "float"
        case str() | ["s", _]:
            return "str"
        case ["b", _]:
            return "bytes"
        case ["v", str(name), *_]:
            return f"v:{name}"
        case [str(tag), *_]:
            return _ALIKE.get(tag, "")
    return ""


def _is_mark(value: Any) -> bool:
    return type(value) is list and bool(value) and value[0] in ("#", "$", "&", "!", "g", "m")


def _sites(at: int, step: Step) -> list[Site]:
    """Where a step's arguments may be changed: not what is called, nor the name of a method."""
    fixed = 2 if step.op in ("m", "get", "set", "del") else 1
    if step.op in ("get", "del", "drain", "copy", "send", "throw", "close", "again", "acts"):
        return []
    found: list[Site] = []
    places: list[tuple[int | str, Any]] = [*list(enumerate(step.args))[fixed:], *step.kwargs]
    for place, value in places:
        _collect(value, (at, (place,)), found)
    return found


def _collect(value: Any, site: Site, found: list[Site]) -> None:
    kind = kind_of(value)
    if not kind:
        return
    found.append(site)
    if kind in _ALIKE.values():
        start = 2 if value[0] in CONTAINERS else 1
        for place, part in list(enumerate(value))[start : start + 20]:
            _collect(part, (site[0], (*site[1], place)), found)


def _at(step: Step, way: tuple[int | str, ...]) -> Any:
    first, *rest = way
    value = dict(step.kwargs)[first] if isinstance(first, str) else step.args[first]
    for place in rest:
        value = value[place]
    return value


def _replaced(step: Step, way: tuple[int | str, ...], new: Any) -> Step:
    first, *rest = way
    if isinstance(first, str):
        kwargs = tuple((name, _put(value, rest, new) if name == first else value) for name, value in step.kwargs)
        return step.model_copy(update={"kwargs": kwargs})
    args = tuple(_put(value, rest, new) if at == first else value for at, value in enumerate(step.args))
    return step.model_copy(update={"args": args})


def _put(value: Any, way: Sequence[int | str], new: Any) -> Any:
    if not way:
        return new
    return [_put(part, way[1:], new) if at == way[0] else part for at, part in enumerate(value)]


def _with_step(script: Script, at: int, step: Step) -> Script:
    return script.model_copy(update={"steps": (*script.steps[:at], step, *script.steps[at + 1 :])})
