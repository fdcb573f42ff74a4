"""The stdio of one container: frames or plain bytes in, bounded buffers out; knows descriptors, not containers.

The engine multiplexes stdout and stderr over one socket (8-byte header: stream, length); pipes past it may take over
input and stdout. One thread does both directions, so that a guest which stops reading its input, or floods its output,
can hold up nobody past a deadline.
"""

import os
import selectors
import socket
import struct
import time

from harness.container.pipes import Pipes

_HEADER = struct.Struct(">BxxxL")
_CHUNK = 65536
_STDERR = 2


class Wire:
    """Both ends of a container's stdio. `capped` is set, and reading stops, when more than `cap` bytes wait here."""

    def __init__(self, connection: socket.socket, cap: int) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._pipes: Pipes | None = None
        self._sources = {connection.fileno()}  # what may still bring output
        self._watching = False  # whether a wait ends, too, when there is room in the guest's input
        self._cap = cap
        self._raw = bytearray()
        self._stream = 0
        self._left = 0
        self._searched = 0
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.ended = False
        self.capped = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)

    def shorten(self, pipes: Pipes) -> None:
        """From here on input and stdout go through pipes; stderr comes by the socket still."""
        self._watch_room(wanted=False)
        self._pipes = pipes
        self._sources.add(pipes.out)
        self._selector.register(pipes.out, selectors.EVENT_READ)

    def send(self, data: bytes, deadline: float) -> None:
        """Writes `data`, reading meanwhile; stops early at the deadline, at the end of the stream or at the cap."""
        rest = memoryview(data)
        while rest and not (self.ended or self.capped) and time.monotonic() < deadline:
            rest = rest[self._offer(rest) :]
            if rest:
                self._wait(deadline, for_room=True)

    def half_close(self) -> None:
        """The guest sees the end of its input; its output goes on."""
        if self._pipes is not None:
            self._watch_room(wanted=False)
            self._pipes.end_input()
        try:
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            # The peer is gone already: its end is found by the next read.
            return

    def take_line(self, deadline: float, cap: int) -> bytes | None:
        """The next line of stdout without its LF; None at the deadline, the end or the cap (see the attributes).

        A line longer than `cap` counts as capped.
        """
        while True:
            at = self.stdout.find(b"\n", self._searched)
            if 0 <= at <= cap:
                line = bytes(self.stdout[:at])
                del self.stdout[: at + 1]
                self._searched = 0
                return line
            self._searched = len(self.stdout)
            if at > cap or len(self.stdout) > cap:
                self.capped = True
            if self.ended or self.capped or time.monotonic() >= deadline:
                return None
            self._wait(deadline)

    def drain(self, deadline: float) -> None:
        """Reads until the stream ends, the cap or the deadline."""
        while not (self.ended or self.capped) and time.monotonic() < deadline:
            self._wait(deadline)

    def gone(self) -> bool:
        """Whether the stream has ended, without waiting; output that arrived is kept."""
        self._wait(time.monotonic())
        return self.ended

    def leave(self) -> None:
        """Nothing is read or sent any more; pipes stay open, so that the guest does not hear of it before its end."""
        self.ended, self._watching = True, False
        self._selector.close()
        self._connection.close()

    def close(self) -> None:
        """Idempotent; what was read stays readable."""
        self.leave()
        if self._pipes is not None:
            self._pipes.close()

    def _wait(self, deadline: float, *, for_room: bool = False) -> None:
        if self.ended or self.capped:
            return
        self._watch_room(wanted=for_room)
        for key, ready in self._selector.select(max(0.0, deadline - time.monotonic())):
            if ready & selectors.EVENT_READ:
                self._receive(key.fd)

    def _watch_room(self, *, wanted: bool) -> None:
        if wanted == self._watching:
            return
        self._watching = wanted
        if self._pipes is None:
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(self._connection, both if wanted else selectors.EVENT_READ)
        elif wanted:
            self._selector.register(self._pipes.into, selectors.EVENT_WRITE)
        else:
            self._selector.unregister(self._pipes.into)

    def _offer(self, data: memoryview) -> int:
        try:
            if self._pipes is not None:
                return os.write(self._pipes.into, data[:_CHUNK])
            return self._connection.send(data[:_CHUNK])
        except BlockingIOError:
            return 0
        except OSError:
            # Nobody reads any more. What the guest said before it went may still be on its way.
            return len(data)

    def _receive(self, source: int) -> None:
        try:
            data = os.read(source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(source)
            self._sources.discard(source)
            self.ended = not self._sources
        elif self._pipes is not None and source == self._pipes.out:
            self.stdout += data
        else:
            self._raw += data
            self._demultiplex()
        if len(self.stdout) + len(self.stderr) > self._cap:
            self.capped = True

    def _demultiplex(self) -> None:
        at = 0
        while at < len(self._raw):
            if not self._left:
                if len(self._raw) - at < _HEADER.size:
                    break
                self._stream, self._left = _HEADER.unpack_from(self._raw, at)
                at += _HEADER.size
            part = self._raw[at : at + self._left]
            (self.stderr if self._stream == _STDERR else self.stdout).extend(part)
            at += len(part)
            self._left -= len(part)
        del self._raw[:at]
