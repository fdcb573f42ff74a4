"""How the host speaks to `sandbox/guest/entry.py`: the command, the header and the tree; and runs in one go."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from harness.container.archive import tar_of
from harness.container.engine import ContainerSpec, Engine
from harness.container.session import Finished
from harness.records import Record

HOME = "/opt/holdpoint"
TARGET = f"{HOME}/target"
JUDGE = "/judge"
ENTRY_FAILED = 97  # exit status of the entry itself, when header or tree are not what it expects


class ImageRef(Record):
    """A local image: its tag says from what content it was made, its id is what containers are started from."""

    tag: str
    id: str
    python: str


def guest_argv(image: ImageRef) -> tuple[str, ...]:
    """The command of every guest: isolated Python, no bytecode written, our entry."""
    return (image.python, "-I", "-B", f"{HOME}/guest/entry.py")


def stream(header: Mapping[str, Any], files: Mapping[str, bytes], executable: Collection[str] = ()) -> bytes:
    """What the entry reads first: one JSON line (`v` and `tar` are filled in), then the tree for /work."""
    tree = tar_of(files, executable=executable) if files else b""
    return json.dumps({**header, "v": 1, "tar": len(tree)}).encode() + b"\n" + tree


def run_batch(engine: Engine, spec: ContainerSpec, stdin: bytes) -> Finished:
    """Starts a container, sends all input, reads all output within the limits, removes the container."""
    with engine.start(spec) as session:
        session.send(stdin)
        return session.finish()
