"""The kernel's account of a container, as engines tell it and as the host's files do."""

import os
from pathlib import Path

import pytest

from harness.container import usage
from harness.container.usage import usage_of

CPU = {"cpu_usage": {"total_usage": 2_500_000_000}}


def test_what_the_engine_tells_is_taken() -> None:
    found = usage_of({"cpu_stats": CPU, "memory_stats": {"max_usage": 4096}}, os.getpid)
    assert found is not None
    assert (found.cpu, found.memory) == (2.5, 4096)
    assert usage_of({"cpu_stats": {"cpu_usage": {"total_usage": 0}}}, os.getpid) is None
    assert usage_of({}, os.getpid) is None


def test_the_peak_of_version_two_is_read_at_the_process_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/cgroup").write_text("0::/system.slice/docker-abc.scope\n")
    (tmp_path / "cgroup/system.slice/docker-abc.scope").mkdir(parents=True)
    (tmp_path / "cgroup/system.slice/docker-abc.scope/memory.peak").write_text("8192\n")
    monkeypatch.setattr(usage, "_PROCESSES", tmp_path / "proc")
    monkeypatch.setattr(usage, "_CGROUPS", tmp_path / "cgroup")
    stats = {"cpu_stats": CPU, "memory_stats": {"usage": 100}}
    for pid, memory in ((7, 8192), (8, None), (0, None)):
        found = usage_of(stats, lambda pid=pid: pid)  # type: ignore[misc]
        assert found is not None
        assert found.memory == memory
