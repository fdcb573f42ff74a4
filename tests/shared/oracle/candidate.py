"""A package of the kind that is judged: one of everything that has to cross."""

import asyncio
import collections
import concurrent.futures
import contextlib
import dataclasses
import enum
import functools
import inspect
import itertools
import logging
import os
import queue
import random
import sys
import warnings
from collections.abc import Mapping

__all__ = ["LIMIT", "Account", "add", "apply"]
LIMIT = 10
TABLE = {"a": [1, 2]}


class CandidateError(ValueError):
    def __init__(self, code, detail=""):
        super().__init__(code, detail)
        self.code = code


class DeepError(CandidateError):
    def __str__(self):
        return f"deep {self.code}"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    note: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, order=True)
class Rank:
    level: int


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 5


Pair = collections.namedtuple("Pair", "left right")


class Account:
    """An account."""

    kind = "plain"

    def __init__(self, owner, *, start=0):
        self.owner, self.total, self.log = owner, start, []

    @property
    def double(self):
        return self.total * 2

    @classmethod
    def of(cls, owner):
        return cls(owner)

    @staticmethod
    def rate():
        return 0.5

    def pay(self, amount, /, times=1):
        self.total += amount * times
        self.log.append(amount)
        return self

    def hook(self):
        return "base"

    def call_hook(self):
        return self.hook()


class Money:
    def __init__(self, cents):
        self.cents = cents

    def __eq__(self, other):
        return isinstance(other, Money) and self.cents == other.cents

    def __hash__(self):
        return hash(self.cents)

    def __lt__(self, other):
        return self.cents < other.cents

    def __add__(self, other):
        return Money(self.cents + (other.cents if isinstance(other, Money) else other))

    __radd__ = __add__

    def __bool__(self):
        return self.cents != 0

    def __str__(self):
        return f"${self.cents}"

    def __repr__(self):
        return f"Money({self.cents})"

    def __format__(self, spec):
        return spec + str(self.cents)

    def __index__(self):
        return self.cents

    def __call__(self, *args, **kwargs):
        return args, kwargs

    def __float__(self):
        return self.cents / 1


class Bag(Mapping):
    def __init__(self, **items):
        self.items_ = items

    def __getitem__(self, key):
        return self.items_[key]

    def __iter__(self):
        return iter(self.items_)

    def __len__(self):
        return len(self.items_)


class Words(list):
    pass


def add(a, b=2, *, c=0):
    """Adds."""
    return a + b + c


def apply(function, *args, **kwargs):
    return function(*args, **kwargs)


def same(value):
    return value


def fail(code, detail=""):
    raise CandidateError(code, detail)


def fail_deep():
    raise DeepError(7)


def chained():
    try:
        int("x")
    except ValueError as error:
        raise CandidateError("outer") from error


def swallow(function):
    try:
        function()
    except Exception:
        return "swallowed"
    return "fine"


def append(target, value):
    target.append(value)


class Keeper:
    def __init__(self, data):
        self.data = data

    def put(self, value):
        self.data.append(value)

    def total(self):
        return sum(self.data)

    def share(self):
        return self.data


def count(start=0):
    while True:
        yield start
        start += 1


def echo():
    got = yield "ready"
    while True:
        try:
            got = yield ("got", got)
        except KeyError as error:
            got = f"caught {error.args[0]}"


def firsts(iterable, number):
    iterator = iter(iterable)
    return [next(iterator) for _ in range(number)]


def mapped(function, iterable):
    return map(function, iterable)


@contextlib.contextmanager
def managed(log):
    log.append("in")
    try:
        yield log
    finally:
        log.append("out")


class Suppressor:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return True


async def slow(value):
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    return value * 2


async def ticks(number):
    for value in range(number):
        await asyncio.sleep(0)
        yield value


async def awaited(function):
    return await function() + 1


def remember(function):
    return functools.lru_cache(function)


def speak():
    print("hello")
    warnings.warn("old", DeprecationWarning, stacklevel=2)
    logging.getLogger("candidate").warning("logged %d", 3)


def whisper():
    os.write(1, b"below python\n")
    print("aside", file=sys.stderr)
    logging.getLogger("candidate").debug("detail %d", 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.warn("nobody hears this", UserWarning, stacklevel=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("kept", UserWarning, stacklevel=2)
    return [str(one.message) for one in caught]


def surroundings():
    """What a test runner is known by."""
    return {
        "streams": sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__ and sys.stdin is sys.__stdin__,
        "kinds": [type(stream).__name__ for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "numbers": [stream.fileno() for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "always": any(entry[0] == "always" for entry in warnings.filters),
        "hook": warnings.showwarning.__module__,
        "handlers": len(logging.getLogger().handlers),
        "level": logging.getLogger().level,
    }


def home():
    return os.environ.get("SOME_HOME")


def helper():
    return "real"


def uses_helper():
    return helper()


def pairs(iterable):
    """Two readers of one iterator, one a step ahead."""
    first, second = itertools.tee(iterable)
    next(second, None)
    return list(zip(first, second, strict=False))


def takes_more(function):
    kinds = [part.kind for part in inspect.signature(function).parameters.values()]
    return inspect.Parameter.VAR_POSITIONAL in kinds


def draw():
    return random.random()


def relayed(function):
    """What the function hands to its callback, by way of another thread."""
    found = queue.Queue()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(function, found.put)
        items = []
        while not (done.done() and found.empty()):
            with contextlib.suppress(queue.Empty):
                items.append(found.get(timeout=0.01))
    return items, done.result()


def distinct(values):
    found = {}
    for value in values:
        found.setdefault(value, len(found))
    return len(found)


def module_of(function):
    return function.__module__


def missing_name(load):
    try:
        load("x")
    except ModuleNotFoundError as error:
        return error.name


def size_of(path):
    return os.stat(path).st_size  # noqa: PTH116 - its error names the file


class MissingError(KeyError):
    pass


def misses():
    raise MissingError("extra")


class Stored:
    def __init__(self, text):
        self.text = text

    def __getstate__(self):
        return self.text

    def __setstate__(self, text):
        self.text = text


def one_stored(one, other):
    return one is other and type(one) is Stored


class Curried:
    def __init__(self, function):
        self.function = function
        self.__module__ = function.__module__

    def __call__(self, *args):
        return self.function(*args)


def __lt__(one, other):  # noqa: N807 - as the operator module has it
    return "less"
