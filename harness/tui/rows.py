"""Rows of labelled text, the one form in which anything reaches the screen; no part can hold a steering character."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len

from harness.records import Severity
from harness.text import visible, visible_line

Role = Literal[
    "plain", "dim", "strong", "head", "key", "added", "removed", "notice",
    "critical", "high", "medium", "low", "info", "good", "bad",
]  # fmt: skip

_RISK: dict[Severity, tuple[str, Role]] = {
    "critical": ("!! CRIT", "critical"),
    "high": ("!  HIGH", "high"),
    "medium": ("~  MED ", "medium"),
    "low": ("-  low ", "low"),
    "info": (".  info", "info"),
}
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")


@dataclass(frozen=True, slots=True)
class Part:
    """A run of text in one role; whatever it is given, it holds printable characters of a single line."""

    text: str
    role: Role = "plain"

    def __post_init__(self) -> None:
        # Line ends are split off before (`lines_of`); one that is left here would break the layout.
        clean = visible(self.text)
        if "\n" in clean or "\t" in clean:
            clean = clean.replace("\n", "␊").replace("\t", "→   ")
        object.__setattr__(self, "text", clean)


@dataclass(frozen=True, slots=True)
class Row:
    """One logical line. `clip` cuts it at the edge (only for what is shown in full elsewhere); else it wraps."""

    parts: tuple[Part, ...]
    indent: int = 0
    clip: bool = False
    anchor: str = ""

    @property
    def text(self) -> str:
        """The row's characters, without roles."""
        return "".join(part.text for part in self.parts)


def row(*parts: str | tuple[str, Role], indent: int = 0, clip: bool = False, anchor: str = "") -> Row:
    """A row from plain strings and (text, role) pairs."""
    made = tuple(Part(part) if isinstance(part, str) else Part(*part) for part in parts)
    return Row(made, indent, clip, anchor)


def risk(severity: Severity | None) -> tuple[str, Role]:
    """Risk as a word and a glyph, with the role that colours it. No finding is said, never called safe."""
    return ("   none", "dim") if severity is None else _RISK[severity]


def lines_of(text: str, role: Role = "plain", indent: int = 0) -> Iterable[Row]:
    """One row for each line of a text; a carriage return stays visible."""
    return (row((line, role), indent=indent) for line in text.split("\n"))


def short(text: str, limit: int) -> str:
    """One line of at most `limit` cells, with an ellipsis where it was cut."""
    clean = visible_line(text, 4 * limit)
    if cell_len(clean) <= limit:
        return clean
    while clean and cell_len(clean) > limit - 1:
        clean = clean[: min(len(clean) - 1, limit - 1)]
    return clean + "…"


def _fits(text: str, start: int, width: int) -> bool:
    # A word longer than a line is broken where it stands: on a line of its own it would be broken as well.
    return cell_len(text[start:].split(" ", 1)[0][: width + 1]) <= width


def breaks(text: str, width: int, indent: int, *, words: bool) -> tuple[int, ...]:
    """Offsets at which a text continues on a next line: each piece fits, `indent` cells are kept free after the first.

    Prose (`words`) breaks after a space where it can; nothing is dropped, so that no text hides behind an edge.
    """
    if text.isascii() and len(text) <= width:
        return ()
    found: list[int] = []
    used = start = 0
    space = -1
    for offset, char in enumerate(text):
        cells = cell_len(char)
        if used + cells > width and offset > start:
            cut = space if words and space > start and _fits(text, space, width - indent) else offset
            found.append(cut)
            start, space = cut, -1
            used = indent + cell_len(text[cut:offset])
        if char == " ":
            space = offset + 1
        used += cells
    return tuple(found)
