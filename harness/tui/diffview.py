"""The diff on the screen: line numbers, colours, hunk and file jumps, and which hunks were really shown."""

from collections import Counter

from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax
from rich.text import Text
from textual.message import Message

from harness.text import visible
from harness.tui.diffs import Diff, DiffLine, Span
from harness.tui.lines import LinesView, palette_of
from harness.tui.rows import Part, Row

_LANGUAGES = {
    "py": "python", "pyi": "python", "toml": "toml", "json": "json", "md": "markdown", "yml": "yaml",
    "yaml": "yaml", "sh": "bash", "cfg": "ini", "ini": "ini",
}  # fmt: skip
_CHUNK = 100  # lines lexed together: enough for strings that span lines, small enough for one frame
_LONG = 600  # a longer line is shown without syntax colours, so that no lexer works on it
_ODD = r"[^\x00-\x7f]+|<U\+[0-9A-F]{4,6}>"
_SIGNS = {"added": "+", "removed": "-", "context": " "}


def printable(text: str) -> str:
    """A code line as shown: tabs as an arrow and room, every steering character as its mark."""
    return visible(text).replace("\n", "␊").replace("\t", "→   ")


class DiffView(LinesView):
    """One proposal's diff; lines wrap, so that nothing can hide to the right of the edge."""

    words = False

    class Moved(Message):
        """Another hunk is at the top, or one more was shown."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id, focusable=True)
        self.diff = Diff((), (), ())
        self.hunk = 0
        self._gutter = 4
        self._code: dict[int, Text] = {}
        self._unseen: set[int] = set()
        self._left: list[int] = []
        self._owner: list[int] = []

    def open(self, diff: Diff) -> None:
        """Shows a diff from its first line, with nothing seen yet."""
        self.diff = diff
        self.hunk = 0
        self._code = {}
        top = max((max(line.old or 0, line.new or 0) for line in diff.lines), default=0)
        self._gutter = max(2, len(str(top)))
        indent = 2 * self._gutter + 5
        self._owner = [diff.hunk_at(number) for number in range(len(diff.lines))]
        self._unseen = set(range(len(diff.lines)))
        counted = Counter(self._owner)
        self._left = [counted[index] for index in range(len(diff.hunks))]
        self.show([Row((Part(self._blank(line) + printable(line.text)),), indent) for line in diff.lines])

    @property
    def hunks_seen(self) -> int:
        """Hunks of which every line has been on the screen."""
        return self._left.count(0)

    def _blank(self, line: DiffLine) -> str:
        return " " * (2 * self._gutter + 5) if line.kind in _SIGNS or line.kind == "note" else ""

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Keeps the current hunk in step with what is at the top."""
        super().watch_scroll_y(old_value, new_value)
        if self.diff.hunks:
            top, bottom = self.top_row(), self.bottom_row()
            if not top <= self.diff.hunks[self.hunk].start <= bottom:
                self.hunk = max(0, self.diff.hunk_at(top))
            self.post_message(self.Moved())

    def step_hunk(self, step: int) -> bool:
        """Goes to the next or previous hunk; False at the end."""
        return self._go(self.hunk + step)

    def step_file(self, step: int) -> bool:
        """Goes to the first hunk of the next or previous file; False at the end."""
        if not self.diff.hunks:
            return False
        wanted = self.file + step
        return 0 <= wanted < len(self.diff.files) and self.go_file(wanted)

    def go_file(self, index: int) -> bool:
        """Goes to the first hunk of this file."""
        span = self.diff.files[index]
        first = self.diff.hunk_at(span.start) + 1
        if first < len(self.diff.hunks) and self.diff.hunks[first].start < span.end:
            self._go(first)
        self.reveal(span.start)
        return True

    @property
    def file(self) -> int:
        """Index of the current hunk's file."""
        return self.diff.file_at(self.diff.hunks[self.hunk].start) if self.diff.hunks else 0

    def _go(self, index: int) -> bool:
        if not 0 <= index < len(self.diff.hunks):
            return False
        before, self.hunk = self.hunk, index
        for hunk in (before, index):
            self._drawn.pop(self.diff.hunks[hunk].start, None)
        start = self.diff.hunks[index].start
        # A file's heading belongs to its first hunk.
        self.reveal(start - 1 if start and self.diff.lines[start - 1].kind == "file" else start)
        self.hunk = index
        self.refresh()
        self.post_message(self.Moved())
        return True

    def was_drawn(self, index: int, *, last: bool) -> None:
        """Counts a line as shown once its last piece was."""
        if last and index in self._unseen:
            self._unseen.discard(index)
            owner = self._owner[index]
            if owner >= 0:
                self._left[owner] -= 1
                if self._left[owner] == 0:
                    self.post_message(self.Moved())

    def fill(self, index: int) -> Style:
        """Added and removed lines are coloured from edge to edge."""
        palette = palette_of(self.app)
        kind = self.diff.lines[index].kind
        styles = {"added": palette.added_line, "removed": palette.removed_line, "hunk": palette.hunk_line}
        return styles.get(kind, Style.null()) + super().fill(index)

    def lead(self, index: int) -> Segment:
        """A continued line is marked as one."""
        indent = self.rows[index].indent
        if indent >= self._width // 2:
            return Segment("")
        return Segment(" " * (indent - 2) + "↪ ", palette_of(self.app)["dim"])

    def segments(self, index: int) -> list[Segment]:
        """Both line numbers, the sign, and the line in syntax colours."""
        palette = palette_of(self.app)
        line = self.diff.lines[index]
        if line.kind == "file":
            return [Segment(printable(line.text), palette["head"])]
        if line.kind == "hunk":
            current = bool(self.diff.hunks) and self.diff.hunks[self.hunk].start == index
            return [Segment(printable(line.text), palette["key"] if current else palette["dim"])]
        if line.kind == "note":
            return [Segment(self._blank(line) + printable(line.text), palette["dim"])]
        old = "" if line.old is None else str(line.old)
        new = "" if line.new is None else str(line.new)
        numbers = Segment(f" {old:>{self._gutter}} {new:>{self._gutter}} ", palette["dim"])
        sign = Segment(f"{_SIGNS[line.kind]} ", palette["added" if line.kind == "added" else "removed"])
        return [numbers, sign, *self._colour(index)]

    def _colour(self, index: int) -> list[Segment]:
        if index not in self._code:
            self._lex(index)
        return [Segment(part.text, part.style) for part in self._code[index].render(self.app.console) if part.text]

    def _lex(self, index: int) -> None:
        owner = self._owner[index]
        span = self.diff.hunks[owner] if owner >= 0 else Span("", index, index + 1, 0, 0)
        first = span.start + (index - span.start) // _CHUNK * _CHUNK
        chunk = range(first, min(first + _CHUNK, span.end))
        # Each side is lexed as its own text; a context line takes the colours of the new side.
        for kinds in (("removed", "context"), ("added", "context")):
            numbers = [number for number in chunk if self.diff.lines[number].kind in kinds]
            shown = [printable(self.diff.lines[number].text) for number in numbers]
            self._code.update(zip(numbers, self._highlighted(shown, span.path), strict=True))

    def _highlighted(self, lines: list[str], path: str) -> list[Text]:
        palette = palette_of(self.app)
        language = _LANGUAGES.get(path.rpartition(".")[2].lower(), "")
        lexed: list[Text] = []
        if lines and language and all(len(line) <= _LONG for line in lines):
            whole = Syntax("", language, theme=palette.code, tab_size=4).highlight("\n".join(lines))
            lexed = list(whole.split("\n", allow_blank=True))
        made = [
            lexed[number] if number < len(lexed) and lexed[number].plain == line else Text(line)
            for number, line in enumerate(lines)
        ]
        for text in made:
            text.end = ""
            text.highlight_regex(_ODD, palette.odd)
        return made

    def restyle(self) -> None:
        """Lexes again in the new theme's colours."""
        self._code.clear()
        super().restyle()
