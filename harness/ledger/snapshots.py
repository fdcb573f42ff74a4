"""What the events added up to at places along the chain, kept beside the ledger so that no past must be folded again.

A copy, and never trusted over the chain: each place carries the chain's hash there, another version's or another
chain's snapshots are thrown away, `Ledger.check_snapshots` folds everything anew and compares, and the file may be
deleted at any time. Only what changed since the place before is written, so a place costs O(changes).
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from harness.errors import IntegrityError
from harness.ledger.chain import EMPTY, Head
from harness.ledger.state import Changes, Rest
from harness.ledger.views import Kind
from harness.records import Record
from harness.text import visible_line

VERSION = 2  # raise it when events add up to something else than before
EVERY = 128
"""Events from one place to the next: the most that a question about the past folds."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS place (seq INTEGER PRIMARY KEY, hash TEXT, low TEXT, rest BLOB) STRICT",
    "CREATE INDEX IF NOT EXISTS place_low ON place (low, seq)",
    "CREATE TABLE IF NOT EXISTS kept (kind TEXT, key TEXT, seq INTEGER, rank INTEGER, value BLOB) STRICT",
    "CREATE UNIQUE INDEX IF NOT EXISTS kept_at ON kept (kind, key, seq)",
    f"PRAGMA user_version={VERSION}",
)
_LATEST = "SELECT rank, value FROM kept WHERE kind = ? AND key = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
_EACH = "SELECT value FROM kept WHERE kind = ? AND key = ? AND seq <= ? ORDER BY seq"
_ALL = (
    "SELECT key, rank, value FROM kept AS one WHERE kind = ?1 AND seq = "
    "(SELECT max(seq) FROM kept AS other WHERE other.kind = ?1 AND other.key = one.key AND other.seq <= ?2) "
    "ORDER BY rank"
)


class Place(Record):
    """One snapshot: what stands there is what the entries up to `head` add up to."""

    head: Head
    rest: Rest
    low: str = ""


class Snapshots:
    """The file of snapshots beside one ledger; used by one thread at a time, by several processes at once."""

    def __init__(self, ledger: Path, *, read_only: bool) -> None:
        """Opens what is there; nothing is made before the first `keep`."""
        self.path = ledger.with_name(ledger.name + "-snapshots")
        self._read_only = read_only
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    def close(self) -> None:
        """Let go of the file, for good."""
        self._closed = True
        self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def discard(self) -> None:
        """Throw all of it away: it is another chain's, another version's, or damaged."""
        self._let_go()
        if not self._read_only:
            for name in (self.path.name, f"{self.path.name}-wal", f"{self.path.name}-shm"):
                with suppress(OSError):
                    self.path.with_name(name).unlink(missing_ok=True)

    def _opened(self, *, create: bool = False) -> sqlite3.Connection | None:
        if self._closed:
            raise ValueError("the ledger is closed")
        if self._connection is None and (create or self.path.is_file()):
            mode = "ro" if self._read_only else "rwc"
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5.0, isolation_level=None,
                check_same_thread=False,
            )  # fmt: skip
            self._connection = connection
            if not self._read_only:
                # It can be made again from the ledger: a power cut may cost it, and nothing waits for the disk.
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=OFF")
        return self._connection

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise

    def newest(self) -> Place | None:
        """The last place, None where there is none; what another version wrote, or is damaged, is thrown away."""
        try:
            connection = self._opened()
            version = connection.execute("PRAGMA user_version").fetchone()[0] if connection else 0
            if connection is None or version == 0:
                return None  # none yet, or being made by another process this moment
            if version == VERSION:
                row = connection.execute("SELECT seq, hash, rest FROM place ORDER BY seq DESC LIMIT 1").fetchone()
                return _place(row) if row else None
        except (sqlite3.Error, ValidationError) as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                return None
        self.discard()
        return None

    def before(self, seq: int) -> Place | None:
        """The last place at or before an entry."""
        with self._words() as connection:
            row = connection.execute(
                "SELECT seq, hash, rest FROM place WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (seq,)
            ).fetchone()
            return _place(row) if row else None

    def span_until(self, stamped: str) -> tuple[int, int]:
        """(after, up to): the entries among which is the last one made by then, as far as there are places."""
        # `low` is the earliest time from there on, so it never falls: the last place with a low by then has the answer.
        with self._words() as connection:
            row = connection.execute(
                "SELECT seq FROM place WHERE low <= ? ORDER BY low DESC, seq DESC LIMIT 1", (stamped,)
            ).fetchone()
            if row is None:
                return 0, 0
            before = connection.execute("SELECT max(seq) FROM place WHERE seq < ?", (row[0],)).fetchone()[0]
            return before or 0, row[0]

    def latest(self, kind: Kind, key: str, seq: int) -> tuple[int, bytes] | None:
        """Rank and value of what stood under a key at a place."""
        with self._words() as connection:
            row: tuple[int, bytes] | None = connection.execute(_LATEST, (kind, key, seq)).fetchone()
            return row

    def each(self, kind: Kind, key: str, seq: int) -> Sequence[bytes]:
        """Everything that was added under a key up to a place."""
        with self._words() as connection:
            return [row[0] for row in connection.execute(_EACH, (kind, key, seq))]

    def all(self, kind: Kind, seq: int) -> Sequence[tuple[str, int, bytes]]:
        """Every key of a kind with what stood under it at a place, in the order of their first appearance."""
        with self._words() as connection:
            return connection.execute(_ALL, (kind, seq)).fetchall()

    def places(self) -> dict[int, Place]:
        """Every place by its entry's number, in order; none where they cannot be read."""
        try:
            connection = self._opened()
            if connection is None or connection.execute("PRAGMA user_version").fetchone() != (VERSION,):
                return {}
            rows = connection.execute("SELECT seq, hash, rest, low FROM place ORDER BY seq")
            return {row[0]: _place(row) for row in rows}
        except (sqlite3.Error, ValidationError):
            return {}

    def rows(self) -> int:
        """How many values all places hold together."""
        with self._words() as connection:
            found: int = connection.execute("SELECT count(*) FROM kept").fetchone()[0]
            return found

    def at(self, seq: int, kind: Kind, key: str) -> tuple[int, bytes] | None:
        """Rank and value that a place itself added under a key."""
        with self._words() as connection:
            row: tuple[int, bytes] | None = connection.execute(
                "SELECT rank, value FROM kept WHERE kind = ? AND key = ? AND seq = ?", (kind, key, seq)
            ).fetchone()
            return row

    def keep(self, after: Head, head: Head, low: str, changes: Changes) -> Literal["kept", "overtaken", "failed"]:
        """Adds a place after `after`; overtaken: another process added one, failed: it cannot be written."""
        try:
            connection = self._opened(create=True)
            assert connection is not None
            with self._transaction(connection):
                if connection.execute("PRAGMA user_version").fetchone() == (0,):
                    for statement in _SCHEMA:
                        connection.execute(statement)
                last = connection.execute("SELECT seq, hash FROM place ORDER BY seq DESC LIMIT 1").fetchone()
                if last != ((after.index, after.hash) if after != EMPTY else None):
                    return "overtaken"
                connection.executemany(
                    "INSERT INTO kept VALUES (?, ?, ?, ?, ?)",
                    [(kind, key, head.index, rank, value) for kind, key, rank, value in changes.values],
                )
                connection.execute("UPDATE place SET low = ? WHERE low > ?", (low, low))  # a clock that stepped back
                rest = changes.rest.model_dump_json().encode()
                connection.execute("INSERT INTO place VALUES (?, ?, ?, ?)", (head.index, head.hash, low, rest))
        except sqlite3.Error:
            return "failed"
        return "kept"

    @contextmanager
    def _words(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._opened()
            if connection is None:
                raise IntegrityError(f"the snapshots {self.path} are gone.", "the same command again")
            yield connection
        except sqlite3.Error as error:
            raise IntegrityError(
                f"the snapshots {self.path} cannot be read ({visible_line(str(error), 200)}); the ledger is not.",
                f"rm {self.path}; it is made again",
            ) from error


class At:
    """What the snapshots hold at one place, for the state that rests on it."""

    def __init__(self, snapshots: Snapshots, seq: int, lock: AbstractContextManager[object]) -> None:
        self._snapshots = snapshots
        self._seq = seq
        self._lock = lock

    def latest(self, kind: Kind, key: str) -> tuple[int, bytes] | None:
        """`Snapshots.latest` here."""
        with self._lock:
            return self._snapshots.latest(kind, key, self._seq)

    def each(self, kind: Kind, key: str) -> Sequence[bytes]:
        """`Snapshots.each` here."""
        with self._lock:
            return self._snapshots.each(kind, key, self._seq)

    def all(self, kind: Kind) -> Sequence[tuple[str, int, bytes]]:
        """`Snapshots.all` here."""
        with self._lock:
            return self._snapshots.all(kind, self._seq)


def _place(row: tuple[object, ...]) -> Place:
    low = row[3] if len(row) > 3 else ""
    return Place.model_validate(
        {"head": {"index": row[0], "hash": row[1]}, "rest": Rest.model_validate_json(bytes(row[2])), "low": low}  # type: ignore[call-overload]  # a BLOB
    )
