"""What the base's classes look like, so that the oracle can compare objects by the base's fields; runs at base time."""

import dataclasses
import enum
import importlib
import pkgutil
import sys

from .describe import decides_membership

BUILTIN = (dict, list, tuple, set, frozenset, str, bytes, int, float)


def shapes_of(packages):
    """{"module.qualname": (kind, eq, hash, order, fields, bases, own isinstance)} of the packages' classes."""
    found = {}
    for package in packages:
        module = importlib.import_module(package)
        for info in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{package}.", onerror=lambda _: None):
            if info.name.rpartition(".")[2] != "__main__":
                load(info.name)
    names = [name for name in sys.modules if name.partition(".")[0] in packages]
    for name in sorted(names):
        for value in list(vars(sys.modules[name]).values()):
            add(found, value, frozenset(packages))
    return found


def load(name):
    """Modules of a package that need what is not installed have no shapes."""
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"holdpoint guest: {name}: {type(error).__name__}", file=sys.stderr)


def add(found, value, packages):
    if not isinstance(value, type) or value.__module__.partition(".")[0] not in packages:
        return
    key = f"{value.__module__}.{value.__qualname__}"
    if key in found:
        return
    found[key] = shape(value)
    for inner in list(vars(value).values()):
        add(found, inner, packages)


def shape(cls):
    kind, fields = kind_of(cls)
    by = tuple(by_whom(cls, name, kind) for name in ("__eq__", "__hash__", "__lt__"))
    bases = tuple(f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__[1:-1])
    return (kind, *by, fields, bases, decides_membership(cls))


def kind_of(cls):
    if issubclass(cls, BaseException):
        return "exception", ()
    if issubclass(cls, enum.Enum):
        return "enum", tuple(cls.__members__)
    if dataclasses.is_dataclass(cls):
        return "dataclass", tuple(field.name for field in dataclasses.fields(cls) if field.compare)
    if issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
        return "namedtuple", cls._fields
    for base in BUILTIN:
        if issubclass(cls, base):
            return f"builtin:{base.__name__}", ()
    return "plain", ()


def by_whom(cls, name, kind):
    """Who decides: object itself, the builtin base, the generated comparison of fields, or the class's own code."""
    owner = next(base for base in cls.__mro__ if name in vars(base))
    if owner is object:
        return "object"
    if owner in BUILTIN or owner in (enum.Enum, enum.IntEnum):
        return "builtin"
    code = getattr(vars(owner)[name], "__code__", None)
    if kind == "dataclass" and code is not None and code.co_filename == "<string>":
        return "fields"
    return "own"
