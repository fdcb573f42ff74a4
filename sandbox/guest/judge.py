"""The oracle's end of the pipe: trusts nothing of the worker, counts what the candidate decides, and serves it only
what the tests handed out.
"""

import collections
import copy
import importlib
import sys
import types
from importlib.machinery import ModuleSpec

from . import exported, members, mirror, stdlib_names
from .guarded import Guard
from .imports import Names, ProxyModule
from .peer import STOPS, Peer
from .reading import Reading
from .surroundings import Surroundings
from .verdicts import Comparisons
from .wire import Fault

ONLY = 2  # references to what one variable holds, when it is asked
FATAL = ("_pytest.outcomes", "unittest.case")


class Judge(Peer):
    """One session's peer; `tally` counts since it was last taken, `poison` must fail the running test."""

    def __init__(self, read, write, packages, shapes=None):
        super().__init__(read, write, 1)
        self.packages = frozenset(packages)
        self.tally = collections.Counter()
        self.poison = None
        self.most = None  # messages that one test may cost
        self.before = 0
        self.born = []  # exceptions of test code that went into the worker, in open requests
        self.surroundings = Surroundings(self.crosses)
        self.guard = Guard()
        self.reading = Reading(self)
        # Number 0: a table of the host's, not a container that the worker knows by number.
        self.comparisons = Comparisons(self, self.dec(["d", 0, *shapes[2:]]) if shapes else {})

    def count(self, word):
        self.tally[word] += 1

    def taken(self):
        taken, self.tally = dict(self.tally), collections.Counter()
        return taken

    # requests

    def request(self, op, args, kwargs=None):
        start = len(self.born)
        outcome = None
        try:
            self.check_cost()
            for told in self.surroundings.patches.news():
                self.patch(told)
            return super().request(op, args, kwargs)
        except Fault as fault:
            self.count("fault")
            self.poison = self.poison or fault
            raise
        except BaseException as error:
            outcome = error
            raise
        finally:
            self.latch(start, outcome)

    def patch(self, told):
        """What a test put in the place of a standard name; a worker has nothing to say to that."""
        try:
            answer = super().request("patch", told)
        except Exception as error:
            raise Fault(f"the worker did not take a patch ({type(error).__name__})") from None
        if answer is not None:
            raise Fault("the worker answered to a patch")

    def crosses(self, value):
        """Whether a value could be sent; it is not."""
        mark, handle = self.shared.next, self.next_handle
        try:
            self.enc(value)
        except Fault:
            return False
        finally:
            self.forget(mark, handle)
        return True

    def check_cost(self):
        if self.most is not None and self.asked + self.heard - self.before > self.most:
            raise Fault(f"the test needs more than {self.most} messages")

    def latch(self, start, outcome):
        """Exceptions of test code that did not come out of the worker again."""
        born = self.born[start:]
        del self.born[start:]
        if not born:
            return
        out = []
        while outcome is not None and outcome not in out and len(out) < 20:
            out.append(outcome)
            outcome = outcome.__cause__ or outcome.__context__
        for error in born:
            if any(error is part for part in out):
                continue
            self.count(f"swallowed:{type(error).__name__}")
            if isinstance(error, AssertionError) or type(error).__module__ in FATAL:
                self.poison = self.poison or error

    def outcome(self, reply):
        for name in reply.get("i", ()):
            self.surroundings.refresh(name)
        try:
            return super().outcome(reply)
        finally:
            self.surroundings.hear(reply, self.dec)

    def add_news(self, frame):
        if "op" in frame:
            frame.update(self.surroundings.changes())

    def changed(self, number):
        if number % 2:
            self.count("mutated")

    # the worker's requests

    def operate(self, op, args, kwargs):
        served = SERVED.get(op)
        if served is None or not args:
            raise Fault(f"the worker may not ask for {op!r}")
        if id(args[0]) not in self.handles and mirror.handle_of(args[0]) is None:
            raise Fault("the worker may only reach objects of the tests")
        self.check_cost()
        self.count("callback")
        try:
            with self.guard:
                return served(*args, **kwargs)
        finally:
            if self.guard.broken is not None:
                self.poison, self.guard.broken = self.poison or self.guard.broken, None

    def raised(self, error, op):
        if op in ("call", "m") and not isinstance(error, STOPS) and mirror.handle_of(error) is None:
            self.born.append(error)
        return error

    # objects

    def check_export(self, value):
        exported.check(value)

    def tells(self, cls, name):
        return exported.tells(cls, name)

    def foreign(self, cls):
        return stdlib_names.name_of(cls) is not None and not issubclass(cls, BaseException)

    def export(self, value):
        if isinstance(value, members.Method | members.ClassMethod | members.Attribute):
            return ["v", "raw", self.enc(value.owner), value.name]
        if isinstance(value, ModuleSpec) and value.name.partition(".")[0] in self.packages:
            return ["v", "raw", ["m", value.name], "__spec__"]
        if type(value) is Names:
            return ["v", "raw", self.enc(value.module), "__dict__"]
        form = super().export(value)
        if form[0] == "y" and self.reading.ahead:
            self.reading.check(form[1])
        return form

    def twin(self, value):
        """Somebody made the object by `object.__new__`, as unpickling may; the worker makes one just as bare."""
        try:
            made = super().request("bare", (type(value),))
        except Exception as error:
            raise Fault(f"the worker makes no bare object ({type(error).__name__})") from None
        if type(made) is not type(value) or sys.getrefcount(made) > ONLY:
            raise Fault("the worker made no bare object")
        handle = mirror.handed_over(made, value)
        self.proxies[handle] = value
        return handle

    def export_module(self, module):
        if isinstance(module, ProxyModule):
            return ["m", module.__name__]
        raise Fault(f"the module {module.__name__} cannot cross")

    def adopt_module(self, name):
        if name.partition(".")[0] not in self.packages:
            raise Fault(f"the module {name} is not in scope")
        return importlib.import_module(name)

    def adopt_class(self, handle, item):
        made = super().adopt_class(handle, item)
        if self.comparisons.differs(made):
            self.count(f"shape:{made.__module__}.{made.__qualname__}"[:200])
        return made

    def make_function(self, handle, told):
        return mirror.Function(handle, told)

    # what proxies ask here rather than there

    def compared(self, name, left, right):
        return self.comparisons.compare(name, left, right)

    def hashed(self, value):
        return self.comparisons.hashed(value)

    def decided(self, name, value, *args):
        self.count(f"decided:{name.strip('_')}")
        return self.request("m", (value, name, *args))

    def decides(self, op, value, cls):
        if not self.comparisons.admits(cls):
            return False
        self.count("decided:isinstance")
        return bool(self.request(op, (value, cls)))

    def hinted(self, value):
        return self.reading.announce(value)

    def stepped(self, value):
        return self.reading.step(value)

    def release(self, handle):
        super().release(handle)
        self.reading.forget(handle)

    def pumped(self, value, name, *args):
        """A step; a future of the worker's own loop is waited for there."""
        result = self.request("m", (value, name, *args))
        while is_future(result):
            self.request("pump", (result,))
            result = self.request("m", (value, "send", None))
        return result

    def left(self, value, name, error):
        """`__exit__`: what was raised by test code goes on, whatever the candidate says."""
        kind = None if error is None else type(error)
        result = self.request("m", (value, name, kind, error, None))
        ours = error is not None and mirror.handle_of(error) is None
        if name == "__aexit__":
            return self.left_later(result, ours)
        return self.unless(result, ours)

    async def left_later(self, result, ours):
        return self.unless(await result, ours)

    def unless(self, result, ours):
        if ours and result:
            self.count("exit")
            return False
        return result


def is_future(value):
    kind = type(value)
    return isinstance(kind, mirror.ProxyMeta) and "_asyncio_future_blocking" in getattr(kind, "_hp_names", ())


def get(value, name):
    if name == "__dict__" and exported.has_dict(value):
        return vars(value)
    return getattr(value, exported.check_name(value, name))


def set_(value, name, new):
    exported.check_set(value, name)
    setattr(value, name, new)


def method(value, name, /, *args, **kwargs):
    exported.check_name(value, name)
    if name.startswith("__"):
        return getattr(type(value), name)(value, *args, **kwargs)
    return getattr(value, name)(*args, **kwargs)


def call(function, /, *args, **kwargs):
    if isinstance(function, types.ModuleType):
        raise Fault("a module cannot be called")
    return function(*args, **kwargs)


SERVED = {
    "call": call,
    "m": method,
    "get": get,
    "set": set_,
    "copy": lambda value, deep: copy.deepcopy(value) if deep else copy.copy(value),
}
