"""SQLite's errors in our words; decides what is the machine's fault and what is damage, and reads nothing."""

import sqlite3
from pathlib import Path

from harness.errors import EnvironmentFault, HoldpointError, IntegrityError
from harness.text import visible_line

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_ERROR})
_MACHINE = {
    sqlite3.SQLITE_FULL: ("the disk is full", "make room on the disk, then try again"),
    sqlite3.SQLITE_IOERR: ("the disk reports an error", "check the disk (dmesg), then try again"),
    sqlite3.SQLITE_BUSY: ("another process holds it", "wait until the other holdpoint ends, then try again"),
    sqlite3.SQLITE_LOCKED: (
        "another process holds it",
        "wait until the other holdpoint ends, then try again",
    ),
    sqlite3.SQLITE_READONLY: ("it may not be written", "see to the permissions of that path, then try again"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "see to the permissions of that path, then try again"),
    sqlite3.SQLITE_PERM: ("it may not be accessed", "see to the permissions of that path, then try again"),
    sqlite3.SQLITE_NOMEM: ("memory ran out", "free memory, then try again"),
}


def fault(path: Path, error: BaseException | None) -> HoldpointError:
    """The error to raise for what SQLite said about the ledger at `path`."""
    extended = getattr(error, "sqlite_errorcode", None)
    primary = extended & 0xFF if isinstance(extended, int) else sqlite3.SQLITE_ERROR
    said = visible_line(str(error), 200)
    if primary in _MACHINE:
        what, step = _MACHINE[primary]
        return EnvironmentFault(f"the ledger {path}: {what} ({said}); nothing was written.", step)
    kind = "is damaged" if primary in _DAMAGE or extended is None else "cannot be read"
    return IntegrityError(f"the ledger {path} {kind}: {said}.", "holdpoint verify, or restore it from a copy")
