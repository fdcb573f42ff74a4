"""The list of system calls as a text: it parses, explains itself, opens nothing dangerous, and is the profile's."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.container import Limits, own_list, profile_for
from harness.container.seccomp import MACHINES, without_own_list

FILE = Path(__file__).parents[2] / "sandbox" / "seccomp.json"
ALLOW = "SCMP_ACT_ALLOW"
FORBIDDEN = """
io_uring_setup io_uring_enter io_uring_register io_setup io_submit ptrace process_vm_readv process_vm_writev
process_madvise process_mrelease keyctl add_key request_key mount umount umount2 mount_setattr fsopen fsconfig
fsmount fspick open_tree move_mount pivot_root chroot unshare setns clone3 bpf perf_event_open userfaultfd
kexec_load kexec_file_load init_module finit_module delete_module clock_settime clock_adjtime settimeofday adjtimex
stime quotactl quotactl_fd acct swapon swapoff reboot iopl ioperm open_by_handle_at name_to_handle_at fanotify_init
fanotify_mark lookup_dcookie vm86 vm86old modify_ldt pidfd_getfd kcmp syslog sethostname setdomainname
msgget semget shmget mq_open move_pages migrate_pages mbind set_mempolicy uselib ustat sysfs _sysctl vhangup
nfsservctl seccomp sync syncfs setuid setgid setresuid setresgid setgroups capset landlock_create_ruleset
memfd_secret socketcall
"""
ONLY_BY_ARGUMENT = frozenset({"clone", "personality", "socket", "socketpair", "mknod", "mknodat", "ioctl"})


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return json.loads(FILE.read_bytes())


def test_what_is_not_named_is_refused_and_old_doors_are_shut(made: dict[str, Any]) -> None:
    assert made["defaultAction"] == "SCMP_ACT_ERRNO"
    assert made["archMap"] == [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []}]
    assert set(made) == {"defaultAction", "archMap", "syscalls"}


def test_every_group_is_explained_in_a_sentence_of_its_own(made: dict[str, Any]) -> None:
    comments = [group["comment"] for group in made["syscalls"]]
    assert all(len(comment.split()) >= 3 and comment[-1] == "." for comment in comments)
    assert len(set(comments)) == len(comments)
    for group in made["syscalls"]:
        assert group["names"] == sorted(set(group["names"]))


def test_nothing_dangerous_is_allowed(made: dict[str, Any]) -> None:
    allowed = {name for group in made["syscalls"] if group["action"] == ALLOW for name in group["names"]}
    assert allowed & set(FORBIDDEN.split()) == set()
    assert len(allowed) < 230
    for group in made["syscalls"]:
        assert group["action"] == ALLOW or group["names"] == ["clone3"]
        assert bool(group.get("args")) == bool(set(group["names"]) & ONLY_BY_ARGUMENT)


def holds(group: dict[str, Any], *arguments: int) -> bool:
    """Whether the kernel's filter lets a call with these arguments pass this group."""
    for test in group["args"]:
        value, wanted = arguments[test["index"]], test["value"]
        match test["op"]:
            case "SCMP_CMP_EQ":
                fits = value == wanted
            case "SCMP_CMP_LE":
                fits = value <= wanted
            case "SCMP_CMP_MASKED_EQ":
                fits = value & wanted == test["valueTwo"]
            case other:
                raise AssertionError(other)
        if not fits:
            return False
    return True


def passes(made: dict[str, Any], name: str, *arguments: int) -> bool:
    return any(holds(group, *arguments) for group in made["syscalls"] if name in group["names"])


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("clone", [(17,), (0x3D0F00,)], [(flag | 17,) for flag in (0x20000, *(1 << n for n in range(25, 31)))]),
        ("personality", [(0,), (0xFFFFFFFF,)], [(0x40000,), (8,), (0x20000,)]),
        (
            "socket",
            [(1, 1, 0), (1, 0x80002, 0), (2, 1, 0), (2, 0x80801, 6), (10, 1, 6), (2, 2, 17), (10, 2, 0)],
            [(0, 1, 0), (16, 3, 0), (17, 3, 0), (38, 5, 0), (40, 1, 0), (2, 3, 1), (2, 2, 1), (2, 1, 132), (2, 1, 262)],
        ),
        ("socketpair", [(1, 1, 0)], [(2, 1, 0), (16, 1, 0)]),
        ("mknod", [(0, 0o010600)], [(0, 0o020600), (0, 0o060600), (0, 0o100600), (0, 0o600)]),
        ("mknodat", [(0, 0, 0o010600)], [(0, 0, 0o020600), (0, 0, 0o060600)]),
        (
            "ioctl",
            [(0, n) for n in (0x5401, 0x5413, 0x5414, 0x541B, 0x5421, 0x5451, 0x80045430, 0x40045431, 0x5441)],
            [(0, n) for n in (0x5412, 0x1_0000_5412, 0x541C, 0x5423, 0x1_0000_5401, 0, 0x8912, 0xC0045877)],
        ),
    ],
)
def test_arguments_decide(
    made: dict[str, Any], name: str, good: list[tuple[int, ...]], bad: list[tuple[int, ...]]
) -> None:
    assert [one for one in good if not passes(made, name, *one)] == []
    assert [one for one in bad if passes(made, name, *one)] == []


def test_the_list_is_part_of_the_profile_and_its_digest(made: dict[str, Any]) -> None:
    ours = profile_for(Limits())
    assert json.loads(str(ours.seccomp)) == made
    assert {profile_for(Limits(), arch=arch).digest for arch in MACHINES} == {ours.digest}
    assert ours.model_copy(update={"seccomp": None}).digest != ours.digest


@pytest.mark.parametrize("arch", ["aarch64", "arm64", "i686", ""])
def test_other_machines_get_the_engines_list_and_their_users_are_told(arch: str) -> None:
    assert own_list(arch) is None
    assert profile_for(Limits(), arch=arch).seccomp is None
    assert "the engine's own seccomp list" in without_own_list(arch)
    assert without_own_list("x86_64") == ""
