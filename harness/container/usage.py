"""What one container has used so far, as the kernel accounts it to its control group; the guest has no say in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from harness.records import Record

_CGROUPS: Final = Path("/sys/fs/cgroup")
_PROCESSES: Final = Path("/proc")


class Usage(Record):
    """`cpu` seconds of all its processes; `memory` is the peak in bytes, files in memory included, None if not told."""

    cpu: float
    memory: int | None


def usage_of(stats: dict[str, Any], pid: Callable[[], int]) -> Usage | None:
    """Usage from the engine's statistics; the peak, which it leaves out with control groups of version 2, by `pid`."""
    cpu = stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage")
    if not isinstance(cpu, int) or cpu <= 0:
        return None
    peak = stats.get("memory_stats", {}).get("max_usage")
    return Usage(cpu=cpu / 1e9, memory=peak if isinstance(peak, int) and peak > 0 else _peak(pid()))


def _peak(pid: int) -> int | None:
    """`memory.peak` of the process's group; None without it, or when the engine is on another machine."""
    try:
        line = (_PROCESSES / str(pid) / "cgroup").read_text().splitlines()[0]
        return int((_CGROUPS / line.partition("::")[2].lstrip("/") / "memory.peak").read_text()) if pid else None
    except (OSError, ValueError, IndexError):
        return None
