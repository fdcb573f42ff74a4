"""Timers on a clock that only moves when it is told to."""

import heapq
import itertools

from .errors import Closed


class Timers:
    """Callbacks at given times; equal times in the order in which they were added."""

    def __init__(self, now=0):
        self.now = now
        self._heap = []
        self._ids = itertools.count(1)
        self._cancelled = set()
        self._closed = False

    def __len__(self):
        return sum(entry[2] not in self._cancelled for entry in self._heap)

    def at(self, when, callback, *args, every=None):
        """The number of a timer; with `every` it is repeated."""
        if self._closed:
            raise Closed("no more timers")
        if when < self.now:
            raise ValueError("in the past")
        if every is not None and every <= 0:
            raise ValueError("every must be positive")
        number = next(self._ids)
        heapq.heappush(self._heap, (when, number, number, callback, args, every))
        return number

    def after(self, delay, callback, *args, every=None):
        return self.at(self.now + delay, callback, *args, every=every)

    def cancel(self, number):
        """Whether it was still to come."""
        known = any(entry[2] == number for entry in self._heap) and number not in self._cancelled
        self._cancelled.add(number)
        return known

    def run(self, until):
        """Move the clock; the results of the callbacks, in order."""
        results = []
        while self._heap and self._heap[0][0] <= until:
            when, _, number, callback, args, every = heapq.heappop(self._heap)
            if number in self._cancelled:
                continue
            self.now = max(self.now, when)
            results.append(callback(*args))
            if every is not None and number not in self._cancelled:
                heapq.heappush(self._heap, (when + every, number, number, callback, args, every))
        self.now = max(self.now, until)
        return results

    def close(self):
        self._closed = True
        self._heap.clear()
