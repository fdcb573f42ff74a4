"""The attached stream of one container: frames in, bounded buffers out; knows sockets, not containers.

The engine multiplexes stdout and stderr over one socket (8-byte header: stream, length). One thread does both
directions, so that a guest which stops reading its input, or floods its output, can hold up nobody past a deadline.
"""

import selectors
import socket
import struct
import time

_HEADER = struct.Struct(">BxxxL")
_CHUNK = 65536
_STDERR = 2


class Wire:
    """Both ends of a container's stdio. `capped` is set, and reading stops, when more than `cap` bytes wait here."""

    def __init__(self, connection: socket.socket, cap: int) -> None:
        connection.setblocking(False)
        self._connection = connection
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

    def send(self, data: bytes, deadline: float) -> None:
        """Writes `data`, reading meanwhile; stops early at the deadline, at the end of the stream or at the cap."""
        rest = memoryview(data)
        while rest and not (self.ended or self.capped) and time.monotonic() < deadline:
            rest = rest[self._offer(rest) :]
            if rest:
                self._wait(deadline, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def half_close(self) -> None:
        """The guest sees the end of its input; its output goes on."""
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
            self._wait(deadline, selectors.EVENT_READ)

    def drain(self, deadline: float) -> None:
        """Reads until the stream ends, the cap or the deadline."""
        while not (self.ended or self.capped) and time.monotonic() < deadline:
            self._wait(deadline, selectors.EVENT_READ)

    def gone(self) -> bool:
        """Whether the stream has ended, without waiting; output that arrived is kept."""
        self._wait(time.monotonic(), selectors.EVENT_READ)
        return self.ended

    def close(self) -> None:
        """Idempotent; what was read stays readable."""
        self.ended = True
        self._selector.close()
        self._connection.close()

    def _wait(self, deadline: float, events: int) -> None:
        if self.ended or self.capped:
            return
        self._selector.modify(self._connection, events)
        for _, ready in self._selector.select(max(0.0, deadline - time.monotonic())):
            if ready & selectors.EVENT_READ:
                self._receive()

    def _offer(self, data: memoryview) -> int:
        try:
            return self._connection.send(data[:_CHUNK])
        except BlockingIOError:
            return 0
        except OSError:
            # Nobody reads any more. What the guest said before it went may still be in the socket.
            return len(data)

    def _receive(self) -> None:
        try:
            data = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return
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
