"""An engine that stumbles over a removal is asked again: against a small server that speaks the engine's protocol."""

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from harness.container import Engine
from harness.errors import EnvironmentFault


class Stumbling(BaseHTTPRequestHandler):
    """Answers like engine 20.10; the first `failures` removals fail as seen on a real one."""

    protocol_version = "HTTP/1.1"
    failures = 0
    status = 500
    removals = 0

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass

    def answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def do_GET(self) -> None:
        version = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
        self.answer(200, version if self.path.endswith("/version") else {"ID": "test", "NCPU": 2})

    def do_DELETE(self) -> None:
        type(self).removals += 1
        if self.removals <= self.failures:
            self.answer(self.status, {"message": "unable to remove filesystem: directory not empty"})
        else:
            self.answer(200, {})


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:
        connection, _address = super().get_request()
        return connection, ("unix", 0)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[tuple[Engine, type[Stumbling]]]:
    handler = type("Handler", (Stumbling,), {})
    with Server(str(tmp_path / "engine.sock"), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with Engine.connect({"DOCKER_HOST": f"unix://{tmp_path}/engine.sock"}) as connected:
                yield connected, handler
        finally:
            server.shutdown()
            thread.join()


def test_a_removal_that_the_engine_stumbles_over_is_asked_again(engine: tuple[Engine, type[Stumbling]]) -> None:
    connected, handler = engine
    handler.failures = 2
    connected.remove("some-container")
    assert handler.removals == 3


def test_a_removal_that_the_engine_refuses_is_not(engine: tuple[Engine, type[Stumbling]]) -> None:
    connected, handler = engine
    handler.failures, handler.status = 99, 400
    with pytest.raises(EnvironmentFault, match="directory not empty"):
        connected.remove("some-container")
    assert handler.removals == 1
