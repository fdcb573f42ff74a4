"""Installs Debian packages when the machine is Debian and we are root; otherwise says what to type."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from harness.errors import EnvironmentFault

_LOCK_PATIENCE = 120.0  # seconds to wait for another apt to end
_TIMEOUT = 900


def install(packages: tuple[str, ...], report: Callable[[str], None], otherwise: str) -> None:
    """Installs what is named, without recommended packages; `otherwise` is the next step where we cannot."""
    names = " ".join(packages)
    if not is_debian():
        raise EnvironmentFault(
            f"{names} is not installed, and this is no Debian that holdpoint could install it on.", otherwise
        )
    if os.geteuid() != 0:
        raise EnvironmentFault(
            f"{names} is not installed, and only root may install it.",
            f"sudo apt-get install --no-install-recommends {names}",
        )
    report(f"installing {names} with apt-get (a minute)")
    command = ["install", "--yes", "--no-upgrade", "--no-install-recommends", *packages]
    failure = _apt(command)
    if failure:
        # Most often the package lists are missing or old.
        failure = _apt(["update"]) or _apt(command)
    if failure:
        raise EnvironmentFault(
            f"apt-get could not install {names}: {failure}.", f"apt-get update && apt-get install {names}"
        )


def is_debian() -> bool:
    """Debian or a descendant, by its own word, with apt-get."""
    try:
        words = Path("/etc/os-release").read_text()
    except OSError:
        return False
    values = dict(line.split("=", 1) for line in words.splitlines() if "=" in line)
    kinds = {values.get("ID", "").strip('"'), *values.get("ID_LIKE", "").strip('"').split()}
    return "debian" in kinds and shutil.which("apt-get") is not None


def _apt(command: list[str]) -> str:
    """Runs apt-get; "" when it worked, else its reason. Waits for a lock that another apt holds."""
    until = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            done = subprocess.run(
                ["apt-get", "--quiet", "-o", f"DPkg::Lock::Timeout={_LOCK_PATIENCE:.0f}", *command],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no end after {_TIMEOUT} s"
        if done.returncode == 0:
            return ""
        # The option above covers dpkg's lock; those of the lists and the archive fail at once.
        if "Could not get lock" not in done.stdout or time.monotonic() > until:
            return _reason(done.stdout)
        time.sleep(2)


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [line.removeprefix("E:").strip() for line in lines if line.startswith("E:")]
    return (said or lines or ["no reason given"])[-1].rstrip(".")
