"""A harness that starts one container and waits for it, to be killed or left without an engine; decides nothing."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

from harness.container import ContainerSpec, Engine
from harness.errors import EnvironmentFault
from harness.records import Record, canonical_json

_PROGRAM: Final = "import sys; from harness.doctor.mayfly import live; live(sys.argv[1])"
_START: Final = 20.0  # seconds until it has imported everything and started its container


class Order(Record):
    """What it is to start, and where; without `watched` it has no warden, as if that protection did not exist."""

    host: str
    spec: ContainerSpec
    watched: bool


class _Unwatched(Engine):
    def _post_warden(self) -> None:
        """None: this one's containers are left when it dies."""


class Mayfly:
    """The child process; several may be starting at the same time."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @cached_property
    def container(self) -> str:
        """The id of the container that it has started; `EnvironmentFault` when it starts none."""
        return _container(self._process)

    def kill(self) -> None:
        """SIGKILL: it has no time to clean up."""
        self._process.kill()
        self._process.wait()

    def ends(self, seconds: float) -> bool:
        """Whether it ends by itself within `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


@contextmanager
def mayfly(order: Order) -> Iterator[Mayfly]:
    """A child at work, killed at the end if it lives; its container is the caller's to look for."""
    places = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        # Never from the working folder: that may be of a target, which is not trusted.
        [sys.executable, "-P", "-c", _PROGRAM, canonical_json(order).decode()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        cwd="/",
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            yield Mayfly(process)
        finally:
            process.kill()
            process.wait()


def live(order_text: str) -> None:
    """The child: starts the container, says its id, and waits for its end like a trial does."""
    order = Order.model_validate(json.loads(order_text))
    kind = Engine if order.watched else _Unwatched
    with kind.connect({**os.environ, "DOCKER_HOST": order.host}) as engine, engine.start(order.spec) as session:
        os.write(1, f"{session.container}\n".encode())
        session.finish()


def _container(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    said, until = b"", time.monotonic() + _START
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not said.endswith(b"\n"):
            if not selector.select(max(0.0, until - time.monotonic())):
                break
            part = os.read(process.stdout.fileno(), 4096)
            if not part:
                break
            said += part
    if not said.endswith(b"\n"):
        raise EnvironmentFault("a harness of the doctor's own started no container.", "holdpoint engine ensure")
    return said.decode().strip()
