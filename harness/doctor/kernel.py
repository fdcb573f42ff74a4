"""Probes of the kernel's doors: calls, namespaces, devices, files and rights that untrusted code must not have.

A program that gets a file open closes it again: none writes to the kernel, and none reads a disk.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from harness.doctor.bench import Bench
from harness.doctor.guest import in_guest, in_guest_without
from harness.doctor.outside import outside
from harness.doctor.probe import Act, Blocked, Fired, Outcome, Probe

# A kernel may want rights for a call, beside what our list of calls says: root in the container, and capabilities.
_RIGHTS: Final = ("seccomp", "cap_drop", "user", "apparmor")
_LIST: Final = "the same with no list of calls; where the kernel wants more for it, as the container's root too"
_ROOT: Final = "the same as the container's root with capabilities and no list of calls; its limits stay"


def _probe(name: str, program: str, tries: str, *, how: str = "", quick: bool = False) -> Probe:
    """What the list of calls alone stops."""
    return Probe(
        id=f"kernel.{name}",
        group="kernel",
        threat="kernel",
        tries=tries,
        control_is=_LIST,
        attack=in_guest(program, {"how": how}),
        control=_weakest(program, how, ("seccomp",), _RIGHTS),
        settings=("seccomp",),
        quick=quick,
    )


def _guarded_twice(
    name: str, program: str, tries: str, *, how: str, without: tuple[str, ...] = _RIGHTS, control_is: str = _ROOT
) -> Probe:
    """What several settings stop, each by itself: it falls without none of them."""
    return Probe(
        id=f"kernel.{name}",
        group="kernel",
        threat="kernel",
        tries=tries,
        control_is=control_is,
        attack=in_guest(program, {"how": how}),
        control=in_guest_without(*without, program=program, args={"how": how}),
    )


def _weakest(program: str, how: str, *choices: tuple[str, ...]) -> Act:
    """The control that takes off no more than this kernel needs to let the attack through."""

    def act(bench: Bench) -> Outcome:
        outcome: Outcome = Blocked(detail="not tried")
        for without in choices:
            outcome = in_guest_without(*without, program=program, args={"how": how})(bench)
            if isinstance(outcome, Fired):
                break
        return outcome

    return act


def _leak_outside(_bench: Bench) -> Outcome:
    """A child that is left one descriptor of the root folder; it only says so."""
    descriptor = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return outside("leftover_descriptors", {}, keep=(descriptor,))
    finally:
        os.close(descriptor)


def _read_back(
    name: str, tries: str, control_is: str, setting: str, reading: Callable[[Mapping[str, Any]], str]
) -> Probe:
    """What the engine itself says of the container; `reading` answers what it finds amiss, or nothing."""

    def attack(bench: Bench) -> Outcome:
        amiss = reading(bench.inspected())
        return Fired(detail=amiss) if amiss else Blocked(detail="the engine says that it is as it should be")

    def control(bench: Bench) -> Outcome:
        return attack(Bench(bench.engine, bench.image, bench.run_id, off=(*bench.off, setting)))

    return Probe(
        id=f"kernel.{name}",
        group="kernel",
        threat="kernel",
        tries=tries,
        control_is=control_is,
        attack=attack,
        control=control,
        settings=(setting,),
        kind="state",
    )


def _devices_given(found: Mapping[str, Any]) -> str:
    host = found["HostConfig"]
    given = [
        str(device) for key in ("DeviceCgroupRules", "Devices", "DeviceRequests") for device in host.get(key) or ()
    ]
    return f"the container may use {', '.join(given)}" if given else ""


def _apparmor_off(found: Mapping[str, Any]) -> str:
    off = "apparmor=unconfined" in (found["HostConfig"].get("SecurityOpt") or ())
    return "AppArmor is switched off for the container" if off else ""


PROBES: Final[tuple[Probe, ...]] = (
    _probe(
        "ptrace", "other_process", "takes hold of another process of its user with ptrace", how="ptrace", quick=True
    ),
    _probe("process_vm_readv", "other_process", "reads another process's memory", how="process_vm_readv"),
    _probe(
        "add_key", "kernel_call", "puts a key into the kernel's key store, which no namespace divides", how="add_key"
    ),
    _probe("mount", "namespaces", "mounts a file system, as root of a user namespace of its own", how="mount"),
    _probe("user_namespace", "namespaces", "becomes root of a new user namespace", how="unshare", quick=True),
    _probe("clone3", "namespaces", "starts a process in a new user namespace with clone3", how="clone3"),
    _probe("setns", "namespaces", "joins another process's user namespace", how="setns"),
    _probe("io_uring", "kernel_call", "sets up io_uring, past every list of calls", how="io_uring_setup", quick=True),
    _probe("perf_event", "kernel_call", "opens a performance counter", how="perf_event_open"),
    _probe("userfaultfd", "kernel_call", "takes over page faults, the tool of many kernel exploits", how="userfaultfd"),
    _probe("int_80", "old_calls", "calls the kernel by its 32-bit entry (int 0x80)"),
    _probe("tiocsti", "terminal_input", "types into its terminal's input (TIOCSTI)"),
    _guarded_twice("bpf", "kernel_call", "loads a map into the kernel's BPF machine", how="bpf"),
    _guarded_twice("clock", "kernel_call", "sets the machine's clock (to what it is)", how="adjtimex"),
    _guarded_twice("kernel_log", "kernel_files", "opens kcore, kmsg and /dev/mem, reads the kernel's log", how="log"),
    _guarded_twice("mknod", "devices", "makes a node for a disk", how="mknod"),
    _guarded_twice(
        "block_device",
        "devices",
        "makes a node for a disk and opens it",
        how="open",
        without=(*_RIGHTS, "tmpfs.nodev", "devices"),
        control_is=f"{_ROOT}; it may open disks for reading, and reads nothing",
    ),
    _guarded_twice(
        "core_pattern",
        "kernel_files",
        "opens core_pattern, modprobe and sysrq-trigger for writing",
        how="steer",
        without=("user", "system_paths", "apparmor"),
        control_is="the same as the container's root without the engine's read-only paths; it writes nothing",
    ),
    _guarded_twice("cgroup_write", "cgroups", "opens the files that hold its own limits for writing", how="limits"),
    _guarded_twice(
        "release_agent",
        "cgroups",
        "opens release_agent, which names a program that the host's root runs",
        how="release_agent",
        without=(*_RIGHTS, "cgroupns"),
        control_is=f"{_ROOT}, but not its own view of the cgroups; it writes nothing (version 1 of cgroups only)",
    ),
    Probe(
        id="kernel.masked_files",
        group="kernel",
        threat="leak",
        tries="reads /proc/keys, timers and firmware tables, which any user of the host may",
        control_is="the same without the engine's masked paths",
        attack=in_guest("kernel_files", {"how": "told"}),
        control=in_guest_without("system_paths", program="kernel_files", args={"how": "told"}),
        settings=("system_paths",),
    ),
    Probe(
        id="kernel.setuid",
        group="kernel",
        threat="kernel",
        tries="starts a setuid program of the image, and looks whether it runs as root",
        control_is="the same without no-new-privileges",
        attack=in_guest("setuid_program"),
        control=in_guest_without("no_new_privileges", program="setuid_program"),
        settings=("no_new_privileges",),
        quick=True,
    ),
    Probe(
        id="kernel.descriptors",
        group="kernel",
        threat="kernel",
        tries="looks for descriptors that the runtime left open, and for a way out above its working folder",
        control_is="the same outside, in a child that is left one descriptor of the root folder",
        attack=in_guest("leftover_descriptors"),
        control=_leak_outside,
    ),
    Probe(
        id="kernel.working_folder",
        group="kernel",
        threat="kernel",
        tries="starts where the image says (WORKDIR /proc/self/fd/… has led out of containers)",
        control_is="the same with no working folder set: it starts where the image says",
        attack=in_guest("working_folder"),
        control=in_guest_without("working_dir", program="working_folder"),
        settings=("working_dir",),
        kind="state",
    ),
    _read_back(
        "device_rules",
        "is given devices of the host by the engine",
        "a container that may open disks",
        "devices",
        _devices_given,
    ),
    _read_back(
        "apparmor",
        "has the engine's AppArmor profile, where there is one, switched off",
        "a container that has",
        "apparmor",
        _apparmor_off,
    ),
)
