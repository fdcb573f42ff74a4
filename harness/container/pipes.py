"""Pipes straight into a guest, past the engine, which carries each line over four processes.

The guest makes them before it has read a file of an arm, and names their ends; whoever may look into its process
opens them (root, where the engine runs on this machine). Nothing is mounted and nothing is added to the container: it
holds two pipes instead of two. Whoever may not goes on by the engine's stream, which says the same more slowly.
"""

import json
import os
import stat
from pathlib import Path
from typing import Final

TAKEN: Final = b"1\n"
LEFT: Final = b"0\n"
"""The host's answer to a guest that offers its pipes."""

_PROCESSES: Final = Path("/proc")
_HIGHEST: Final = 1024  # no descriptor of a guest is above


class Pipes:
    """Descriptors of ours, neither of which ever waits: one to write what the guest reads, one to read what it says."""

    def __init__(self, into: int, out: int) -> None:
        self.into, self.out = into, out

    def end_input(self) -> None:
        """The guest sees the end of its input. Idempotent."""
        if self.into >= 0:
            os.close(self.into)
            self.into = -1

    def close(self) -> None:
        """Lets go of both. Idempotent."""
        self.end_input()
        if self.out >= 0:
            os.close(self.out)
            self.out = -1


def offered(line: bytes) -> tuple[int, int] | None:
    """The guest's numbers for the ends that are the host's, (to write, to read); None when it offers none."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match told:
        case {"pipes": [int(into), int(out)]} if 2 < into < _HIGHEST and 2 < out < _HIGHEST:
            return into, out
        case _:
            return None


def opened(container: str, pid: int, ends: tuple[int, int]) -> Pipes | None:
    """The host's ends of a guest's pipes; None where they are not for us, or not here.

    `pid` is the container's first process as the engine tells it, the guest that or a child of it.
    """
    for process in (*_children(pid), pid) if is_of(pid, container) else ():
        into = _opened(container, process, ends[0], os.O_WRONLY)
        out = _opened(container, process, ends[1], os.O_RDONLY) if into is not None else None
        if into is not None and out is not None:
            return Pipes(into, out)
        if into is not None:
            os.close(into)
    return None


def is_of(pid: int, container: str) -> bool:
    """Whether a process of this machine belongs to the container with that full id; an engine may be elsewhere."""
    if pid <= 0:
        return False
    try:
        return container in (_PROCESSES / str(pid) / "cgroup").read_text()
    except OSError:
        return False


def _children(pid: int) -> tuple[int, ...]:
    try:
        told = (_PROCESSES / str(pid) / "task" / str(pid) / "children").read_text()
    except OSError:
        return ()
    return tuple(map(int, told.split()))


def _opened(container: str, pid: int, number: int, how: int) -> int | None:
    path = _PROCESSES / str(pid) / "fd" / str(number)
    try:
        if not path.is_fifo():
            return None
        found = os.open(path, how | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISFIFO(os.fstat(found).st_mode) and is_of(pid, container):  # its number may be another process's by now
        return found
    os.close(found)
    return None
