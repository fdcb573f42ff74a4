"""Proxies for what lives on the other side: real classes and instances, functions, exceptions; all they do is ask."""

import abc
import inspect
import types

from .link import OWN, QUIET, ask, peer
from .members import Attribute, operator_of
from .stdlib_names import words

STUBS = {}  # id of a stub, which is never dropped, to its handle
LOCAL = words("__traceback__ __cause__ __context__ __suppress_context__ __notes__ args")


def handle_of(value):
    """The other side's handle of what this value stands for, or None; asks nobody."""
    kind = type(value)
    if issubclass(kind, ProxyMeta):
        return type.__getattribute__(value, "__dict__").get("_hp_handle") or None
    if issubclass(type(kind), ProxyMeta):
        return _stored(value)
    if kind is Function:
        return value._hp
    if kind is types.FunctionType:
        return STUBS.get(id(value))
    if issubclass(kind, BaseException):
        return BaseException.__getattribute__(value, "__dict__").get("_hp")
    return None


def _stored(value):
    try:
        return object.__getattribute__(value, "_hp")
    except AttributeError:
        return None


class ProxyMeta(abc.ABCMeta):
    """The type of proxy classes; a class statement with such a base makes a subclass on the other side as well."""

    def __new__(mcs, name, bases, space, handle=None, **kwargs):
        if handle is None and bases:
            return _subclass(mcs, name, bases, space, kwargs)
        return super().__new__(mcs, name, bases, space)

    def __init__(cls, name, bases, space, handle=None, **kwargs):
        super().__init__(name, bases, space)

    def __call__(cls, /, *args, **kwargs):
        return peer().request("call", (cls, *args), kwargs)

    def __getattr__(cls, name):
        if name.startswith("_hp") or name in QUIET or name == "__abstractmethods__":
            raise AttributeError(name)
        held = type.__getattribute__(cls, "__dict__")
        if "_hp_real" in held and not held["_hp_handle"]:
            return getattr(held["_hp_real"], name)  # the class is known on both sides
        return ask("get", cls, name)

    def __setattr__(cls, name, value):
        if name.startswith(("_abc_", "_hp", "__abstractmethods__", "__parameters__")):
            type.__setattr__(cls, name, value)
            return
        if "_hp_local" in vars(cls):
            type.__setattr__(cls, name, value)
        elif is_own(name, value):
            value = Attribute(cls, name)  # put back by whoever replaced it: what the other side had there
        elif name not in vars(cls) and not (is_special(name) and hasattr(Proxy, name)):
            kept = operator_of(name) if is_special(name) and callable(value) else Attribute(cls, name)
            type.__setattr__(cls, name, kept)
        ask("set", cls, name, value)

    def __delattr__(cls, name):
        if "_hp_local" in vars(cls):
            type.__delattr__(cls, name)
        ask("del", cls, name)

    def __instancecheck__(cls, value):
        if issubclass(type(value), cls):
            return True
        return "i" in cls._hp_flags and peer().decides("isinstance", value, cls)

    def __subclasscheck__(cls, value):
        if any(base is cls for base in type.mro(value)) if isinstance(value, type) else False:
            return True
        if not isinstance(value, type):
            raise TypeError("issubclass() arg 1 must be a class")
        return "i" in cls._hp_flags and peer().decides("issubclass", value, cls)

    def __bool__(cls):
        return True

    def __dir__(cls):
        return [*type.__dir__(cls), *ask("m", cls, "__dir__")]

    def __iter__(cls):
        return ask("call", iter, cls)

    def __len__(cls):
        return ask("call", len, cls)

    def __contains__(cls, value):
        return ask("contains", cls, value)

    def __getitem__(cls, key):
        return ask("item", cls, key)

    def __reversed__(cls):
        return ask("call", reversed, cls)

    def __reduce_ex__(cls, protocol):
        return (unpickled, (ask("pickle", cls, protocol),))


def is_special(name):
    return name.startswith("__") and name.endswith("__")


def is_own(name, value):
    """Whether a function is what a proxy class answers by, rather than one of the tests."""
    return type(value) is types.FunctionType and (value is vars(Proxy).get(name) or hasattr(value, "_hp_own"))


def _subclass(mcs, name, bases, space, kwargs):
    """A class of this side with a base of the other: the other side gets a class of its own, with our functions."""
    told = tuple((key, value) for key, value in space.items() if key not in UNTOLD)
    twin = ask("subclass", name, bases, told, space.get("__module__"), space.get("__qualname__", name), kwargs)
    handle = twin._hp_handle
    local = dict(space) | {"_hp_handle": handle, "_hp_local": True, "_hp_flags": twin._hp_flags}
    own = [base for base in bases if isinstance(base, ProxyMeta) or not _abstract(base)]
    made = abc.ABCMeta.__new__(mcs, name, tuple(own), local)
    peer().kept[handle] = made
    return made


UNTOLD = words("__module__ __qualname__ __classcell__ __firstlineno__ __static_attributes__ __orig_bases__")
UNTOLD |= frozenset(("__annotate__", "__annotate_func__", "__conditional_annotations__", "__annotations__"))


def _abstract(base):
    return isinstance(base, abc.ABCMeta) or base is object


class Proxy(metaclass=ProxyMeta, handle=0):
    """An object of the other side."""

    _hp_flags = ""

    def __new__(cls, /, *args, **kwargs):
        return peer().request("new", (cls, *args), kwargs)

    __dict__ = property(lambda self: peer().request("get", (self, "__dict__")))

    def __getattr__(self, name):
        if name.startswith("_hp") or name in QUIET:
            raise AttributeError(name)
        return peer().request("get", (self, name))

    def __setattr__(self, name, value):
        if name in LOCAL and isinstance(self, BaseException):
            object.__setattr__(self, name, value)
            return
        peer().request("set", (self, name, value))

    def __delattr__(self, name):
        peer().request("del", (self, name))

    def __repr__(self):
        return peer().request("m", (self, "__repr__"))

    def __str__(self):
        return peer().request("m", (self, "__str__"))

    def __format__(self, spec):
        return peer().request("m", (self, "__format__", spec))

    def __dir__(self):
        return peer().request("m", (self, "__dir__"))

    def __getstate__(self):
        return peer().request("m", (self, "__getstate__"))

    def __eq__(self, other):
        return peer().compared("__eq__", self, other)

    def __ne__(self, other):
        return peer().compared("__ne__", self, other)

    def __hash__(self):
        return peer().hashed(self)

    def __reduce_ex__(self, protocol):
        return (unpickled, (ask("pickle", self, protocol),))

    def __del__(self):
        handle, mine = _stored(self), OWN.get("peer")
        if handle is not None and mine is not None:
            mine.release(handle)


def like_a_function(self, name):
    """Attributes of an object that is called: a class has a module as well, but another one than the object may say."""
    if name == "__module__" and _stored(self) is not None:
        return peer().request("get", (self, name))
    return object.__getattribute__(self, name)


class OfClass:
    """A method that the copy module finds in a class; whoever looks at the object, as tee() does, asks the real one."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def __get__(self, value, kind=None):
        if value is None:
            return self.function
        return peer().request("get", (value, self.name))


def deeply(value, memo):
    made = memo.get(id(value))
    return ask("copy", value, True) if made is None else made


type.__setattr__(Proxy, "__copy__", OfClass("__copy__", lambda value: ask("copy", value, False)))
type.__setattr__(Proxy, "__deepcopy__", OfClass("__deepcopy__", deeply))
type.__setattr__(Proxy, "__doc__", None)


def unpickled(data):
    return ask("unpickle", data)


def instance(kind, handle):
    made = object.__new__(kind)
    object.__setattr__(made, "_hp", handle)
    return made


def handed_over(made, value):
    """The handle, which is the second object's from now on and the first one's no longer."""
    handle = _stored(made)
    object.__setattr__(value, "_hp", handle)
    object.__delattr__(made, "_hp")
    return handle


def error(kind, handle, args):
    """An exception object: of a proxy class, or of the standard library and only marked."""
    base = next(base for base in kind.__mro__ if not isinstance(base, ProxyMeta))
    made = base.__new__(kind, *args) if not _odd(kind, args) else base.__new__(kind)
    made.args = args
    if not isinstance(kind, ProxyMeta) and not _odd(kind, args):
        try:
            kind.__init__(made, *args)
        except TypeError:
            made.args = args
    object.__setattr__(made, "_hp", handle)
    return made


def _odd(kind, args):
    return issubclass(kind, BaseExceptionGroup) and len(args) != 2


def set_state(error, state):
    for name, value in zip(state[::2], state[1::2], strict=True):
        if isinstance(name, str) and not name.startswith("_") and not isinstance(type(error), ProxyMeta):
            setattr(error, name, value)


class Function:
    """A function of the other side."""

    __slots__ = ("__weakref__", "_hp", "_told")

    def __init__(self, handle, told):
        object.__setattr__(self, "_hp", handle)
        object.__setattr__(self, "_told", told)

    def __call__(self, /, *args, **kwargs):
        return peer().request("call", (self, *args), kwargs)

    def __get__(self, value, kind=None):
        return self if value is None else types.MethodType(self, value)

    def __getattr__(self, name):
        if name == "__qualname__":
            return self._told[2]
        if name in QUIET or name.startswith("_hp"):
            raise AttributeError(name)
        return peer().request("get", (self, name))

    def __setattr__(self, name, value):
        peer().request("set", (self, name, value))

    def __delattr__(self, name):
        peer().request("del", (self, name))

    def __repr__(self):
        return f"<function {self._told[2]} at {id(self):#x}>"

    def __reduce_ex__(self, protocol):
        return (unpickled, (ask("pickle", self, protocol),))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    __class__ = property(lambda _: types.FunctionType)
    __name__ = property(lambda self: self._told[0])
    __module__ = property(lambda self: self._told[1])
    __doc__ = property(lambda self: self._told[3])

    @property
    def __signature__(self):
        return signature_of(self._told[4])


def signature_of(told):
    if told is None:
        raise AttributeError("__signature__")
    parts = []
    for name, kind, has, value in told:
        default = value if has else inspect.Parameter.empty
        parts.append(inspect.Parameter(name, inspect._ParameterKind(kind), default=default))
    return inspect.Signature(parts)


def function(handle, told, decode):
    return peer().make_function(handle, told)


def stub(handle, told):
    """A real function that asks: what a worker holds for a function of the tests."""
    name, module, qualname, doc, parts = told

    def call(*args, **kwargs):
        return peer().request("call", (call, *args), kwargs)

    call.__name__, call.__module__, call.__qualname__, call.__doc__ = name, module, qualname, doc
    # Where the tests' function has none, asking for it fails here as it does there.
    call.__signature__ = () if parts is None else signature_of(parts)
    STUBS[id(call)] = handle
    return call
