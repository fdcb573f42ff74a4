"""Which names of the standard library may cross as names, in both directions; it resolves, and never calls, them.

What could reach files, processes, code or the interpreter's inside is not listed: it would cross as an object of its
own side, or not at all.
"""

import dataclasses
import importlib
import types
import typing
from collections import deque


def words(text):
    """A set of names."""
    return frozenset(text.split())


BUILTINS = words(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float "
    "format frozenset hash hex id int isinstance issubclass iter len list map max memoryview min next object oct ord "
    "pow property range repr reversed round set slice sorted staticmethod str sum super tuple type zip"
)
OPEN = words(
    "operator _operator math cmath itertools _functools functools _collections collections collections.abc string "
    "_string datetime decimal _decimal fractions statistics re textwrap unicodedata uuid pathlib numbers heapq _heapq "
    "bisect _bisect keyword html urllib.parse base64 binascii enum abc _abc dataclasses typing _struct struct array "
    "json json.decoder json.encoder copy random _random time contextlib zoneinfo calendar _operator _statistics "
    "cmath colorsys string difflib graphlib hashlib _hashlib types"
)
CLASSES_ONLY = words("types typing enum abc dataclasses contextlib _abc")
ERRORS = words(
    "builtins decimal json.decoder re re._constants sre_constants struct _struct binascii zoneinfo._common configparser"
    " subprocess statistics uuid email.errors csv _csv argparse asyncio.exceptions concurrent.futures._base"
    " urllib.error socket queue _queue graphlib tomllib pickle _pickle copy io dataclasses string inspect ast"
    " xml.parsers.expat zlib lzma tarfile zipfile shutil unittest.case ipaddress contextlib locale codecs"
)
REFUSED = words(
    "functools.singledispatch typing.get_type_hints types.FunctionType types.CodeType types.FrameType types.ModuleType "
    "copy._reconstruct types.CellType typing.ForwardRef"
)


def name_of(value):
    """(module, qualified name) under which the other side finds exactly this object, or None."""
    if id(value) in SENTINELS:
        return SENTINELS[id(value)]
    kind = type(value)
    if not issubclass(kind, type) and kind not in NAMED:
        return None
    owner = getattr(value, "__objclass__", None) if not isinstance(value, type) else None
    if owner is None and type(value) is BUILTIN_METHOD and isinstance(value.__self__, type):
        owner = value.__self__
    try:
        if owner is not None:
            module, qualname = owner.__module__, f"{owner.__qualname__}.{value.__name__}"
        else:
            module, qualname = value.__module__, value.__qualname__
    except AttributeError:
        return None
    if not isinstance(module, str) or not isinstance(qualname, str):
        return None
    try:
        found = resolve(module, qualname)
    except LookupError:
        return None
    # `str.upper` is made anew at each access of `dict.fromkeys` and its like, hence equality for those.
    return (module, qualname) if found is value or (type(value) is BUILTIN_METHOD and found == value) else None


BUILTIN_METHOD = type(dict.fromkeys)
SENTINELS = {
    id(getattr(dataclasses, name)): ("dataclasses", name)
    for name in ("MISSING", "KW_ONLY", "_FIELD", "_FIELD_CLASSVAR", "_FIELD_INITVAR")
}
UNNAMED = {
    kind.__name__: kind
    for kind in (type(None), type(...), type(NotImplemented), types.FunctionType, types.GeneratorType, types.MethodType,
                 types.CoroutineType, types.AsyncGeneratorType, types.BuiltinFunctionType, types.ModuleType)
}  # fmt: skip
NAMED = (
    BUILTIN_METHOD,
    types.FunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    type(typing.Any),
    type(typing.Union),
    type(deque),
    type(typing.Annotated),
    type(typing.Callable),
)


def resolve(module, qualname):
    """The named object; LookupError for anything that is not listed."""
    if not isinstance(module, str) or not isinstance(qualname, str) or qualname.count(".") > 2:
        raise LookupError(f"{module!r}.{qualname!r} is no name")
    if (module, qualname) in SENTINELS.values():
        return getattr(importlib.import_module(module), qualname)
    first = qualname.partition(".")[0]
    plain = module == "builtins" and first in BUILTINS
    if module == "builtins" and qualname in UNNAMED:
        return UNNAMED[qualname]
    if any(part.startswith("_") and part not in FINE for part in qualname.split(".")):
        raise LookupError(f"{module}.{qualname} is private")
    if not plain and module not in OPEN and module not in ERRORS and module != "builtins":
        raise LookupError(f"{module} is not a module whose names may cross")
    if f"{module}.{qualname}" in REFUSED:
        raise LookupError(f"{module}.{qualname} may not cross")
    value = importlib.import_module(module)
    for part in qualname.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise LookupError(f"there is no {module}.{qualname}") from None
    if plain or (isinstance(value, type) and issubclass(value, BaseException)):
        return value
    if module not in OPEN or (module in CLASSES_ONLY and not isinstance(value, type) and module != "typing"):
        raise LookupError(f"{module}.{qualname} may not cross")
    if type(value).__name__ == "module":
        raise LookupError(f"{module}.{qualname} is a module")
    return value


FINE = frozenset(
    f"__{name}__"
    for name in words(
        "add sub mul truediv floordiv mod pow and or xor invert neg pos abs lt le eq ne gt ge len contains "
        "getitem index int float str repr hash bool iter next lshift rshift matmul concat not"
    )
)
