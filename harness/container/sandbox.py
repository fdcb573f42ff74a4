"""The image that guests run in: base, pytest and guest code, and the target's wheels; fetches only what is locked."""

from collections.abc import Callable, Mapping

from harness.container.archive import files_of, tar_of
from harness.container.base import base_image
from harness.container.engine import ContainerSpec, Engine
from harness.container.guest import HOME, TARGET, ImageRef, run_batch
from harness.container.layers import build_context, layer, layer_tag
from harness.container.lock import check_lock
from harness.container.profile import MIB, Limits, profile_for
from harness.container.seccomp import without_own_list
from harness.container.wheels import unpacked_wheels
from harness.data import data_dir
from harness.errors import EnvironmentFault
from harness.records import canonical_json, sha256

_OWN_LOCK = "sandbox/requirements.txt"


def ensure_sandbox_image(
    engine: Engine,
    report: Callable[[str], None],
    requirements: bytes | None = None,
    where: str = "the target's requirements",
) -> ImageRef:
    """The sandbox image for a target; `requirements` is its hash-locked file at the base, `where` its name.

    What the engine has already is not made again, and then nothing is fetched. `UsageError` for a bad lock.
    """
    names = check_lock(requirements, where) if requirements else ()
    told = without_own_list(engine.info.arch)
    if told:
        report(told)
    image = _sandbox(engine, base_image(engine, report), report)
    if requirements is None or not names:
        return image
    return _site_layer(engine, image, TARGET, {}, requirements, where, report)


def sandbox_tag(engine: Engine, base: str) -> str:
    """The name of the current sandbox image on the base image with that id."""
    return layer_tag(base, HOME, _key(engine, *_content()))


def _sandbox(engine: Engine, base: ImageRef, report: Callable[[str], None]) -> ImageRef:
    return _site_layer(engine, base, HOME, *_content(), _OWN_LOCK, report)


def _content() -> tuple[dict[str, bytes], bytes]:
    """The guest's code and the lock of its packages."""
    folder = data_dir("sandbox")
    guest = {f"guest/{path.name}": path.read_bytes() for path in sorted((folder / "guest").glob("*.py"))}
    return guest, (folder / "requirements.txt").read_bytes()


def _key(engine: Engine, guest: Mapping[str, bytes], lock: bytes) -> dict[str, str]:
    sources = {path: sha256(data) for path, data in guest.items()}
    return {"guest": sha256(canonical_json(sources)), "lock": sha256(lock), "arch": engine.info.arch}


def _site_layer(
    engine: Engine,
    base: ImageRef,
    destination: str,
    guest: Mapping[str, bytes],
    lock: bytes,
    where: str,
    report: Callable[[str], None],
) -> ImageRef:
    """Wheels, with guest code beside them under `site/` if there is any, and the bytecode of both."""

    def context(recipe: bytes) -> bytes:
        wheels = unpacked_wheels(lock, where, engine.info.arch, report)
        report(f"building the sandbox image with the wheels of {where}")
        files = {**guest, **{f"site/{path}" if guest else path: data for path, data in wheels.items()}}
        return build_context(recipe, {**files, **_bytecode(engine, base, destination, files)})

    return layer(engine, base, destination, _key(engine, guest, lock), context)


def _bytecode(engine: Engine, base: ImageRef, destination: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Compiled by the image's own Python: the host's may be another version, and the image is read-only later."""
    program = (data_dir("sandbox") / "guest" / "bytecode.py").read_text()
    spec = ContainerSpec(
        image=base.id,
        argv=(base.python, "-I", "-B", "-c", program, destination),
        profile=profile_for(Limits(timeout=300, memory=1024 * MIB, pids=16, output=512 * MIB), arch=engine.info.arch),
        run_id="ensure",
        role="bytecode",
    )
    done = run_batch(engine, spec, tar_of(files))
    if done.state.exit_code != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise EnvironmentFault(
            f"the sandbox's Python could not compile its packages: {last[0]}.", "holdpoint engine ensure"
        )
    return files_of(done.stdout)
