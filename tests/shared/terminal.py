"""A real pseudo-terminal with a program in it, and what an emulator (pyte) shows of it."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte

# Private modes and the kitty keyboard protocol, which pyte would print as text.
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[>=<][0-9;]*[a-z]|\x1b\[\?[0-9;]*\$p")


class Terminal:
    """One program at one terminal; `raw` is every byte that it wrote."""

    def __init__(self, argv: list[str], size: tuple[int, int], environ: Mapping[str, str]) -> None:
        columns, rows = size
        self.raw = b""
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._held = b""
        self.process = subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=dict(environ)
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def read(self, seconds: float) -> None:
        """Takes in what is written within this time, or until nothing more comes."""
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if not ready:
            return
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the program has ended and its side is closed
            data = b""
        self.raw += data
        # An escape sequence may be cut in two by the read; pyte keeps state, but the expression above does not.
        whole = self._held + data
        cut = whole.rfind(b"\x1b", max(0, len(whole) - 16))
        self._held = whole[cut:] if cut >= 0 and len(data) else b""
        self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", whole[: len(whole) - len(self._held)]))

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def wait(self, condition: Callable[[str], bool] | str, seconds: float = 15.0) -> str:
        """Until the screen meets the condition, or contains the text."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.read(0.1)
            text = self.text
            if condition in text if isinstance(condition, str) else condition(text):
                return text
        message = f"never came: {condition!r}; the screen was\n{self.text}"
        raise AssertionError(message)

    def settle(self, seconds: float = 0.7) -> None:
        """Lets the half second pass in which decision keys are dead."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.read(0.05)

    def close(self) -> int:
        """Waits for the end, by force if need be; the exit code."""
        until = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < until:
            self.read(0.1)
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        self.read(0.2)
        os.close(self._ours)
        return code


def program(folder: Path, name: str) -> list[str]:
    """The command that runs the review screen over one of the ports of at_terminal.py."""
    import sys  # the interpreter of the tests is the one of the program

    return [
        sys.executable,
        "-P",
        str(Path(__file__).parent.parent / "tui" / "at_terminal.py"),
        name,
        str(folder / "report.json"),
    ]
