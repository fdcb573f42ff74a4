"""The role that runs the candidate's code and answers the oracle's requests; nothing that it says is trusted.

What candidate code prints does not reach the protocol by accident: descriptors 0 to 2 are replaced before any of it
is imported. Code that means to can write to the pipe; the host and the oracle expect as much.
"""

import enum
import functools
import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import threading

from . import link, mirror, stdlib_names
from .describe import SKIPPED
from .ears import Ears, set_levels
from .operations import OPERATIONS, identities
from .patches import Applied
from .peer import Peer
from .scope import Scope
from .wire import LONGEST_LINE, Fault, dumps


def main(header):
    source = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    sink = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    sys.meta_path.insert(0, Scope(header["packages"], header["roots"]))
    worker = Worker(source, sink, frozenset(header["packages"]))
    worker.roots = tuple(header["roots"])
    if not header.get("quiet"):
        worker.ears = Ears()
    link.use(worker)
    if "shift" in header:
        importlib.import_module("holdpoint_guest.clocks").shift(*header["shift"])
    worker.write(dumps({"ready": 1}))
    try:
        if header.get("threaded"):
            thread = threading.Thread(target=worker.run, name="Thread-1")
            thread.start()
            thread.join()
        else:
            worker.run()
    finally:
        if worker.ears is not None:
            worker.ears.close()


def put(fd, data):
    while data:
        data = data[os.write(fd, data) :]


@functools.cache
def hashes_itself(kind):
    """Whether a class of the tests says how its objects are hashed; members of an enumeration are single ones."""
    held = [vars(base) for base in kind.__mro__]
    bases = [base for names in held for base in names.get("_hp_bases", ())]
    single = any(enum.Enum in type.mro(base) for base in bases)
    return any("__hash__" in names.get("_hp_names", ()) for names in held) and not single


class Worker(Peer):
    """Serves one oracle, request by request."""

    def __init__(self, source, sink, packages):
        super().__init__(lambda: source.readline(LONGEST_LINE + 1), lambda data: put(sink, data), 2)
        self.packages, self.roots = packages, ()
        self.ears = None
        self.told = {}  # module: identities of its attributes, as the oracle knows them
        self.replaced = {}  # what the oracle replaced in classes and modules
        self.loop = None
        self.quiet = False
        self.clock = None
        self.patches = Applied()
        self.mains = threading.get_ident()
        self.stack = []  # what is open, innermost last: the oracle's request by number, None for one of ours
        self.turn = threading.Condition(self.lock)

    def run(self):
        self.mains = threading.get_ident()
        self.lock.acquire()
        while not self.broken:
            try:
                frame = self.receive()
            except Fault:
                return
            self.serve(frame)

    def request(self, op, args, kwargs=None):
        if threading.get_ident() != self.mains and not self.open:
            raise Fault("a thread of the candidate calls when nobody listens")
        if self.quiet:
            raise Fault("the tests would be called while reading ahead")
        with self.turn:
            self.stack.append(None)
            active = self.patches.active
            self.patches.off()
            try:
                return super().request(op, args, kwargs)
            finally:
                self.stack.pop()
                self.turn.notify_all()
                if active:
                    self.patches.on()

    def serve(self, frame):
        self.stack.append(frame.get("q"))
        try:
            self.prepare(frame)
            super().serve(frame)
        finally:
            self.stack.pop()
            self.turn.notify_all()

    def prepare(self, frame):
        """What a request says of its surroundings."""
        if "env" in frame:
            for name, text in frame["env"]:
                os.environ.pop(name, None) if text is None else os.environ.__setitem__(name, text)
        if "seed" in frame:
            importlib.import_module("random").seed(frame["seed"])
        if "argv" in frame:
            sys.argv[:] = frame["argv"]
        if "levels" in frame:
            set_levels(*frame["levels"])
        if "clock" in frame:
            self.set_clock(frame["clock"])

    def set_clock(self, told):
        freezegun = importlib.import_module("freezegun")  # the oracle has it, so the target's lock does

        if self.clock is not None:
            self.clock.stop()
            self.clock = None
        if told is not None:
            moment, zone, tick = told
            self.clock = freezegun.freeze_time(moment, tz_offset=zone / 3600, tick=tick, ignore=["holdpoint_guest"])
            self.clock.start()

    # what the oracle asks for

    def operate(self, op, args, kwargs):
        found = OPERATIONS.get(op)
        if found is None:
            raise Fault(f"there is no operation {op!r}")
        mine = len(self.stack)
        held = self.lock._release_save()  # a thread of the candidate may speak while this one runs its code
        try:
            self.patches.on()
            return found(self, *args, **kwargs)
        finally:
            self.patches.off()
            self.lock._acquire_restore(held)
            while len(self.stack) > mine:  # another thread's request is open: it comes first
                self.turn.wait()

    def tells(self, cls, name):
        return name not in SKIPPED

    def foreign(self, cls):
        return stdlib_names.name_of(cls) is not None and not issubclass(cls, BaseException)

    def in_scope(self, name):
        return name.partition(".")[0] in self.packages

    def export_module(self, module):
        if self.in_scope(module.__name__) and sys.modules.get(module.__name__) is module:
            return ["m", module.__name__]
        return ["o", self.keep(module), self.enc(type(module))]

    def adopt_module(self, name):
        if not self.in_scope(name):
            raise Fault(f"the module {name} is not in scope")
        return importlib.import_module(name)

    def raw(self, owner, name):
        """What a class held under this name before the oracle replaced it; unbound."""
        if name == "__dict__":
            return vars(owner)
        replaced = self.replaced.get((id(owner), name))
        return vars(owner)[name] if replaced is None else replaced

    def make_function(self, handle, told):
        return mirror.stub(handle, told)

    def compared(self, name, left, right):
        return self.request("m", (left, name, right))

    def hashed(self, value):
        return self.request("m", (value, "__hash__")) if hashes_itself(type(value)) else id(value)

    def decided(self, name, value, *args):
        return self.request("m", (value, name, *args))

    def decides(self, op, value, cls):
        return False

    def stepped(self, value):
        return self.request("m", (value, "__next__"))

    def hinted(self, value):
        return NotImplemented

    def left(self, value, name, error):
        kind = None if error is None else type(error)
        return self.request("m", (value, name, kind, error, None))

    # news for the oracle

    def add_news(self, frame):
        stale = [name for name, known in self.told.items() if identities(name) != known]
        if stale:
            frame["i"] = stale
            self.told |= {name: identities(name) for name in stale}
        if self.ears is None:
            return
        if texts := self.ears.text():
            frame["p"] = texts
        if warned := self.ears.warned():
            frame["w"] = [[self.enc(category), text] for category, text in warned]
        if records := self.ears.records():
            frame["g"] = records

    def raised(self, error, op):
        if isinstance(error, RecursionError | MemoryError):
            return type(error)(*error.args)
        for part in (error, error.__cause__, error.__context__):
            if part is not None:
                part.__traceback__ = None  # its frames would keep every argument alive
        return error
