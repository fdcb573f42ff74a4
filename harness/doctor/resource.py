"""Probes of what a guest can use up: processes, memory, disk, descriptors, processor, the harness's own patience."""

from typing import Final

from harness.container import Ended, Line, Overflow, Silence
from harness.doctor.bench import MIB, Bench
from harness.doctor.guest import in_guest, in_guest_without, outcome_of
from harness.doctor.probe import Act, Blocked, Fired, Outcome, Probe, Unclear

KIB: Final = 1024
_PROCESSES: Final = {"count": 48}  # half as many again as the doctor's limit
_MEMORY: Final = {"bytes": 192 * MIB, "child": False}
_CHILD: Final = {"bytes": 192 * MIB, "child": True}
_MANY_FILES: Final = {"path": "/work", "files": 6, "size": 4 * MIB, "errors": ["ENOSPC"]}
_INODES: Final = {"path": "/work", "files": 700, "size": 0, "errors": ["ENOSPC"]}
_SHM: Final = {"path": "/dev/shm", "files": 4, "size": 3 * MIB, "errors": ["ENOSPC"]}  # noqa: S108 - in the guest
_REPORT: Final = {"path": "/work", "files": 1, "size": 24 * MIB, "errors": ["EFBIG", "ENOSPC"]}
_SPARSE: Final = {"path": "/work/sparse", "size": 1024 * 1024 * MIB}
_SPIN: Final = {"seconds": 0.6, "cores": 0.3}
_CORES: Final = 0.1
_FLOOD: Final = {"bytes": 4 * MIB, "lines": True}
_LINE: Final = {"bytes": 2 * MIB, "lines": False}
_WIDE: Final = 8 * MIB
_PATIENCE: Final = 15.0  # seconds for one line
_SLEEP: Final = {"seconds": 1.2}


def _child_killed(without: tuple[str, ...], read_state: bool) -> Act:
    """Whether a child's out-of-memory kill goes unnoticed; a reader of nothing but exit statuses does not see it."""

    def act(bench: Bench) -> Outcome:
        said = bench.guest("memory", without, _CHILD, memory=64 * MIB)
        if said.fired is not False or said.state.exit_code != 0:
            return outcome_of(said)
        if read_state and said.state.oom_killed:
            return Blocked(detail=f"{said.detail}, exit status 0: reported as killed at the memory limit")
        return Fired(detail=f"{said.detail}, and nothing but exit status 0 was seen")

    return act


def _one_line(cap: int, output: int) -> Act:
    """Whether a reader of lines takes in one that has no end."""

    def act(bench: Bench) -> Outcome:
        with bench.engine.start(bench.spec(bench.argv("flood", _LINE), output=output)) as session:
            match session.read_line(_PATIENCE, cap):
                case Line(data=data):
                    return Fired(detail=f"a line of {len(data)} bytes was taken in")
                case Overflow(cap=reached):
                    return Blocked(detail=f"cut at {reached} bytes, and killed")
                case Silence() | Ended() as reading:
                    return Unclear(detail=f"no line arrived: {reading!r}")

    return act


PROBES: Final[tuple[Probe, ...]] = (
    Probe(
        id="resource.fork_bomb",
        group="resource",
        threat="exhaustion",
        tries="starts processes without end (48, where 32 are allowed)",
        control_is="the same without the limit on processes, bounded by its own count",
        attack=in_guest("forks", _PROCESSES),
        control=in_guest_without("pids", program="forks", args=_PROCESSES),
        settings=("pids",),
        quick=True,
    ),
    Probe(
        id="resource.thread_bomb",
        group="resource",
        threat="exhaustion",
        tries="starts threads without end (48, where 32 are allowed)",
        control_is="the same without the limit on processes, bounded by its own count",
        attack=in_guest("threads", _PROCESSES),
        control=in_guest_without("pids", program="threads", args=_PROCESSES),
        settings=("pids",),
    ),
    Probe(
        id="resource.memory_bomb",
        group="resource",
        threat="exhaustion",
        tries="takes memory without end (192 MiB, where 64 are allowed)",
        control_is="the same without the memory limit, bounded by its own count",
        attack=in_guest("memory", _MEMORY, memory=64 * MIB),
        control=in_guest_without("memory", program="memory", args=_MEMORY, memory=64 * MIB),
        settings=("memory",),
    ),
    Probe(
        id="resource.child_oom",
        group="resource",
        threat="exhaustion",
        tries="lets a child be killed at the memory limit, and ends as if nothing had happened",
        control_is="the same container, judged by its exit status alone",
        attack=_child_killed((), read_state=True),
        control=_child_killed((), read_state=False),
        settings=("memory",),
    ),
    Probe(
        id="resource.disk_fill",
        group="resource",
        threat="exhaustion",
        tries="fills /work with several files (24 MiB, where 16 are allowed)",
        control_is="the same on a tmpfs without a size, bounded by its own count and the memory limit",
        attack=in_guest("fill", _MANY_FILES),
        control=in_guest_without("tmpfs.size", program="fill", args=_MANY_FILES),
        settings=("tmpfs.size",),
    ),
    Probe(
        id="resource.inode_fill",
        group="resource",
        threat="exhaustion",
        tries="makes empty files without end (700, where 512 are allowed)",
        control_is="the same on a tmpfs without a limit on inodes, bounded by its own count",
        attack=in_guest("fill", _INODES),
        control=in_guest_without("tmpfs.inodes", program="fill", args=_INODES),
        settings=("tmpfs.inodes",),
        quick=True,
    ),
    Probe(
        id="resource.shm_fill",
        group="resource",
        threat="exhaustion",
        tries="fills /dev/shm (12 MiB, where 8 are allowed)",
        control_is="the same with a /dev/shm of 256 MiB, bounded by its own count and the memory limit",
        attack=in_guest("fill", _SHM),
        control=in_guest_without("shm", program="fill", args=_SHM),
        settings=("shm",),
    ),
    Probe(
        id="resource.message_queue",
        group="resource",
        threat="exhaustion",
        tries="makes a POSIX message queue, which no container limit counts",
        control_is="the same without our list of system calls and with the usual limit on message queues",
        attack=in_guest("mqueue"),
        control=in_guest_without("seccomp", "ulimit.msgqueue", program="mqueue"),
    ),
    Probe(
        id="resource.sparse_file",
        group="resource",
        threat="exhaustion",
        tries="makes a file that claims to be 1 TiB long",
        control_is="the same without the limit on file sizes: nothing is written into the file",
        attack=in_guest("sparse", _SPARSE),
        control=in_guest_without("ulimit.fsize", program="sparse", args=_SPARSE),
        settings=("ulimit.fsize",),
    ),
    Probe(
        id="resource.descriptors",
        group="resource",
        threat="exhaustion",
        tries="opens files without end (2000, where 1024 are allowed)",
        control_is="the same with the limit of the engine itself, bounded by its own count",
        attack=in_guest("open_files", {"count": 2000}),
        control=in_guest_without("ulimit.nofile", program="open_files", args={"count": 2000}),
        settings=("ulimit.nofile",),
    ),
    Probe(
        id="resource.cpu_spin",
        group="resource",
        threat="exhaustion",
        tries="spins in two processes, where a tenth of a core is allowed",
        control_is="the same for 0.6 s without the limit on processor time",
        attack=in_guest("spin", _SPIN, cpus=_CORES),
        control=in_guest_without("cpus", program="spin", args=_SPIN, cpus=_CORES),
        settings=("cpus",),
    ),
    Probe(
        id="resource.output_flood",
        group="resource",
        threat="exhaustion",
        tries="prints without end (4 MiB, where 256 KiB are taken)",
        control_is="the same to a reader that takes 8 MiB",
        attack=in_guest("flood", _FLOOD),
        control=in_guest("flood", _FLOOD, output=_WIDE),
    ),
    Probe(
        id="resource.endless_line",
        group="resource",
        threat="exhaustion",
        tries="prints one line without end (2 MiB, where 64 KiB are taken)",
        control_is="the same to a reader that takes lines of 4 MiB",
        attack=_one_line(64 * KIB, _WIDE),
        control=_one_line(4 * MIB, _WIDE),
    ),
    Probe(
        id="resource.huge_report",
        group="resource",
        threat="exhaustion",
        tries="writes one report file without end (24 MiB, where 16 are allowed)",
        control_is="the same without limits on file and tmpfs, bounded by its own count and the memory limit",
        attack=in_guest("fill", _REPORT),
        control=in_guest_without("ulimit.fsize", "tmpfs.size", program="fill", args=_REPORT),
    ),
    Probe(
        id="resource.core_dump",
        group="resource",
        threat="exhaustion",
        tries="crashes, so that the kernel saves its memory in a file or hands it to a program on the host",
        control_is="the same without the limit on such files; on a host with such a program nothing crashes",
        attack=in_guest("core"),
        control=in_guest_without("ulimit.core", program="core"),
        settings=("ulimit.core",),
    ),
    Probe(
        id="resource.wall_clock",
        group="resource",
        threat="exhaustion",
        tries="takes its time (1.2 s, where 0.5 are allowed)",
        control_is="the same with 20 s allowed",
        attack=in_guest("sleep", _SLEEP, timeout=0.5),
        control=in_guest("sleep", _SLEEP),
    ),
)
