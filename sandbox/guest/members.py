"""What the proxy classes are made of: names that, when they are used, ask the other side."""

import inspect
import types

from .link import QUIET, ask, peer


class Method:
    """A function in a class of the other side: bound by instances, fetched from the class."""

    def __init__(self, owner, name):
        self.owner, self.name = owner, name

    def __get__(self, value, kind=None):
        if value is None:
            return ask("get", self.owner if kind is None else kind, self.name)
        return types.MethodType(self, value)

    def __call__(self, value, /, *args, **kwargs):
        if "_hp_local" in vars(type(value)):
            return peer().request("super", (self.owner, value, self.name, *args), kwargs)
        return peer().request("m", (value, self.name, *args), kwargs)

    def __getattr__(self, name):
        if name.startswith("_hp") or name in QUIET:
            raise AttributeError(name)
        return getattr(ask("get", self.owner, self.name), name)

    @property
    def __name__(self):
        return self.name

    @property
    def __doc__(self):
        return ask("get", self.owner, self.name).__doc__

    @property
    def __signature__(self):
        return inspect.signature(ask("get", self.owner, self.name))


class ClassMethod:
    """A class or static method of the other side."""

    def __init__(self, owner, name):
        self.owner, self.name = owner, name

    def __get__(self, value, kind=None):
        return types.MethodType(self, value if value is not None else kind)

    def __call__(self, value, /, *args, **kwargs):
        return peer().request("m", (value, self.name, *args), kwargs)

    def __getattr__(self, name):
        if name.startswith("_hp") or name in QUIET:
            raise AttributeError(name)
        return getattr(ask("get", self.owner, self.name), name)


class Attribute:
    """Any other name in a class of the other side."""

    def __init__(self, owner, name):
        self.owner, self.name = owner, name

    def __get__(self, value, kind=None):
        return peer().request("get", (kind if value is None else value, self.name))

    def __set__(self, value, new):
        peer().request("set", (value, self.name, new))

    def __delete__(self, value):
        peer().request("del", (value, self.name))


def operator_of(name, real=None):
    """The function behind an operator: most ask; some ask by way of the peer, which may know better or counts."""
    if name == "__iter__" and real is not None and hasattr(real, "__next__"):
        return _named(lambda self: self, name)  # as every iterator of the standard library does
    special = SPECIAL.get(name)
    if special is not None:
        return _named(special(name), name)
    return _named(lambda self, /, *args, **kwargs: peer().request("m", (self, name, *args), kwargs), name)


def step_of(name):
    return _named(lambda self, *args: peer().pumped(self, name, *args), name)


def _named(function, name):
    function.__name__ = function.__qualname__ = name
    function._hp_own = True
    return function


def _compared(name):
    return lambda self, other: peer().compared(name, self, other)


def _decided(name):
    return lambda self, *args: peer().decided(name, self, *args)


def _left(name):
    return lambda self, kind=None, error=None, trace=None: peer().left(self, name, error)


SPECIAL = {
    **dict.fromkeys(("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"), _compared),
    **dict.fromkeys(("__bool__", "__contains__"), _decided),
    **dict.fromkeys(("__exit__", "__aexit__"), _left),
    "__next__": lambda _: lambda self: peer().stepped(self),
    "__length_hint__": lambda _: lambda self: peer().hinted(self),
}
KINDS = {"f": Method, "s": ClassMethod, "k": ClassMethod, "p": Attribute, "v": Attribute}
