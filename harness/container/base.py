"""The image with nothing but a Python 3.11, under all others: built from Debian packages, or one that the user names.

No registry is contacted unless HOLDPOINT_BASE_IMAGE names an image by digest.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping

from harness.container import apt
from harness.container.engine import ContainerSpec, Engine
from harness.container.guest import ImageRef, run_batch
from harness.container.profile import MIB, Limits, profile_for
from harness.errors import EnvironmentFault, UsageError
from harness.records import canonical_json, sha256
from harness.scratch import Scratch

VARIABLE = "HOLDPOINT_BASE_IMAGE"
_SUITE = "bookworm"
_PACKAGES = ("libpython3-stdlib", "python3", "python3-minimal")
_RECIPE = {"suite": _SUITE, "variant": "minbase", "packages": list(_PACKAGES), "version": 1}
_PYTHONS = ("/usr/local/bin/python3", "/usr/bin/python3")
_TIMEOUT = 900
_PROBE = "import json,sys; print(json.dumps(sys.version_info[:2]))"


def base_image(engine: Engine, report: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> ImageRef:
    """The image that HOLDPOINT_BASE_IMAGE names, else ours, built now if the engine has it not."""
    named = environ.get(VARIABLE, "").strip()
    if named:
        return _named(engine, named, report)
    tag = base_tag()
    known = engine.images.used(tag)
    return ImageRef(tag=tag, id=known or _bootstrap(engine, tag, report), python="/usr/bin/python3")


def base_tag() -> str:
    """Our own base image's name: what it is made from."""
    return f"holdpoint/base:{sha256(canonical_json(_RECIPE)).removeprefix('sha256:')[:32]}"


def _named(engine: Engine, reference: str, report: Callable[[str], None]) -> ImageRef:
    found = engine.images.id_of(reference)
    if found is None:
        if "@sha256:" not in reference:
            raise UsageError(
                f"{VARIABLE} is {reference!r}, which is not in the engine and has no digest to fetch it by.",
                f"set {VARIABLE} to NAME@sha256:DIGEST, or unset it to build the base image from Debian packages",
            )
        report(f"pulling {reference}")
        engine.images.pull(reference, f"unset {VARIABLE} to build the base image from Debian packages")
        found = engine.images.id_of(reference)
    if found is None:
        raise EnvironmentFault(f"the engine has no image {reference} after pulling it.", "holdpoint engine ensure")
    if ((engine.images.told(found) or {}).get("Config") or {}).get("Volumes"):
        raise UsageError(f"the image {reference} declares volumes, which would be writable.", "name another image")
    return ImageRef(tag=reference, id=found, python=_python(engine, found, reference))


def _python(engine: Engine, image: str, reference: str) -> str:
    profile = profile_for(Limits(timeout=30, memory=256 * MIB, pids=16, output=MIB), arch=engine.info.arch)
    for path in _PYTHONS:
        spec = ContainerSpec(
            image=image, argv=(path, "-I", "-c", _PROBE), profile=profile, run_id="ensure", role="probe"
        )
        done = run_batch(engine, spec, b"")
        if done.state.exit_code == 0 and json.loads(done.stdout) == [3, 11]:
            return path
    raise UsageError(f"the image {reference} has no Python 3.11 at {' or '.join(_PYTHONS)}.", "name another image")


def _bootstrap(engine: Engine, tag: str, report: Callable[[str], None]) -> str:
    otherwise = f"install mmdebstrap, or set {VARIABLE} to an image with Python 3.11, by digest"
    if shutil.which("mmdebstrap") is None:
        apt.install(("debian-archive-keyring", "mmdebstrap"), report, otherwise)
    report("building the base image from Debian packages (half a minute)")
    with Scratch() as scratch:
        archive = scratch.path / "root.tar"
        command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", _SUITE, str(archive)]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT,
                pass_fds=(scratch.descriptor,),  # it may outlive a killed harness, and writes there until its end
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EnvironmentFault(f"mmdebstrap had not ended after {_TIMEOUT} s.", "check the network") from error
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()[-1:]
            reason = said[0].removeprefix("E:").strip() if said else "no reason given"
            raise EnvironmentFault(f"mmdebstrap could not build the base image: {reason}.", otherwise)
        return engine.images.import_root(tag, archive)
