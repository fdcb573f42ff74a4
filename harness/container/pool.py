"""Containers started ahead of need, so that nobody waits for one; each is handed out once and never comes back."""

import threading
from collections import deque
from types import TracebackType
from typing import Self

from harness.container.engine import ContainerSpec, Engine
from harness.container.session import Session
from harness.errors import HoldpointError

_HEARTBEAT = 1.0  # seconds between looks at whether the filling thread lives


class Pool:
    """Keeps `size` sessions of one spec waiting; a thread starts the next as soon as one is taken."""

    def __init__(self, engine: Engine, spec: ContainerSpec, size: int) -> None:
        self._engine = engine
        self._spec = spec
        self._size = size
        self._waiting: deque[Session] = deque()
        self._fault: HoldpointError | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._fill, name="holdpoint-pool", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self) -> Session:
        """A session that nobody has used. The caller closes it; a fault of the engine is raised here."""
        while True:
            with self._changed:
                while not self._waiting and self._fault is None:
                    if not self._thread.is_alive():
                        raise RuntimeError("the pool is closed, or its thread failed")
                    self._changed.wait(_HEARTBEAT)
                if self._fault is not None:
                    fault, self._fault = self._fault, None
                    self._changed.notify_all()
                    raise fault
                session = self._waiting.popleft()
                self._changed.notify_all()
            if not session.gone():
                return session
            session.close()

    def close(self) -> None:
        """Removes the sessions that nobody took. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        while self._waiting:
            self._waiting.popleft().close()

    def _fill(self) -> None:
        while True:
            with self._changed:
                while not self._closing and (len(self._waiting) >= self._size or self._fault is not None):
                    self._changed.wait()
                if self._closing:
                    return
            try:
                session = self._engine.start(self._spec)
            except HoldpointError as fault:
                with self._changed:
                    self._fault = fault
                    self._changed.notify_all()
                continue
            with self._changed:
                self._waiting.append(session)
                self._changed.notify_all()
