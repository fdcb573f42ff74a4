"""The state directory of one target and its lock; holds no events and no evidence itself."""

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import EnvironmentFault
from harness.text import visible_line

_FAREWELL = 10.0  # seconds


class StateDir:
    """`<git common dir>/holdpoint/`: where ledger, evidence, scratch repository and lock lie."""

    def __init__(self, common_dir: Path) -> None:
        self.root = common_dir / "holdpoint"
        self.ledger = self.root / "ledger.sqlite"
        self.evidence = self.root / "evidence"
        self.scratch = self.root / "scratch.git"
        self.local = self.root / "local.json"
        self._lock = self.root / "lock"

    def exists(self) -> bool:
        """Whether the target was initialised here: the directory has a ledger."""
        return self.ledger.is_file()

    def create(self) -> None:
        """Make the directory, for its owner only; harmless when it is there."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.evidence.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise _fault(f"the state directory {self.root} cannot be made", error) from None

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Hold the target for `what` (a command); EnvironmentFault names the process that holds it already.

        The kernel drops the lock when the holder dies, however it dies.
        """
        self.create()
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _fault(f"the lock {self._lock} cannot be opened", error) from None
        try:
            self._take(descriptor)
            try:
                self._sign(descriptor, what)
                yield
            finally:
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        until = time.monotonic() + _FAREWELL
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # A program that a killed holder was just starting has its descriptors for one moment more.
                if _holder_is_gone(descriptor) and time.monotonic() < until:
                    time.sleep(0.02)
                    continue
                raise EnvironmentFault(
                    f"another holdpoint works on this repository: {_holder(descriptor)}.",
                    "wait until it ends, or end that process, then try again",
                ) from None
            except OSError as error:
                raise _fault(f"the lock {self._lock} cannot be taken", error) from None
            else:
                return

    def _sign(self, descriptor: int, what: str) -> None:
        """Say who holds the lock; what a dead holder left is overwritten."""
        text = json.dumps({"pid": os.getpid(), "what": what, "since": datetime.now(UTC).isoformat()})
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
        except OSError as error:
            raise _fault(f"the lock {self._lock} cannot be written", error) from None


def _holder(descriptor: int) -> str:
    """The words about the holder; it may be just about to write them."""
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
        return visible_line(f"process {found['pid']} ({found['what']}, since {found['since']})", 300)
    except (ValueError, KeyError, TypeError):
        return "a process that has just started"


def _holder_is_gone(descriptor: int) -> bool:
    """Whether the process that signed the lock has ended; False for one that has not signed yet."""
    try:
        pid = int(json.loads(os.pread(descriptor, 4096, 0))["pid"])
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _fault(what: str, error: OSError) -> EnvironmentFault:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    step = "make room on the disk, then try again" if full else "see to the permissions of that path, then try again"
    return EnvironmentFault(f"{what}: {error.strerror}.", step)
