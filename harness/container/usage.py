"""What one container has used so far, as the kernel accounts it to its control group; the guest has no say in it.

The kernel's files are read where the engine runs on this machine: an engine answers each repeated question after a
second only, being made for dashboards. An engine elsewhere is asked.
"""

from pathlib import Path
from typing import Any, Final

from harness.records import Record

_CGROUPS: Final = Path("/sys/fs/cgroup")
_PROCESSES: Final = Path("/proc")


class Usage(Record):
    """`cpu` seconds of all its processes; `memory` is the peak in bytes, files in memory included, None if not told."""

    cpu: float
    memory: int | None


def kernel_usage(container: str, pid: int) -> Usage | None:
    """Usage of the container with that full id, by a process of it, from control groups of either version.

    None unless the process is here and its group bears the id: engines elsewhere name processes of their own machine.
    """
    try:
        lines = (_PROCESSES / str(pid) / "cgroup").read_text().splitlines()
        groups = {name: path for names, path in map(_group, lines) if container in path for name in names}
        if "cpuacct" in groups:
            seconds = _number(groups, "cpuacct", "cpuacct.usage") / 1e9
        else:
            told = (_CGROUPS / groups[""] / "cpu.stat").read_text().split()
            seconds = int(told[told.index("usage_usec") + 1]) / 1e6
    except (OSError, ValueError, KeyError):
        return None
    return Usage(cpu=seconds, memory=_peak(groups))


def usage_of(stats: dict[str, Any]) -> Usage | None:
    """Usage from an engine's statistics; with control groups of version 2 they leave out the peak of memory."""
    cpu = stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage")
    if not isinstance(cpu, int) or cpu <= 0:
        return None
    peak = stats.get("memory_stats", {}).get("max_usage")
    return Usage(cpu=cpu / 1e9, memory=peak if isinstance(peak, int) and peak > 0 else None)


def _group(line: str) -> tuple[list[str], str]:
    """Controllers and path of one line; version 2 names no controller. `ValueError` if it is none."""
    _, names, path = line.split(":", 2)
    return names.split(","), path.lstrip("/")


def _peak(groups: dict[str, str]) -> int | None:
    """None before Linux 5.19 with version 2, which kept no peak."""
    try:
        if "memory" in groups:
            return _number(groups, "memory", "memory.max_usage_in_bytes")
        return int((_CGROUPS / groups[""] / "memory.peak").read_text())
    except (OSError, ValueError, KeyError):
        return None


def _number(groups: dict[str, str], controller: str, file: str) -> int:
    return int((_CGROUPS / controller / groups[controller] / file).read_text())
