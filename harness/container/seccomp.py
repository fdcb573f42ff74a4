"""Our own list of the system calls that guests may make, as the engine takes it; knows for which machines it is."""

import functools
import json

from harness.data import data_dir
from harness.records import canonical_json

MACHINES = ("x86_64", "amd64")  # Docker's word and Podman's for the same machine


def own_list(arch: str) -> str | None:
    """The JSON text of `sandbox/seccomp.json`; None for machines whose calls it does not name."""
    return _text() if arch in MACHINES else None


def without_own_list(arch: str) -> str:
    """What the user of an engine on another machine is told; empty where our list is in force."""
    if arch in MACHINES:
        return ""
    return f"guests on {arch or 'this machine'} get the engine's own seccomp list: Holdpoint's is for x86-64"


@functools.cache
def _text() -> str:
    # Without its layout, which is no setting and should not move the profile's digest.
    return canonical_json(json.loads((data_dir("sandbox") / "seccomp.json").read_bytes())).decode()
