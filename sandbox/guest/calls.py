"""Records what the base's own tests ask of the packages in scope, in the process in which both run; the base only.

A call is a function of the scope that somebody outside of it has called. What cannot be asked again elsewhere by its
names and plain values alone spoils the recording of its test: a part of the calls is no recording.
"""

import contextlib
import dis
import enum
import functools
import inspect
import json
import os
import sys
import types

import pytest

from . import stdlib_names
from .wire import Encoder, Fault

WORK = "/work"  # where an arm's files are, in each container
MOST_CALLS = 200
MOST_LOOKS = 20
LONGEST = 128 * 1024
LAZY = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
RETURNS = frozenset(dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap)


class Calls:
    """A pytest plugin that tells the calls of the wanted tests, or why one has none that could be asked again."""

    def __init__(self, packages, wanted, say):
        self.packages, self.wanted, self.say = frozenset(packages), frozenset(wanted), say
        self.index = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        if item.nodeid not in self.wanted:
            return (yield)
        self.index = Index(self.packages)
        self.index.clear_caches()
        script = Script(self.index)
        sys.setprofile(script.profile)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            self.say({"e": "calls", "id": item.nodeid, **script.told()})


class Index:
    """The functions of the scope by their code, and the names under which modules hold things."""

    def __init__(self, packages):
        self.codes, self.caches = {}, []
        modules = {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in packages}
        self.modules = {name: module for name, module in modules.items() if is_of_arm(module)}
        for name, module in self.modules.items():
            for key, value in list(vars(module).items()):
                if isinstance(key, str) and key.isidentifier():
                    self.add(("call", name, key), value, name)

    def add(self, how, value, home):
        if isinstance(value, functools._lru_cache_wrapper):
            self.caches.append(value)
            value = value.__wrapped__
        if isinstance(value, types.FunctionType):
            known = self.codes.setdefault(value.__code__, how)
            if known is None or known[0] != how[0] or resolved(self.modules, known) is not resolved(self.modules, how):
                self.codes[value.__code__] = None  # one code for several functions, as a decorator makes them
        elif isinstance(value, type) and value.__module__ == home and how[0] == "call":
            for key, raw in list(vars(value).items()):
                kind = "get" if isinstance(raw, property) else "m"
                function = raw.fget if kind == "get" else getattr(raw, "__func__", raw)
                if isinstance(function, functools._lru_cache_wrapper | types.FunctionType):
                    self.add((kind, home, how[2], key), function, home)

    def clear_caches(self):
        for cache in self.caches:
            cache.cache_clear()

    def inside(self, frame):
        """Whether a frame runs code of the scope."""
        return frame.f_globals.get("__name__") in self.modules

    def named(self, value):
        """["#", module, name] of what a module of the scope holds under its own name."""
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if isinstance(value, enum.Enum):
            module, name = type(value).__module__, f"{type(value).__qualname__}.{value.name}"
        if module in self.modules and isinstance(name, str) and "<" not in name:
            found = self.modules[module]
            for part in name.split("."):
                found = getattr(found, part, None)
            if found is value:
                return ["#", module, name]
        return None


def is_of_arm(module):
    """Whether a module's file is one of the editable scope: tests may lie inside of a package as well."""
    place = getattr(module, "__file__", None)
    return type(place) is str and os.path.realpath(place).startswith(f"{WORK}/")


def resolved(modules, how):
    found = modules[how[1]]
    for part in how[2:]:
        found = vars(found).get(part) if isinstance(found, type) else getattr(found, part, None)
    return getattr(found, "__func__", found)


class Script:
    """The calls of one test, in order; `why` says what spoiled them."""

    def __init__(self, index):
        self.index, self.enc = index, Encoder(self)
        self.shared = self
        self.steps, self.answers, self.kept = [], [], []
        self.marks, self.open, self.callbacks = {}, {}, {}
        self.why = ""

    def told(self):
        if not self.why:
            self.look()
        whole = {"steps": self.steps, "answers": self.answers}
        if not self.why and len(json.dumps(whole)) > LONGEST:
            self.why = "the calls are too long to be kept"
        return {"why": self.why} if self.why else whole

    def look(self):
        """What the test may have read of the objects without a call: their public attributes as they end up."""
        for value in self.kept:
            held = getattr(value, "__dict__", None)
            if type(value).__module__ not in self.index.modules or type(held) is not dict:
                continue
            for name, part in list(held.items())[:MOST_LOOKS]:
                if not name.startswith("_"):
                    with contextlib.suppress(Fault):
                        ends = self.enc(part)
                        args = [self.marks[id(value)], name]
                        self.steps.append({"op": "get", "args": args, "kwargs": [], "ends": ends})
                    self.enc.depth = 0

    def profile(self, frame, event, value):
        if self.why or event not in ("call", "return"):
            return
        try:
            if event == "call":
                self.called(frame)
            elif id(frame) in self.open:
                self.returned(frame, *self.open.pop(id(frame)), value)
        except Fault as fault:
            self.why = str(fault)

    def called(self, frame):
        below = frame.f_back
        inside = self.index.inside(frame)
        outer = below is None or not self.index.inside(below)
        if not inside and not outer and frame.f_code in self.callbacks:
            self.open[id(frame)] = (frame, None)
        if not inside or not outer or below is None:
            return
        if frame.f_code.co_flags & LAZY:
            raise Fault("a generator or coroutine was made")
        if len(self.steps) >= MOST_CALLS:
            raise Fault("too many calls")
        if any(step is not None for _, step in self.open.values()):
            raise Fault("a callback calls")
        how = self.index.codes.get(frame.f_code)
        if how is None:
            raise Fault(f"{frame.f_code.co_name} has no name of its own")
        self.step(frame, how)

    def step(self, frame, how):
        args, kwargs = arguments(frame)
        op, made = how[0], None
        if op == "call":
            values = [["#", how[1], how[2]], *self.enc.many(args)]
        elif how[3] in ("__init__", "__new__") and self.marks.get(id(args[0])) is None:
            cls = args[0] if how[3] == "__new__" else type(args[0])
            mark = self.index.named(cls)
            if mark is None:
                raise Fault("a class of the tests is made of one of the scope")
            made = args[0] if how[3] == "__init__" else None
            op, values = "call", [mark, *self.enc.many(args[1:])]
        elif how[3] == "__init__":
            return  # what __new__ has made already
        else:
            name = [] if op == "get" and not args else [how[3]]
            values = [self.owner(how, args), *name, *self.enc.many(args[1:])]
        self.steps.append({"op": op, "args": values, "kwargs": [[key, self.enc(part)] for key, part in kwargs]})
        if made is not None:
            self.mark(made, len(self.steps) - 1)
        self.open[id(frame)] = (frame, len(self.steps) - 1)

    def owner(self, how, args):
        if not args:
            raise Fault("a static method")
        return self.enc(args[0])

    def returned(self, frame, _, step, value):
        good = value is not None or frame.f_code.co_code[frame.f_lasti] in RETURNS
        if step is None:
            if not good:
                raise Fault("a callback raises")
            self.answers.append(self.enc(value))
            return
        made = self.steps[step]
        if not good:
            made["ends"] = ["x"]
        elif frame.f_code.co_name == "__init__" and made["op"] == "call":
            made["ends"] = ["o"]
        else:
            self.mark_parts(value, step)
            made["ends"] = self.result(value)

    def result(self, value):
        """The answer in the form in which it can be compared; of an object only that it is one."""
        if self.marks.get(id(value)) is None:
            return self.enc(value)
        if hasattr(type(value), "__next__") and type(value).__module__ not in self.index.modules:
            raise Fault("an iterator")  # what it gives is read without a call that could be seen
        return ["o"]

    def mark_parts(self, value, step):
        if not plain(value) and self.index.named(value) is None and stdlib_names.name_of(value) is None:
            self.mark(value, step)

    def mark(self, value, step):
        self.kept.append(value)  # so that no other object gets its number
        self.marks.setdefault(id(value), ["$", step])

    # what an encoder asks of a peer

    def export(self, value):
        found = self.marks.get(id(value)) or self.index.named(value)
        if found is not None:
            return found
        name = stdlib_names.name_of(value)
        if name is not None:
            return ["g", *name]
        if type(value) is types.ModuleType and value.__name__ in self.index.modules:
            return ["m", value.__name__]
        if type(value) in (types.FunctionType, types.MethodType):
            number = self.callbacks.setdefault(value.__code__, len(self.callbacks))
            return ["&", number]
        raise Fault(f"an object of type {type(value).__name__}")

    def number(self, _):
        return 0, True

    def sent(self, number, made):
        """Nobody keeps it."""


def plain(value):
    return value is None or type(value) in (bool, int, float, str, bytes, tuple, list, dict, set, frozenset, complex)


def arguments(frame):
    """(positional values, [(name, value)] by name) that a frame was called with."""
    code, held = frame.f_code, frame.f_locals
    count, only = code.co_argcount, code.co_kwonlyargcount
    args = [held[name] for name in code.co_varnames[:count]]
    kwargs = [(name, held[name]) for name in code.co_varnames[count : count + only]]
    at = count + only
    if code.co_flags & inspect.CO_VARARGS:
        args += held[code.co_varnames[at]]
        at += 1
    if code.co_flags & inspect.CO_VARKEYWORDS:
        kwargs += held[code.co_varnames[at]].items()
    return args, kwargs
