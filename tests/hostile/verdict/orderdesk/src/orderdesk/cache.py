"""A cache that forgets what was used least recently, or is too old."""

from collections import OrderedDict


class Cache:
    """At most `capacity` entries; `age` needs a `clock`; `on_evict` is called with key and value."""

    def __init__(self, capacity, age=None, clock=None, on_evict=None):
        if capacity < 1:
            raise ValueError("capacity must be positive")
        if age is not None and clock is None:
            raise ValueError("an age needs a clock")
        self.capacity = capacity
        self._age, self._clock, self._on_evict = age, clock, on_evict
        self._entries = OrderedDict()
        self.hits = self.misses = 0

    def __len__(self):
        return len(self._entries)

    def __contains__(self, key):
        return key in self._entries and self._fresh(key)

    def __iter__(self):
        return iter(list(self._entries))

    def get(self, key, default=None):
        """The value, which is then the most recent one."""
        if key not in self:
            self.misses += 1
            self._entries.pop(key, None)
            return default
        self.hits += 1
        self._entries.move_to_end(key, last=True)
        return self._entries[key][0]

    def put(self, key, value):
        """Store a value; the least recent entry goes when there is no room."""
        self._entries[key] = (value, self._clock() if self._clock else 0)
        self._entries.move_to_end(key)
        while len(self._entries) > self.capacity:
            old, (gone, _) = self._entries.popitem(last=False)
            if self._on_evict is not None:
                self._on_evict(old, gone)

    def remember(self, function):
        """A decorator: results by positional arguments."""

        def remembered(*args):
            if args in self:
                return self.get(args)
            value = function(*args)
            self.put(args, value)
            return value

        return remembered

    def _fresh(self, key):
        return self._age is None or self._clock() - self._entries[key][1] < self._age
