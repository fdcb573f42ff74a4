"""Who owns a container: the label that names a harness process, and the removal of what dead ones left behind.

A process can be judged only from its own process namespace. Of any other owner (a harness in a container, before a
reboot, or on another machine that shares the engine) we know what it does with its containers: it removes one moments
after its end, and no work lasts a week. Its own warden removes them at once when it dies.
"""

import os
import time
from pathlib import Path
from typing import Protocol

from harness.container.profile import LABEL, OWNER_LABEL
from harness.errors import EnvironmentFault
from harness.records import Record

CONNECTION_LABEL = "holdpoint.connection"
_LONGEST_END = 3600.0  # seconds since it was made that a stopped container of an unknown owner stays
_LONGEST_WORK = 7 * 86400.0  # the same for a running one


class Kept(Record):
    """A container as the engine lists it."""

    id: str
    owner: str
    running: bool
    created: float


class Listing(Protocol):
    """What the clean-up needs of the engine."""

    def labelled(self, label: str) -> tuple[Kept, ...]: ...
    def remove(self, container: str) -> None: ...


def owner() -> str:
    """`<boot id>:<pid namespace>:<pid>:<start time>` of this process: never the same for two processes."""
    pid = os.getpid()
    return f"{_boot_id()}:{_pid_namespace()}:{pid}:{start_time(pid)}"


def is_orphan(kept: Kept, now: float) -> bool:
    """Whether the owner lives no more; `now` in seconds since the epoch. What cannot be judged is left alone."""
    parts = kept.owner.split(":")
    if len(parts) != 4 or not parts[2].isdecimal():
        return False
    boot, namespace, pid, started = parts
    if boot == _boot_id() and namespace == _pid_namespace():
        return start_time(int(pid)) != started
    return now - kept.created > (_LONGEST_WORK if kept.running else _LONGEST_END)


def orphans(engine: Listing) -> tuple[str, ...]:
    """The ids of the containers of harnesses that are dead; a live neighbour's are not among them."""
    now = time.time()
    return tuple(kept.id for kept in engine.labelled(LABEL) if is_orphan(kept, now))


def reap(engine: Listing) -> tuple[str, ...]:
    """Removes the orphans, and answers their ids."""
    found = orphans(engine)
    for container in found:
        engine.remove(container)
    return found


def labels(run_id: str) -> dict[str, str]:
    """The labels that make a container findable by run and by owner."""
    return {LABEL: run_id, OWNER_LABEL: owner()}


def start_time(pid: int) -> str:
    """When a process began, in the kernel's own count; "" for one that is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The command name, in parentheses, may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError as error:
        raise EnvironmentFault(
            f"the kernel's boot id cannot be read ({error.strerror}).", "run holdpoint on Linux with /proc mounted"
        ) from error


def _pid_namespace() -> str:
    return str(Path("/proc/self/ns/pid").stat().st_ino)
