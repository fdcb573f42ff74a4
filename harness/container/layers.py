"""Image layers made of files, named by what they are made from, so that nothing is built twice.

No step of a build runs code or uses the network.
"""

from collections.abc import Callable, Collection, Mapping

from harness.container.archive import tar_of
from harness.container.engine import Engine
from harness.container.guest import HOME, JUDGE, TARGET, ImageRef
from harness.data import data_dir
from harness.records import canonical_json, sha256

_NAMES = {HOME: "sandbox", TARGET: "target", JUDGE: "judge"}


def layer(
    engine: Engine, base: ImageRef, destination: str, key: Mapping[str, str], context: Callable[[bytes], bytes]
) -> ImageRef:
    """`base` with files at `destination`; `context`, given the recipe, makes the build's tar if the engine needs it.

    `key` names all inputs of `context`: equal keys must mean equal files.
    """
    recipe = _recipe()
    tag = layer_tag(base.id, destination, key)
    known = engine.images.used(tag)
    built = known or engine.images.build(tag, context(recipe), {"BASE": base.id, "DESTINATION": destination})
    return ImageRef(tag=tag, id=built, python=base.python)


def layer_tag(base: str, destination: str, key: Mapping[str, str]) -> str:
    """The layer's name on the base with that id: what it is made from."""
    whole = {**key, "base": base, "destination": destination, "recipe": sha256(_recipe())}
    return f"holdpoint/{_NAMES[destination]}:{sha256(canonical_json(whole)).removeprefix('sha256:')[:32]}"


def _recipe() -> bytes:
    return (data_dir("sandbox") / "Dockerfile").read_bytes()


def build_context(
    recipe: bytes,
    files: Mapping[str, bytes],
    links: Mapping[str, str] | None = None,
    executable: Collection[str] = (),
) -> bytes:
    """The tar that the recipe builds from; files are owned by root and not writable."""
    return tar_of(
        {"Dockerfile": recipe, **{f"tree/{path}": data for path, data in files.items()}},
        links={f"tree/{path}": target for path, target in (links or {}).items()},
        executable={f"tree/{path}" for path in executable},
        folders=("tree",),
        read_only=True,
    )


def judge_image(
    engine: Engine,
    base: ImageRef,
    files: Mapping[str, bytes],
    links: Mapping[str, str] | None = None,
    executable: Collection[str] = (),
) -> ImageRef:
    """The image that judges: a read-only copy of the base tree at /judge (paths relative to it).

    `links` are the editable scope: such a path leads to its target in /work, where the candidate's files arrive.
    """
    key = {"tree": sha256(build_context(b"", files, links, executable))}
    return layer(engine, base, JUDGE, key, lambda recipe: build_context(recipe, files, links, executable))
