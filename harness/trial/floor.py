"""The order of messages between oracle and worker: who may speak, about what, how long; a pure state machine.

One `Floor` lives as long as one worker. The oracle holds the floor at the start; a request hands it over, a reply hands
it back. What the worker sends out of turn, out of shape or beyond a limit is a `Breach`.
"""

import json
import re
from typing import Any, Final

from harness.trial.crossing import Breach, Crossing, Side

LONGEST_LINE: Final = 8 * 1024 * 1024
MOST_LINES: Final = 4_000_000  # of one worker's life
MOST_BYTES: Final = 1024 * 1024 * 1024
MOST_OPEN: Final = 40
_PRINTED: Final = 64 * 1024 + 1024
_MOST_NEWS: Final = 10_000  # entries of one message's lists
_UNPRINTABLE: Final = re.compile(rb"[^\x20-\x7e]")
_OPS: Final = frozenset(
    ("call", "m", "get", "set", "del", "super", "send", "throw", "close", "drain", "isinstance", "issubclass")
)
_NAMING: Final = frozenset(("m", "get", "set"))
_NEWS: Final = frozenset(("i", "p", "w", "g"))
_REQUEST: Final = frozenset(("q", "op", "a", "k", "y", "d", "D")) | _NEWS
_REPLY: Final = frozenset(("r", "y", "d", "D")) | _NEWS
_ENDINGS: Final = ("v", "x", "f")
# What no candidate has business with; of the other names the oracle itself says which it answers.
_INNER: Final = ("globals", "builtins", "closure", "subclasses", "init_subclass", "getattribute", "reduce_ex")
_INNER_NAMES: Final = frozenset(f"__{name}__" for name in _INNER)


class Floor:
    """`from_oracle` and `from_worker` take one line each, in the order in which they were sent."""

    def __init__(self) -> None:
        self._crossing = Crossing()
        self._open: list[tuple[Side, int]] = []
        self._asked: dict[Side, int] = {"oracle": 0, "worker": 0}
        self._lines = 0
        self._bytes = 0

    @property
    def turn(self) -> Side:
        """Who holds the floor."""
        return "worker" if self._open and self._open[-1][0] == "oracle" else "oracle"

    @property
    def waiting(self) -> int | None:
        """The oracle's innermost open request when it waits for the worker, else None."""
        return self._open[-1][1] if self.turn == "worker" else None

    def from_oracle(self, frame: dict[str, Any]) -> None:
        """A request or reply of the oracle, parsed already; a `Breach` here is the harness's own failure."""
        self._step("oracle", frame)

    def from_worker(self, line: bytes) -> None:
        """The worker's next line; anything but what it may say now is a `Breach`."""
        self._lines += 1
        self._bytes += len(line)
        if len(line) > LONGEST_LINE or self._bytes > MOST_BYTES or self._lines > MOST_LINES:
            raise Breach("size", "a line too long, or too many of them")
        if self.turn != "worker":
            raise Breach("out of turn", "a message that nobody asked for")
        self._step("worker", parsed(line))

    def abandon(self) -> int | None:
        """The worker is gone: its own open requests die; the oracle's innermost one, now to be answered, or None."""
        while self._open and self._open[-1][0] == "worker":
            self._open.pop()
        return self._open.pop()[1] if self._open else None

    def _step(self, sender: Side, frame: dict[str, Any]) -> None:
        self._crossing.message(sender)
        if "q" in frame:
            self._request(sender, frame)
        elif "r" in frame:
            self._reply(sender, frame)
        else:
            raise Breach("shape", "a message that is neither request nor reply")

    def _request(self, sender: Side, frame: dict[str, Any]) -> None:
        number = frame["q"]
        if type(number) is not int or number != self._asked[sender] + 1:
            raise Breach("id", f"request {str(number)[:20]} where {self._asked[sender] + 1} comes next")
        if sender == "worker":
            _only(frame, _REQUEST)
            if len(self._open) >= MOST_OPEN:
                raise Breach("size", "requests nested too deep")
        self._asked[sender] = number
        op, arguments = frame.get("op"), frame.get("a")
        if type(op) is not str or type(arguments) is not list:
            raise Breach("shape", "a request without operation or arguments")
        self._before(frame)
        if sender == "worker":
            self._callback(op, arguments)
        for argument in arguments:
            self._crossing.check(argument)
        self._keywords(frame.get("k", []))
        self._after(frame)
        self._open.append((sender, number))

    def _callback(self, op: str, arguments: list[Any]) -> None:
        """What a worker asks of the oracle: only about objects that it was given, only what they are for."""
        if op not in _OPS or not arguments:
            raise Breach("operation", f"the operation {op[:20]!r} asked of the oracle")
        self._crossing.callee(arguments[0])
        if op in _NAMING:
            name = arguments[1] if len(arguments) > 1 else None
            if type(name) is not str or name in _INNER_NAMES:
                raise Breach("operation", f"{op} of {str(name)[:40]!r} asked of the oracle")

    def _keywords(self, rows: Any) -> None:
        if type(rows) is not list:
            raise Breach("shape", "keyword arguments that are no list")
        names = set()
        for row in rows:
            if type(row) is not list or len(row) != 2 or type(row[0]) is not str or row[0] in names:
                raise Breach("shape", "a keyword argument without a name, or twice")
            names.add(row[0])
            self._crossing.check(row[1])

    def _reply(self, sender: Side, frame: dict[str, Any]) -> None:
        number = frame["r"]
        expected = next((n for side, n in self._open[-1:] if side != sender), None)
        if type(number) is not int or number != expected:
            raise Breach("id", f"a reply to request {str(number)[:20]} where {expected} is open")
        endings = [key for key in _ENDINGS if key in frame]
        if len(endings) != 1:
            raise Breach("shape", "a reply with no result, or several")
        if sender == "worker":
            _only(frame, _REPLY, endings[0])
        self._before(frame)
        match endings[0]:
            case "v":
                self._crossing.check(frame["v"])
            case "x":
                self._crossing.exception(frame["x"])
            case _ if type(frame["f"]) is not str or len(frame["f"]) > _PRINTED:
                raise Breach("shape", "a fault that is no sentence")
        self._after(frame)
        self._open.pop()

    def _before(self, frame: dict[str, Any]) -> None:
        # In the order in which the receiver takes a message apart.
        if "y" in frame:
            self._crossing.updates(frame["y"])
        if "d" in frame:
            self._crossing.released(frame["d"])

    def _after(self, frame: dict[str, Any]) -> None:
        if "D" in frame:
            self._crossing.unshared(frame["D"])
        if not _NEWS.isdisjoint(frame):
            for category in _news(frame):
                self._crossing.check(category)


def parsed(line: bytes) -> dict[str, Any]:
    """The JSON object of one line of printable ASCII, no key twice; else a `Breach`."""
    found = _UNPRINTABLE.search(line)
    if found:
        raise Breach("bytes", f"the byte 0x{line[found.start()]:02x} in a message")
    try:
        frame = _DECODER.decode(line.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise Breach("json", f"a line that is no JSON ({type(error).__name__})") from None
    if type(frame) is not dict:
        raise Breach("json", "a line that is no JSON object")
    return frame


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _refuse(name: str) -> Any:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refuse)


def _only(frame: dict[str, Any], allowed: frozenset[str], *more: str) -> None:
    for key in frame:
        if key not in allowed and key not in more:
            raise Breach("shape", f"an unknown key {key[:20]!r}")


def _news(frame: dict[str, Any]) -> list[Any]:
    """What a worker may tell besides: changed modules, printed text, warnings, log records; answers the categories."""
    modules = frame.get("i", [])
    if type(modules) is not list or len(modules) > _MOST_NEWS or any(type(name) is not str for name in modules):
        raise Breach("shape", "changed modules that are no names")
    printed = _table(frame.get("p", []), 2)
    if any(row[0] not in (1, 2) or type(row[0]) is bool or type(row[1]) is not str for row in printed):
        raise Breach("shape", "printed text that is none")
    if sum(len(row[1]) for row in printed) > _PRINTED:
        raise Breach("size", "more printed text than allowed")
    warnings = _table(frame.get("w", []), 2)
    if any(type(row[1]) is not str for row in warnings):
        raise Breach("shape", "a warning without a text")
    for logger, level, text in _table(frame.get("g", []), 3):
        if type(logger) is not str or type(level) is not int or type(text) is not str:
            raise Breach("shape", "a log record that is none")
    return [row[0] for row in warnings]


def _table(rows: Any, width: int) -> list[list[Any]]:
    if type(rows) is not list or len(rows) > _MOST_NEWS:
        raise Breach("shape", "a table that is none")
    if any(type(row) is not list or len(row) != width for row in rows):
        raise Breach("shape", "a table with rows of another width")
    found: list[list[Any]] = rows
    return found
