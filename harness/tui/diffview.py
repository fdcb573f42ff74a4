"""The diff on the screen: a cursor line, hunk and file jumps, layouts, and which hunks were really shown."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from textual import events

from harness.patch.hunks import Diff
from harness.tui.colours import Coloured
from harness.tui.difflook import DiffLook, row_for
from harness.tui.layout import Layout, Source, lay, partners

SPLIT_FROM = 100  # columns of the pane below which side by side would be too narrow to read
_STEP = 10  # lines of further context at a time


class DiffView(DiffLook):
    """One proposal's diff; lines wrap, so that nothing can hide to the right of the edge."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self.moved: Callable[[], None] = lambda: None  # another line is current, or one more hunk was shown
        self.wanted = Layout()
        self._split = False
        self._source: Source = lambda _path: None
        self._row_of: dict[int, int] = {}
        self._unseen: set[int] = set()
        self._left: list[int] = []
        self._owner: list[int] = []

    def open(self, diff: Diff, source: Source = lambda _path: None) -> None:
        """Shows a diff from its first line, with nothing seen yet. `source` gives whole new files, by path."""
        self.diff, self._source = diff, source
        self.cursor = diff.hunks[0].start if diff.hunks else 0
        self.code = {}
        self.marks, self.nominated = {}, None
        top = max((max(line.old or 0, line.new or 0) for line in diff.lines), default=0)
        self.digits = max(2, len(str(top)))
        self._owner = [diff.hunk_at(number) for number in range(len(diff.lines))]
        self.partners = partners(diff)
        self._unseen = set(range(len(diff.lines)))
        counted = Counter(self._owner)
        self._left = [counted[index] for index in range(len(diff.hunks))]
        self.relay(keep=False)

    def relay(self, *, keep: bool = True) -> None:
        """Lays everything out anew."""
        wanted = self._effective()
        self._split = wanted.split
        self.view = lay(self.diff, wanted, self._source)
        self._row_of = {line: row for row, shown in enumerate(self.view) for line in shown.lines}
        chosen = None if self.nominated is None else self.diff.hunks[self.nominated].start
        self.show([row_for(row, self.digits, nominated=row.line == chosen) for row in self.view], keep=keep)
        if keep:
            self.reveal(max(0, self.row_of(self.cursor) - self.size.height // 3))

    def _effective(self) -> Layout:
        wide = (self.size.width or self.app.size.width) >= SPLIT_FROM
        return self.wanted if wide else replace(self.wanted, split=False)

    def on_resize(self, event: events.Resize) -> None:
        """Side by side only where there is room for it."""
        if self.wanted.split and self._split != self._effective().split and self.view:
            self.relay()
        super().on_resize(event)

    def change(self, layout: Layout) -> None:
        """Lays the same difference out another way, at the same line."""
        self.wanted = layout
        self.relay()
        self.moved()

    def more_context(self, step: int) -> None:
        """Shows more or fewer lines around each hunk."""
        wanted = self.wanted
        self.change(replace(wanted, context=max(0, wanted.context + step * _STEP)))

    def fold(self) -> bool:
        """Folds the current file, or opens it again; whether it is folded now."""
        folded = self.wanted.folded ^ {self.file}
        self.cursor = self.diff.files[self.file].start if self.diff.files else 0
        self.change(replace(self.wanted, folded=folded))
        return self.file in folded

    def row_of(self, line: int) -> int:
        """The row that shows this line of the difference, or the nearest one above it."""
        while line > 0 and line not in self._row_of:
            line -= 1
        return self._row_of.get(line, 0)

    @property
    def file(self) -> int:
        """Index of the file that the cursor is in."""
        return max(0, self.diff.file_at(self.cursor))

    @property
    def seen(self) -> frozenset[int]:
        """Hunks of which every line has been on the screen."""
        return frozenset(index for index, left in enumerate(self._left) if left == 0)

    @property
    def hunks_seen(self) -> int:
        """How many hunks have been on the screen, all of them."""
        return len(self.seen)

    def mark_seen(self, hunks: Iterable[int]) -> None:
        """These hunks were on the screen before, with the same content."""
        for index in hunks:
            span = self.diff.hunks[index]
            self._unseen -= set(range(span.start, span.end))
            self._left[index] = 0

    def to_line(self, line: int, *, above: int = 0) -> None:
        """Puts the cursor on a line of the difference, and what stands so many lines above it at the upper edge."""
        before, self.cursor = self.cursor, max(0, min(len(self.diff.lines) - 1, line))
        for index in (before, self.cursor):
            self._redraw(index)
        if above >= 0:
            self.reveal(max(0, self.row_of(self.cursor) - above))
        self.moved()

    def _redraw(self, line: int) -> None:
        rows = {self.row_of(line)}
        owner = self._owner[line] if line < len(self._owner) else -1
        if owner >= 0:
            rows.add(self.row_of(self.diff.hunks[owner].start))
        self.redraw(rows)

    def coming(self) -> Iterator[int]:
        """What a key may bring into sight next: a page on, the hunks beside, a page back."""
        page = max(1, self.size.height)
        starts = [self.bottom_row() + 1]
        starts += [
            max(0, self.row_of(self.diff.hunks[index].start) - 1)  # a file's heading stands above its first hunk
            for index in (self.hunk + 1, self.hunk - 1)
            if 0 <= index < len(self.diff.hunks)
        ]
        starts.append(self.top_row() - page)
        for start in starts:
            yield from range(max(0, start), min(len(self.view), start + page))

    def move_cursor(self, rows: int) -> None:
        """Moves the cursor by so many rows and keeps it in sight."""
        here = self.row_of(self.cursor)
        if not self.top_row() <= here <= self.bottom_row():
            self.move(rows)  # nothing in sight is of the difference
            return
        at = max(0, min(len(self.view) - 1, here + rows))
        step = 1 if rows > 0 else -1
        while 0 <= at < len(self.view) and self.view[at].line < 0:
            at += step
        if not 0 <= at < len(self.view):
            self.move(rows)
            return
        self.to_line(self.view[at].line, above=-1)
        if at < self.top_row() or self._starts[at] < self.scroll_offset.y:
            self.reveal(at)
        elif self._starts[at + 1] > self.scroll_offset.y + self.size.height:
            self.scroll_to(y=self._starts[at + 1] - self.size.height, animate=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Keeps the cursor in what is in sight."""
        super().watch_scroll_y(old_value, new_value)
        if not self.view or not self.size.height:
            return
        at, top, bottom = self.row_of(self.cursor), self.top_row(), self.bottom_row()
        if not top <= at <= bottom:
            inside = range(top, bottom + 1) if at < top else range(bottom, top - 1, -1)
            line = next((self.view[row].line for row in inside if self.view[row].line >= 0), self.cursor)
            self.to_line(line, above=-1)

    def step_hunk(self, step: int) -> bool:
        """Goes to the next or previous hunk; False at the end."""
        before_first = self.diff.hunk_at(self.cursor) < 0
        return self.go_hunk(0 if before_first and step > 0 else self.hunk + step)

    def go_hunk(self, index: int) -> bool:
        """Goes to a hunk, with its file's heading where that stands right above; False where there is none."""
        if not 0 <= index < len(self.diff.hunks):
            return False
        start = self.diff.hunks[index].start
        heading = start > 0 and self.diff.lines[start - 1].kind == "file"
        self.to_line(start, above=1 if heading else 0)
        return True

    def step_file(self, step: int) -> bool:
        """Goes to the first hunk of the next or previous file; False at the end."""
        wanted = self.file + step
        return 0 <= wanted < len(self.diff.files) and self.go_file(wanted)

    def go_file(self, index: int) -> bool:
        """Goes to the first hunk of this file."""
        span = self.diff.files[index]
        first = self.diff.hunk_at(span.start) + 1
        if first < len(self.diff.hunks) and self.diff.hunks[first].start < span.end:
            return self.go_hunk(first)
        self.to_line(span.start)
        return True

    def go_to(self, path: str, number: int) -> bool:
        """Goes to a line of the new file, or the nearest one that is in the difference; False when the file is not."""
        file = next((span for span in self.diff.files if span.path == path), None)
        if file is None:
            return False
        near = [index for index in range(file.start, file.end) if self.diff.lines[index].new is not None]
        best = min(near, key=lambda index: abs((self.diff.lines[index].new or 0) - number), default=file.start)
        self.to_line(best, above=3)
        return True

    def was_drawn(self, index: int, *, last: bool) -> None:
        """Counts the lines of a row as shown once its last piece was."""
        if not last:
            return
        for line in self.view[index].lines:
            if line in self._unseen:
                self._unseen.discard(line)
                owner = self._owner[line]
                if owner >= 0:
                    self._left[owner] -= 1
                    if self._left[owner] == 0:
                        self.call_later(self.moved)

    def mark(self, marks: Mapping[int, str], nominated: int | None) -> None:
        """Signs in the margin, by line, and the nominated hunk."""
        changed = nominated != self.nominated
        self.marks, self.nominated = marks, nominated
        if changed:
            top = self.top_row()
            self.relay(keep=True)
            self.reveal(top)
        self._drawn.clear()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor."""
        row = self.row_at(event.y)
        if 0 <= row < len(self.view) and self.view[row].line >= 0:
            self.to_line(self.view[row].line, above=-1)

    def take_colours(self, diff: Diff, found: Mapping[int, Coloured]) -> None:
        """Uses colours that were made beside the screen, if the same difference is still shown."""
        if diff is self.diff and found and self.is_attached:
            changed = [line for line, code in found.items() if self.code.get(line) != code]
            self.code.update(found)
            self.redraw({self._row_of[line] for line in changed if line in self._row_of})

    def restyle(self) -> None:
        """Lexes again in the new theme's colours."""
        self.code.clear()
        super().restyle()
