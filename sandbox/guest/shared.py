"""Mutable builtin containers that both sides hold: keeps the two copies equal at every message.

A container gets a number when it crosses. While both sides still refer to their copy, whoever holds the floor sends
what it changed before anything else; when one side lets go, sharing ends. Only containers that crossed can be named,
so a worker can change no other object of the oracle. Counting references is CPython's way to see who still holds one.
"""

import collections
import sys
import types

from .wire import CONTENTS, SHARED, Fault

SCALARS = (str, int, float, bytes, bool, type(None))


class Entry:
    """One container, and its parts as both sides last agreed on them."""

    __slots__ = ("made", "parts", "twice", "value")

    def __init__(self, value):
        self.value, self.parts, self.made, self.twice = value, None, None, False


def alone():
    """The reference count of a container that only its entry holds."""
    table = {1: Entry([])}
    return min(sys.getrefcount(entry.value) for entry in table.values())


ALONE = alone()


def parts_of(value):
    kind = type(value)
    if kind is bytearray:
        return bytes(value)
    if kind is types.SimpleNamespace:
        value = vars(value)
    if isinstance(value, dict):
        parts = [part for item in list(value.items()) for part in item]
        return [*parts, value.default_factory] if kind is collections.defaultdict else parts
    return list(value)


def same(before, now):
    if type(before) is bytes:
        return before == now
    if len(before) != len(now):
        return False
    return all(
        a is b or (type(a) is type(b) and type(a) in SCALARS and a == b) for a, b in zip(before, now, strict=True)
    )


class Shared:
    """The table of one side; `first` is 1 for the oracle and 2 for the worker."""

    def __init__(self, first):
        self.next = first
        self.entries = {}
        self.numbers = {}

    def number(self, value):
        """(number, whether it has to be described)."""
        known = self.numbers.get(id(value))
        if known is not None:
            self.entries[known].twice = True
            return known, False
        number, self.next = self.next, self.next + 2
        self.add(number, value)
        return number, True

    def add(self, number, value):
        self.entries[number] = Entry(value)
        self.numbers[id(value)] = number

    def sent(self, number, made):
        self.entries[number].made = made

    def known(self, number):
        entry = self.entries.get(number)
        return None if entry is None else entry.value

    def received(self, number, value):
        if not number:
            return
        if number % 2 == self.next % 2:
            raise Fault("a container was let go, or its number is forged")
        self.add(number, value)

    def settled(self, number):
        self.entries[number].parts = parts_of(self.entries[number].value)

    def again(self, number):
        entry = self.entries.get(number)
        if entry is None:
            raise Fault("a container is unknown")
        return entry.value

    def changes(self, enc):
        """[number, full value] of what this side changed since the last message."""
        changed = []
        for number, entry in list(self.entries.items()):
            if entry.parts is not None and not same(entry.parts, parts_of(entry.value)):
                tag = SHARED[type(entry.value)]
                changed.append([number, [tag, number, *CONTENTS[tag](enc, entry.value)]])
        return changed

    def let_go(self):
        """Numbers of containers that this side holds no longer; called after encoding, before sending."""
        gone, names = [], self.numbers
        for entry in self.entries.values():
            entry.parts = None
        while True:
            lonely = [number for number, entry in self.entries.items() if sys.getrefcount(entry.value) <= ALONE]
            if not lonely:
                break
            for number in lonely:
                entry = self.entries.pop(number)
                del names[id(entry.value)]
                if entry.made is not None and not entry.twice:
                    entry.made[1] = 0
                else:
                    gone.append(number)
        for entry in self.entries.values():
            entry.parts, entry.made, entry.twice = parts_of(entry.value), None, False
        return gone

    def forget(self, mark):
        """Undoes what the encoding of a message that was never sent has added."""
        self.drop([number for number in self.entries if number >= mark and number % 2 == mark % 2])
        self.next = mark

    def drop(self, numbers):
        for number in numbers:
            entry = self.entries.pop(number, None)
            if entry is not None:
                del self.numbers[id(entry.value)]
