"""One started container with its stdio attached: talk to it, end it, read how it ended; always removes it."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from harness.container.pipes import LEFT, TAKEN, Pipes, offered
from harness.container.profile import MIB, Profile
from harness.container.usage import Usage
from harness.container.wire import Wire
from harness.records import ContainerState, Record

_LONGEST_OFFER = 100  # bytes
_EXIT_GRACE = 10.0  # seconds an ended stream may precede the end of its container
_OOM_GRACE = 0.3  # the engine learns of an out-of-memory kill by an event that may come after the exit


class Line(Record):
    """One complete line of the guest's stdout, without its LF."""

    data: bytes


class Silence(Record):
    """No complete line within `seconds`, or the wall clock ran out (then the container has been killed)."""

    seconds: float


class Ended(Record):
    """The guest's stdout ended; a last line without LF is in `Finished.stdout`."""


class Overflow(Record):
    """A line longer than allowed, or more unread output than the limit; the container has been killed."""

    cap: int


Reading = Line | Silence | Ended | Overflow


class Finished(Record):
    """How the container ended, and the output that was not read as lines."""

    state: ContainerState
    stdout: bytes
    stderr: bytes


class Containers(Protocol):
    """What a session needs of the engine for its own container; faults are `EnvironmentFault`."""

    def kill(self, container: str) -> None: ...
    def await_exit(self, container: str, seconds: float) -> bool: ...
    def state(self, container: str) -> dict[str, Any]: ...
    def remove(self, container: str) -> None: ...
    def usage(self, container: str) -> Usage | None: ...
    def pipes(self, container: str, ends: tuple[int, int]) -> Pipes | None: ...


class Session:
    """A started container, for one thread. Its wall clock starts at the first use, so it may wait ahead of need."""

    def __init__(
        self,
        engine: Containers,
        container: str,
        wire: Wire,
        profile: Profile,
        forget: Callable[[], None],
        *,
        talks: bool = False,
    ) -> None:
        self.container = container
        self._engine = engine
        self._wire = wire
        self._limits = profile.limits
        self._forget = forget
        self._offered = talks  # pipes, which nobody has taken or left yet
        self._began: float | None = None
        self._deadline = 0.0
        self._timed_out = False
        self._capped = False
        self._stopped = False
        self._finished: Finished | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def renew(self) -> None:
        """The wall clock starts anew: for a session that serves one task after another."""
        self._deadline = time.monotonic() + self._limits.timeout
        if self._began is None:
            self._began = time.monotonic()

    def send(self, data: bytes) -> None:
        """Writes to the guest's stdin. Never fails for a guest that is gone: the next read tells."""
        self._begin()
        self._wire.send(data, self._deadline)
        self._stop_if_over()

    def close_stdin(self) -> None:
        """The guest sees the end of its input."""
        self._wire.half_close()

    def read_line(self, timeout: float, cap: int = MIB) -> Reading:
        """The next line of stdout, waiting at most `timeout` seconds and never past the wall clock."""
        self._begin()
        if not self._timed_out:
            line = self._wire.take_line(min(time.monotonic() + timeout, self._deadline), cap)
            if line is not None:
                return Line(data=line)
        self._stop_if_over()
        if self._capped:
            return Overflow(cap=min(cap, self._limits.output))
        if self._wire.ended and not self._timed_out:
            return Ended()
        return Silence(seconds=timeout)

    def finish(self) -> Finished:
        """Closes stdin, reads to the end or to a limit, reads the state, removes the container. Idempotent."""
        if self._finished is None:
            self._start_clock()
            try:
                self._wire.half_close()
                self._wire.drain(self._deadline)
                self._stop_if_over()
                self._finished = self._collect()
            finally:
                self.close()
        return self._finished

    def kill(self) -> Finished:
        """Ends the container now, reads its state, removes it. Idempotent."""
        if self._finished is None:
            self._start_clock()
            self._stop()
        return self.finish()

    def close(self) -> None:
        """Removes the container, running or not. Idempotent; if interrupted, may be called again."""
        if not self._closed:
            self._wire.close()
            self._engine.remove(self.container)
            self._closed = True
            self._forget()

    def usage(self) -> Usage | None:
        """What the container has used since its start, by the kernel's account; None when nobody can say."""
        return self._engine.usage(self.container)

    def gone(self) -> bool:
        """Whether the guest ended on its own while nobody used the session."""
        return self._wire.gone()

    def unread(self) -> int:
        """Bytes of output that have arrived and that nobody has read; does not wait."""
        self._wire.gone()
        return len(self._wire.stdout)

    @property
    def buffered(self) -> bool:
        """Whether output beyond the last line read is here already; asks nobody."""
        return bool(self._wire.stdout)

    def _begin(self) -> None:
        """The first use: starts the wall clock, and takes the pipes that the guest offers before all else."""
        self._start_clock()
        if self._offered:
            self._offered = False
            line = self._wire.take_line(self._deadline, _LONGEST_OFFER)
            ends = offered(line) if line is not None else None
            pipes = self._engine.pipes(self.container, ends) if ends is not None else None
            self._wire.send(LEFT if pipes is None else TAKEN, self._deadline)
            if pipes is not None:
                self._wire.shorten(pipes)

    def _start_clock(self) -> None:
        if self._began is None:
            self.renew()

    def _stop_if_over(self) -> None:
        if self._wire.capped and not self._stopped:
            self._capped = True
            self._stop()
        elif not self._wire.ended and not self._stopped and time.monotonic() >= self._deadline:
            self._timed_out = True
            self._stop()

    def _stop(self) -> None:
        # The stream first: a kill while an attached reader has stopped reading hung the engine for up to a minute.
        if not self._stopped:
            self._stopped = True
            self._wire.leave()
            self._engine.kill(self.container)

    def _collect(self) -> Finished:
        if not self._engine.await_exit(self.container, _EXIT_GRACE):
            self._timed_out = True
            self._stopped = True
            self._wire.leave()
            self._engine.kill(self.container)
            self._engine.await_exit(self.container, _EXIT_GRACE)
        state = self._settled_state()
        began = self._began if self._began is not None else time.monotonic()
        return Finished(
            state=ContainerState(
                exit_code=None if state.get("Running") else state.get("ExitCode"),
                oom_killed=bool(state.get("OOMKilled")),
                timed_out=self._timed_out,
                output_capped=self._capped,
                seconds=round(time.monotonic() - began, 4),
            ),
            stdout=bytes(self._wire.stdout[: self._limits.output]),
            stderr=bytes(self._wire.stderr[: self._limits.output]),
        )

    def _settled_state(self) -> dict[str, Any]:
        state = self._engine.state(self.container)
        until = time.monotonic() + _OOM_GRACE
        killed_by_whom = state.get("ExitCode") == 137 and not self._stopped
        while killed_by_whom and not state.get("OOMKilled") and time.monotonic() < until:
            time.sleep(0.02)
            state = self._engine.state(self.container)
        return state
