"""Removes a harness's containers when it has died, be it by SIGKILL; a process of its own, which does nothing else.

Standard library only: it is started beside the first container, waits for the end of a pipe, and speaks to the
engine's socket itself. Not for engines over TCP: there the next start removes what was left.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

_RELIEVED: Final = b"relieved"
# A request that the engine was working on when the harness died may still make a container after the first round.
_ROUNDS: Final = (0.0, 0.3, 1.0, 3.0)
_UNIX: Final = "unix://"
_LOADER: Final = ("LD_LIBRARY_PATH",)  # without it some builds of Python do not start
_PATIENCE: Final = 5.0  # seconds


class Warden:
    """Watches over the containers that carry one label, until it is relieved or this process is gone."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        """Use `posted`."""
        self._process = process

    @classmethod
    def posted(cls, host: str, label: str) -> Self | None:
        """A warden at the engine's socket, None where there is no socket; OSError when no process can be started."""
        if not host.startswith(_UNIX):
            return None
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve()), host.removeprefix(_UNIX), label],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={name: os.environ[name] for name in _LOADER if name in os.environ},
            start_new_session=True,  # what ends the harness from its terminal does not end the warden
        )
        return cls(process)

    def relieve(self) -> None:
        """Ends the warden: its harness has removed everything itself."""
        try:
            self._process.communicate(_RELIEVED, timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def watch(socket_path: str, label: str) -> None:
    """Waits for the harness's end, and then removes its containers, in a few rounds."""
    if sys.stdin.buffer.read() == _RELIEVED:
        return
    for pause in _ROUNDS:
        time.sleep(pause)
        _remove_all(socket_path, label)


def _remove_all(socket_path: str, label: str) -> None:
    import urllib.parse  # only a warden that is needed pays for these

    query = urllib.parse.urlencode({"all": "1", "filters": json.dumps({"label": [label]})})
    for container in json.loads(_ask(socket_path, "GET", f"/containers/json?{query}") or b"[]"):
        _ask(socket_path, "DELETE", f"/containers/{container['Id']}?force=1&v=1")


def _ask(socket_path: str, method: str, path: str) -> bytes:
    """The engine's answer; empty when it gives none."""
    import http.client
    import socket

    connection = http.client.HTTPConnection("engine", timeout=60)
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(60)
            wire.connect(socket_path)
            connection.sock = wire
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.read() if answer.status == http.client.OK else b""
    except (OSError, http.client.HTTPException):
        return b""


if __name__ == "__main__":
    watch(*sys.argv[1:])
