"""The hash chain: what one row's hash covers, and whether rows follow each other; pure, reads no database.

hash = SHA-256(prev ‖ canonical), where `prev` is the 64 hex digits of the row before (zeros for the first)
and `canonical` is the canonical JSON of {at, event, seq}. The event's bytes are hashed as they are stored.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from pydantic import ConfigDict

from harness.records import Record

ZERO = "0" * 64
Row = tuple[object, object, object, object, object]
"""seq, at, payload, prev, hash: whatever the database returned, of whatever type."""

_STAMP = len("2026-01-02T03:04:05.678901Z")
_BARE = _STAMP - 1

Whole = tuple[int, str, bytes, str, str]
"""A row that a walk found whole."""


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain: the hash of entry `index`; index 0 and 64 zeros are the empty ledger."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")  # it is part of signed statements

    index: int
    hash: str


EMPTY = Head(index=0, hash=ZERO)


class Broken(Record):
    """A row that does not follow the one before it, in words."""

    why: str


def stamp(at: datetime) -> str:
    """A time as the ledger writes it: UTC, microseconds, of one length, so that text order is time order."""
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone cannot go into the ledger: {at}")
    moment = at if at.tzinfo is UTC else at.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:_BARE] + "Z"


def link(seq: int, at: str, payload: bytes, prev: str) -> str:
    """The hash of one row."""
    # `at` and `prev` have fixed lengths and `seq` is known from the place: no two rows share these bytes.
    digest = hashlib.sha256(b'%b{"at":"%b","event":%b,"seq":%d}' % (prev.encode(), at.encode(), payload, seq))
    return digest.hexdigest()


def follow(index: int, prev: str, row: Row) -> str | Broken:
    """The hash of `row` if it is entry `index` after `prev`, unchanged; else what is wrong with it."""
    seq, at, payload, before, stored = row
    if seq != index:
        return Broken(why=f"entry {index} is missing (the next one says {seq})")
    if not (isinstance(at, str) and isinstance(payload, bytes) and isinstance(stored, str) and len(at) == _STAMP):
        return Broken(why=f"entry {index} holds something that is not an entry")
    if before != prev:
        return Broken(why=f"entry {index} does not follow entry {index - 1}: its link to it was changed")
    if link(index, at, payload, prev) != stored:
        return Broken(why=f"entry {index} was changed: its hash does not match its content")
    return stored


class Walk:
    """A walk along the chain from its start: how far it is whole, and whether it came through `expect`."""

    def __init__(self, expect: Head | None) -> None:
        self.index, self.why = 0, ""
        self._prev = ZERO
        self._expect = expect
        self._passed = expect is None or expect == EMPTY

    def head(self) -> Head:
        """The last place up to which every entry was whole."""
        return Head(index=self.index, hash=self._prev)

    def through(self, rows: Iterable[Row]) -> bool:
        """Go on through the next rows; False when one is broken, and `why` then says how."""
        expected = self._expect.index if self._expect else -1
        for row in rows:
            found = follow(self.index + 1, self._prev, row)
            if isinstance(found, Broken):
                self.why = found.why
                return False
            self.index, self._prev = self.index + 1, found
            if self.index == expected and self._expect:
                self._passed = found == self._expect.hash
        return True

    def missing(self) -> str:
        """At the end: that the walk did not come through `expect`, in words, or nothing."""
        if self._passed or self._expect is None:
            return ""
        if self._expect.index > self.index:
            return f"it ends at entry {self.index}, but entry {self._expect.index} had been written"
        return f"entry {self._expect.index} is not the one seen before: the history was rewritten"
