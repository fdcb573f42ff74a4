"""The way back of `wire`: from JSON to values of exactly the type that the tag says; anything else is a Fault."""

import base64
import collections
import datetime
import decimal
import enum
import fractions
import functools
import operator
import re
import types
import typing
import uuid
import zoneinfo

from . import stdlib_names
from .wire import DEEPEST, LONGEST_NUMBER, PATHS, SHARED, Fault


class Decoder:
    """Turns the JSON form back into values; `peer.adopt(item)` answers for objects. Fault for any wrong shape."""

    def __init__(self, peer):
        self.peer = peer
        self.depth = 0
        self.updated = 0  # the one known container that may be described again just now

    def __call__(self, item):
        kind = type(item)
        if kind is str or item is None or kind is bool or kind is int or kind is float:
            return item
        if kind is not list or not item or type(item[0]) is not str:
            raise Fault("a value has no tag")
        plain = DECODERS.get(item[0])
        if plain is None:
            return self.peer.adopt(item)
        if self.depth > DEEPEST:
            raise Fault("a value is nested too deep")
        self.depth += 1
        try:
            return plain(self, item)
        except Fault:
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, re.error) as error:
            raise Fault(f"a value with tag {item[0]!r} is malformed ({type(error).__name__}: {error})") from None
        finally:
            self.depth -= 1

    def many(self, items):
        return [self(item) for item in items]


def _into(tag, fill):
    """Decoder of a mutable container: into the one that is known by this number, or a new one."""
    maker = next(kind for kind, known in SHARED.items() if known == tag)

    def decode(dec, item):
        number = item[1]
        if type(number) is not int or number < 0:
            raise Fault("a container has no number")
        value = dec.peer.shared.known(number)
        if value is None:
            value = collections.deque(maxlen=item[2]) if tag == "q" else maker()
            dec.peer.shared.received(number, value)
        elif type(value) is not maker or dec.updated != number:
            raise Fault("a container is described twice")
        dec.updated = 0
        fill(dec, value, item)
        if number:
            dec.peer.shared.settled(number)
        return value

    return decode


def _fill_list(dec, value, item):
    value[:] = dec.many(item[2:])


def _fill_set(dec, value, item):
    parts = dec.many(item[2:])
    value.clear()
    value.update(parts)


def _fill_pairs(dec, value, parts):
    if len(parts) % 2:
        raise Fault("a mapping has a key without value")
    made = dec.many(parts)
    value.clear()
    for at in range(0, len(made), 2):
        dict.__setitem__(value, made[at], made[at + 1])


def _fill_dict(dec, value, item):
    _fill_pairs(dec, value, item[2:])


def _fill_ordered(dec, value, item):
    made = dec.many(item[2:])
    value.clear()
    value.update(zip(made[::2], made[1::2], strict=True))


def _fill_default(dec, value, item):
    value.default_factory = dec(item[2])
    _fill_pairs(dec, value, item[3:])


def _fill_deque(dec, value, item):
    parts = dec.many(item[3:])
    value.clear()
    value.extend(parts)


def _fill_namespace(dec, value, item):
    _fill_pairs(dec, vars(value), item[2:])


def _fill_bytes(_, value, item):
    value[:] = base64.b64decode(item[2], validate=True)


FILLS = {"l": _fill_list, "S": _fill_set, "d": _fill_dict, "O": _fill_ordered, "N": _fill_dict}
FILLS |= {"P": _fill_namespace, "D": _fill_default, "q": _fill_deque, "B": _fill_bytes}


def _number(digits):
    if type(digits) is not str or len(digits) > LONGEST_NUMBER:
        raise Fault("a number is too long")
    return int(digits, 16)


def _float(name):
    if name not in ("nan", "inf", "-inf"):
        raise Fault("an unknown float")
    return float(name)


def _zoned(value, zone, fold):
    return value.replace(tzinfo=zone, fold=fold)


def _call_with(name, *args):
    *args, keywords = args if args and type(args[-1]) is list else (*args, None)
    return operator.methodcaller(name, *args, **(keywords[1] if keywords else {}))


def _member(kind, value):
    if not issubclass(kind, enum.Enum):
        raise Fault("a member of no enumeration")
    return kind(value)


MAKERS = {
    "Decimal": lambda digits: decimal.Decimal(_strict(digits)),
    "Fraction": fractions.Fraction,
    "date": datetime.date.fromisoformat,
    "time": lambda iso, zone, fold: _zoned(datetime.time.fromisoformat(iso), zone, fold),
    "datetime": lambda iso, zone, fold: _zoned(datetime.datetime.fromisoformat(iso), zone, fold),
    "timedelta": datetime.timedelta,
    "timezone": datetime.timezone,
    "ZoneInfo": lambda key: zoneinfo.ZoneInfo(_strict(key)),
    "UUID": lambda digits: uuid.UUID(hex=digits),
    "Pattern": re.compile,
    "GenericAlias": types.GenericAlias,
    "Union": lambda args: functools.reduce(operator.or_, args) if args else typing.Any,
    "member": _member,
    "mappingproxy": types.MappingProxyType,
    "partial": lambda func, args, keywords: functools.partial(func, *args, **keywords),
    "itemgetter": operator.itemgetter,
    "attrgetter": lambda *names: operator.attrgetter(*map(_public, names)),
    "methodcaller": lambda name, *args: _call_with(_public(name), *args),
    **PATHS,
}


def _strict(value):
    if type(value) is not str:
        raise Fault("a text is no text")
    return value


def _public(name):
    if any(part.startswith("_") for part in _strict(name).split(".")):
        raise Fault("a private name may not cross")
    return name


def _made(dec, item):
    if item[1] == "raw":
        return dec.peer.raw(*dec.many(item[2:]))
    maker = MAKERS.get(item[1])
    if maker is None:
        raise Fault("an unknown type of value")
    return maker(*dec.many(item[2:]))


def _exactly(count, make):
    def decode(dec, item):
        if len(item) != count:
            raise Fault(f"a value with tag {item[0]!r} has the wrong length")
        return make(dec, item)

    return decode


DECODERS = {
    "i": _exactly(2, lambda _, item: _number(item[1])),
    "x": _exactly(2, lambda _, item: _float(item[1])),
    "s": _exactly(2, lambda _, item: bytes.fromhex(item[1]).decode("utf-8", "surrogatepass")),
    "b": _exactly(2, lambda _, item: base64.b64decode(item[1], validate=True)),
    "j": _exactly(3, lambda dec, item: complex(float(dec(item[1])), float(dec(item[2])))),
    "e": _exactly(1, lambda *_: ...),
    "n": _exactly(1, lambda *_: NotImplemented),
    "t": lambda dec, item: tuple(dec.many(item[1:])),
    "F": lambda dec, item: frozenset(dec.many(item[1:])),
    "r": _exactly(4, lambda dec, item: range(*dec.many(item[1:]))),
    "/": _exactly(4, lambda dec, item: slice(*dec.many(item[1:]))),
    "@": _exactly(2, lambda dec, item: dec.peer.shared.again(item[1])),
    "g": _exactly(3, lambda _, item: stdlib_names.resolve(item[1], item[2])),
    "v": _made,
    **{tag: _into(tag, fill) for tag, fill in FILLS.items()},
}
