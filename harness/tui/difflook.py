"""How the rows of a difference are drawn: numbers, signs, colours, changed words, one column or two."""

from collections.abc import Mapping, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from harness.patch.hunks import Diff, DiffLine
from harness.tui.colours import Coloured, lex_chunk, with_spans
from harness.tui.layout import ViewRow, printable, word_changes
from harness.tui.lines import LinesView, divided
from harness.tui.rows import Part, Row, breaks

_NOMINATED = "  ◆ nominated"
_SIGNS = {"added": "+", "removed": "-", "context": " "}


class DiffLook(LinesView):
    """A view of `view`, rows of a laid out difference; `cursor` is the current line, `marks` are signs by line."""

    words = False

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id, focusable=True)
        self.diff = Diff((), (), ())
        self.cursor = 0
        self.marks: Mapping[int, str] = {}
        self.nominated: int | None = None
        self.view: tuple[ViewRow, ...] = ()
        self.digits = 4
        self.partners: dict[int, int] = {}
        self.code: dict[int, Coloured] = {}

    @property
    def hunk(self) -> int:
        """Index of the hunk that the cursor is in."""
        return max(0, self.diff.hunk_at(self.cursor))

    def fill(self, index: int) -> Style:
        """Added and removed lines are coloured from edge to edge."""
        shown = self.view[index]
        plain = super().fill(index)
        if shown.main.kind == "hunk":
            return self.palette.hunk_line + plain
        return plain if shown.note or shown.split else self._side(shown.main) + plain

    def _side(self, line: DiffLine | None) -> Style:
        palette = self.palette
        kind = line.kind if line is not None else "none"
        return {"added": palette.added_line, "removed": palette.removed_line}.get(kind, Style.null())

    def lead(self, index: int) -> Segment:
        """A continued line is marked as one."""
        indent = self.rows[index].indent
        if indent >= self._width // 2:
            return Segment("")
        return Segment(" " * (indent - 2) + "↪ ", self.palette["dim"])

    def segments(self, index: int) -> list[Segment]:
        """Both line numbers, the sign, and the line in syntax colours."""
        palette = self.palette
        shown = self.view[index]
        line = shown.main
        note = [Segment(f"   ({shown.note})", palette["notice"])] if shown.note else []
        match line.kind:
            case "file":
                return [Segment(printable(line.text), palette["head"]), *note]
            case "hunk":
                owner = self.diff.hunk_at(shown.line)
                nominated = [Segment(_NOMINATED, palette["notice"])] if owner == self.nominated else []
                role = palette["key"] if owner == self.hunk else palette["dim"]
                return [Segment(printable(line.text), role), *nominated]
            case "note":
                return [Segment(" " * (2 * self.digits + 5) + printable(line.text), palette["dim"])]
            case _:
                old = shown.left or line
                numbers = f"{self._margin(shown)}{_number(old.old, self.digits)} {_number(line.new, self.digits)} "
                sign = "~" if shown.note else _SIGNS[line.kind]
                role = palette["added" if line.kind == "added" else "removed"]
                body = self._body(line, shown.line)
                return [Segment(numbers, palette["dim"]), Segment(f"{sign} ", role), *body, *note]

    def _margin(self, shown: ViewRow) -> str:
        if self.cursor in shown.lines:
            return "▸"
        return next((self.marks[line] for line in shown.lines if line in self.marks), " ")

    def _body(self, line: DiffLine, index: int) -> list[Segment]:
        """The line's text; what is not of the difference is dim."""
        palette = self.palette
        if index < 0:
            return [Segment(printable(line.text), palette["dim"])]
        if index not in self.code:
            for number, found in lex_chunk(self.diff, index, palette).items():
                self.code.setdefault(number, found)
        spans = self._changed_words(index)
        if not spans:
            return list(self.code[index])
        return with_spans(self.code[index], spans, palette.added_word if line.kind == "added" else palette.removed_word)

    def _changed_words(self, index: int) -> Sequence[tuple[int, int]]:
        other = self.partners.get(index)
        if other is None:
            return ()
        low, high = min(index, other), max(index, other)
        before, after = (printable(self.diff.lines[each].text) for each in (low, high))
        return word_changes(before, after)[0 if index == low else 1]

    @property
    def _column(self) -> int:
        return (self._width - 1) // 2

    @property
    def _room(self) -> int:
        return max(8, self._column - self.digits - 4)

    def height_of(self, index: int) -> int:
        """Side by side, the longer of the two columns counts."""
        shown = self.view[index]
        if not shown.split:
            return super().height_of(index)
        texts = [printable(line.text) for line in (shown.left, shown.right) if line is not None]
        return max(len(breaks(text, self._room, 0, words=False)) + 1 for text in texts)

    def _draw(self, index: int) -> list[Strip]:
        shown = self.view[index]
        if not shown.split:
            return super()._draw(index)
        left, right = self._pieces(shown, first=True), self._pieces(shown, first=False)
        height = max(len(left), len(right))
        bar = Segment("│", self.palette["dim"])
        base = self.base + super().fill(index)
        widths = self._column, self.size.width - self._column - 1
        sides = [
            [
                piece.adjust_cell_length(width).apply_style(self._side(line))
                for piece in (*column, *[Strip([])] * (height - len(column)))
            ]
            for column, width, line in zip((left, right), widths, (shown.left, shown.right), strict=True)
        ]
        return [
            Strip([*one, bar, *two]).adjust_cell_length(self.size.width).apply_style(base)
            for one, two in zip(*sides, strict=True)
        ]

    def _pieces(self, shown: ViewRow, *, first: bool) -> list[Strip]:
        line, index = (shown.left, shown.old) if first else (shown.right, shown.new)
        palette = self.palette
        margin = self._margin(shown) if first else " "
        if line is None:
            return [Strip([Segment(margin, palette["dim"])])]
        head = Segment(f"{margin}{_number(line.old if first else line.new, self.digits)} ", palette["dim"])
        sign = Segment(f"{_SIGNS[line.kind]} ", palette["added" if line.kind == "added" else "removed"])
        pieces = divided(self._body(line, index), breaks(printable(line.text), self._room, 0, words=False))
        lead = Segment(" " * (self.digits + 2) + "↪ ", palette["dim"])
        return [Strip([lead, *piece] if place else [head, sign, *piece]) for place, piece in enumerate(pieces)]


def _number(value: int | None, width: int) -> str:
    return f"{'' if value is None else value:>{width}}"


def row_for(shown: ViewRow, digits: int, *, nominated: bool = False) -> Row:
    """The row's characters as they are drawn in one column, for wrapping and searching."""
    line = shown.main
    indent = 2 * digits + 5
    blank = " " * indent if line.kind in _SIGNS or line.kind == "note" else ""
    beside = shown.split and shown.left is not None and shown.left is not line
    other = (Part("  " + printable(shown.left.text)),) if beside and shown.left is not None else ()
    note = (Part(f"   ({shown.note})"),) if shown.note else ()
    mark = (Part(_NOMINATED),) if nominated else ()
    return Row((Part(blank + printable(line.text)), *other, *note, *mark), indent)
