"""The ledger on disk: append-only, hash-chained, in SQLite; the only module that uses the database.

Everything it hands out was checked against the chain first. It cannot notice a full rewrite by whoever holds
the file; for that, heads are kept outside (`verify(expect=…)`, `contains`).
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from harness.errors import HoldpointError, IntegrityError, UsageError
from harness.ledger.chain import EMPTY, ZERO, Head, Row, Walk, stamp
from harness.ledger.entry import Entry, chained, checked_entry
from harness.ledger.events import Event
from harness.ledger.faults import fault
from harness.ledger.schema import APPLICATION_ID, SCHEMA, VERSION, schema_fault
from harness.ledger.state import State
from harness.records import Record
from harness.text import visible_line

_PAGE = 2000
_BUSY_SECONDS = 20.0
_TABLE = sa.Table(
    "event",
    sa.MetaData(),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("prev", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
# In the driver's own words: a compiled insert costs a tenth of a durable append.
_INSERT = "INSERT INTO event (seq, at, payload, prev, hash) VALUES (?, ?, ?, ?, ?)"
_TIP = sa.select(_TABLE.c.seq, _TABLE.c.hash).order_by(_TABLE.c.seq.desc()).limit(1)
# Untyped on purpose: a damaged row may hold values of any type, and must be found rather than converted.
_PAGE_AFTER = sa.text("SELECT seq, at, payload, prev, hash FROM event WHERE seq > :after ORDER BY seq LIMIT :page")
_HASH_AT = sa.select(_TABLE.c.hash).where(_TABLE.c.seq == sa.bindparam("index"))
_LAST_UNTIL = sa.select(sa.func.max(_TABLE.c.seq)).where(_TABLE.c.at <= sa.bindparam("until"))
_OBJECTS = sa.text("SELECT name, sql FROM sqlite_schema")


class LedgerCheck(Record):
    """What verification found: `head` and `events` reach as far as the chain is whole."""

    ok: bool
    head: Head
    events: int
    why: str


class Ledger:
    """One target's history; several threads may share it, several processes may append to the same file."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        """Use `open`."""
        self._path = path
        self._read_only = read_only
        self._lock = threading.RLock()
        self._begin = "BEGIN"
        self._state = State()
        self._head = EMPTY
        self._connection: sa.Connection | None = None

    @classmethod
    def open(cls, path: Path, *, create: bool = False, read_only: bool = False) -> Self:
        """The ledger at `path`; `create` makes an empty one where none is.

        UsageError when there is none; IntegrityError when it is damaged or lacks a trigger (not with
        `read_only`: there `verify` says so); EnvironmentFault for the disk's or another process's fault.
        """
        if not path.is_file() and not (create and not path.exists()):
            raise UsageError(f"there is no ledger at {path}.", "holdpoint init")
        ledger = cls(path, read_only=read_only)
        try:
            ledger._prepare(create)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        """Let go of the file; what was appended is on disk already."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, event: Event, at: datetime) -> Entry:
        """Write one event; it is durable when this returns, and part of `state`."""
        return self.append_all((event,), at)[0]

    def append_all(self, events: Iterable[Event], at: datetime) -> tuple[Entry, ...]:
        """Write events in one commit: all of them are durable when this returns, or none was written."""
        wanted = tuple(events)
        if not wanted:
            return ()
        with self._lock, self._words():
            if self._head.index == 0:
                self._refresh()  # a long history is read before the write lock is taken
            committed = False
            try:
                with self._transaction("BEGIN IMMEDIATE") as connection:
                    entries = self._insert(connection, wanted, at)
                    for event in wanted:
                        self._state.apply(event, at)
                self._head = Head(index=entries[-1].seq, hash=entries[-1].hash)
                committed = True
            finally:
                if not committed:
                    self._forget()
            return entries

    def _insert(self, connection: sa.Connection, events: tuple[Event, ...], at: datetime) -> tuple[Entry, ...]:
        """Insert after the last entry known; when another process was faster, a trigger says so, and we follow."""
        try:
            entries, rows = chained(events, at, self._head)
            connection.exec_driver_sql(_INSERT, rows)
        except sa.exc.IntegrityError:
            self._catch_up(connection)
            entries, rows = chained(events, at, self._head)
            connection.exec_driver_sql(_INSERT, rows)
        return entries

    def entries(self, *, until: datetime | None = None, since: int = 0) -> Iterator[Entry]:
        """Entries after number `since`, each checked; `until` ends at the last one made by then."""
        with self._lock, self._words(), self._transaction("BEGIN") as connection:
            stop = _last_until(connection, until) if until is not None else None
            prev = _hash_at(connection, since) if since > 0 else ZERO
        after = max(since, 0)
        while prev is not None:
            with self._lock, self._words(), self._transaction("BEGIN") as connection:
                rows = _page(connection, after)
            if not rows:
                return
            for row in rows:
                if stop is not None and after >= stop:
                    return
                entry = checked_entry(after + 1, prev, row)
                after, prev = entry.seq, entry.hash
                yield entry

    def head(self) -> Head:
        """The last entry's place in the chain."""
        with self._lock, self._words(), self._transaction("BEGIN") as connection:
            return _tip(connection)

    def contains(self, head: Head) -> bool:
        """Whether the chain passes through `head`, one seen earlier and kept elsewhere."""
        if head.index <= 0:
            return head == EMPTY
        with self._lock, self._words(), self._transaction("BEGIN") as connection:
            return _hash_at(connection, head.index) == head.hash

    def verify(self, expect: Head | None = None) -> LedgerCheck:
        """Whether every entry is unchanged and in its place, and the chain passes through `expect`.

        Damage of any kind is an answer, not an exception. What the events say is not judged here.
        """
        walk = Walk(expect)
        try:
            with self._lock, self._words(), self._transaction("BEGIN") as connection:
                structure = _structure_fault(connection)
                while rows := _page(connection, walk.index):
                    if not walk.through(rows):
                        break
        except HoldpointError as error:
            structure = error.message.rstrip(".")
        why = walk.why or structure or walk.missing()
        return LedgerCheck(ok=not why, head=walk.head(), events=walk.index, why=why)

    @property
    def state(self) -> State:
        """What all entries add up to, other processes' included; it goes on changing with later appends."""
        with self._lock, self._words():
            self._refresh()
            return self._state

    def state_at(self, at: datetime) -> State:
        """What the entries made until `at` add up to."""
        state = State()
        for entry in self.entries(until=at):
            state.apply(entry.event, entry.at)
        return state

    def _prepare(self, create: bool) -> None:
        with self._lock, self._words():
            self._connection = self._connect("ro" if self._read_only else "rwc" if create else "rw")
            if self._read_only:
                return
            with self._transaction("BEGIN IMMEDIATE" if create else "BEGIN") as connection:
                if create and _is_blank(connection):
                    _make(connection)
                why = _schema_fault(connection)
            if why:
                raise IntegrityError(f"the ledger {self._path} is damaged: {why}.", "holdpoint verify")
            # Only now: another program's database must not be changed by looking at it.
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "recursive_triggers=ON"):
                self._pragma(pragma)

    def _connect(self, mode: str) -> sa.Connection:
        if self._read_only and not os.access(self._path.parent, os.W_OK) and not _has_wal(self._path):
            mode += "&immutable=1"  # where no lock file can be made, nobody else writes either
        uri = f"file:{quote(str(self._path.absolute()))}?mode={mode}"

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)

        engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)
        # The driver would begin a transaction only at the first write, and then a deferred one.
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(self._begin))
        return engine.connect()

    def _pragma(self, pragma: str) -> None:
        assert self._connection is not None
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute(f"PRAGMA {pragma}")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sa.Connection]:
        if self._connection is None:
            raise ValueError("the ledger is closed")
        self._begin = begin
        with self._connection.begin():
            yield self._connection

    @contextmanager
    def _words(self) -> Iterator[None]:
        """The database's errors as ours."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise fault(self._path, error.orig) from error
        except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
            # The last two: a damaged file can claim any size, and put any byte into the database's own complaint.
            raise fault(self._path, error) from error

    def _refresh(self) -> None:
        with self._transaction("BEGIN") as connection:
            self._catch_up(connection)

    def _catch_up(self, connection: sa.Connection) -> None:
        """Fold what was appended since, by whomever; IntegrityError when it does not lead on from there."""
        tip = _tip(connection)
        while self._head.index < tip.index:
            rows = _page(connection, self._head.index)
            if not rows:
                break
            for row in rows:
                entry = checked_entry(self._head.index + 1, self._head.hash, row)
                self._state.apply(entry.event, entry.at)
                self._head = Head(index=entry.seq, hash=entry.hash)
        if self._head != tip:
            raise IntegrityError(
                f"the ledger {self._path} was rewritten while it was open: entry {self._head.index} is gone.",
                "holdpoint verify, or restore it from a copy",
            )

    def _forget(self) -> None:
        """Fold anew at the next use: the state may hold what was not written."""
        self._state, self._head = State(), EMPTY


def check_ledger(path: Path, expect: Head | None = None) -> LedgerCheck:
    """`Ledger.verify` for a file that may be missing, foreign or damaged beyond opening; never writes."""
    try:
        with Ledger.open(path, read_only=True) as ledger:
            return ledger.verify(expect)
    except HoldpointError as error:
        return LedgerCheck(ok=False, head=EMPTY, events=0, why=error.message.rstrip("."))


def _page(connection: sa.Connection, after: int) -> Sequence[Row]:
    return connection.execute(_PAGE_AFTER, {"after": after, "page": _PAGE}).all()


def _tip(connection: sa.Connection) -> Head:
    row = connection.execute(_TIP).first()
    if row is None:
        return EMPTY
    if not isinstance(row[1], str):
        raise IntegrityError("the ledger is damaged: its last entry has no hash.", "holdpoint verify")
    return Head(index=row[0], hash=row[1])


def _hash_at(connection: sa.Connection, index: int) -> str | None:
    found: str | None = connection.execute(_HASH_AT, {"index": index}).scalar()
    return found


def _last_until(connection: sa.Connection, until: datetime) -> int:
    # The clock may have stepped back: what counts is the last entry made by then, and all before it.
    return int(connection.execute(_LAST_UNTIL, {"until": stamp(until)}).scalar() or 0)


def _make(connection: sa.Connection) -> None:
    for text in SCHEMA.values():
        connection.exec_driver_sql(text)
    connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")


def _is_blank(connection: sa.Connection) -> bool:
    """Whether this is a new file; one that merely lost its table is not."""
    unmarked = connection.exec_driver_sql("PRAGMA application_id").scalar() == 0
    return unmarked and connection.execute(_OBJECTS).first() is None


def _schema_fault(connection: sa.Connection) -> str:
    """What makes this database no ledger of ours, in words, or nothing."""
    if connection.exec_driver_sql("PRAGMA application_id").scalar() != APPLICATION_ID:
        return "it is not a Holdpoint ledger"
    if connection.exec_driver_sql("PRAGMA user_version").scalar() != VERSION:
        return "another version of Holdpoint wrote it"
    return schema_fault({str(name): str(text) for name, text in connection.execute(_OBJECTS)})


def _structure_fault(connection: sa.Connection) -> str:
    why = _schema_fault(connection)
    if why:
        return why
    said = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
    return "" if said == "ok" else f"its database is damaged: {visible_line(said, 200)}"


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.exists() and wal.stat().st_size > 0
