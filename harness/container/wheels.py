"""Brings hash-locked wheels onto the host and unpacks them for an image; runs nothing of what it fetches.

Wheels are kept in the user's cache under the digest of their lock, so that a second call needs no network.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from harness.container.lock import check_lock
from harness.errors import EnvironmentFault
from harness.records import sha256
from harness.scratch import Scratch

_NEWEST_GLIBC = 36  # minor version of glibc in Debian 12
_TIMEOUT = 600
_SKIPPED = frozenset({"bin", "__pycache__"})


def unpacked_wheels(lock: bytes, where: str, arch: str, report: Callable[[str], None]) -> dict[str, bytes]:
    """The files that a guest's site folder needs for `lock`, by relative path."""
    if not check_lock(lock, where):
        return {}
    cache = cache_folder() / sha256(lock + arch.encode()).removeprefix("sha256:")[:32]
    with Scratch() as scratch:
        requirements = scratch.path / "lock.txt"
        requirements.write_bytes(lock)
        if not cache.is_dir():
            report(f"fetching the wheels of {where}")
            _download(requirements, cache, arch, where)
        site = scratch.path / "site"
        offline = ["--no-index", "--find-links", str(cache)]
        _pip(["install", "--target", str(site), "--no-compile", *offline], requirements, arch, where)
        return _read(site)


def _download(requirements: Path, cache: Path, arch: str, where: str) -> None:
    with Scratch(cache.parent) as scratch:
        incoming = scratch.path / "incoming"
        _pip(["download", "--dest", str(incoming)], requirements, arch, where)
        try:
            incoming.rename(cache)
        except OSError:
            # Another harness was faster; its wheels passed the same hashes.
            if not cache.is_dir():
                raise


def _pip(command: list[str], requirements: Path, arch: str, where: str) -> None:
    platforms = [f"manylinux_2_{minor}_{arch}" for minor in range(_NEWEST_GLIBC, 4, -1)]
    platforms += [f"manylinux2014_{arch}", f"manylinux2010_{arch}", f"manylinux1_{arch}", f"linux_{arch}"]
    choice = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-version", "3.11"]
    for platform in platforms:
        choice += ["--platform", platform]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    arguments = [sys.executable, "-m", "pip", *command, *quiet, *choice, "-r", str(requirements)]
    try:
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFault(f"pip took more than {_TIMEOUT} s to fetch {where}.", "check the network") from error
    if "No module named pip" in done.stderr:
        raise EnvironmentFault(f"{sys.executable} has no pip.", f"{sys.executable} -m ensurepip")
    if done.returncode != 0:
        raise EnvironmentFault(
            f"pip could not fetch the wheels of {where}: {_reason(done.stderr)}.",
            f"check the network and the hashes in {where}",
        )


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (said or lines or ["no reason given"])[0].rstrip(".")


def cache_folder() -> Path:
    """Where wheels are kept, made if need be."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(home, "holdpoint", "wheels")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFault(
            f"the cache folder {folder} cannot be made ({error.strerror}).", "set XDG_CACHE_HOME to a writable folder"
        ) from error
    return folder


def _read(site: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in sorted(site.rglob("*")):
        relative = path.relative_to(site)
        if path.is_file() and not path.is_symlink() and relative.parts[0] not in _SKIPPED:
            found[relative.as_posix()] = path.read_bytes()
    return found
