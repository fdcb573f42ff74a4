"""What of the oracle a worker may reach: objects of the tests, and of these no name that leads to the interpreter."""

import sys
import types

from . import mirror
from .describe import SKIPPED
from .stdlib_names import words
from .wire import SHARED, Fault

DENIED = words("pytest _pytest pluggy holdpoint_guest hypothesis freezegun")
STANDARD = words(
    "builtins.generator builtins.coroutine builtins.coroutine_wrapper builtins.async_generator builtins.map "
    "builtins.async_generator_asend builtins.async_generator_athrow builtins.filter builtins.zip builtins.enumerate "
    "builtins.reversed builtins.dict_keys builtins.dict_values builtins.dict_items builtins.dict_keyiterator "
    "builtins.dict_valueiterator builtins.dict_itemiterator builtins.list_iterator builtins.list_reverseiterator "
    "builtins.tuple_iterator builtins.set_iterator builtins.str_iterator builtins.str_ascii_iterator "
    "builtins.bytes_iterator builtins.bytearray_iterator builtins.range_iterator builtins.longrange_iterator "
    "builtins.callable_iterator builtins.iterator builtins.object builtins.memoryview builtins.odict_iterator "
    "builtins.dict_reversekeyiterator builtins.property builtins.staticmethod builtins.classmethod "
    "_io._IOBase _io._TextIOBase _io._BufferedIOBase _io._RawIOBase _io.StringIO _io.BytesIO "
    "_io.TextIOWrapper _io.BufferedReader _io.BufferedWriter _io.BufferedRandom "
    "dataclasses.Field collections.abc.KeysView collections.abc.ValuesView collections.abc.ItemsView "
    "collections.abc.MappingView collections.ChainMap collections.UserDict collections.UserList "
    "collections.UserString re.Match "
    "collections._OrderedDictKeysView collections._OrderedDictValuesView collections._OrderedDictItemsView "
    "contextlib.nullcontext contextlib._GeneratorContextManager contextlib.suppress contextlib.closing "
    "functools._lru_cache_wrapper random.Random _random.Random string.Template array.array "
    "unittest.mock.Mock unittest.mock.MagicMock unittest.mock.NonCallableMock unittest.mock.AsyncMock "
    "_asyncio.Future _asyncio.Task asyncio.futures.Future threading.Event _thread.lock _thread.RLock "
    "queue.Queue subprocess.CompletedProcess "
    "collections._deque_reverse_iterator _collections._deque_iterator weakref.ReferenceType"
)
WHOLE = frozenset(("itertools", "unittest.mock"))
OPERATORS = frozenset(
    f"__{name}__"
    for name in words(
        "call len iter next reversed contains getitem setitem delitem missing bool eq ne lt le gt ge hash "
        "repr str format bytes int float complex index round trunc floor ceil abs neg pos invert add radd iadd "
        "sub rsub "
        "isub mul rmul imul matmul rmatmul imatmul truediv rtruediv itruediv floordiv rfloordiv ifloordiv mod rmod"
        "imod "
        "divmod rdivmod pow rpow ipow and rand iand or ror ior xor rxor ixor lshift rlshift ilshift rshift rrshift "
        "irshift enter exit aenter aexit await aiter anext get set delete fspath length_hint name doc copy deepcopy"
    )
) | {"__name__", "__doc__", "__qualname__", "__module__"}
RECORDS = words("__dataclass_fields__ __match_args__ _fields _asdict _replace _field_type _field_defaults __wrapped__")
INSIDE = ("gi_", "cr_", "ag_", "f_", "tb_", "co_", "func_", "mock_add_spec", "_")
PLAIN = (str, bytes, int, float, tuple, frozenset, *SHARED)


def tells(cls, name):
    """Whether a worker is told this name of a class of the tests."""
    return name not in SKIPPED and (
        name in OPERATORS or name in RECORDS or name == "__init__" or not name.startswith(INSIDE)
    )


def check_name(value, name):
    if type(name) is not str or (name.startswith(INSIDE) and name not in OPERATORS and name not in RECORDS):
        if type(name) is str and not hasattr(value, name):
            raise AttributeError(name)
        raise Fault(f"the name {name!r} of an object of the tests may not be reached")
    return name


def check(value):
    """Fault when a worker may not hold this object."""
    kind = value if isinstance(value, type) else type(value)
    if kind is value:
        allowed = is_open(kind)
    elif kind is types.FunctionType:
        root = str(value.__module__).partition(".")[0]
        allowed = root not in sys.stdlib_module_names and root not in DENIED
    elif kind is types.MethodType:
        check(value.__func__) if isinstance(value.__func__, types.FunctionType) else None
        allowed = is_open(value.__self__ if isinstance(value.__self__, type) else type(value.__self__))
    elif kind in (types.BuiltinMethodType, types.MethodWrapperType):
        owner = value.__self__
        allowed = not isinstance(owner, types.ModuleType | type) and (type(owner) in PLAIN or is_open(type(owner)))
    else:
        allowed = is_open(kind)
    if not allowed:
        raise Fault(f"a value of type {kind.__module__}.{kind.__qualname__} cannot cross")


def is_open(kind):
    if kind in CALLABLES:
        return True
    if isinstance(kind, mirror.ProxyMeta):
        return True
    root = str(kind.__module__).partition(".")[0]
    if root in DENIED:
        return False
    if standard(kind):
        return kind.__module__ in WHOLE or f"{kind.__module__}.{kind.__qualname__}" in STANDARD
    return not issubclass(kind, types.ModuleType)


def standard(kind):
    """Whether a class is the standard library's own; what tests make with its factories claims such a module too."""
    module = str(kind.__module__)
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return False
    if not kind.__flags__ & MADE_IN_PYTHON:
        return True
    found = sys.modules.get(module)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is kind


MADE_IN_PYTHON = 1 << 9
CALLABLES = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType)


def check_set(value, name):
    check_name(value, name)
    if isinstance(value, (*CALLABLES, type)) or standard(type(value)):
        raise Fault(f"{name!r} of this object may not be set")


def has_dict(value):
    """Whether the instance dictionary may be shared: only plain objects of the tests' own classes."""
    kind = type(value)
    root = str(kind.__module__).partition(".")[0]
    return not standard(kind) and root not in DENIED and not isinstance(value, (*CALLABLES, type))
