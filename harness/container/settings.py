"""Each setting of a container by name, with a way to take it off: for the doctor's controls, never for a trial.

A control shows that an attack works without the setting that is said to stop it; a test takes off each setting in turn
and sees a probe fall. Whoever runs candidate or agent code leaves `ContainerSpec.without` empty.
"""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from harness.container.lease import CONNECTION_LABEL
from harness.container.profile import DEFAULT_RUNTIME

Config = dict[str, Any]
_ALIAS: Final = "io.containerd.runc.v2"
_DANGEROUS: Final = ("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE", "SYS_TIME", "SYSLOG")
_CALLS_OF_RUNC: Final = ("capset", "setgid", "setgroups", "setuid")


def _host(**values: Any) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        config["HostConfig"].update(values)

    return change


def _security(prefix: str, instead: str | None = None) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        kept = [option for option in config["HostConfig"]["SecurityOpt"] if not option.startswith(prefix)]
        config["HostConfig"]["SecurityOpt"] = kept + ([instead] if instead else [])

    return change


def _engines_ulimit(name: str) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        kept = [limit for limit in config["HostConfig"]["Ulimits"] if limit["Name"] != name]
        config["HostConfig"]["Ulimits"] = kept

    return change


def _ulimit(name: str, value: int) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        others = [limit for limit in config["HostConfig"]["Ulimits"] if limit["Name"] != name]
        config["HostConfig"]["Ulimits"] = [*others, {"Name": name, "Soft": value, "Hard": value}]

    return change


def _mounts(option: str, instead: str = "") -> Callable[[Config], None]:
    """Drops an option (`size=` drops it whatever its value) from every tmpfs, or puts another in its place."""

    def change(config: Config) -> None:
        for path, text in config["HostConfig"]["Tmpfs"].items():
            kept = [
                part
                for part in text.split(",")
                if part != option and not (option[-1] == "=" and part[: len(option)] == option)
            ]
            config["HostConfig"]["Tmpfs"][path] = ",".join(kept + ([instead] if instead else []))

    return change


def _root(config: Config) -> None:
    config["User"] = "0:0"


def _shared_uid(config: Config) -> None:
    config["User"] = "200000:200000"


def _network(config: Config) -> None:
    config["NetworkDisabled"] = False
    config["HostConfig"]["NetworkMode"] = "host"


def _join(config: Config, container: str) -> None:
    config["HostConfig"]["NetworkMode"] = f"container:{container}"
    del config["Hostname"]  # an engine refuses a name of its own together with another's network


def _environment(config: Config) -> None:
    config["Env"] = [*config["Env"], "HOLDPOINT_CONTROL_SECRET=a token of the host"]


def _stop_signal(config: Config) -> None:
    config["StopSignal"] = "SIGTERM"


def _hostname(config: Config) -> None:
    config["Hostname"] = ""


def _working_dir(config: Config) -> None:
    config["WorkingDir"] = ""


def _without_tmpfs(config: Config) -> None:
    config["HostConfig"]["Tmpfs"] = {}


def _image(config: Config) -> None:
    # The engine finds the image by these digits as by a name: not by the digest that was checked.
    config["Image"] = config["Image"].removeprefix("sha256:")[:12]


def _runtime(config: Config) -> None:
    # Docker's other name for its default: the same program, but not what was asked for.
    config["HostConfig"]["Runtime"] = _ALIAS if config["HostConfig"]["Runtime"] == DEFAULT_RUNTIME else DEFAULT_RUNTIME


def _labels(config: Config) -> None:
    # The one that the warden goes by stays: a control, too, is removed when the harness dies.
    config["Labels"] = {CONNECTION_LABEL: config["Labels"][CONNECTION_LABEL]}


def _capabilities(config: Config) -> None:
    # Not ALL: the engine itself may lack one (in a container or a small VM), and then starts nothing.
    config["HostConfig"].update(CapDrop=[], CapAdd=list(_DANGEROUS))


def _new_privileges(config: Config) -> None:
    """Without it runc puts the list of calls in force before it has changed to the uid, and needs some more of them."""
    _security("no-new-privileges")(config)
    options = config["HostConfig"]["SecurityOpt"]
    config["HostConfig"]["SecurityOpt"] = [_with_calls_of_runc(option) for option in options]


def _with_calls_of_runc(option: str) -> str:
    kind, _, text = option.partition("=")
    if kind != "seccomp" or not text.startswith("{"):
        return option
    rules = json.loads(text)
    rules["syscalls"].append({"names": list(_CALLS_OF_RUNC), "action": "SCMP_ACT_ALLOW"})
    return f"seccomp={json.dumps(rules)}"


# What an engine does when a setting is missing or ignored, or the nearest thing to it that shows.
SETTINGS: Final[Mapping[str, Callable[[Config], None]]] = {
    "network": _network,
    "seccomp": _security("seccomp=", "seccomp=unconfined"),
    "cap_drop": _capabilities,
    "no_new_privileges": _new_privileges,
    "user": _root,
    "unique_user": _shared_uid,
    "read_only": _host(ReadonlyRootfs=False),
    "tmpfs": _without_tmpfs,
    "tmpfs.size": _mounts("size="),
    "tmpfs.inodes": _mounts("nr_inodes=", "nr_inodes=0"),
    "tmpfs.nosuid": _mounts("nosuid", "suid"),
    "tmpfs.nodev": _mounts("nodev", "dev"),
    "tmpfs.noexec": _mounts("noexec", "exec"),
    "memory": _host(Memory=0, MemorySwap=0),
    "memory_swap": _host(MemorySwap=-1),
    "pids": _host(PidsLimit=0),
    "cpus": _host(NanoCpus=0),
    "ulimit.core": _ulimit("core", -1),
    "ulimit.fsize": _ulimit("fsize", -1),
    "ulimit.msgqueue": _ulimit("msgqueue", 819200),
    "ulimit.nofile": _engines_ulimit("nofile"),
    "ipc": _host(IpcMode="host"),
    "shm": _host(ShmSize=256 * 1024 * 1024),
    "cgroupns": _host(CgroupnsMode="host"),
    "init": _host(Init=False),
    "log_driver": _host(LogConfig={"Type": "json-file", "Config": {}}),
    "binds": _host(Binds=["/etc:/mnt:ro"]),
    "environment": _environment,
    "restart": _host(RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 1}),
    "stop_signal": _stop_signal,
    "hostname": _hostname,
    "apparmor": _security("apparmor=", "apparmor=unconfined"),
    "system_paths": _host(MaskedPaths=[], ReadonlyPaths=[]),
    "devices": _host(DeviceCgroupRules=["b *:* rm"]),
    "working_dir": _working_dir,
    "image": _image,
    "labels": _labels,
    "runtime": _runtime,
    "privileged": _host(Privileged=True),
}


def take_off(config: Config, names: Collection[str], neighbour: str = "") -> None:
    """Changes a create request as if the named settings did not exist; KeyError for a name that is none.

    Without `network`, the container gets that of the container `neighbour` if one is named, else the host's.
    """
    for name in names:
        SETTINGS[name](config)
    if neighbour and "network" in names:
        _join(config, neighbour)
