"""What we ask of the container engine: start, end and inspect containers, make and find images; asks no more."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import docker
from docker import errors

from harness.container.api import RuntimeMissingFault, calling, failed_inside, open_api, unless_gone
from harness.container.image_store import ImageStore
from harness.container.lease import CONNECTION_LABEL, Kept, labels
from harness.container.pipes import Pipes, opened
from harness.container.profile import DEFAULT_RUNTIME, OWNER_LABEL, ROLE_LABEL, Profile, container_config
from harness.container.session import Session
from harness.container.settings import take_off
from harness.container.usage import Usage, kernel_usage, usage_of
from harness.container.variation import Variation, vary
from harness.container.warden import Warden
from harness.container.wire import Wire
from harness.errors import EnvironmentFault
from harness.records import Record

_UIDS = (200_000, 2_000_000_000)
_REMOVAL = 15.0  # seconds


class EngineInfo(Record):
    """What the engine says of itself; `runtimes` are the names a profile may use."""

    id: str
    version: str
    api: str
    runtimes: tuple[str, ...]
    host: str
    arch: str
    cpus: int


class ContainerSpec(Record):
    """What to start: an image by id, the command, the profile; `run_id` and `role` become labels.

    `without` names settings that the doctor's controls take off (harness/container/settings.py); else it is empty.
    A control without `network` shares that of the container `neighbour`. `variation` changes the surroundings only.
    `talks`: the guest is our entry and will say much, so that pipes past the engine are worth their opening.
    """

    image: str
    argv: tuple[str, ...]
    profile: Profile
    run_id: str
    role: str
    env: Mapping[str, str] = {}
    without: tuple[str, ...] = ()
    neighbour: str = ""
    variation: Variation | None = None
    talks: bool = False


class Engine:
    """An open connection. Closing it removes every container that it started and that is still there.

    When the process dies without closing it, a warden does.
    """

    def __init__(self, api: docker.APIClient, host: str) -> None:
        self._api = api
        self._open: dict[str, Session | None] = {}
        self._abandoned = False
        self._token = secrets.token_hex(8)
        self._warden: Warden | None = None
        self._posting = threading.Lock()
        self.images = ImageStore(api)
        self.info = self._describe(host)

    @classmethod
    def connect(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Connects to DOCKER_HOST, else Docker's socket, else Podman's; `EnvironmentFault` says what is wrong."""
        return cls(*open_api(environ))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Removes what this connection started, then disconnects."""
        try:
            for name in list(self._open):
                session = self._open.get(name)
                if session is None:
                    self.remove(name)
                else:
                    session.close()
        finally:
            if self._warden is not None:
                warden, self._warden = self._warden, None
                warden.relieve()
            self._api.close()

    def abandon(self) -> None:
        """Starts no more containers and kills those that run: whichever threads use them see their ends at once.

        Their sessions stay their threads' to close; from any thread.
        """
        self._abandoned = True
        for name in list(self._open):
            self.kill(name)

    def start(self, spec: ContainerSpec) -> Session:
        """Creates, attaches and starts one container under its profile; `EnvironmentFault` once abandoned."""
        # Named by us, so that an interrupt between the engine's act and its answer still leaves something to remove.
        name = f"holdpoint-{secrets.token_hex(8)}"
        config = container_config(
            spec.profile,
            image=spec.image,
            argv=spec.argv,
            uid=secrets.SystemRandom().randrange(*_UIDS),
            env={**spec.env, "HOLDPOINT_PIPES": "1"} if spec.talks else spec.env,
            labels={**labels(spec.run_id), ROLE_LABEL: spec.role, CONNECTION_LABEL: self._token},
        )
        if spec.variation is not None:
            vary(config, spec.variation)
        take_off(config, spec.without, spec.neighbour)
        self.require_runtime(spec.profile.runtime)
        self._check_wanted()
        self._post_warden()
        self._open[name] = None
        wire = None
        try:
            with calling(f"start a container of image {spec.image[:19]}"):
                container = self._api.create_container_from_config(config, name)["Id"]
                self._check_runtime(container, spec.profile.runtime)
                wire = Wire(self._attach(container), spec.profile.limits.output)
                self._api.start(container)
            self._check_wanted()
        except BaseException:
            if wire is not None:
                wire.close()
            self.remove(name)
            del self._open[name]
            raise
        session = Session(self, container, wire, spec.profile, lambda: self._forget(name), talks=spec.talks)
        self._open[name] = session
        return session

    def require_runtime(self, name: str) -> None:
        """`RuntimeMissingFault` unless the engine has a runtime of that name; whether it works, a start shows."""
        if name not in self.info.runtimes:
            raise RuntimeMissingFault(
                f"the engine at {self.info.host} has no runtime {name!r}; it has {', '.join(self.info.runtimes)}.",
                "register it with the engine, or name another as [sandbox] runtime in holdpoint.toml",
            )

    def _check_runtime(self, container: str, wanted: str) -> None:
        """Podman 4.3 takes its own default, whatever runtime it is asked for, and says nothing of it."""
        if wanted == DEFAULT_RUNTIME:
            return
        taken = self.settings(container)["HostConfig"].get("Runtime", "")
        if taken != wanted:
            raise RuntimeMissingFault(
                f"the engine at {self.info.host} was asked for the runtime {wanted!r} and took {taken!r}.",
                "make it the engine's default and name it runc, or use another engine",
            )

    def kill(self, container: str) -> None:
        """SIGKILL to everything in the container; no error if it has ended."""
        with calling("kill a container"), unless_gone():
            self._api.kill(container, "SIGKILL")

    def remove(self, container: str) -> None:
        """Kills and removes a container with its anonymous volumes; no error if it is gone.

        An engine may fail a removal that meets the container's own end ("directory not empty", seen once in some
        thousand); it is asked again, for up to `_REMOVAL` seconds.
        """
        until, pause = time.monotonic() + _REMOVAL, 0.05
        while True:
            try:
                with calling("remove a container"), unless_gone():
                    self._api.remove_container(container, force=True, v=True)
            except EnvironmentFault as fault:
                if not failed_inside(fault) or time.monotonic() > until:
                    raise
                time.sleep(pause)
                pause = min(pause * 2, 1.0)
            else:
                return

    def await_exit(self, container: str, seconds: float) -> bool:
        """Whether the container has ended within `seconds`."""
        deadline = time.monotonic() + seconds
        pause = 0.001
        while self.state(container).get("Running"):
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        return True

    def state(self, container: str) -> dict[str, Any]:
        """The engine's own record of the container's state: Running, ExitCode, OOMKilled."""
        with calling("inspect a container"):
            state: dict[str, Any] = self._api.inspect_container(container)["State"]
        return state

    def pipes(self, container: str, ends: tuple[int, int]) -> Pipes | None:
        """The host's ends of pipes that the guest made; None where they cannot be opened from here."""
        pid = 0
        with calling("inspect a container"), unless_gone():
            pid = int(self._api.inspect_container(container)["State"].get("Pid") or 0)
        return opened(container, pid, ends)

    def usage(self, container: str) -> Usage | None:
        """What the container has used so far; None when nobody can say, or it has ended."""
        with calling("read a container's usage"):
            try:
                pid = int(self._api.inspect_container(container)["State"].get("Pid") or 0)
                if pid == 0:
                    return None
                return kernel_usage(container, pid) or usage_of(self._api.stats(container, stream=False, one_shot=True))
            except errors.APIError:
                return None

    def settings(self, container: str) -> dict[str, Any]:
        """Everything the engine says of a container, for probes that read a setting back."""
        with calling("inspect a container"):
            found: dict[str, Any] = self._api.inspect_container(container)
        return found

    def labelled(self, label: str) -> tuple[Kept, ...]:
        """All containers, stopped ones too, that carry the label `name` or `name=value`."""
        with calling("list containers"):
            found = self._api.containers(all=True, filters={"label": label})
        return tuple(
            Kept(
                id=c["Id"],
                owner=c["Labels"].get(OWNER_LABEL, ""),
                running=c["State"] == "running",
                created=float(c["Created"]),
            )
            for c in found
        )

    def _post_warden(self) -> None:
        with self._posting:
            if self._warden is None:
                try:
                    self._warden = Warden.posted(self.info.host, f"{CONNECTION_LABEL}={self._token}")
                except OSError as error:
                    raise EnvironmentFault(
                        f"no process could be started beside the container: {error.strerror}.",
                        "end some processes, then try again",
                    ) from error

    def _check_wanted(self) -> None:
        if self._abandoned:
            raise EnvironmentFault("The work was broken off; no container is started any more.")

    def _forget(self, name: str) -> None:
        self._open.pop(name, None)

    def _attach(self, container: str) -> socket.socket:
        stream = self._api.attach_socket(container, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        # A descriptor of our own: the library's wrapper offers neither half-close nor deadlines. Attached before the
        # start, so that nothing can sit in the wrapper's buffer.
        connection = socket.socket(fileno=os.dup(stream.fileno()))
        stream._response.close()  # noqa: SLF001 - the only way to its connection, which no pool takes back
        return connection

    def _describe(self, host: str) -> EngineInfo:
        with calling("describe itself"):
            found = self._api.info()
            version = self._api.version()
        return EngineInfo(
            id=str(found.get("ID", "")),
            version=str(version.get("Version", "")),
            api=str(self._api.api_version),
            runtimes=tuple(sorted(found.get("Runtimes") or {})),
            host=host,
            arch=str(found.get("Architecture", "")),
            cpus=int(found.get("NCPU", 1)),
        )
