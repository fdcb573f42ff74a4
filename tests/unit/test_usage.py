"""The kernel's account of a container, as the host's files tell it and as engines elsewhere do."""

from pathlib import Path

import pytest

from harness.container import usage
from harness.container.usage import kernel_usage, usage_of

ID = "ab" * 32
CPU = {"cpu_usage": {"total_usage": 2_500_000_000}}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without processes and groups."""
    monkeypatch.setattr(usage, "_PROCESSES", tmp_path / "proc")
    monkeypatch.setattr(usage, "_CGROUPS", tmp_path / "cgroup")
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_version_one_has_a_folder_for_each_controller(host: Path) -> None:
    group = f"docker/{ID}"
    put(host / "proc/7/cgroup", f"9:cpu,cpuacct:/{group}\n5:memory:/{group}\n0::/system.slice/other\n")
    put(host / "cgroup/cpuacct" / group / "cpuacct.usage", "2500000000\n")
    put(host / "cgroup/memory" / group / "memory.max_usage_in_bytes", "4096\n")
    found = kernel_usage(ID, 7)
    assert found is not None
    assert (found.cpu, found.memory) == (2.5, 4096)


@pytest.mark.parametrize("group", [f"system.slice/docker-{ID}.scope", f"machine.slice/libpod-{ID}.scope/container"])
def test_version_two_has_one_folder(host: Path, group: str) -> None:
    put(host / "proc/7/cgroup", f"0::/{group}\n")
    put(host / "cgroup" / group / "cpu.stat", "usage_usec 2500000\nuser_usec 2000000\n")
    found = kernel_usage(ID, 7)
    assert found is not None
    assert (found.cpu, found.memory) == (2.5, None)  # a kernel before 5.19
    put(host / "cgroup" / group / "memory.peak", "8192\n")
    found = kernel_usage(ID, 7)
    assert found is not None
    assert found.memory == 8192


def test_a_process_of_another_machine_is_not_taken_for_one_here(host: Path) -> None:
    """A number of the engine's machine may be anybody's here."""
    put(host / "proc/7/cgroup", "9:cpuacct:/user.slice\n0::/user.slice\n")
    put(host / "cgroup/cpuacct/user.slice/cpuacct.usage", "2500000000\n")
    put(host / "cgroup/user.slice/cpu.stat", "usage_usec 2500000\n")
    assert kernel_usage(ID, 7) is None
    assert kernel_usage(ID, 8) is None


@pytest.mark.parametrize("told", ["", "\n", "no group\n", f"0::/{ID}\n", f"9:cpuacct:/{ID}\n"])
def test_what_cannot_be_read_is_nothing(host: Path, told: str) -> None:
    put(host / "proc/7/cgroup", told)
    put(host / "cgroup" / ID / "cpu.stat", "nothing of use\n")
    assert kernel_usage(ID, 7) is None


def test_what_an_engine_elsewhere_tells_is_taken() -> None:
    found = usage_of({"cpu_stats": CPU, "memory_stats": {"max_usage": 4096}})
    assert found is not None
    assert (found.cpu, found.memory) == (2.5, 4096)
    found = usage_of({"cpu_stats": CPU, "memory_stats": {"usage": 100}})
    assert found is not None
    assert found.memory is None
    assert usage_of({"cpu_stats": {"cpu_usage": {"total_usage": 0}}}) is None
    assert usage_of({}) is None
