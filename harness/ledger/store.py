"""The ledger on disk: append-only, hash-chained, in SQLite; the only module that uses the database.

Everything it hands out was checked against the chain first. It cannot notice a full rewrite by whoever holds
the file; for that, heads are kept outside (`verify(expect=…)`, `contains`).
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self, cast

from harness.errors import HoldpointError, IntegrityError, UsageError
from harness.ledger.audit import disagreement
from harness.ledger.chain import EMPTY, Head, Row, Walk, Whole, stamp
from harness.ledger.database import PAGE, Database
from harness.ledger.entry import Entry, chained, checked_entry, following
from harness.ledger.events import Event
from harness.ledger.snapshots import EVERY, At, Place, Snapshots
from harness.ledger.state import ProposalView, State
from harness.records import Record, canonical_json


class LedgerCheck(Record):
    """What verification found: `head` and `events` reach as far as the chain is whole."""

    ok: bool
    head: Head
    events: int
    why: str


class Ledger:
    """One target's history; several threads may share it, several processes may append to the same file."""

    def __init__(self, path: Path, *, create: bool, read_only: bool) -> None:
        """Use `open`."""
        self._path = path
        self._read_only = read_only
        self._lock = threading.RLock()
        self._state = State()
        self._head = self._placed = EMPTY  # how far the state goes, and the snapshot that it rests on
        self._seen = EMPTY  # the last entry that this process knows of, whatever it forgot since
        self._low = ""  # the earliest time since that snapshot
        self._keeping = not read_only
        self._snapshots = Snapshots(path, read_only=read_only)
        self._database = Database(path, create=create, read_only=read_only)

    @classmethod
    def open(cls, path: Path, *, create: bool = False, read_only: bool = False) -> Self:
        """The ledger at `path`; `create` makes an empty one where none is.

        UsageError when there is none; IntegrityError when it is damaged or lacks a trigger (not with
        `read_only`: there `verify` says so); EnvironmentFault for the disk's or another process's fault.
        """
        if not path.is_file() and not (create and not path.exists()):
            raise UsageError(f"there is no ledger at {path}.", "holdpoint init")
        return cls(path, create=create, read_only=read_only)

    def close(self) -> None:
        """Let go of the files; what was appended is on disk already."""
        with self._lock:
            self._database.close()
            self._snapshots.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, event: Event, at: datetime) -> Entry:
        """Write one event; it is durable when this returns, and part of `state`."""
        with self._lock:
            if self._head.index > 0:
                entry = self._quickly(event, at)
                if entry is not None:
                    return entry
            return self.append_all((event,), at)[0]

    def _quickly(self, event: Event, at: datetime) -> Entry | None:
        """One insert that is its own commit, right after the last entry known; None: it is not last, no trace."""
        entry, row = following(event, at, self._head)
        done = False
        try:
            self._state.apply(event, entry.at)
            done = self._database.insert((row,))
        finally:
            if not done:
                self._forget()
        if not done:
            return None
        self._follow(entry, row)
        self._keep()
        return entry

    def append_all(self, events: Iterable[Event], at: datetime) -> tuple[Entry, ...]:
        """Write events in one commit: all of them are durable when this returns, or none was written."""
        wanted = tuple(events)
        if not wanted:
            return ()
        with self._lock, self._database.words():
            if self._head.index == 0:
                self._refresh()  # a long history is read before the write lock is taken
            committed = False
            try:
                with self._database.transaction("BEGIN IMMEDIATE"):
                    entries, rows = self._insert(wanted, at)
                    for entry in entries:
                        self._state.apply(entry.event, entry.at)
                self._follow(entries[-1], min(rows, key=_made))
                committed = True
            finally:
                if not committed:
                    self._forget()
            self._keep()
            return entries

    def _insert(self, events: tuple[Event, ...], at: datetime) -> tuple[tuple[Entry, ...], list[Row]]:
        """Insert after the last entry known; when another process was faster, a trigger says so, and we follow."""
        entries, rows = chained(events, at, self._head)
        if not self._database.insert(rows):
            self._catch_up()
            entries, rows = chained(events, at, self._head)
            if not self._database.insert(rows):
                raise IntegrityError(f"the ledger {self._path} refused an entry.", "holdpoint verify")
        return entries, rows

    def entries(self, *, until: datetime | None = None, since: int = 0) -> Iterator[Entry]:
        """Entries after number `since`, each checked; `until` ends at the last one made by then."""
        with self._reading():
            stop = self._database.tip().index if until is None else self._last_until(until)
            prev = self._database.hash_at(since)
        after = max(since, 0)
        while prev is not None and (until is None or after < stop):
            with self._reading():
                rows = self._database.page(after)
            if not rows:
                return
            for row in rows:
                if until is not None and after >= stop:
                    return
                entry = checked_entry(after + 1, prev, row)
                after, prev = entry.seq, entry.hash
                yield entry

    def rows(self) -> Iterator[Whole]:
        """Every entry's row as it is stored, checked against the chain; IntegrityError where it is not whole."""
        walk = Walk(None)
        while True:
            with self._reading():
                rows = self._database.page(walk.index)
            if not walk.through(rows):
                raise IntegrityError(f"the ledger is damaged: {walk.why}.", "holdpoint verify")
            if not rows:
                return
            yield from cast("Sequence[Whole]", rows)

    def head(self) -> Head:
        """The last entry's place in the chain."""
        with self._reading():
            return self._database.tip()

    def contains(self, head: Head) -> bool:
        """Whether the chain passes through `head`, one seen earlier and kept elsewhere."""
        if head.index <= 0:
            return head == EMPTY
        with self._reading():
            return self._database.hash_at(head.index) == head.hash

    def verify(self, expect: Head | None = None) -> LedgerCheck:
        """Whether every entry is unchanged and in its place, and the chain passes through `expect`.

        Damage of any kind is an answer, not an exception. What the events say is not judged here.
        """
        walk = Walk(expect)
        try:
            with self._reading():
                structure = self._database.structure_fault()
                while rows := self._database.page(walk.index):
                    if not walk.through(rows):
                        break
        except HoldpointError as error:
            structure = error.message.rstrip(".")
        why = walk.why or structure or walk.missing()
        return LedgerCheck(ok=not why, head=walk.head(), events=walk.index, why=why)

    @property
    def state(self) -> State:
        """What all entries add up to, other processes' included; ask again after an append."""
        with self._lock, self._database.words():
            self._refresh()
            return self._state

    def state_at(self, at: datetime) -> State:
        """What the entries made until `at` add up to; use it while the ledger is open."""
        with self._lock, self._database.words():
            self._refresh()  # other processes' entries get their places too
            with self._database.transaction():
                stop = self._last_until(at)
                place = self._place_before(stop)
                head = place.head if place else EMPTY
                state = State(self._at(place.head), place.rest) if place else State()
                index, prev = head.index, head.hash
                while index < stop and (rows := self._database.page(index, min(PAGE, stop - index))):
                    for row in rows:
                        entry = checked_entry(index + 1, prev, row)
                        state.apply(entry.event, entry.at)
                        index, prev = entry.seq, entry.hash
            return state

    def proven(self, proposal: str) -> ProposalView | None:
        """The proposal as its own entries make it, in a walk along the whole chain; no snapshot is asked.

        IntegrityError when the chain is not whole. It takes microseconds an entry.
        """
        walk, state = Walk(None), State()
        mark = b'"id":' + canonical_json(proposal)  # no text holds this unescaped, and no other key is called so
        with self._reading():
            while rows := self._database.page(walk.index):
                before = walk.head()
                if not walk.through(rows):
                    raise IntegrityError(f"the ledger is damaged: {walk.why}.", "holdpoint verify")
                for index, row in enumerate(rows, before.index + 1):
                    if mark in row[2]:  # type: ignore[operator]  # the walk made sure of bytes
                        entry = checked_entry(index, str(row[3]), row)
                        state.apply(entry.event, entry.at)
        return state.proposals.get(proposal)

    def check_snapshots(self) -> str:
        """Folds every entry anew and compares: what a snapshot says otherwise than the chain, or nothing."""
        with self._lock:
            places = self._snapshots.places()
            last = next(reversed(places.values()), None)
            if last is None or not self.contains(last.head):
                return ""  # none, or another chain's: such are never used
            return disagreement(self.entries(), self._snapshots, places)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, self._database.words(), self._database.transaction():
            yield

    def _last_until(self, until: datetime) -> int:
        """The number of the last entry made by then; from the places as far as they reach, then from the rows."""
        tail = self._database.last_until(until, self._placed.index, self._database.tip().index)
        if tail or self._placed == EMPTY:
            return tail
        after, up_to = self._snapshots.span_until(stamp(until))
        return self._database.last_until(until, after, up_to)

    def _place_before(self, seq: int) -> Place | None:
        if self._placed == EMPTY:
            return None
        place = self._snapshots.before(seq)
        if place is None or self._database.hash_at(place.head.index) != place.head.hash:
            return None
        return place

    def _refresh(self) -> None:
        with self._database.transaction():
            self._catch_up()

    def _catch_up(self) -> None:
        """Fold what was appended since, by whomever; IntegrityError when it does not lead on from there."""
        if self._head == EMPTY:
            self._unless_rewritten(self._database.hash_at(self._seen.index) == self._seen.hash)
            self._resume()
        tip = self._database.tip()
        while self._head.index < tip.index and (rows := self._database.page(self._head.index, EVERY)):
            for row in rows:
                entry = checked_entry(self._head.index + 1, self._head.hash, row)
                self._state.apply(entry.event, entry.at)
                self._follow(entry, row)
            self._keep()
        self._unless_rewritten(self._head == tip)

    def _unless_rewritten(self, same: bool) -> None:
        if not same:
            raise IntegrityError(
                f"the ledger {self._path} was rewritten while it was open: entry {self._seen.index} is gone.",
                "holdpoint verify, or restore it from a copy",
            )

    def _resume(self) -> None:
        """Go on from the newest snapshot, if it is of this very chain."""
        place = self._snapshots.newest()
        if place is None:
            return
        if self._database.hash_at(place.head.index) != place.head.hash:
            self._snapshots.discard()
            return
        self._state = State(self._at(place.head), place.rest)
        self._head = self._placed = place.head

    def _follow(self, last: Entry, earliest: Row) -> None:
        """The state goes as far as `last` now; `earliest` by its time of what came with it."""
        self._head = self._seen = Head(last.seq, last.hash)
        low = _made(earliest)
        if not self._low or low < self._low:
            self._low = low

    def _keep(self) -> None:
        """A snapshot, when it is time for one; only of what is committed."""
        if not self._keeping or self._head.index - self._placed.index < EVERY:
            return
        match self._snapshots.keep(self._placed, self._head, self._low, self._state.changes()):
            case "kept":
                self._placed, self._low = self._head, ""
                self._state.rest_on(self._at(self._head))
            case "overtaken":
                self._forget()
                self._resume()  # another process wrote a newer one: go on from that
            case _:
                self._keeping = False  # this process does without

    def _at(self, head: Head) -> At:
        return At(self._snapshots, head.index, self._lock)

    def _forget(self) -> None:
        """Begin anew at the next use: the state may hold what was not written."""
        self._state, self._head, self._placed, self._low = State(), EMPTY, EMPTY, ""


def _made(row: Row) -> str:
    return cast("str", row[1])


def check_ledger(path: Path, expect: Head | None = None) -> LedgerCheck:
    """`Ledger.verify` for a file that may be missing, foreign or damaged beyond opening; never writes."""
    try:
        with Ledger.open(path, read_only=True) as ledger:
            return ledger.verify(expect)
    except HoldpointError as error:
        return LedgerCheck(ok=False, head=EMPTY, events=0, why=error.message.rstrip("."))
