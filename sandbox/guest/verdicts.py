"""Comparisons in the oracle: by the base's shape where there is one; else the candidate decides and it is counted."""

from . import mirror
from .wire import Fault

BUILTIN = (dict, list, tuple, set, frozenset, str, bytes, int, float)
FLIPPED = {"__eq__": "eq", "__ne__": "ne", "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge"}
EXACT = {kind.__name__: kind for kind in BUILTIN}


class Comparisons:
    """Answers dunder comparisons of proxies for the oracle's peer."""

    def __init__(self, peer, shapes):
        self.peer, self.shapes = peer, shapes

    def shape(self, cls):
        """What the base says of a class, or of the nearest ancestor that the base had; None: nothing is known.

        A class that the base did not have may not decide anything: it is opaque. Classes of the standard library
        that are known here by identity decide in the worker.
        """
        for base in cls.__mro__:
            found = self.shapes.get(f"{base.__module__}.{base.__qualname__}")
            if found is not None and "_hp_handle" in vars(base):
                return found
        return OPAQUE if self.shapes and "_hp_real" not in vars(cls) else None

    def admits(self, cls):
        """Whether `isinstance` may ask the class: never for exceptions, else if the base's class was asked as well."""
        shape = self.shape(cls)
        return not issubclass(cls, BaseException) and (shape is None or bool(shape[6]))

    def differs(self, cls):
        """Whether a class of the base's name has other ancestors than the base's, or decides what that one did not."""
        shape = self.shapes.get(f"{cls.__module__}.{cls.__qualname__}")
        if shape is None:
            return False
        claims = {"__eq__": shape[1], "__hash__": shape[2], "__lt__": shape[3]}
        decides = any(by == "object" and owns(cls, name) for name, by in claims.items())
        return decides or ancestors(cls) != set(shape[5]) or ("i" in cls._hp_flags and not shape[6])

    def compare(self, name, left, right):
        cls = type(left)
        shape = self.shape(cls)
        if name in ("__eq__", "__ne__"):
            by = shape[1] if shape is not None else self.unshaped(cls, "__eq__")
        else:
            by = shape[3] if shape is not None else self.unshaped(cls, name)
        if by == "object":
            return self.identical(name, left, right)
        if by in ("fields", "builtin"):
            return self.flatly(name, left, right, shape)
        if by == "opaque":
            self.peer.count("opaque")
            return {"__eq__": False, "__ne__": True}.get(name, NotImplemented)
        self.peer.count(f"decided:{FLIPPED[name]}")
        return self.peer.request("m", (left, name, right))

    def unshaped(self, cls, name):
        if not owns(cls, name) and not owns(cls, "__ne__"):
            return "opaque" if builtin_of(cls) else "object"
        return "opaque" if builtin_of(cls) else "own"

    def identical(self, name, left, right):
        if name == "__eq__":
            return True if left is right else NotImplemented
        if name == "__ne__":
            return False if left is right else NotImplemented
        return NotImplemented

    def flatly(self, name, left, right, shape):
        mine = self.flat(left, shape)
        if isinstance(type(right), mirror.ProxyMeta):
            other = self.shape(type(right))
            if other in (None, OPAQUE) or (shape[1] == "fields" and type(right) is not type(left)):
                return NotImplemented
            right = self.flat(right, other)
        elif shape[1] == "fields":
            return NotImplemented
        return getattr(type(mine), name)(mine, right)

    def flat(self, value, shape):
        kind, fields = shape[0], shape[4]
        if kind == "dataclass":
            return self.exact(self.peer.request("flat", (value, fields)), tuple)
        wanted = "tuple" if kind == "namedtuple" else kind.partition(":")[2]
        if kind == "enum":
            wanted = next(base.partition(".")[2] for base in shape[5] if base in NUMBERS)
        return self.exact(self.peer.request("flat", (value, wanted)), EXACT[wanted])

    def exact(self, value, kind):
        if type(value) is not kind:
            raise Fault("the contents of an object have another type")
        return value

    def hashed(self, value):
        cls = type(value)
        shape = self.shape(cls)
        by = shape[2] if shape is not None else ("own" if owns(cls, "__eq__") or owns(cls, "__hash__") else "object")
        if by == "object":
            return object.__hash__(value)
        if by == "builtin" or (by == "fields" and shape[1] == "fields"):
            return hash(self.flat(value, shape)) if shape[0] != "enum" or shape[1] == "builtin" else self.asked(value)
        return self.asked(value)

    def asked(self, value):
        return self.exact(self.peer.request("m", (value, "__hash__")), int)


OPAQUE = ("opaque", "opaque", "object", "opaque", (), (), False)
NUMBERS = ("builtins.int", "builtins.str")


def ancestors(cls):
    """The qualified names of all classes above a proxy class, as the worker told them."""
    found = set()
    for base in vars(cls)["_hp_bases"]:
        if isinstance(base, mirror.ProxyMeta):
            found |= {f"{base.__module__}.{base.__qualname__}"} | ancestors(base)
        else:
            found |= {f"{above.__module__}.{above.__qualname__}" for above in base.__mro__}
    return found - {"builtins.object"}


def owns(cls, name):
    return any(name in vars(base).get("_hp_names", ()) for base in cls.__mro__)


def builtin_of(cls):
    """The builtin type that the other side's class derives from."""
    for base in cls.__mro__:
        for above in vars(base).get("_hp_bases", ()):
            if above in BUILTIN or (not isinstance(above, mirror.ProxyMeta) and issubclass(above, BUILTIN)):
                return above
    return None
