"""How the oracle reads an iterator of the worker: step by step, and many steps in one request where nobody can tell."""

import collections

from . import mirror
from .wire import Fault

MOST = 1000  # steps for a caller that takes everything
STREAK = 200  # steps in a row, with nothing else asked or answered in between, before reading ahead
AHEAD = 256
READ = ("builtins", "itertools")  # where the iterators come from that can do nothing but give their next item


class Reading:
    """Buffers of iterators, by handle. Two occasions: list() and its like announce themselves by asking for a length;
    a loop shows itself by its steps. What was read ahead of a loop may not be passed on or sent into; and the worker
    refuses to call test code while it reads ahead. Then the test does not cross.
    """

    def __init__(self, peer):
        self.peer = peer
        self.greedy = {}
        self.ahead = {}
        self.streak = (0, 0, 0, 0)  # handle, requests made and served until then, steps

    def announce(self, value):
        self.greedy[mirror.handle_of(value)] = collections.deque()
        if "__length_hint__" in getattr(type(value), "_hp_names", ()):
            return self.peer.request("m", (value, "__length_hint__"))
        return NotImplemented

    def step(self, value):
        handle = mirror.handle_of(value)
        if handle in self.greedy:
            return self.next_of(self.greedy, handle, value, (MOST, False))
        if handle in self.ahead:
            return self.next_of(self.ahead, handle, value, None)
        before, asked, heard, steps = self.streak
        steps = steps + 1 if (before, asked, heard) == (handle, self.peer.asked, self.peer.heard) else 0
        if steps > STREAK and only_gives(type(value)):
            self.ahead[handle] = collections.deque()
            result = self.next_of(self.ahead, handle, value, (min(steps, AHEAD), True))
        else:
            result = self.peer.pumped(value, "__next__")
        self.streak = (handle, self.peer.asked, self.peer.heard, steps)
        return result

    def next_of(self, table, handle, value, how):
        buffer = table[handle]
        if not buffer:
            del table[handle]  # passing it on is right just now
            items, end = self.peer.request("drain", (value, *how))
            table[handle] = buffer
            buffer.extend((True, item) for item in items)
            if end is not False:
                buffer.append((False, StopIteration() if end is True else end))
        if not buffer:
            raise Fault("an iterator gave nothing")
        good, item = buffer.popleft()
        if not good or (not buffer and table is self.ahead):
            del table[handle]
        if good:
            return item
        raise item

    def check(self, handle):
        if handle in self.ahead:
            raise Fault("an iterator that was read ahead cannot be passed on")

    def forget(self, handle):
        self.greedy.pop(handle, None)
        self.ahead.pop(handle, None)


def only_gives(kind):
    """Whether iterators of a class have no other state that somebody might look at: the standard library's own do."""
    real = vars(kind).get("_hp_real")
    if real is None or not hasattr(real, "__next__"):
        return False
    return real.__module__ in READ
