"""Other surroundings for a container under the same isolation: who it runs as, where, on what; loosens nothing.

A program that behaves well only in a sandbox has to know one when it sees it; these are what it may go by.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.container.pipes import is_of
from harness.records import Record

# A bridge without ports, in the container's own namespace: an address and a route, and nothing behind them.
_LINK: Final = (
    "ip link add eth0 type bridge && ip address add 10.213.7.2/24 dev eth0 && ip link set lo up && ip link set eth0 up "
    "&& ip route add default via 10.213.7.1"
)
_SECONDS: Final = 5.0
_OWNER: Final = re.compile(r"uid=\d+,gid=\d+")


class Variation(Record):
    """What differs from the usual container. `cpuset` names the only CPU it may use."""

    uid: int | None = None
    hostname: str = ""
    env: Mapping[str, str] = {}
    folder: str = ""
    cpuset: str = ""


def vary(config: dict[str, Any], variation: Variation) -> None:
    """Changes an engine's create request."""
    host = config["HostConfig"]
    if variation.uid is not None:
        owner = f"uid={variation.uid},gid={variation.uid}"
        config["User"] = f"{variation.uid}:{variation.uid}"
        host["Tmpfs"] = {path: _OWNER.sub(owner, options) for path, options in host["Tmpfs"].items()}
    if variation.hostname:
        config["Hostname"] = variation.hostname
    if variation.folder:
        host["Tmpfs"] = {**host["Tmpfs"], variation.folder: host["Tmpfs"]["/tmp"]}  # noqa: S108 - inside the container
    if variation.cpuset:
        host["CpusetCpus"] = variation.cpuset
    names = set(variation.env)
    kept = [text for text in config["Env"] if text.partition("=")[0] not in names]
    config["Env"] = sorted([*kept, *(f"{name}={value}" for name, value in variation.env.items())])


def add_link(pid: int, container: str) -> bool:
    """Gives a running container a network interface that leads nowhere; False where this host cannot do that.

    `pid` is the container's first process as the engine tells it; nothing is done unless it is that on this machine.
    """
    if os.geteuid() != 0 or not is_of(pid, container) or not _apart(pid):
        return False
    command = ("/usr/bin/nsenter", "-t", str(pid), "-n", "/bin/sh", "-c", _LINK)
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _apart(pid: int) -> bool:
    """Whether that process is in a network namespace other than ours."""
    try:
        theirs = Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return False
    return theirs != Path("/proc/self/ns/net").stat().st_ino
