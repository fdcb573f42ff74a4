"""The exact encoding of values as JSON for the pipe between oracle and worker; it knows no object of either side.

Objects, classes, functions and exceptions go to the two hooks of a peer (`export` and `adopt`); everything here is
data, tagged with its exact type: a subclass of a builtin type never looks like that type.
"""

import base64
import collections
import datetime
import decimal
import fractions
import functools
import json
import math
import operator
import pathlib
import re
import types
import uuid
import zoneinfo

SAFE = 2**53
DEEPEST = 100
LONGEST_LINE = 8 * 1024 * 1024
LONGEST_NUMBER = 400_000  # hexadecimal digits
PATHS = {name: getattr(pathlib, name) for name in ("PurePosixPath", "PosixPath", "PureWindowsPath")}
UNION = type(int | None)


class Fault(BaseException):
    """A value or an operation that cannot cross; the sentence says which. No `except Exception` hides it."""


def dumps(frame):
    line = WRITER.encode(frame)
    if len(line) > LONGEST_LINE:
        raise Fault(f"a message of {len(line)} bytes is longer than allowed")
    return line.encode("ascii") + b"\n"


def loads(line):
    """The frame of a line; Fault when it is no JSON object."""
    try:
        frame = READER.decode(line.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise Fault(f"a line is no JSON ({type(error).__name__})") from None
    if type(frame) is not dict:
        raise Fault("a line is no JSON object")
    return frame


def _refuse(name):
    raise ValueError(name)


WRITER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
READER = json.JSONDecoder(parse_constant=_refuse)


class Encoder:
    """Turns values into their JSON form; `peer.export(value)` answers for what is no data."""

    def __init__(self, peer):
        self.peer = peer
        self.depth = 0

    def __call__(self, value):
        kind = type(value)
        if kind is str:
            return value if value.isascii() else text(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -SAFE < value < SAFE else ["i", hex_of(value)]
        if kind is float:
            return value if math.isfinite(value) else ["x", repr(value)]
        plain = ENCODERS.get(kind)
        if plain is None:
            return self.peer.export(value)
        if self.depth > DEEPEST:
            raise Fault("a value is nested too deep")
        self.depth += 1
        try:
            return plain(self, value)
        finally:
            self.depth -= 1

    def many(self, values):
        return [self(value) for value in values]


def text(value):
    try:
        value.encode()
    except UnicodeEncodeError:
        return ["s", value.encode("utf-8", "surrogatepass").hex()]
    return value


def hex_of(number):
    digits = f"{number:x}"
    if len(digits) > LONGEST_NUMBER:
        raise Fault("a number is too long")
    return digits


def _shared(tag):
    """Encoder of a mutable container: its number, and only that if the other side has it already."""

    def encode(enc, value):
        number, new = enc.peer.shared.number(value)
        if not new:
            return ["@", number]
        made = [tag, number]
        enc.peer.shared.sent(number, made)
        made += CONTENTS[tag](enc, value)
        return made

    return encode


def _pairs(enc, value):
    return [enc(part) for item in list(value.items()) for part in item]


CONTENTS = {
    "l": lambda enc, value: enc.many(list(value)),
    "S": lambda enc, value: enc.many(list(value)),
    "d": _pairs,
    "O": _pairs,
    "N": _pairs,
    "P": lambda enc, value: _pairs(enc, vars(value)),
    "D": lambda enc, value: [enc(value.default_factory), *_pairs(enc, value)],
    "q": lambda enc, value: [value.maxlen, *enc.many(list(value))],
    "B": lambda _, value: [base64.b64encode(value).decode()],
}
SHARED = {
    list: "l",
    set: "S",
    dict: "d",
    collections.OrderedDict: "O",
    collections.Counter: "N",
    types.SimpleNamespace: "P",
    collections.defaultdict: "D",
    collections.deque: "q",
    bytearray: "B",
}


def _value(name, parts):
    return lambda enc, value: ["v", name, *enc.many(parts(value))]


def _caller(value):
    made, args = value.__reduce__()
    if isinstance(made, functools.partial):  # with keyword arguments
        return (*made.args, *args, ["keywords", dict(made.keywords)])
    return args


ENCODERS = {
    tuple: lambda enc, value: ["t", *enc.many(value)],
    frozenset: lambda enc, value: ["F", *enc.many(value)],
    bytes: lambda _, value: ["b", base64.b64encode(value).decode()],
    complex: lambda enc, value: ["j", enc(value.real), enc(value.imag)],
    type(...): lambda _, value: ["e"],
    type(NotImplemented): lambda _, value: ["n"],
    range: lambda enc, value: ["r", enc(value.start), enc(value.stop), enc(value.step)],
    slice: lambda enc, value: ["/", enc(value.start), enc(value.stop), enc(value.step)],
    decimal.Decimal: _value("Decimal", lambda value: (str(value),)),
    fractions.Fraction: _value("Fraction", lambda value: (value.numerator, value.denominator)),
    datetime.date: _value("date", lambda value: (value.isoformat(),)),
    datetime.time: _value("time", lambda value: (value.replace(tzinfo=None).isoformat(), value.tzinfo, value.fold)),
    datetime.datetime: _value(
        "datetime", lambda value: (value.replace(tzinfo=None).isoformat(), value.tzinfo, value.fold)
    ),
    datetime.timedelta: _value("timedelta", lambda value: (value.days, value.seconds, value.microseconds)),
    datetime.timezone: _value("timezone", lambda value: value.__getinitargs__()),
    zoneinfo.ZoneInfo: _value("ZoneInfo", lambda value: (value.key,)),
    uuid.UUID: _value("UUID", lambda value: (value.hex,)),
    re.Pattern: _value("Pattern", lambda value: (value.pattern, int(value.flags) & ~int(re.DEBUG))),
    types.GenericAlias: _value("GenericAlias", lambda value: (value.__origin__, value.__args__)),
    UNION: _value("Union", lambda value: (value.__args__,)),
    types.MappingProxyType: _value("mappingproxy", lambda value: (dict(value),)),
    functools.partial: _value("partial", lambda value: (value.func, value.args, dict(value.keywords))),
    operator.itemgetter: _value("itemgetter", lambda value: value.__reduce__()[1]),
    operator.attrgetter: _value("attrgetter", lambda value: value.__reduce__()[1]),
    operator.methodcaller: _value("methodcaller", _caller),
    **{kind: _value(name, lambda value: (str(value),)) for name, kind in PATHS.items()},
    **{kind: _shared(tag) for kind, tag in SHARED.items()},
}
