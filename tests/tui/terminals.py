"""Opens the review screen at a real pseudo-terminal, and says what may not be among the bytes that it wrote."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from hostile_port import PAYLOADS

from harness.text import mark
from tests.shared.terminal import Terminal, program

ROOT = Path(__file__).parents[2]
CSI = re.compile(r"\x1b\[([0-9;?<>=$]*)([A-Za-z])")
_POINTER = re.compile(r"\x1b\]22;[a-z-]*\x07")  # the pointer's shape, from Textual's own list of names
_OURS = set("mHhlup")  # colours, cursor, modes, keyboard protocol, mode query: all that Textual writes
Open = Callable[..., Terminal]


def program_at(folder: Path, name: str, size: tuple[int, int] = (80, 24), **environ: str) -> Terminal:
    """The screen over a named port of at_terminal.py, at a size."""
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TEXTUAL", "COLUMNS", "LINES")}
    path = f"{ROOT}{os.pathsep}{Path(__file__).parent}"
    base = kept | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": path}
    return Terminal(program(folder, name), size, base | environ)


def forbidden(raw: bytes) -> list[str]:
    """Payloads, and whatever else could steer a terminal beside the sequences that are Textual's own."""
    try:
        text = raw.decode("utf-8")  # a lone C1 byte or a torn character fails here
    except UnicodeDecodeError as error:
        return [f"no UTF-8: {error}"]
    found = [f"sequence {match[0]!r}" for match in CSI.finditer(text) if match[2] not in _OURS]
    text = _POINTER.sub("", text)
    rest = CSI.sub("", text)
    found += sorted({f"U+{ord(char):04X}" for char in rest if mark(char) is not None and char not in "\r"})
    found += [
        f"payload {payload!r}"
        for payload in PAYLOADS
        if any(mark(char) is not None for char in payload) and payload not in ("\r",) and payload in text
    ]
    return found
