"""Checks every value that crosses between oracle and worker, and keeps which objects have crossed; builds none.

A value is JSON; what is no plain scalar is an array that begins with a tag (`sandbox/guest/wire.py` writes them). The
worker is hostile: a shape that its own encoder would never send is a `Breach`, whatever the oracle would make of it.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, Never

from harness.text import visible_line

Side = Literal["oracle", "worker"]
SAFE: Final = 2**53
DEEPEST: Final = 110  # the guest stops at 100 levels of values; an exception's parts add some
MOST_ITEMS: Final = 1_000_000
_LONGEST_NAME: Final = 1000
_LONGEST_TEXT: Final = 1_000_000
_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_HEX: Final = re.compile(r"-?[0-9a-f]{1,400000}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_JUDGING: Final = frozenset(("pytest", "_pytest", "pluggy", "unittest"))
_FORBIDDEN_ERRORS: Final = frozenset(("KeyboardInterrupt", "SkipTest"))
_ERROR_MODULES: Final = (
    "builtins decimal json.decoder re re._constants sre_constants struct _struct binascii zoneinfo._common "
    "configparser subprocess statistics uuid email.errors csv _csv argparse asyncio.exceptions "
    "concurrent.futures._base urllib.error socket queue _queue graphlib tomllib pickle _pickle copy io dataclasses "
    "string inspect ast xml.parsers.expat zlib lzma tarfile zipfile shutil unittest.case ipaddress contextlib locale "
    "codecs"
)
_ERRORS: Final = frozenset(_ERROR_MODULES.split())
_VALUE_NAMES: Final = (
    "Decimal Fraction date time datetime timedelta timezone ZoneInfo UUID PurePosixPath PosixPath PureWindowsPath "
    "Pattern GenericAlias Union partial itemgetter attrgetter methodcaller mappingproxy"
)
_VALUE_TYPES: Final = frozenset(_VALUE_NAMES.split())
_FLOATS: Final = frozenset(("nan", "inf", "-inf"))
_LENGTHS: Final = {"j": 3, "e": 1, "n": 1, "r": 4, "/": 4}


class Breach(Exception):
    """The worker left the protocol: `kind` is a few fixed words, the text says what was seen."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(visible_line(text, 300))
        self.kind = kind


class Crossing:
    """Values in both directions during one worker's life. `check` raises `Breach`; nothing is undone after one."""

    def __init__(self) -> None:
        self._described: dict[Side, dict[int, str]] = {"oracle": {}, "worker": {}}
        self._live: dict[Side, set[int]] = {"oracle": set(), "worker": set()}
        self._shared: dict[int, str] = {}
        self._made: dict[Side, set[int]] = {"oracle": set(), "worker": set()}
        self._sender: Side = "oracle"
        self._depth = 0
        self._items = 0

    def message(self, sender: Side) -> None:
        """What follows is one message of `sender`."""
        self._sender, self._depth, self._items = sender, 0, 0

    def check(self, item: Any) -> None:
        """One value, whatever is in it."""
        kind = type(item)
        if kind is str or item is None or kind is bool:
            return
        if kind is int:
            if not -SAFE < item < SAFE:
                _breach("number", "an integer beyond 2^53 without its tag")
            return
        if kind is float:
            if not math.isfinite(item):
                _breach("number", "a float that is no number")
            return
        if kind is not list or not item or type(item[0]) is not str:
            _breach("shape", "a value without a tag")
        checking = self._checks.get(item[0])
        if checking is None:
            _breach("tag", f"an unknown tag {item[0][:20]!r}")
        self._items += len(item)
        if self._depth > DEEPEST or self._items > MOST_ITEMS:
            _breach("size", "a value nested too deep, or of too many parts")
        self._depth += 1
        checking(self, item)
        self._depth -= 1

    def updates(self, pairs: Any) -> None:
        """The `y` of a message: containers that crossed before, with their contents now."""
        if type(pairs) is not list:
            _breach("shape", "updates that are no list")
        for pair in pairs:
            if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not int:
                _breach("shape", "an update that is no pair")
            number, value = pair
            if number not in self._shared:
                _breach("handle", f"an update of container {number}, which is not shared")
            if type(value) is not list or len(value) < 2 or value[0] != self._shared[number] or value[1] != number:
                _breach("handle", f"an update of container {number} that is another one")
            self._contents(value)

    def released(self, handles: Any) -> None:
        """The `d` of a message: handles of the other side that the sender holds no longer."""
        other = _other(self._sender)
        for handle in _numbers(handles):
            if handle not in self._live[other]:
                _breach("handle", f"released handle {handle}, which it does not hold")
            self._live[other].discard(handle)

    def unshared(self, numbers: Any) -> None:
        """The `D` of a message: containers that are shared no longer."""
        for number in _numbers(numbers):
            if self._shared.pop(number, None) is None:
                _breach("handle", f"ended the sharing of container {number}, which is not shared")

    def exception(self, item: Any) -> None:
        """The `x` of a reply: an exception of the sender, or one of the receiver's coming back."""
        if type(item) is not list or not item or item[0] not in ("E", "h", "y"):
            _breach("exception", "an exception that is none")
        self.check(item)

    def callee(self, item: Any) -> None:
        """What a worker's request is about: an object that the oracle has handed out.

        Or a class of its own: it makes one for each kind of object of the oracle, and the oracle knows it for no
        object of its tests. It answers that with a fault.
        """
        if type(item) is not list or not item or item[0] not in ("y", "c", "h"):
            _breach("handle", "a request about something that is not the oracle's")
        self.check(item)

    def _many(self, items: Sequence[Any]) -> None:
        for item in items:
            kind = type(item)
            if kind is not str and item is not None and kind is not bool:
                self.check(item)

    def _handle(self, item: list[Any], *, once: bool) -> None:
        """A handle given out by the sender: a new one, or that of the same thing again where it may be told twice."""
        handle = item[1]
        if type(handle) is not int or not 0 < handle < SAFE:
            _breach("handle", "a handle that is no positive number")
        known, live = self._described[self._sender], self._live[self._sender]
        if handle in known and (once or known[handle] != item[0] or handle not in live):
            _breach("handle", f"handle {handle} was given out twice")
        known[handle] = item[0]
        live.add(handle)

    def _known(self, owner: Side, item: list[Any]) -> None:
        if len(item) != 2 or type(item[1]) is not int or item[1] not in self._live[owner]:
            _breach("handle", f"a handle of the {owner} that is not in use")

    def _share(self, number: Any, tag: str) -> None:
        if type(number) is not int or number < 0:
            _breach("handle", "a container without a number")
        if not number:
            return
        if number in self._made["oracle"] or number in self._made["worker"]:
            _breach("handle", f"container {number} was described twice")
        if (number % 2 == 0) != (self._sender == "worker"):
            _breach("handle", f"container {number} has a number of the other side")
        self._made[self._sender].add(number)
        self._shared[number] = tag

    def _contents(self, item: list[Any]) -> None:
        """The parts of a container behind tag and number."""
        tag, parts = item[0], item[2:]
        self._items += len(parts)
        if self._items > MOST_ITEMS:
            _breach("size", "a value of too many parts")
        if tag == "B":
            _text(item, 3, 2, _BASE64)
        elif (tag in ("d", "O", "N", "P") and len(parts) % 2) or (tag == "D" and not len(parts) % 2):
            _breach("shape", "a mapping with a key and no value")
        elif tag == "q" and (not parts or not (parts[0] is None or (type(parts[0]) is int and parts[0] >= 0))):
            _breach("shape", "a queue without a length")
        elif tag != "B":
            self._many(parts)

    def _container(self, item: list[Any]) -> None:
        if len(item) < 2:
            _breach("shape", "a container without a number")
        # Numbered before its parts, which may name it again.
        self._share(item[1], item[0])
        self._contents(item)

    def _again(self, item: list[Any]) -> None:
        if len(item) != 2 or type(item[1]) is not int or item[1] not in self._shared:
            _breach("handle", "a container again that was not shared")

    def _named(self, item: list[Any]) -> None:
        _text(item, 3, 1, _NAME)
        _text(item, 3, 2, _NAME)

    def _class(self, item: list[Any]) -> None:
        if len(item) != 8:
            _breach("shape", "a class described in another number of parts")
        _, _, name, module, qualname, bases, names, flags = item
        for text in (name, module, qualname):
            _label(text)
        if self._sender == "worker" and module.partition(".")[0] in _JUDGING:
            _breach("exception", f"a class that claims to come from {module[:60]}")
        if type(bases) is not list or type(flags) is not str or len(flags) > _LONGEST_NAME:
            _breach("shape", "a class whose bases or flags are something else")
        for base in bases:
            self._class_value(base)
        self._handle(item, once=True)
        for name, kind in self._rows(names, 2):
            _label(name)
            if kind not in ("f", "s", "k", "p", "v"):
                _breach("shape", "a class with a name of no kind")

    def _class_value(self, item: Any) -> None:
        if type(item) is not list or not item or item[0] not in ("c", "g", "h", "y"):
            _breach("shape", "a class that is none")
        self.check(item)

    def _function(self, item: list[Any]) -> None:
        if len(item) != 7:
            _breach("shape", "a function described in another number of parts")
        _, _, name, module, qualname, doc, signature = item
        self._handle(item, once=True)
        for text in (name, module, qualname):
            _label(text)
        if doc is not None:
            _label(doc, _LONGEST_TEXT)
        for name, kind, has, default in self._rows(signature, 4) if signature is not None else ():
            _label(name)
            if type(kind) is not int or type(has) is not bool or type(default) is list:
                _breach("shape", "a signature with something else in it")
            self.check(default)

    def _rows(self, rows: Any, width: int) -> list[list[Any]]:
        """A description's rows: lists of `width` parts."""
        if type(rows) is not list or any(type(row) is not list or len(row) != width for row in rows):
            _breach("shape", "a description that is no table")
        self._items += len(rows)
        if self._items > MOST_ITEMS:
            _breach("size", "a description of too many parts")
        found: list[list[Any]] = rows
        return found

    def _object(self, item: list[Any]) -> None:
        if len(item) != 3:
            _breach("shape", "an object described in another number of parts")
        self._class_value(item[2])
        self._handle(item, once=False)

    def _error(self, item: list[Any]) -> None:
        if len(item) != 7 or type(item[3]) is not list or type(item[4]) is not list or len(item[4]) % 2:
            _breach("exception", "an exception described in another number of parts")
        kind, notes = item[2], item[6]
        self._class_value(kind)
        self._handle(item, once=False)
        if type(notes) is not list or any(type(note) is not str for note in notes):
            _breach("exception", "an exception whose notes are no texts")
        foreign = kind[0] == "g" and self._sender == "worker"
        if foreign and (kind[1] not in _ERRORS or kind[2].rpartition(".")[2] in _FORBIDDEN_ERRORS):
            _breach("exception", f"an exception of type {kind[1][:60]}.{kind[2][:60]}")
        self._many(item[3])
        self._many(item[4])
        if item[5] is not None:
            self.exception(item[5])

    def _made_of(self, item: list[Any]) -> None:
        raw = self._sender == "oracle" and item[1:2] == ["raw"]
        if not raw and (len(item) < 2 or type(item[1]) is not str or item[1] not in _VALUE_TYPES):
            _breach("tag", "an unknown type of value")
        self._many(item[2:])

    def _float(self, item: list[Any]) -> None:
        if len(item) != 2 or type(item[1]) is not str or item[1] not in _FLOATS:
            _breach("number", "an unknown float")

    def _parts(self, item: list[Any]) -> None:
        self._many(item[1:])

    def _of_length(self, item: list[Any]) -> None:
        if len(item) != _LENGTHS[item[0]]:
            _breach("shape", f"tag {item[0]!r} with another number of parts")
        self._many(item[1:])

    def _of_sender(self, item: list[Any]) -> None:
        self._known(self._sender, item)

    def _of_receiver(self, item: list[Any]) -> None:
        self._known(_other(self._sender), item)

    def _digits(self, item: list[Any]) -> None:
        _text(item, 2, 1, _HEX)

    def _bytes(self, item: list[Any]) -> None:
        _text(item, 2, 1, _BASE64)

    def _module(self, item: list[Any]) -> None:
        _text(item, 2, 1, _NAME)

    _checks: ClassVar[Mapping[str, Callable[["Crossing", list[Any]], None]]] = {
        "i": _digits,
        "x": _float,
        "s": _digits,
        "b": _bytes,
        "t": _parts,
        "F": _parts,
        "v": _made_of,
        "g": _named,
        "m": _module,
        "c": _class,
        "f": _function,
        "o": _object,
        "E": _error,
        "h": _of_sender,
        "y": _of_receiver,
        "@": _again,
        **dict.fromkeys(_LENGTHS, _of_length),
        **dict.fromkeys(("l", "S", "d", "O", "N", "P", "D", "q", "B"), _container),
    }


def _breach(kind: str, text: str) -> Never:
    raise Breach(kind, text)


def _other(side: Side) -> Side:
    return "worker" if side == "oracle" else "oracle"


def _numbers(items: Any) -> list[int]:
    if type(items) is not list or any(type(item) is not int for item in items):
        _breach("shape", "a list of numbers that is none")
    found: list[int] = items
    return found


def _label(text: Any, most: int = _LONGEST_NAME) -> None:
    if type(text) is not str or len(text) > most:
        _breach("shape", "a name that is no text, or too long")


def _text(item: list[Any], length: int, at: int, shape: re.Pattern[str]) -> None:
    if len(item) != length or type(item[at]) is not str or not shape.fullmatch(item[at]):
        _breach("shape", f"tag {item[0]!r} with another content")
