"""The container whose network the network probes' controls share: it leads nowhere, and everything answers in it."""

import threading
from typing import Final

from harness.container import ContainerSpec, Engine, Line, Session
from harness.errors import EnvironmentFault

# Where it answers: addresses for documentation, the clouds' metadata address, and what engines give the host on their
# bridge; all on the loopback of its own network.
PEER: Final = "198.51.100.1"
RESOLVER: Final = "198.51.100.53"
METADATA: Final = "169.254.169.254"
BRIDGE: Final = "172.17.0.1"
PEER6: Final = "2001:db8::1"
PORT: Final = 4080
ABSTRACT: Final = "holdpoint-neighbour"
NEIGHBOUR: Final = {
    "addresses": [PEER, RESOLVER, METADATA, BRIDGE],
    "address6": PEER6,
    "port": PORT,
    "abstract": ABSTRACT,
}
NEIGHBOUR_WITHOUT: Final = ("user", "cap_drop", "seccomp")  # it gives addresses to its loopback
_START: Final = 10.0  # seconds


class Neighbour:
    """Started when it is first asked for; may be used from several threads."""

    def __init__(self, engine: Engine, spec: ContainerSpec) -> None:
        self._engine = engine
        self._spec = spec
        self._session: Session | None = None
        self._lock = threading.Lock()

    def container(self) -> str:
        """Its id; `EnvironmentFault` when it does not start."""
        with self._lock:
            if self._session is None:
                self._session = self._started()
            return self._session.container

    def close(self) -> None:
        """Removes it, if it is there; the end of the engine's connection does it too."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _started(self) -> Session:
        session = self._engine.start(self._spec)
        if session.read_line(_START) != Line(data=b"ready"):
            said = session.kill().stderr.decode(errors="replace").strip()
            raise EnvironmentFault(f"the neighbour of the network probes did not start: {said[-200:]}")
        return session
