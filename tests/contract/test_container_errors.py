"""What keeps the harness from an engine, each told apart and with its next step, by real peers at real sockets."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from harness.container import (
    ContainerSpec,
    Engine,
    ImageMissingFault,
    ImageRef,
    Limits,
    NoEngineFault,
    OldEngineFault,
    RuntimeMissingFault,
    profile_for,
)
from harness.errors import EnvironmentFault

pytestmark = pytest.mark.engine

RUN = "test-errors"
Serve = Callable[[str], str]


class OtherEngine(BaseHTTPRequestHandler):
    """A server that speaks the engine's protocol as far as the first question: which version it is."""

    version = "1.41"

    def do_GET(self) -> None:
        text = json.dumps({"Version": "1.2.3", "ApiVersion": self.version}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # who only asks whether somebody answers has gone by now
            self.wfile.write(text)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server of a version; gives its address."""
    servers: list[ThreadingUnixStreamServer] = []

    def begin(version: str) -> str:
        place = str(tmp_path / "e.sock")
        handler = type("Handler", (OtherEngine,), {"version": version})
        server = ThreadingUnixStreamServer(place, handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"unix://{place}"

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def refusal(host: str) -> EnvironmentFault:
    with pytest.raises(EnvironmentFault) as caught:
        Engine.connect({"DOCKER_HOST": host})
    assert host in caught.value.message
    assert caught.value.next_step
    return caught.value


def test_nothing_at_the_socket(tmp_path: Path) -> None:
    assert type(refusal(f"unix://{tmp_path}/none.sock")) is NoEngineFault


def test_nothing_at_a_port_of_the_loopback() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # held and not listened on, so that nobody else answers
        assert type(refusal(f"tcp://127.0.0.1:{closed.getsockname()[1]}")) is NoEngineFault


def test_a_listener_that_is_no_engine(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{tmp_path}/o.sock")
        other.listen()

        def hang_up() -> None:
            connection, _ = other.accept()
            connection.recv(100)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert type(refusal(f"unix://{tmp_path}/o.sock")) is NoEngineFault
        thread.join()


# The library itself talks to nothing older than 1.24, and says so in words of its own.
@pytest.mark.parametrize(("version", "said"), [("1.40", "1.40"), ("1.30", "1.30"), ("1.12", "below 1.24")])
def test_an_engine_that_is_too_old(serve: Serve, version: str, said: str) -> None:
    fault = refusal(serve(version))
    assert type(fault) is OldEngineFault
    assert said in fault.message
    assert "1.41" in fault.message
    assert fault.next_step == "upgrade the engine"


AS_NOBODY = """
import os, sys
import docker, encodings.idna
from harness.container import Engine
from harness.errors import EnvironmentFault
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    Engine.connect({"DOCKER_HOST": sys.argv[1]})
except EnvironmentFault as fault:
    print(type(fault).__name__, fault)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
def test_a_socket_that_this_user_may_not_open() -> None:
    folder = Path("/tmp", f"hp-{os.getpid()}-mode")  # which another user can enter, other than pytest's
    folder.mkdir(mode=0o755)
    place = folder / "e.sock"
    try:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.bind(str(place))
            engine.listen()
            place.chmod(0)
            # Its imports are done before it drops root: another user may not read root's interpreter.
            done = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, f"unix://{place}"],
                env={"PYTHONPATH": str(Path(__file__).parents[2]), "HOME": "/nonexistent"},
                capture_output=True,
                text=True,
                check=False,
            )
    finally:
        shutil.rmtree(folder)
    assert done.stdout.startswith("NoPermissionFault this user may not talk to the container engine"), done.stderr
    assert "Next: add the user to the group docker" in done.stdout


def spec(image: str, runtime: str = "runc") -> ContainerSpec:
    profile = profile_for(Limits(timeout=20), runtime)
    argv = ("/usr/bin/python3", "-c", "print(input())")
    return ContainerSpec(image=image, argv=argv, profile=profile, run_id=RUN, role="test")


def test_an_image_that_is_not_there(engine: Engine) -> None:
    with pytest.raises(ImageMissingFault, match="does not have that image") as caught:
        engine.start(spec("sha256:" + "0" * 64))
    assert caught.value.next_step == "holdpoint engine ensure"
    assert engine.labelled(f"holdpoint={RUN}") == ()


def test_a_runtime_that_is_not_there(engine: Engine, image: ImageRef) -> None:
    with pytest.raises(RuntimeMissingFault, match=r"has no runtime 'runsc-absent'; it has .*runc") as caught:
        engine.start(spec(image.id, "runsc-absent"))
    assert "[sandbox] runtime in holdpoint.toml" in caught.value.next_step
