"""A small terminal, to see what a text does to one: clipboard, title, links, movement, overwriting; draws nothing.

It knows what the probes of group `reviewer` send and no more; real terminals obey a great deal besides.
"""

import base64
import binascii
import re
import unicodedata
from typing import Final

_TOKEN: Final = re.compile(
    r"(?:\x1b\]|\x9d)(?P<osc>\d+);(?P<said>[^\x07\x1b\x9c]*)(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)(?P<args>[0-9;?]*)(?P<csi>[@-~])"
    r"|(?P<char>.)",
    re.DOTALL,
)
_UNSEEN: Final = ("Cf", "Cc", "Mn", "Me")


class Terminal:
    """Takes text as a terminal would; `did` are sentences about everything but showing the text."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self._rows: list[list[str]] = [[]]
        self._row = self._column = 0

    def write(self, text: str) -> None:
        """Obeys the sequences in it and shows the rest."""
        for found in _TOKEN.finditer(text):
            if found["osc"]:
                self._command(found["osc"], found["said"])
            elif found["csi"]:
                self._control(found["csi"], found["args"])
            else:
                self._put(found["char"])

    @property
    def seen(self) -> str:
        """What stands on the screen at the end, without what takes no room."""
        return "\n".join("".join(row).rstrip() for row in self._rows)

    def _command(self, number: str, said: str) -> None:
        match number:
            case "52":
                try:
                    text = base64.b64decode(said.rpartition(";")[2]).decode(errors="replace")
                except binascii.Error:
                    return
                self.did.append(f"the clipboard now holds {text!r}")
            case "0" | "2":
                self.did.append(f"the window is now called {said!r}")
            case "8" if said.strip(";"):
                self.did.append(f"the text is a link to {said.rpartition(';')[2]}")
            case _:
                return

    def _control(self, letter: str, args: str) -> None:
        match letter:
            case "J":
                self._rows, self._row, self._column = [[]], 0, 0
                self.did.append("the screen was cleared")
            case "A":
                self._row = max(0, self._row - int(args or 1))
                self.did.append("the cursor went up")
            case _:
                self.did.append(f"the sequence CSI {args}{letter} was obeyed")

    def _put(self, char: str) -> None:
        if char == "\n":
            self._row, self._column = self._row + 1, 0
            self._rows += [[] for _ in range(self._row + 1 - len(self._rows))]
        elif char in "\r\b":
            self._column = 0 if char == "\r" else max(0, self._column - 1)
        elif char == "\t":
            self._show(" ")
        elif unicodedata.bidirectional(char) in ("RLO", "LRO", "RLE", "LRE", "RLI", "LRI", "FSI"):
            self.did.append(f"U+{ord(char):04X} turned the order of what follows")
        elif unicodedata.category(char) not in _UNSEEN:
            self._show(char)

    def _show(self, char: str) -> None:
        row = self._rows[self._row]
        row += [" "] * (self._column - len(row))
        if self._column < len(row) and row[self._column] not in (" ", char):
            self.did.append("what stood there was written over")
        row[self._column : self._column + 1] = [char]
        self._column += 1
