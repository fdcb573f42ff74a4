"""Asks a worker the steps of call scripts, as an oracle would, and notes what it answers; compares nothing.

The worker is hostile: every line passes a `Floor`, as on the way to an oracle, and a breach ends it. What is kept of an
answer is free of handles and of anything else that differs between two workers without a meaning.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.container import Ended, Line, Overflow, Session
from harness.records import canonical_json
from harness.trial.crossing import Breach
from harness.trial.floor import LONGEST_LINE, Floor, parsed
from harness.trial.partner import encode
from harness.trial.replay.answers import Answer, Seen
from harness.trial.replay.scripts import CONTAINERS, LEAVES, Script, Step, mapped, named_in, parts_of

_SKIPPED: Final = "not asked"
_STARTING: Final = 30.0
_MOST_LOST: Final = 3  # workers that one series of questions may cost
_DEEPEST: Final = 12
_MOST_CALLBACKS: Final = 200
_LOOKED_INTO: Final = 12  # callbacks of a script during which its objects are looked at
_LOOKS: Final = 3
_RELEASED: Final = 500


class Missing(Exception):
    """A step builds on something that is not there."""


@dataclass(frozen=True)
class Terms:
    """How a worker is asked: seconds for one reply and until all is over; classes of the base by name:
    fields of those that are flattened, properties of those that are looked at.

    After `enough` seconds only the last script is still asked.
    """

    reply: float
    deadline: float
    shapes: dict[str, tuple[str, tuple[Any, ...]]]
    properties: Mapping[str, tuple[str, ...]]
    enough: float | None = None


def answers(start: Callable[[], Session], scripts: Iterable[Script], terms: Terms) -> tuple[Answer, ...]:
    """One answer for each script, from one worker after another where one is lost."""
    found: list[Answer] = []
    todo = list(scripts)
    for _ in range(_MOST_LOST):
        if len(found) == len(todo):
            break
        with start() as session:
            found += _from_one(session, todo[len(found) :], terms)
    return (*found, *[Answer(lost=_SKIPPED)] * (len(todo) - len(found)))


def _from_one(session: Session, scripts: list[Script], terms: Terms) -> Iterator[Answer]:
    """Answers as long as this worker lives."""
    ready = session.read_line(min(_STARTING, terms.deadline - time.monotonic()), LONGEST_LINE)
    if not isinstance(ready, Line) or ready.data != b'{"ready":1}':
        yield Answer(lost="start")
        return
    asker = Asker(session, terms)
    until = None if terms.enough is None else time.monotonic() + terms.enough
    for script in scripts:
        if until is not None and time.monotonic() > until and script is not scripts[-1]:
            yield Answer(lost=_SKIPPED)
            continue
        answer = asker.answer(script)
        yield answer
        if answer.lost:
            return


class Asker:
    """One worker's life."""

    def __init__(self, session: Session, terms: Terms) -> None:
        self.calls = 0
        self._session = session
        self._terms = terms
        self._floor = Floor()
        self._asked = 0
        self._handle = 0
        self._sid = -1
        self._named: dict[tuple[str, str], list[Any]] = {}
        self._class_names: dict[int, str] = {}
        self._errors: dict[int, str] = {}  # exceptions of the host's, which come back by their handles
        self._released: list[int] = []
        self._begin(())

    def _begin(self, callbacks: tuple[Any, ...]) -> None:
        self._answers = callbacks
        self._replies: list[Any] = []
        self._mine: dict[int, int] = {}  # container of this script: which one it is
        self._contents: dict[int, list[Any]] = {}
        self._objects: dict[int, int] = {}
        self._calls: list[Any] = []
        self._callbacks: dict[int, int] = {}  # handle of a callback: which one of this script it is
        self._theirs: dict[int, int] = {}  # container of the worker's: which one of this script it is
        self._looks: tuple[Step, ...] = ()

    def answer(self, script: Script) -> Answer:
        """The steps in order; the worker is not to be used again when the answer says that it is lost."""
        began = time.monotonic()
        self._begin(script.answers)
        looks = script.steps[script.observed :]
        self._looks = tuple(step for step in looks if step.op == "get" or "__len__" in step.args)[:_LOOKS]
        seen: list[Seen] = []
        lost = ""
        for step in script.steps:
            try:
                seen.append(self._ask(step))
            except Breach as breach:
                lost = breach.kind
                break
        kept = {item[1] for item in self._named.values() if type(item) is list and item[0] in ("o", "E")}
        self._released += sorted(self._objects.keys() - kept)[:_RELEASED]
        return Answer(seen=tuple(seen), lost=lost, seconds=round(time.monotonic() - began, 4))

    def _ask(self, step: Step) -> Seen:
        try:
            args = [self._concrete(value) for value in step.args]
            kwargs = [[name, self._concrete(value)] for name, value in step.kwargs]
        except Missing as missing:
            self._replies.append(None)
            return Seen(ending="-", value=str(missing))
        self._calls = []
        frame = self._request(step.op, args, kwargs)
        return self._noted(frame)

    def _noted(self, frame: dict[str, Any]) -> Seen:
        item: Any = frame.get("v", frame.get("x"))
        self._replies.append(item)
        known = ((self._which(number), value) for number, value in frame.get("y", ()))
        changed = [[which, self._normal(value)] for which, value in known if which is not None]
        words: list[Any] = [frame.get("p", []), [row[1] for row in frame.get("w", ())], frame.get("g", [])]
        if "x" in frame and item[0] == "E":
            words.append([self._normal(part) for part in item[3]])
        return Seen(
            ending="v" if "v" in frame else "x" if "x" in frame else "f",
            value=None if "f" in frame else self._whole(item),
            changed=tuple(changed),
            calls=tuple(self._calls),
            words=tuple(words),
        )

    # the pipe

    def _request(self, op: str, args: list[Any], kwargs: list[Any] | None = None) -> dict[str, Any]:
        """The reply to one request; callbacks of the worker are answered meanwhile."""
        self.calls += 1
        self._asked += 1
        frame: dict[str, Any] = {"q": self._asked, "op": op, "a": args}
        if kwargs:
            frame["k"] = kwargs
        if self._released:
            frame["d"], self._released = sorted(set(self._released)), []
        self._say(frame)
        while True:
            reply = self._heard()
            if "r" in reply:
                return reply
            self._serve(reply)

    def _say(self, frame: dict[str, Any]) -> None:
        self._floor.from_oracle(frame)
        self._session.send(encode(frame))

    def _heard(self) -> dict[str, Any]:
        left = self._terms.deadline - time.monotonic()
        if left <= 0:
            raise Breach("no time left", "all the time for questions is used up")
        reading = self._session.read_line(min(self._terms.reply, left), LONGEST_LINE)
        match reading:
            case Line(data=data):
                self._floor.from_worker(data)
                frame = parsed(data)
            case Ended():
                raise Breach("ended", "the worker's process ended")
            case Overflow():
                raise Breach("size", "a line too long")
            case _:
                raise Breach("time", "no answer in time")
        for item in (*frame.get("a", ()), frame.get("v"), frame.get("x"), *(row[1] for row in frame.get("y", ()))):
            self._learn(item)
        self._contents |= dict(frame.get("y", ()))
        return frame

    def _serve(self, frame: dict[str, Any]) -> None:
        """A callback: it answers what it did for the suite, in turn, and what it is given is noted."""
        if frame["op"] != "call" or len(self._calls) > _MOST_CALLBACKS:
            self._say({"r": frame["q"], "f": "a callback of the host has no such operation"})
            return
        which = self._callbacks.get(frame["a"][0][1], -1)
        noted = [which, *(self._normal(item) for item in frame["a"][1:])]
        self._calls.append(noted)
        number = len(self._calls)
        if number <= _LOOKED_INTO:
            noted += self._looked()
        answer = self._answers[(number - 1) % len(self._answers)] if self._answers else None
        ending = "x" if type(answer) is list and answer[:1] == ["!"] else "v"
        try:
            self._say({"r": frame["q"], ending: self._concrete(answer)})
        except Missing:
            self._say({"r": frame["q"], "v": None})

    def _looked(self) -> list[Any]:
        """What the script's objects look like while a callback runs."""
        calls, self._calls = self._calls, [None] * _MOST_CALLBACKS  # what these looks call is no part of it
        found = []
        for step in self._looks:
            try:
                reply = self._request(step.op, [self._concrete(value) for value in step.args])
            except Missing:
                continue
            found.append(self._normal(reply.get("v", reply.get("x"))))
        self._calls = calls
        return found

    # from marks to handles

    def _concrete(self, value: Any) -> Any:
        """The value as this worker has to be told it; containers get numbers."""

        def replaced(mark: list[Any]) -> Any:
            match mark:
                case ["#", str(module), str(name)]:
                    return self._by_name(module, name)
                case ["$", int(step), *way]:
                    return self._by_way(step, way)
                case ["&", *_]:
                    self._handle += 1
                    self._callbacks[self._handle] = len(self._callbacks)
                    return ["f", self._handle, "callback", "tests", "callback", None, None]
                case ["!", str(name), str(text)]:
                    self._handle += 1
                    self._errors[self._handle] = name
                    return ["E", self._handle, ["g", "builtins", name], [text], [], None, []]
            raise Missing("something that cannot be told")

        return self._numbered(mapped(value, replaced))

    def _numbered(self, item: Any) -> Any:
        if type(item) is not list or not item or item[0] in LEAVES or item[0] in ("f", "y"):
            return item
        if item[0] not in CONTAINERS:
            return [self._numbered(part) if type(part) is list else part for part in item]
        self._sid += 2
        number = self._sid
        self._mine[number] = len(self._mine)
        return [item[0], number, *(self._numbered(part) if type(part) is list else part for part in item[2:])]

    def _by_name(self, module: str, name: str) -> list[Any]:
        if (module, name) not in self._named:
            first, *rest = name.split(".")
            found: Any = None
            told = self._request("import", [module])
            for known, value in named_in(told.get("v")):
                if value != ["e"]:  # told only when it is asked for: an instance, a cached function
                    self._named.setdefault((module, known), value)
            found = self._named.get((module, first))
            if found is None and "v" in told:
                found = self._request("get", [["m", module], first]).get("v")
            for part in rest:
                found = self._request("get", [_theirs(found), part]).get("v")
            self._named[(module, name)] = found
        return _theirs(self._named[(module, name)])

    def _by_way(self, step: int, way: list[int]) -> list[Any]:
        item = self._replies[step] if step < len(self._replies) else None
        for at in way:
            if type(item) is not list or at >= len(item):
                raise Missing("what an earlier step did not answer")
            item = item[at]
        return _theirs(item)

    def _learn(self, item: Any) -> None:
        """Names of classes and contents of containers, wherever in a message they are described."""
        if type(item) is not list or not item or item[0] in LEAVES:
            return
        if item[0] in ("c", "f"):
            self._class_names[item[1]] = f"{item[3]}.{item[4]}"
            for base in item[5] if item[0] == "c" else ():
                self._learn(base)
            return
        if item[0] in CONTAINERS and item[1]:
            self._contents[item[1]] = item
        for _, part in parts_of(item):
            self._learn(part)

    # from handles to what can be compared

    def _which(self, number: int) -> str | int | None:
        """A container by the order in which this script came by it: one of the host's, or one of the worker's."""
        return f"theirs {self._theirs[number]}" if number in self._theirs else self._mine.get(number)

    def _whole(self, item: Any) -> Any:
        """An answer, with the contents of an object whose class at the base is made of fields."""
        normal = self._normal(item)
        match item:
            case ["o", handle, kind]:
                shape = self._terms.shapes.get(self._kind(kind))
                if shape is not None and shape[0] != "enum":
                    told = self._request("flat", [["y", handle], ["t", *shape[1]]])
                    return [*normal, self._normal(told.get("v"))]
                names = self._terms.properties.get(self._kind(kind))
                if names and shape is None:
                    told = self._request("look", [["y", handle], ["t", *names]])
                    return [*normal, self._normal(told.get("v"))]
        return normal

    def _kind(self, kind: list[Any]) -> str:
        return f"{kind[1]}.{kind[2]}" if kind[0] == "g" else self._class_names.get(kind[1], "?")

    def _normal(self, item: Any, depth: int = 0) -> Any:
        if type(item) is not list or not item or item[0] in LEAVES:
            return item
        if depth > _DEEPEST:
            return "…"

        def deeper(part: Any) -> Any:
            return self._normal(part, depth + 1)

        match item[0]:
            case "c" | "f":
                return ["#", f"{item[3]}.{item[4]}"]
            case "h":
                return ["#", self._class_names.get(item[1], "?")]
            case "y":
                return ["E", f"builtins.{self._errors[item[1]]}"] if item[1] in self._errors else ["&"]
            case "o":
                return ["o", self._objects.setdefault(item[1], len(self._objects)), self._kind(item[2])]
            case "E":
                self._objects.setdefault(item[1], len(self._objects))
                return ["E", self._kind(item[2]), deeper(["t", *item[4]])]
            case "@":
                return ["@", self._which(item[1]), deeper(self._contents.get(item[1], ["l", 0]))]
            case "S" | "F":
                parts = [deeper(part) for part in item[2 if item[0] == "S" else 1 :]]
                return [item[0], *sorted(parts, key=canonical_json)]
        if item[0] in CONTAINERS and item[1] and item[1] % 2 == 0:
            self._theirs.setdefault(item[1], len(self._theirs))
        inner = item[2:] if item[0] in CONTAINERS else item[1:]
        return [item[0], *map(deeper, inner)]


def _theirs(item: Any) -> list[Any]:
    """An object of the worker as it is named to it."""
    match item:
        case ["c" | "f" | "o" | "E" | "h", int(handle), *_]:
            return ["y", handle]
        case ["m", str()]:
            return list(item)
    raise Missing("what is no object any more")
