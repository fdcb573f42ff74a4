"""The settings of every container that runs candidate or agent code, as one hashable record; talks to no engine.

The reason for each setting is in `sandbox/README.md`; a setting left out here is a hole, so the record has no
optional ones except the seccomp list, for which the engine's default stands in on machines that ours is not for.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from harness.container.seccomp import own_list
from harness.records import Record, canonical_json, sha256

MIB = 1024 * 1024
LABEL = "holdpoint"
OWNER_LABEL = "holdpoint.owner"
ROLE_LABEL = "holdpoint.role"
DEFAULT_RUNTIME = "runc"


class Limits(Record):
    """What one container may use: seconds, bytes, cores and counts. `output` bounds stdout and stderr together."""

    timeout: float = Field(120.0, gt=0)
    memory: int = Field(1024 * MIB, ge=8 * MIB)
    cpus: float = Field(1.0, gt=0)
    pids: int = Field(128, ge=4)
    output: int = Field(4 * MIB, gt=0)
    work: int = Field(256 * MIB, ge=MIB)
    inodes: int = Field(65536, ge=64)


class Mount(Record):
    """One tmpfs: writable by the container's uid, counted as its memory."""

    path: str
    size: int
    inodes: int
    exec_: bool

    def options(self, uid: int) -> str:
        """The engine's option string; `exec` must be said, since engines differ in their default."""
        run = "exec" if self.exec_ else "noexec"
        # Owned by the uid: runc gives a mount the mode of the folder below it, which for /work is 0755.
        return f"rw,nosuid,nodev,{run},size={self.size},nr_inodes={self.inodes},mode=1777,uid={uid},gid={uid}"


class Ulimit(Record):
    """One resource limit, soft and hard alike."""

    name: str
    value: int


class Profile(Record):
    """Every isolation setting; its digest goes into the evidence. The uid is drawn for each container, so not here."""

    limits: Limits
    mounts: tuple[Mount, ...]
    ulimits: tuple[Ulimit, ...]
    runtime: str = DEFAULT_RUNTIME
    seccomp: str | None = None
    network: Literal["none"] = "none"
    cap_drop: tuple[str, ...] = ("ALL",)
    no_new_privileges: Literal[True] = True
    read_only: Literal[True] = True
    ipc: Literal["private"] = "private"
    cgroupns: Literal["private"] = "private"
    shm: int = 8 * MIB
    init: Literal[True] = True
    log_driver: Literal["none"] = "none"
    stop_signal: Literal["SIGKILL"] = "SIGKILL"
    hostname: str = "holdpoint"

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of all settings."""
        return sha256(canonical_json(self))


def profile_for(limits: Limits, runtime: str = DEFAULT_RUNTIME, arch: str = "x86_64") -> Profile:
    """The one profile, at the given limits; `arch` is the engine's, and decides whether our seccomp list fits it."""
    return Profile(
        limits=limits,
        runtime=runtime,
        seccomp=own_list(arch),
        mounts=(
            Mount(path="/tmp", size=min(64 * MIB, limits.work), inodes=min(16384, limits.inodes), exec_=False),  # noqa: S108 - inside the container
            Mount(path="/work", size=limits.work, inodes=limits.inodes, exec_=True),
        ),
        ulimits=(
            # Not 0: a core_pattern that is a program on the host (systemd-coredump, apport) heeds no limit but 1.
            Ulimit(name="core", value=1),
            Ulimit(name="fsize", value=limits.work),
            Ulimit(name="msgqueue", value=0),
            Ulimit(name="nofile", value=1024),
        ),
    )


def container_config(
    profile: Profile,
    *,
    image: str,
    argv: tuple[str, ...],
    uid: int,
    env: Mapping[str, str],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """The engine's create request. The environment holds what Python needs and what `env` adds, never the host's."""
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", **env}  # noqa: S108
    return {
        "Image": image,
        "Entrypoint": list(argv),
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in sorted(variables.items())],
        "User": f"{uid}:{uid}",
        "WorkingDir": "/work",
        "Hostname": profile.hostname,
        "NetworkDisabled": True,
        "Healthcheck": {"Test": ["NONE"]},
        "StopSignal": profile.stop_signal,
        "StopTimeout": 0,
        "Labels": dict(labels),
        "Tty": False,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": _host_config(profile, uid),
    }


def _host_config(profile: Profile, uid: int) -> dict[str, Any]:
    limits = profile.limits
    security = ["no-new-privileges:true"]
    if profile.seccomp is not None:
        security.append(f"seccomp={profile.seccomp}")
    return {
        "Runtime": profile.runtime,
        "NetworkMode": profile.network,
        "CapDrop": list(profile.cap_drop),
        "CapAdd": [],
        "Privileged": False,
        "SecurityOpt": security,
        "ReadonlyRootfs": profile.read_only,
        "Tmpfs": {mount.path: mount.options(uid) for mount in profile.mounts},
        "Binds": [],
        "Memory": limits.memory,
        "MemorySwap": limits.memory,
        "PidsLimit": limits.pids,
        "NanoCpus": int(limits.cpus * 1e9),
        "Ulimits": [{"Name": u.name, "Soft": u.value, "Hard": u.value} for u in profile.ulimits],
        "IpcMode": profile.ipc,
        "CgroupnsMode": profile.cgroupns,
        "ShmSize": profile.shm,
        "Init": profile.init,
        "LogConfig": {"Type": profile.log_driver, "Config": {}},
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
    }
