"""Probes that read each setting of the profile back from inside, or from the engine where it shows only there.

They are for settings that another one masks, and for those that an engine may silently ignore; they attack nothing.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from harness.container import Line
from harness.container.profile import LABEL, OWNER_LABEL, ROLE_LABEL
from harness.doctor.bench import Bench, Said
from harness.doctor.guest import outcome_of
from harness.doctor.probe import Act, Blocked, Fired, Group, Outcome, Probe, Unclear

Judge = Callable[[Said, Bench], Outcome]

_PATIENCE: Final = 15.0  # seconds
_SECCOMP_FILTER: Final = 2  # SECCOMP_MODE_FILTER, as /proc/self/status has it
_ENVIRONMENT: Final = frozenset({"PATH", "HOME", "LANG", "HOSTNAME", "TERM", "container"})  # the last is Podman's
# What an engine puts into each container by itself: names for the network, and its init program.
_ENGINES_FILES: Final = frozenset(
    {
        "/etc/hostname",
        "/etc/hosts",
        "/etc/resolv.conf",
        "/run/.containerenv",
        "/dev/init",
        "/sbin/docker-init",
        "/usr/sbin/docker-init",
    }
)
_KERNELS: Final = frozenset(
    {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "devtmpfs", "overlay", "fuse.fuse-overlayfs"}
)


def _judged(exposed: bool, detail: str) -> Outcome:
    return Fired(detail=detail) if exposed else Blocked(detail=detail)


def _looking(judge: Judge, without: tuple[str, ...] = ()) -> Act:
    def act(bench: Bench) -> Outcome:
        said = bench.guest("look", without) if without else bench.look()
        return outcome_of(said) if said.fired is None else judge(said, bench)

    return act


def _comparing(fact: str, without: tuple[str, ...] = ()) -> Act:
    """Whether two containers have the same `fact`: both at once, for the kernel gives a name away again."""

    def act(bench: Bench) -> Outcome:
        spec = bench.spec(bench.argv("look", {"stay": True}), without)
        with bench.engine.start(spec) as one, bench.engine.start(spec) as other:
            found = []
            for session in (one, other):
                reading = session.read_line(_PATIENCE)
                if not isinstance(reading, Line):
                    return Unclear(detail=f"the program did not say what it sees: {reading!r}")
                found.append(json.loads(reading.data)[fact])
        return _judged(found[0] == found[1], f"{found[0]} and {found[1]} in two containers")

    return act


def _state(setting: str, group: Group, threat: str, tries: str, judge: Judge) -> Probe:
    return _probe(setting, group, threat, (tries, "the same reading"), (_looking(judge), _looking(judge, (setting,))))


def _apart(setting: str, group: Group, threat: str, tries: str, fact: str) -> Probe:
    acts = (_comparing(fact), _comparing(fact, (setting,)))
    return _probe(setting, group, threat, (tries, "the same comparison of two containers"), acts)


def _probe(setting: str, group: Group, threat: str, words: tuple[str, str], acts: tuple[Act, Act]) -> Probe:
    return Probe(
        id=f"{group}.state.{setting}",
        group=group,
        threat=threat,
        tries=words[0],
        control_is=f"{words[1]} without the setting `{setting}`",
        attack=acts[0],
        control=acts[1],
        settings=(setting,),
        kind="state",
        quick=setting in _QUICK,
    )


_QUICK: Final = frozenset({"user", "cap_drop", "no_new_privileges", "seccomp", "read_only", "memory_swap", "binds"})


def _user(said: Said, _: Bench) -> Outcome:
    uids, gids = said.facts["uids"], said.facts["gids"]
    return _judged(0 in uids or 0 in gids, f"uids {sorted(set(uids))}, groups {sorted(set(gids))}")


def _capabilities(said: Said, _: Bench) -> Outcome:
    return _judged(said.facts["bounding"] != 0, f"capabilities that could be had: {said.facts['bounding']:#x}")


def _privileges(said: Said, _: Bench) -> Outcome:
    kept = said.facts["no_new_privileges"]
    return _judged(not kept, f"NoNewPrivs is {int(kept)}")


def _seccomp(said: Said, _: Bench) -> Outcome:
    mode = said.facts["seccomp"]
    return _judged(mode != _SECCOMP_FILTER, f"seccomp mode {mode}")


def _mount(said: Said, point: str) -> Mapping[str, Any]:
    found = [mount for mount in said.facts["mounts"] if mount["point"] == point]
    return found[-1] if found else {"root": "/", "point": point, "options": [], "kind": "none"}


def _read_only(said: Said, _: Bench) -> Outcome:
    options = _mount(said, "/")["options"]
    return _judged("ro" not in options, f"/ is mounted {','.join(options)}")


def _privileged(said: Said, _: Bench) -> Outcome:
    options = _mount(said, "/sys")["options"]
    return _judged("ro" not in options, f"/sys is mounted {','.join(options)}")


def _tmpfs(said: Said, bench: Bench) -> Outcome:
    kinds = {mount.path: _mount(said, mount.path)["kind"] for mount in bench.profile().mounts}
    return _judged(set(kinds.values()) != {"tmpfs"}, f"file systems {kinds}")


def _option(option: str) -> Judge:
    """Whether a tmpfs that is to have a mount option lacks it."""

    def judge(said: Said, bench: Bench) -> Outcome:
        wanted = [mount.path for mount in bench.profile().mounts if not (option == "noexec" and mount.exec_)]
        missing = [path for path in wanted if option not in _mount(said, path)["options"]]
        return _judged(bool(missing), f"{option} is missing on {missing}" if missing else f"{option} on {wanted}")

    return judge


def _swap(said: Said, _: Bench) -> Outcome:
    return _judged(said.facts["swap"] != 0, f"{said.facts['swap']} bytes of swap beyond the memory limit")


def _queues(said: Said, _: Bench) -> Outcome:
    return _judged(said.facts["msgqueue"] != 0, f"{said.facts['msgqueue']} bytes of message queues allowed")


def _cgroup_names(said: Said, _: Bench) -> Outcome:
    shown = [path for path in said.facts["cgroups"] if path != "/"]
    return _judged(bool(shown), f"the engine's name for the container shows: {shown[0]}" if shown else "all are /")


def _init(said: Said, _: Bench) -> Outcome:
    return _judged(said.facts["first"], f"the program is {'' if said.facts['first'] else 'not '}process 1")


def _binds(said: Said, _: Bench) -> Outcome:
    points = [m["point"] for m in said.facts["mounts"] if m["kind"] not in _KERNELS]
    foreign = sorted(set(points) - _ENGINES_FILES)
    return _judged(bool(foreign), f"parts of the host at {foreign}" if foreign else "none but the engine's own files")


def _environment(said: Said, _: Bench) -> Outcome:
    foreign = sorted(set(said.facts["environment"]) - _ENVIRONMENT)
    return _judged(bool(foreign), f"variables {foreign}" if foreign else "none but what Python needs")


def _hostname(said: Said, bench: Bench) -> Outcome:
    return _judged(said.facts["hostname"] != bench.profile().hostname, f"the name is {said.facts['hostname']!r}")


def _log_driver(said: Said, _: Bench) -> Outcome:
    driver = said.settings["HostConfig"]["LogConfig"]["Type"]
    return _judged(driver != "none", f"the engine's log driver is {driver!r}")


def _restart(said: Said, _: Bench) -> Outcome:
    policy = said.settings["HostConfig"]["RestartPolicy"]["Name"]
    return _judged(policy not in ("no", ""), f"the restart policy is {policy!r}")


def _stop_signal(said: Said, _: Bench) -> Outcome:
    name = said.settings["Config"]["StopSignal"]
    return _judged(name not in ("SIGKILL", 9, "9"), f"the stop signal is {name}")


def _image(said: Said, bench: Bench) -> Outcome:
    asked, got = said.settings["Config"]["Image"], said.settings["Image"]
    digits = bench.image.id.removeprefix("sha256:")
    exact = {asked.removeprefix("sha256:"), got.removeprefix("sha256:")} == {digits}
    return _judged(not exact, f"asked for {asked[:30]}, got {got[:30]}")


def _runtime(said: Said, bench: Bench) -> Outcome:
    asked, got = bench.profile().runtime, said.settings["HostConfig"].get("Runtime", "")
    return _judged(got != asked, f"asked for the runtime {asked!r}, got {got!r}")


def _labels(said: Said, _: Bench) -> Outcome:
    missing = sorted({LABEL, OWNER_LABEL, ROLE_LABEL} - set(said.settings["Config"]["Labels"] or {}))
    return _judged(bool(missing), f"labels missing: {missing}" if missing else "run, owner and role are named")


PROBES: Final[tuple[Probe, ...]] = (
    _state("user", "kernel", "kernel", "is root inside, or in root's group", _user),
    _apart("unique_user", "kernel", "tampering", "shares its uid, and so its rlimits, with another trial", "uids"),
    _state("cap_drop", "kernel", "kernel", "has capabilities that a program could gain", _capabilities),
    _state("no_new_privileges", "kernel", "kernel", "may gain privileges by a setuid program", _privileges),
    _state(
        "privileged", "kernel", "kernel", "sees the kernel's settings writable, as a privileged one does", _privileged
    ),
    _state("seccomp", "kernel", "kernel", "may make any system call", _seccomp),
    _state("read_only", "kernel", "tampering", "may write to the image's files", _read_only),
    _state("tmpfs", "kernel", "tampering", "writes to the host's disk, not to memory that goes away", _tmpfs),
    _state("tmpfs.nosuid", "kernel", "kernel", "could make setuid programs count on /tmp and /work", _option("nosuid")),
    _state("tmpfs.nodev", "kernel", "kernel", "could make device nodes count on /tmp and /work", _option("nodev")),
    _state("tmpfs.noexec", "kernel", "kernel", "could run programs from /tmp", _option("noexec")),
    _apart("ipc", "kernel", "tampering", "shares System V memory and queues with another trial", "ipc"),
    _apart("network", "network", "egress", "shares its network with another container", "net"),
    _state("cgroupns", "kernel", "leak", "sees the engine's names for its containers", _cgroup_names),
    _state("binds", "kernel", "leak", "sees a folder of the host", _binds),
    _state("environment", "kernel", "leak", "has variables that it needs not, as tokens are passed in", _environment),
    _state("hostname", "kernel", "leak", "sees a name that tells about host or engine", _hostname),
    _state("image", "kernel", "tampering", "runs an image that was asked for by a name", _image),
    _state("runtime", "kernel", "kernel", "runs in another runtime than the one that was asked for", _runtime),
    _state("labels", "lifetime", "lingering", "could not be found again after a crash of the harness", _labels),
    _state("restart", "lifetime", "lingering", "is started again by the engine", _restart),
    _state("stop_signal", "lifetime", "lingering", "may ignore the engine's word to stop", _stop_signal),
    _state("init", "lifetime", "lingering", "is process 1, so that its dead children stay", _init),
    _state("memory_swap", "resource", "exhaustion", "may use swap beyond its memory limit", _swap),
    _state("ulimit.msgqueue", "resource", "exhaustion", "may make POSIX message queues", _queues),
    _state(
        "log_driver", "resource", "exhaustion", "has its output written to the host's disk by the engine", _log_driver
    ),
)
