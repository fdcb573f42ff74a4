"""Makes proxy classes from what the other side describes; what these do is said by `mirror` and `members`."""

import abc
import enum
import functools
import types

from .describe import SKIPPED, kind_of
from .imports import Names
from .members import KINDS, Attribute, operator_of, step_of
from .mirror import LOCAL, Proxy, ProxyMeta, like_a_function
from .wire import Fault

TEXTS = ("__repr__", "__str__", "__format__")


def build(handle, item, bases, real=None):
    """The proxy class for a description; `real` is what its instances shall look like."""
    _, _, name, module, qualname, _, names, flags = item
    real = real or REAL.get((module, qualname))
    space = {"__module__": module, "__qualname__": qualname, "_hp_handle": handle, "_hp_flags": flags}
    space |= {"_hp_bases": bases} | _looks(bases, real)
    mine = [base for base in bases if isinstance(base, ProxyMeta)]
    errors = [base for base in bases if not isinstance(base, ProxyMeta) and issubclass(base, BaseException)]
    parents = tuple(base for base in bases if base in mine or base in errors)
    parents = parents if mine else (Proxy, *parents)
    error = any(issubclass(base, BaseException) for base in parents)
    made = _told(names, LOCAL | SKIPPED if error else SKIPPED)
    try:
        cls = ProxyMeta(name, parents, space, handle=handle)
    except TypeError as fault:
        raise Fault(f"the class {name} cannot be mirrored ({fault})") from None
    type.__setattr__(cls, "_hp_names", frozenset(made))
    if real is not None:
        type.__setattr__(cls, "_hp_real", real)
    for key, kind in made.items():
        _add(cls, key, kind, real)
    if error and "__str__" not in made and not any("__str__" in vars(base) for base in mine if base is not Proxy):
        _plain_error(cls)
    if "u" in flags:
        type.__setattr__(cls, "__hash__", None)
    elif "__hash__" not in vars(cls) or vars(cls)["__hash__"] is None:
        type.__setattr__(cls, "__hash__", Proxy.__hash__)
    type.__setattr__(cls, "__doc__", Attribute(cls, "__doc__"))
    if "__call__" in made and real is None:
        type.__setattr__(cls, "__getattribute__", like_a_function)
    for base in bases:
        if isinstance(base, abc.ABCMeta) and base not in parents and not isinstance(base, ProxyMeta):
            _register(base, cls)
    return cls


def _looks(bases, real):
    """What its instances are taken for by whoever looks at their class, or at what a module holds."""
    if real is not None:
        found = {"__class__": property(lambda _: real)}
        return found | {"__dict__": property(Names)} if real is types.ModuleType else found
    if any(issubclass(base, enum.Enum) for base in bases if not isinstance(base, ProxyMeta)):
        return {"__class__": property(lambda _: LikeEnum)}
    return {}


class LikeEnum(enum.Enum):
    """What a member of the other side's enumeration looks like to `isinstance(…, enum.Enum)`, which pytest asks."""


def _told(names, skipped):
    """The kinds of the names that a description lists."""
    made = {}
    for entry in names:
        match entry:
            case [str() as key, str() as kind] if kind in KINDS and not key.startswith("_hp"):
                made[key] = kind
            case _:
                raise Fault("a class has a malformed name")
    return {key: kind for key, kind in made.items() if key not in skipped}


def _add(cls, key, kind, real):
    if key in TEXTS or (key in ("__eq__", "__ne__") and kind == "f") or key == "__hash__":
        if key in TEXTS:
            type.__setattr__(cls, key, vars(Proxy)[key])
        return
    special = key.startswith("__") and key.endswith("__") and kind == "f"
    if special and key not in ("__init__",):
        type.__setattr__(cls, key, operator_of(key, real))
        if key == "__next__" and "__length_hint__" not in vars(cls):
            type.__setattr__(cls, "__length_hint__", operator_of("__length_hint__"))
    elif key in ("send", "throw"):
        type.__setattr__(cls, key, step_of(key))
    else:
        type.__setattr__(cls, key, KINDS[kind](cls, key))


def _plain_error(cls):
    """An exception class without texts of its own: its arguments are here already."""
    known = next(base for base in cls.__mro__ if not isinstance(base, ProxyMeta))  # a KeyError has a text of its own
    for key in ("__str__", "__repr__"):
        type.__setattr__(cls, key, getattr(known, key))
    type.__setattr__(cls, "__eq__", object.__eq__)
    type.__setattr__(cls, "__ne__", object.__ne__)
    type.__setattr__(cls, "__hash__", object.__hash__)


def _register(base, cls):
    try:
        base.register(cls)
    except (TypeError, RuntimeError):
        return


def _real():
    def generator():
        yield

    async def coroutine():
        return

    async def both():
        yield

    started = coroutine()
    started.close()
    match = __import__("re").match("", "")
    kinds = [type(generator()), type(started), type(both()), type(match), type({}.keys()), type({}.values())]
    kinds += [type({}.items()), types.BuiltinFunctionType, types.MethodType, functools.partial, types.TracebackType]
    kinds += [types.WrapperDescriptorType, types.MethodDescriptorType, property, functools._lru_cache_wrapper]
    return {(kind.__module__, kind.__qualname__): kind for kind in kinds}


REAL = _real()


@functools.cache
def opaque(kind):
    """A class for an object of the other side whose own class is known here by name."""
    flags = "u" if kind.__hash__ is None else ""
    names = {}
    for owner in reversed(kind.__mro__[:-1]):
        names |= {key: kind_of(raw) for key, raw in vars(owner).items() if key != "__hash__"}
    item = ["c", 0, kind.__name__, kind.__module__, kind.__qualname__, [], [[*pair] for pair in names.items()], flags]
    return build(0, item, (), kind)
