"""One end of the pipe: requests and replies in strict nesting, and the tables of objects; which operations exist is
said by the two kinds of peer, oracle and worker.
"""

import threading

from .objects import Objects
from .wire import Fault, dumps, loads

MOST_OPEN = 40
STOPS = (StopIteration, StopAsyncIteration, GeneratorExit)


class Peer(Objects):
    """Sends requests and serves the other side's while its own are open."""

    def __init__(self, read, write, first):
        super().__init__(first)
        self.read, self.write = read, write
        self.asked, self.heard, self.open = 0, 0, 0
        self.broken = ""
        self.lock = threading.RLock()

    # requests

    def request(self, op, args, kwargs=None):
        """The result of the other side's operation; raises what it raised."""
        with self.lock:
            if self.broken:
                raise Fault(self.broken)
            if self.open >= MOST_OPEN:
                raise Fault("requests are nested too deep")
            rest = self.filled({"op": op}, "a", list(args), kwargs)
            self.asked += 1  # only now: describing something may have asked already
            number = self.asked
            self.open += 1
            try:
                self.write(b'{"q":%d,' % number + rest[1:])
                reply = self.await_reply(number)
            finally:
                self.open -= 1
            return self.outcome(reply)

    def await_reply(self, number):
        while True:
            frame = self.receive()
            if "q" in frame:
                self.serve(frame)
            elif frame.get("r") == number:
                return frame
            else:
                self.give_up("a reply answers no open request")

    def receive(self):
        line = self.read()
        if not line:
            self.give_up("the other side is gone")
        try:
            return loads(line)
        except Fault as fault:
            self.give_up(str(fault))

    def give_up(self, sentence):
        self.broken = sentence
        raise Fault(sentence)

    def outcome(self, reply):
        if "f" in reply:
            raise Fault(str(reply["f"]))
        failed = "x" in reply
        value = self.understood(reply, reply["x"] if failed else reply.get("v"))
        if failed:
            if not isinstance(value, BaseException):
                raise Fault("what was raised is no exception")
            raise value
        return value

    def understood(self, frame, item):
        """The point of a message, after what came along with it; any nonsense in it is a Fault."""
        try:
            self.settle(frame)
            value = self.dec.many(item) if "q" in frame else self.dec(item)
            self.shared.drop(frame.get("D", ()))
        except Fault:
            self.released += described_in(item) - self.kept.keys()
            raise
        except Exception as error:
            self.released += described_in(item) - self.kept.keys()
            raise Fault(f"a message is not understood ({type(error).__name__}: {error})") from error
        return value

    def settle(self, frame):
        """What every message may carry besides its point."""
        for part in frame.get("y", ()):
            number, item = part
            if self.shared.known(number) is None:
                continue  # let go of meanwhile
            self.changed(number)
            self.dec.updated = number
            self.dec(item)
        for handle in frame.get("d", ()):
            if type(handle) is not int:
                raise Fault("a handle is no number")
            self.handles.pop(id(self.exports.pop(handle, None)), None)

    def changed(self, number):
        """The other side changed a shared container."""

    def filled(self, frame, key, value, kwargs=None):
        """A message without its number; when something in it cannot cross, both tables are as they were before."""
        mark, handle = self.shared.next, self.next_handle
        try:
            changes = self.shared.changes(self.enc)
            frame[key] = self.enc.many(value) if key == "a" else self.enc(value)
            if kwargs:
                frame["k"] = [[name, self.enc(part)] for name, part in kwargs.items()]
            del value, kwargs
            if changes:
                frame["y"] = changes
            gone = self.shared.let_go()
            if gone:
                frame["D"] = gone
            if self.released:
                frame["d"] = [number for number in self.released if number not in self.proxies]
                self.released = []
            self.add_news(frame)
            return dumps(frame)
        except RecursionError:
            self.forget(mark, handle)
            raise Fault("a value is nested too deep") from None
        except Fault:
            self.forget(mark, handle)
            raise

    def add_news(self, frame):
        """Whatever a kind of peer sends along."""

    # the other side's requests

    def serve(self, frame):
        number = frame.get("q")
        if type(number) is not int or number != self.heard + 1:
            self.give_up("a request is out of order")
        self.heard = number
        try:
            key, value = self.answered(frame)
            rest = self.filled({}, key, value)
        except Fault as fault:
            rest = dumps({"f": str(fault)[:1000]})
        value = None
        self.write(b'{"r":%d,' % number + rest[1:])

    def answered(self, frame):
        pairs = frame.get("k", [])
        values = self.understood(frame, [*frame.get("a", []), *(item for _, item in pairs)])
        args = values[: len(values) - len(pairs)]
        kwargs = dict(zip([name for name, _ in pairs], values[len(args) :], strict=True))
        del values
        self.open += 1
        try:
            return "v", self.operate(frame.get("op"), args, kwargs)
        except Fault:
            raise
        except BaseException as error:
            del args, kwargs
            return "x", self.raised(error, frame.get("op"))
        finally:
            self.open -= 1

    def operate(self, op, args, kwargs):
        raise Fault(f"there is no operation {op!r}")

    def raised(self, error, op):
        """An exception on its way to the other side."""
        return error


def described_in(item):
    """Handles of the classes and functions that a refused message described: they have to be described again."""
    found, open_items = set(), [item]
    while open_items:
        part = open_items.pop()
        if type(part) is list:
            open_items += part
            if len(part) > 2 and part[0] in ("c", "f") and type(part[1]) is int:
                found.add(part[1])
    return found
