"""Longer ways through an object's life than a suite takes: walks, repeats, depth, exceptions where none came; pure.

An *act* is one step that a suite takes on an object, with the steps that make what it needs. Acts of all scripts whose
object is made by the same callee can be taken on any one of them.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.records import canonical_json
from harness.trial.replay.scripts import Script, Step, callee, mapped, moved, needs, selected, values_of

LONGEST: Final = 30  # acts of a walk
OFTEN, DEEP = 330, 1_200  # times that one act is taken on one object
_SECONDS: Final = 0.6  # for those, at most
_SHORT: Final = 40
_REPEATABLE: Final = frozenset(("call", "m", "get", "set", "item", "contains"))
ERRORS: Final = ("ValueError", "KeyError", "AssertionError", "RuntimeError", "OSError", "LookupError")
_GENERATOR_STEPS: Final = ("send", "__next__")


@dataclass(frozen=True)
class Act:
    """Steps in which 0 stands for the object and 1 + n for the act's own step n; the last is what it is about."""

    steps: tuple[Step, ...]


class Walks:
    """What can be done to objects, by the callee that makes them; chances come from the caller's generator.

    Ways that do not end with the script's own acts end with some that a `favoured` name is in, so that a change shows.
    """

    def __init__(
        self, scripts: Iterable[Script], chance: random.Random, favoured: frozenset[str] = frozenset()
    ) -> None:
        self._chance = chance
        self._acts: dict[str, list[Act]] = {}
        self._favoured: dict[str, list[Act]] = {}
        seen: set[bytes] = set()
        for script in scripts:
            hub = hub_of(script)
            if hub is None:
                continue
            name = callee(script, hub)
            for act in acts_of(script, hub):
                data = name.encode() + canonical_json([step.model_dump() for step in act.steps])
                if data not in seen:
                    seen.add(data)
                    self._acts.setdefault(name, []).append(act)
                    if favoured & _names_in(act):
                        self._favoured.setdefault(name, []).append(act)

    def variant(self, script: Script) -> Script:
        """One of: a walk, a part repeated, one step taken very often, an exception; the script where none fits."""
        hub = hub_of(script)
        ways = [self._raising]
        if hub is not None and self._acts.get(callee(script, hub)):
            ways += [self._walk, self._walk, self._again, self._turned, self._series, self._often]
        for way in self._chance.sample(ways, len(ways)):
            made = way(script, hub or 0)
            if made is not script:
                return made
        return script

    def _walk(self, script: Script, hub: int) -> Script:
        """The object as the script makes it, then acts of all scripts in any order."""
        acts = self._acts[callee(script, hub)]
        few = self._chance.sample(acts, min(len(acts), self._chance.choice((2, 3, 6))))
        few += self._some(self._favoured.get(callee(script, hub), []), 1)
        way = [self._chance.choice(few) for _ in range(self._chance.randint(3, LONGEST))]
        return grown(script, hub, [*way, *self._ending(script, hub)])

    def _ending(self, script: Script, hub: int) -> list[Act]:
        """What is done last: the script's own acts, and others, of which those that the change is about come first."""
        name = callee(script, hub)
        own = acts_of(script, hub)[:8] if self._chance.random() < 0.5 else []
        return [*own, *self._some(self._favoured.get(name, []), 2), *self._some(self._acts[name], 2)]

    def _some(self, acts: list[Act], most: int) -> list[Act]:
        return self._chance.sample(acts, min(len(acts), most))

    def _again(self, script: Script, hub: int) -> Script:
        """Some of the script's steps once more or several times, as they came; or its acts the other way round."""
        if self._chance.random() < 0.3:
            own = acts_of(script, hub)
            return grown(script, hub, [*own, *own[::-1]][:LONGEST]) if own else script
        body = [at for at in range(script.observed) if at not in closed(script.steps, {hub})]
        if not body:
            return script
        start = self._chance.choice(body)
        end = min(script.observed, start + self._chance.choice((2, 4, 8, 20)))
        whole = body[0], script.observed
        start, end = self._chance.choice(((start, end), whole))
        return _repeated_part(script, start, end, self._chance.choice((1, 1, 2, 4)))

    def _turned(self, script: Script, hub: int) -> Script:
        """An act followed by the same with two of its arguments exchanged, as what would undo it."""
        acts = [act for act in self._acts[callee(script, hub)] if _alike(act.steps[-1])]
        if not acts:
            return script
        act = self._chance.choice(acts)
        *before, last = act.steps
        one, other = self._chance.choice(_alike(last))
        args = list(last.args)
        args[one], args[other] = args[other], args[one]
        back = Act((*before, last.model_copy(update={"args": tuple(args)})))
        own = acts_of(script, hub)[:8]
        return grown(script, hub, [act, back, *self._chance.choice(([], [act], [back])), *own])

    def _series(self, script: Script, hub: int) -> Script:
        """One act many times, a number or a text of it another one each time: more of them than a suite has."""
        acts = [act for act in self._acts[callee(script, hub)] if _counted(act.steps[-1])]
        if not acts:
            return script
        act = self._chance.choice(acts)
        *before, last = act.steps
        at = self._chance.choice(_counted(last))
        step = self._chance.choice((1, 1, -1, 7))
        rows = []
        for number in range(self._chance.choice((9, 13, 40))):
            args = list(last.args)
            args[at] = f"{args[at]}{number}" if type(args[at]) is str else args[at] + step * number
            rows.append(Act((*before, last.model_copy(update={"args": tuple(args)}))))
        return grown(script, hub, [*rows, *self._ending(script, hub)])

    def _often(self, script: Script, hub: int) -> Script:
        """One act very often on one object, then the script's own once more."""
        act = self._chance.choice(self._acts[callee(script, hub)])
        many = repeated(act, self._chance.choice((OFTEN, DEEP)))
        if many is None:
            return script
        own = acts_of(script, hub)[:6]
        return grown(script, hub, [*own, Act((many,)), *self._ending(script, hub)])

    def _raising(self, script: Script, hub: int) -> Script:
        """A callback, the block of a context manager or a generator meets an exception."""
        error = ["!", self._chance.choice(ERRORS), "at the wrong moment"]
        ways = []
        if any(_has_callback(step) for step in script.asked):
            ways.append(lambda: self._answering(script, error))
        exits = [at for at, step in enumerate(script.asked) if step.op == "m" and step.args[1:2] == ("__exit__",)]
        if exits:
            ways.append(lambda: _left_with(script, self._chance.choice(exits), error))
        steps = [at for at, step in enumerate(script.asked) if _is_turn(step)]
        if steps:
            ways.append(lambda: self._thrown(script, self._chance.choice(steps), error))
        return self._chance.choice(ways)() if ways else script

    def _answering(self, script: Script, error: list[Any]) -> Script:
        """The callbacks answer otherwise: one raises, or all give something else."""
        answers = list(script.answers) or [None]
        if self._chance.random() < 0.6:
            answers.insert(self._chance.randint(0, min(3, len(answers))), error)
        else:
            answers = [self._chance.choice((None, True, False, 0, 7, -1.5, "", "other", ["l", 0]))]
        return script.model_copy(update={"answers": tuple(answers)})

    def _thrown(self, script: Script, at: int, error: list[Any]) -> Script:
        """Thrown into, or closed, and then asked what is left."""
        owner = script.steps[at].args[0]
        thrown = Step(op="m", args=(owner, "throw", error))
        closed = Step(op="m", args=(owner, "close"))
        first = self._chance.choice((thrown, closed, thrown))
        rest = [Step(op="drain", args=(owner, 20, False)), *self._chance.choice(((), (closed,)))]
        made = inserted(script, at + 1, [first])
        return inserted(made, made.observed, rest)


def repeated(act: Act, times: int) -> Step | None:
    """One step that takes an act so often; None where it cannot be told as one."""
    rows: list[Any] = []
    for step in act.steps:
        own = [(at, value[1] - 1) for at, value in enumerate(step.args) if _is_own(value)]
        inner = sum(1 for need in needs(values_of(step)) if need)
        if step.op not in _REPEATABLE or inner != len({number for _, number in own}):
            return None
        args = [None if _is_own(value) else value for value in step.args]
        places = [["t", at, number] for at, number in own]
        rows.append(["t", step.op, ["t", *args], ["t", *places], ["t", *(["t", *pair] for pair in step.kwargs)]])
    return Step(op="acts", args=(times, _SECONDS, ["t", *rows]))


def _names_in(act: Act) -> set[str]:
    """Names of the functions, methods and attributes that an act is about."""
    found = {part for step in act.steps for part in step.args[1:2] if type(part) is str}
    called = [step.args[0] for step in act.steps if step.op == "call"]
    return found | {value[2] for value in called if type(value) is list and value[0] == "#"}


def _is_own(value: Any) -> bool:
    """What an earlier step of the same act answered, as it is."""
    return type(value) is list and len(value) == 2 and value[0] == "$" and value[1] > 0


def _alike(step: Step) -> list[tuple[int, int]]:
    """Pairs of places whose arguments are of one kind and not the same."""
    first = 2 if step.op == "m" else 1
    places = range(first, len(step.args))
    return [
        (one, other)
        for one in places
        for other in places[one - first + 1 :]
        if type(step.args[one]) is type(step.args[other]) and step.args[one] != step.args[other]
    ]


def _counted(step: Step) -> list[int]:
    """Places of numbers and short texts that can be counted on."""
    first = 2 if step.op == "m" else 1
    return [
        at
        for at, value in enumerate(step.args)
        if at >= first and (type(value) is int or (type(value) is str and len(value) < _SHORT))
    ]


def _repeated_part(script: Script, start: int, end: int, times: int) -> Script:
    """The steps from `start` to before `end` again at the script's end; what is made in them is made anew each time."""
    steps = list(script.asked)
    for _ in range(times):
        first = len(steps)

        def place(number: int, first: int = first) -> int:
            return first + number - start if start <= number < end else number

        steps += [moved(step, place) for step in script.asked[start:end]]
    looks = script.steps[script.observed :]
    return script.model_copy(update={"steps": (*steps, *looks), "observed": len(steps)})


def hub_of(script: Script) -> int | None:
    """The call whose answer most of the other steps are about; None where nothing is."""
    count: dict[int, int] = {}
    for step in script.asked:
        for at in needs(step.args[:1]):
            if script.steps[at].op == "call":
                count[at] = count.get(at, 0) + 1
    return max(count, key=lambda at: (count[at], -at)) if count else None


def acts_of(script: Script, hub: int) -> list[Act]:
    """What the script does to the object, or to what that gave, each act with what it needs beside it."""
    made = closed(script.steps, {hub})
    acts = []
    for at in range(script.observed):
        whole = closed(script.steps, {at})
        if at in made or hub not in whole:
            continue
        own = sorted(whole - made)
        places = {hub: 0, **{old: 1 + new for new, old in enumerate(own)}}
        # What the object was made of may be asked for again, and then it is another one: such an act cannot move.
        if all(need in places for old in own for need in needs(values_of(script.steps[old]))):
            acts.append(Act(tuple(moved(script.steps[old], places.__getitem__) for old in own)))
    return acts


def closed(steps: Sequence[Step], wanted: set[int]) -> set[int]:
    """The wanted steps and all that they build on."""
    kept: set[int] = set()
    todo = list(wanted)
    while todo:
        at = todo.pop()
        if at not in kept:
            kept.add(at)
            todo += needs(values_of(steps[at]))
    return kept


def grown(script: Script, hub: int, acts: Iterable[Act]) -> Script:
    """The script's object, then these acts, then the script's own looks at it."""
    kept = sorted(closed(script.steps, {hub}))
    steps = list(selected(script.steps, kept))
    root = kept.index(hub)
    for act in acts:
        start = len(steps)

        def place(number: int, start: int = start) -> int:
            return root if number == 0 else start + number - 1

        steps += [moved(step, place) for step in act.steps]
    observed = len(steps)
    looks = [step for step in script.steps[script.observed :] if needs(values_of(step)) == {hub}]
    steps += [moved(step, lambda _: root) for step in looks]
    return script.model_copy(update={"steps": tuple(steps), "observed": observed})


def inserted(script: Script, at: int, more: Sequence[Step]) -> Script:
    """The script with steps before the one at `at`; those behind it count on."""

    def place(number: int) -> int:
        return number + len(more) if number >= at else number

    behind = tuple(moved(step, place) for step in script.steps[at:])
    steps = (*script.steps[:at], *more, *behind)
    return script.model_copy(update={"steps": steps, "observed": script.observed + len(more)})


def _left_with(script: Script, at: int, error: list[Any]) -> Script:
    step = script.steps[at]
    args = (*step.args[:2], ["g", "builtins", error[1]], error, None)
    changed = step.model_copy(update={"args": args})
    return script.model_copy(update={"steps": (*script.steps[:at], changed, *script.steps[at + 1 :])})


def _is_turn(step: Step) -> bool:
    return step.op == "drain" or (step.op == "m" and step.args[1:2] != () and step.args[1] in _GENERATOR_STEPS)


def _has_callback(step: Step) -> bool:
    found: list[Any] = []

    def note(mark: list[Any]) -> Any:
        if mark[0] == "&":
            found.append(mark)
        return mark

    for value in values_of(step):
        mapped(value, note)
    return bool(found)
