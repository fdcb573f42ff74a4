"""Temporary files and folders that the kernel knows the owner of, by a lock that dies with it; keeps nothing.

Whoever makes one first removes those in the same place that nobody holds any more: what a killed harness left is gone
at the next start, and what a live neighbour uses stays, across process namespaces and reboots. Where a file system has
no such locks, nothing is ever taken for left.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from harness.errors import EnvironmentFault

PREFIX: Final = "holdpoint-scratch-"


class Scratch:
    """An empty folder of its own in `place` (default: the system's temporary folder); a context manager.

    A child process that is given `descriptor` keeps the folder in use past our own end.
    """

    def __init__(self, place: Path | None = None) -> None:
        place = place or Path(tempfile.gettempdir())
        sweep(place)
        try:
            self.path, self.descriptor = _made(place, folder=True)
        except OSError as error:
            raise EnvironmentFault(
                f"no temporary folder can be made in {place}: {error.strerror}.",
                "make room there, or fix its permissions, then try again",
            ) from error
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Removes the folder and what is in it. Idempotent."""
        if not self._closed:
            self._closed = True
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self.descriptor)


def write_whole(path: Path, data: bytes, *, place: Path, mode: int = 0o644) -> None:
    """A file that is there whole or not at all, and on the disk on return; `place` is a folder on its file system."""
    sweep(place)
    partial, descriptor = _made(place, folder=False)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        os.fchmod(descriptor, mode)
        partial.replace(path)
    except BaseException:  # Ctrl-C too must leave no temporary file; the exception goes on
        partial.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def sweep(place: Path, *, dry: bool = False) -> tuple[str, ...]:
    """Removes what dead processes left in a folder, and answers the paths; `dry` only looks."""
    try:
        with os.scandir(place) as entries:
            found = [entry.path for entry in entries if entry.name.startswith(PREFIX)]
    except OSError:
        return ()
    return tuple(path for path in sorted(found) if _removed(path, dry))


def _removed(path: str, dry: bool) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False  # it has just gone, or is a stranger's
    try:
        seen = os.fstat(descriptor)
        if seen.st_uid != os.geteuid():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if dry:
            return True
        if stat.S_ISDIR(seen.st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink(missing_ok=True)
        return not os.path.lexists(path)
    except OSError:
        return False  # somebody holds it, or it cannot be removed
    finally:
        os.close(descriptor)


def _made(place: Path, *, folder: bool) -> tuple[Path, int]:
    """A new entry and its locked descriptor; made again if somebody swept it between its making and its locking."""
    while True:
        path = place / f"{PREFIX}{secrets.token_hex(8)}"
        if folder:
            path.mkdir(mode=0o700)
            flags = os.O_RDONLY | os.O_DIRECTORY
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(OSError):  # a file system without locks: nobody sweeps there either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():
                return path, descriptor
            os.close(descriptor)
