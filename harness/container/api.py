"""The connection to the engine's socket and the words for its faults; the only importer of `docker` beside `engine`.

What was tried of Podman, rootless engines and others is in docs/engines.md.
"""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping

import docker
import requests
from docker import errors
from docker.utils import kwargs_from_env

from harness.errors import EnvironmentFault

SOCKET = "/var/run/docker.sock"
ENSURE = "holdpoint engine ensure"
_PODMAN = "/run/podman/podman.sock"
_CALL_TIMEOUT = 120  # seconds for one answer of the engine
_PROBE_TIMEOUT = 20  # seconds for the first answer at a local socket
_OLDEST_API = (1, 41)  # private cgroup namespaces
_WORDS = 400  # characters of an engine's answer that a person is shown
_GONE = frozenset({404, 409})  # no such container; not running, or being removed already


class NoEngineFault(EnvironmentFault):
    """Nothing answers where an engine should be."""


class NoPermissionFault(EnvironmentFault):
    """An engine may be there, and this user may not talk to it."""


class OldEngineFault(EnvironmentFault):
    """The engine speaks only versions of the protocol that lack what the profile needs."""


class ImageMissingFault(EnvironmentFault):
    """The engine does not have the image, and none is fetched while a proposal is run."""


class RuntimeMissingFault(EnvironmentFault):
    """The engine has no runtime of the name that the target asks for."""


def open_api(environ: Mapping[str, str] = os.environ) -> tuple[docker.APIClient, str]:
    """A client of DOCKER_HOST, else of Docker's socket, else of Podman's, and its address."""
    host = environ.get("DOCKER_HOST") or _first_socket(environ)
    _require_answer(host)
    with _connecting(host), _new_enough(host):
        arguments = {**kwargs_from_env(environment={**environ}), "base_url": host}
        # DOCKER_API_VERSION is for the command line tool; the newest common version is agreed on here.
        arguments.pop("version", None)
        api = docker.APIClient(version="auto", timeout=_CALL_TIMEOUT, **arguments)
        if tuple(int(part) for part in api.api_version.split(".")) < _OLDEST_API:
            api.close()
            raise errors.InvalidVersion(f"it speaks API {api.api_version}")
    return api, host


def listening(path: str) -> bool:
    """Whether somebody accepts connections at a unix socket, be it not from us."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_TIMEOUT)
        try:
            probe.connect(path)
        except PermissionError:
            return True
        except OSError:
            return False
        return True


def _first_socket(environ: Mapping[str, str]) -> str:
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    places = [SOCKET, _PODMAN] + ([f"{runtime}/podman/podman.sock"] if runtime else [])
    for place in places:
        if listening(place):
            return f"unix://{place}"
    return f"unix://{SOCKET}"


def _require_answer(host: str) -> None:
    """Tells absence from refusal before the library tries, which hides the reason and leaves its socket open."""
    if not host.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_TIMEOUT)
        try:
            probe.connect(host.removeprefix("unix://"))
            # A daemon that is starting accepts long before it answers, and may yet fail.
            probe.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            answered = probe.recv(1) != b""
        except PermissionError as error:
            raise NoPermissionFault(
                f"this user may not talk to the container engine at {host}.",
                "add the user to the group docker and log in again, or run as root",
            ) from error
        except OSError as error:
            raise NoEngineFault(f"no container engine answers at {host}.", ENSURE) from error
    if not answered:
        raise NoEngineFault(f"what listens at {host} is no container engine, or one that is ending.", ENSURE)


@contextlib.contextmanager
def _connecting(host: str) -> Iterator[None]:
    try:
        yield
    except (errors.DockerException, requests.RequestException) as error:
        raise NoEngineFault(f"the container engine at {host} gives no usable answer ({error}).", ENSURE) from error


@contextlib.contextmanager
def _new_enough(host: str) -> Iterator[None]:
    try:
        yield
    except errors.InvalidVersion as error:  # the library's own, of versions that are older still, or ours
        words = str(error).rstrip(".")
        raise OldEngineFault(
            f"the engine at {host} is too old ({words}); holdpoint needs API 1.41 (Docker 20.10, Podman 4) or newer.",
            "upgrade the engine",
        ) from error


@contextlib.contextmanager
def calling(what: str, next_step: str = ENSURE) -> Iterator[None]:
    try:
        yield
    except errors.ImageNotFound as error:
        raise ImageMissingFault(f"the engine cannot {what}: it does not have that image.", ENSURE) from error
    except errors.APIError as error:
        words = str(error.explanation or error).strip().rstrip(".")
        if len(words) > _WORDS:  # an engine may quote the whole seccomp list
            words = f"{words[: _WORDS // 2]} … {words[-_WORDS // 2 :]}"
        raise EnvironmentFault(f"the engine refused to {what}: {words}.", next_step) from error
    except requests.RequestException as error:
        raise EnvironmentFault(f"the engine went away while asked to {what}.", ENSURE) from error


def failed_inside(fault: EnvironmentFault) -> bool:
    """Whether the engine itself stumbled over a request that was in order (its answer was a 5xx)."""
    return isinstance(fault.__cause__, errors.APIError) and bool(fault.__cause__.is_server_error())


@contextlib.contextmanager
def unless_gone() -> Iterator[None]:
    try:
        yield
    except errors.APIError as error:
        if error.status_code not in _GONE:
            raise
