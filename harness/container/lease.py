"""Who owns a container: the label that names a harness process, and the removal of what dead ones left behind."""

import os
from pathlib import Path
from typing import Protocol

from harness.container.profile import LABEL, OWNER_LABEL
from harness.errors import EnvironmentFault
from harness.records import Record


class Kept(Record):
    """A container as the engine lists it."""

    id: str
    owner: str
    running: bool


class Listing(Protocol):
    """What the clean-up needs of the engine."""

    def labelled(self, label: str) -> tuple[Kept, ...]: ...
    def remove(self, container: str) -> None: ...


def owner() -> str:
    """`<boot id>:<pid namespace>:<pid>:<start time>` of this process: never the same for two processes."""
    pid = os.getpid()
    return f"{_boot_id()}:{_pid_namespace()}:{pid}:{start_time(pid)}"


def is_dead(owner_label: str, running: bool) -> bool:
    """Whether the owner surely lives no more. What cannot be judged from here is left alone."""
    parts = owner_label.split(":")
    if len(parts) != 4 or not parts[2].isdecimal():
        return False
    boot, namespace, pid, started = parts
    if boot != _boot_id():
        # Before a reboot of this machine, or another machine that shares the engine: only the first leaves it stopped.
        return not running
    if namespace != _pid_namespace():
        return False
    return start_time(int(pid)) != started


def reap(engine: Listing) -> tuple[str, ...]:
    """Removes the containers of harnesses that are dead, and answers their ids; a live neighbour's stay."""
    removed = []
    for kept in engine.labelled(LABEL):
        if is_dead(kept.owner, kept.running):
            engine.remove(kept.id)
            removed.append(kept.id)
    return tuple(removed)


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
