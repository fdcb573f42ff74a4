"""An event bus: callbacks by kind, higher priority first."""

import contextlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    """What happened."""

    kind: str
    data: dict = field(default_factory=dict)


class EventBus:
    """Callbacks are called in order of priority, then of subscription; their exceptions are collected."""

    def __init__(self):
        self._subscribers = []
        self._count = 0
        self._muted = set()
        self.errors = []

    def subscribe(self, kind, callback, priority=0, once=False):
        """A function that ends the subscription."""
        self._count += 1
        entry = (-priority, self._count, kind, callback, once)
        self._subscribers.append(entry)
        self._subscribers.sort(key=lambda each: each[:2])

        def unsubscribe():
            if entry in self._subscribers:
                self._subscribers.remove(entry)
                return True
            return False

        return unsubscribe

    def publish(self, kind, **data):
        """How many callbacks were called; `*` hears everything."""
        if kind in self._muted:
            return 0
        event, called = Event(kind, data), 0
        for entry in list(self._subscribers):
            _, _, wanted, callback, once = entry
            if wanted not in (kind, "*") or entry not in self._subscribers:
                continue
            if once:
                self._subscribers.remove(entry)
            called += 1
            try:
                callback(event)
            except Exception as error:
                self.errors.append((kind, error))
        return called

    @contextlib.contextmanager
    def muted(self, *kinds):
        """Nothing of these kinds is delivered inside the block."""
        before = set(self._muted)
        self._muted |= set(kinds)
        try:
            yield self
        finally:
            self._muted = before
