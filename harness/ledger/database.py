"""One open SQLite file of events, in plain rows; the only door to the ledger's database, it judges no event.

Statements are SQLAlchemy Core's, compiled once for the dialect and given to the driver as text: compiled and wrapped
anew each time, they cost a third of a durable append.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from harness.errors import IntegrityError
from harness.ledger.chain import EMPTY, ZERO, Head, Row, stamp
from harness.ledger.faults import fault
from harness.ledger.schema import APPLICATION_ID, SCHEMA, VERSION, schema_fault
from harness.text import visible_line

PAGE = 2000
_BUSY_SECONDS = 20.0
_CHECKPOINT = "wal_autocheckpoint=200"  # pages; a short log is soon written over in place, which is quicker to sync
_EVENT = sa.Table(
    "event",
    sa.MetaData(),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("prev", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
_BETWEEN = (_EVENT.c.seq > sa.bindparam("after"), _EVENT.c.seq <= sa.bindparam("up_to"))
_STATEMENTS: dict[str, sa.ClauseElement] = {
    "insert": sa.insert(_EVENT),
    "tip": sa.select(_EVENT.c.seq, _EVENT.c.hash).where(
        _EVENT.c.seq == sa.select(sa.func.max(_EVENT.c.seq)).scalar_subquery()
    ),
    "page": sa.text("SELECT seq, at, payload, prev, hash FROM event WHERE seq > :after ORDER BY seq LIMIT :limit"),
    "hash": sa.select(_EVENT.c.hash).where(_EVENT.c.seq == sa.bindparam("index")),
    "until": sa.select(sa.func.max(_EVENT.c.seq)).where(*_BETWEEN, _EVENT.c.at <= sa.bindparam("until")),
}
_OBJECTS = "SELECT name, sql FROM sqlite_schema"


class Database:
    """A held connection; its methods are called inside `transaction`, by one thread at a time."""

    def __init__(self, path: Path, *, create: bool, read_only: bool) -> None:
        """Opens the file; IntegrityError when it is no ledger of ours or lacks a trigger (not with `read_only`)."""
        self.path = path
        self._driver: sqlite3.Connection | None = None
        try:
            self._start(create, read_only)
        except BaseException:
            self.close()
            raise

    def _start(self, create: bool, read_only: bool) -> None:
        with self.words():
            engine = self._engine("ro" if read_only else "rwc" if create else "rw", read_only=read_only)
            self._sql = {name: str(one.compile(dialect=engine.dialect)) for name, one in _STATEMENTS.items()}
            self._insert = self._sql["insert"]
            self._connection = engine.connect()
            driver = self._connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            self._driver = driver
            if read_only:
                return
            with self.transaction("BEGIN IMMEDIATE" if create else "BEGIN"):
                if create and self._is_blank():
                    self._make()
                why = self._schema_fault()
            if why:
                raise IntegrityError(f"the ledger {self.path} is damaged: {why}.", "holdpoint verify")
            # Only now: another program's database must not be changed by looking at it.
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "recursive_triggers=ON", _CHECKPOINT):
                self._ask(f"PRAGMA {pragma}")

    def _engine(self, mode: str, *, read_only: bool) -> sa.Engine:
        if read_only and not os.access(self.path.parent, os.W_OK) and not _has_wal(self.path):
            mode += "&immutable=1"  # where no lock file can be made, nobody else writes either
        uri = f"file:{quote(str(self.path.absolute()))}?mode={mode}"

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)

        return sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)

    def close(self) -> None:
        """Let go of the file; harmless when done twice."""
        if self._driver is not None:
            self._driver = None
            self._connection.close()

    def driver(self) -> sqlite3.Connection:
        """The driver's own connection; ValueError once it is closed."""
        if self._driver is None:
            raise ValueError("the ledger is closed")
        return self._driver

    def _ask(self, statement: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        return self.driver().execute(statement, values).fetchall()

    @contextmanager
    def transaction(self, begin: str = "BEGIN") -> Iterator[None]:
        """One transaction: committed at the end, rolled back when anything was raised."""
        driver = self.driver()
        driver.execute(begin)
        try:
            yield
            driver.execute("COMMIT")
        except BaseException:
            driver.rollback()  # does nothing where SQLite rolled back by itself
            raise

    @contextmanager
    def words(self) -> Iterator[None]:
        """The database's errors as ours."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise fault(self.path, error.orig) from error
        except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
            # The last two: a damaged file can claim any size, and put any byte into the database's own complaint.
            raise fault(self.path, error) from error

    def insert(self, rows: Sequence[Row]) -> bool:
        """Write rows after the last one; False (and nothing written) when they do not follow it."""
        try:
            if len(rows) == 1:
                self.driver().execute(self._insert, rows[0])
            else:
                self.driver().executemany(self._insert, rows)
        except sqlite3.IntegrityError:
            return False
        except sqlite3.Error as error:
            raise fault(self.path, error) from error
        return True

    def page(self, after: int, limit: int = PAGE) -> Sequence[Row]:
        """The next rows; untyped on purpose: a damaged one holds anything, and is to be found, not converted."""
        return self._ask(self._sql["page"], (after, limit))  # type: ignore[return-value]  # five columns

    def tip(self) -> Head:
        """The last entry's place in the chain."""
        rows = self._ask(self._sql["tip"])
        if not rows:
            return EMPTY
        seq, digest = rows[0]
        if not isinstance(seq, int) or not isinstance(digest, str):
            raise IntegrityError("the ledger is damaged: its last entry has no hash.", "holdpoint verify")
        return Head(index=seq, hash=digest)

    def hash_at(self, index: int) -> str | None:
        """The hash of one entry; of the empty ledger for 0."""
        if index <= 0:
            return ZERO
        rows = self._ask(self._sql["hash"], (index,))
        found = rows[0][0] if rows else None
        return found if isinstance(found, str) else None

    def last_until(self, until: datetime, after: int, up_to: int) -> int:
        """The number of the last entry among those made by then, 0 for none."""
        # The clock may have stepped back: what counts is the last entry made by then, and all before it.
        found = self._ask(self._sql["until"], (after, up_to, stamp(until)))[0][0]
        return found if isinstance(found, int) else 0

    def _make(self) -> None:
        for text in SCHEMA.values():
            self._ask(text)
        self._ask(f"PRAGMA application_id={APPLICATION_ID}")
        self._ask(f"PRAGMA user_version={VERSION}")

    def _is_blank(self) -> bool:
        """Whether this is a new file; one that merely lost its table is not."""
        return self._ask("PRAGMA application_id") == [(0,)] and not self._ask(_OBJECTS)

    def _schema_fault(self) -> str:
        """What makes this database no ledger of ours, in words, or nothing."""
        if self._ask("PRAGMA application_id") != [(APPLICATION_ID,)]:
            return "it is not a Holdpoint ledger"
        if self._ask("PRAGMA user_version") != [(VERSION,)]:
            return "another version of Holdpoint wrote it"
        return schema_fault({str(name): str(text) for name, text in self._ask(_OBJECTS)})

    def structure_fault(self) -> str:
        """What is wrong with the file's make or structure, in words, or nothing."""
        why = self._schema_fault()
        if why:
            return why
        said = str(self._ask("PRAGMA quick_check(1)")[0][0])
        return "" if said == "ok" else f"its database is damaged: {visible_line(said, 200)}"


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.exists() and wal.stat().st_size > 0
