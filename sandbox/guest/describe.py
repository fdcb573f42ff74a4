"""Describes classes and functions to the other side: names and kinds only, no values; it runs nothing of theirs."""

import abc
import inspect
import types

from .stdlib_names import words

SKIPPED = words(
    "__dict__ __weakref__ __module__ __doc__ __slots__ __new__ __init_subclass__ __subclasshook__ __abstractmethods__ "
    "__getattribute__ __getattr__ __setattr__ __delattr__ __annotations__ __class__ __reduce__ __reduce_ex__ "
    "__getstate__ __setstate__ __text_signature__ __del__ __set_name__ _abc_impl __qualname__ __name__ "
    "__sizeof__ __dir__ "
    "__class_getitem__ __instancecheck__ __subclasscheck__ __mro_entries__ __prepare__ __getnewargs__ "
    "__getnewargs_ex__ __copy__ __deepcopy__ __firstlineno__ __static_attributes__ __annotate__ __annotate_func__ "
    "__annotations_cache__ __orig_bases__ __parameters__ __type_params__"
)


def described_class(peer, cls):
    """["c", handle, name, module, qualname, bases, names, flags]; bases are described first, where they are new."""
    bases = [peer.enc(base) for base in type.mro(cls)[1:] if base in cls.__bases__]
    handle = peer.keep(cls)
    found = {}
    for owner in reversed(type.mro(cls)):
        if owner is cls or (owner is not object and peer.foreign(owner)):
            found |= {name: kind_of(raw) for name, raw in list(vars(owner).items()) if peer.tells(cls, name)}
    names = [[name, kind] for name, kind in found.items()]
    flags = "".join(flag for flag, on in FLAGS if on(cls))
    return ["c", handle, str(cls.__name__), str(cls.__module__), str(cls.__qualname__), bases, names, flags]


def decides_membership(cls):
    """Whether `isinstance` asks code of the class rather than its ancestry."""
    for kind in type(cls).__mro__:
        if kind in (type, abc.ABCMeta):
            break
        if "__instancecheck__" in vars(kind) or "__subclasscheck__" in vars(kind):
            return True
    own = (base for base in type.mro(cls)[:-1] if base.__module__ not in ("typing", "collections.abc"))
    return isinstance(cls, abc.ABCMeta) and (
        inspect.isabstract(cls) or any("__subclasshook__" in vars(base) for base in own)
    )


FLAGS = (("i", decides_membership), ("u", lambda cls: cls.__hash__ is None))


def kind_of(raw):
    if isinstance(raw, staticmethod):
        return "s"
    if isinstance(raw, classmethod | types.ClassMethodDescriptorType):
        return "k"
    if isinstance(raw, CALLED):
        return "f"
    if hasattr(type(raw), "__set__") or isinstance(raw, property):
        return "p"
    return "v"


CALLED = (types.FunctionType, types.WrapperDescriptorType, types.MethodDescriptorType, types.BuiltinFunctionType)


def described_function(peer, function):
    """["f", handle, name, module, qualname, doc, signature]."""
    handle = peer.keep(function)
    doc = function.__doc__ if type(function.__doc__) is str else None
    names = (function.__name__, str(function.__module__), function.__qualname__)
    return ["f", handle, *names, doc, signature(peer, function)]


def signature(peer, function):
    """[[name, kind, has a default, the default where it is plain], …] or null."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    return [
        [part.name, int(part.kind), part.default is not part.empty, plain(part.default)]
        for part in found.parameters.values()
    ]


def plain(value):
    return value if value is None or type(value) in (bool, str) or (type(value) is int and abs(value) < 2**53) else None
