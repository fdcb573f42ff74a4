"""A scrolling view of rows that draws only the lines in sight (Textual's line API); it never cuts text off unseen."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from time import perf_counter

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from harness.tui.palette import DARK, LIGHT, PLAIN, Palette
from harness.tui.rows import Row, breaks, short

_SLICE = 0.004  # seconds that drawing ahead may keep a key waiting
_REST = 0.002  # seconds between two such slices


def palette_of(app: App[object]) -> Palette:
    """The palette for this terminal: none of the colours under NO_COLOR."""
    if app.no_color:
        return PLAIN
    return DARK if app.current_theme.dark else LIGHT


class LinesView(ScrollView, inherit_bindings=False):
    """Rows, wrapped to the width at hand. Subclasses may draw a row themselves (`segments`)."""

    DEFAULT_CSS = """
    LinesView { overflow-x: hidden; overflow-y: auto; background: $background; scrollbar-size-vertical: 1; }
    """
    words = True

    def __init__(self, *, id: str | None = None, fit: int = 0, focusable: bool = False) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self.can_focus = focusable
        self.rows: Sequence[Row] = ()
        self._fit = fit
        self._starts: list[int] = [0]
        self._width = 0
        self._drawn: dict[int, list[Strip]] = {}
        self.match: int | None = None
        self._base: Style | None = None
        self._palette: Palette | None = None
        self._ahead: Timer | None = None

    @property
    def base(self) -> Style:
        """The widget's own style; asking Textual for it is slow, so it is kept until styles change."""
        if self._base is None:
            self._base = self.rich_style
        return self._base

    @property
    def palette(self) -> Palette:
        """The palette at this time; kept as `base` is."""
        if self._palette is None:
            self._palette = palette_of(self.app)
        return self._palette

    def notify_style_update(self) -> None:
        """Styles have changed."""
        self._base = self._palette = None
        super().notify_style_update()

    def show(self, rows: Sequence[Row], *, keep: bool = False) -> None:
        """Puts these rows into the view; `keep` stays at the place that was looked at."""
        self.rows = rows
        self.match = None
        self.lay_out()
        if not keep:
            self.scroll_to(y=0, animate=False)

    def lay_out(self) -> None:
        """Lays the rows out for the current width."""
        self._drawn.clear()
        width = self._text_width()
        self._width = width
        self._starts = [0, *accumulate(map(self.height_of, range(len(self.rows))))]
        if self._fit:
            self.styles.height = min(self._fit, max(1, self._starts[-1]))
        self.virtual_size = Size(width, self._starts[-1])
        self.refresh()
        self._draw_ahead_soon()

    def _text_width(self) -> int:
        own = self.size.width or self.app.size.width
        # The bar's column is kept free at all times, so that the layout cannot flip while it appears.
        return max(8, own - (0 if self._fit else self.styles.scrollbar_size_vertical))

    def height_of(self, index: int) -> int:
        """Lines that this row takes at the current width."""
        return len(self._cuts(index)) + 1

    def _cuts(self, index: int) -> tuple[int, ...]:
        row = self.rows[index]
        if row.clip:
            return ()
        indent = row.indent if row.indent < self._width // 2 else 0
        return breaks(row.text, self._width, indent, words=self.words)

    def on_resize(self, event: events.Resize) -> None:
        """Lays out again when the width changed, at the same row."""
        if self._text_width() != self._width:
            top = self.top_row()
            self.lay_out()
            self.reveal(top)

    def top_row(self) -> int:
        """Index of the row at the upper edge."""
        return max(0, min(len(self.rows) - 1, bisect_right(self._starts, self.scroll_offset.y) - 1))

    def bottom_row(self) -> int:
        """Index of the last row in sight."""
        last = self.scroll_offset.y + max(1, self.size.height) - 1
        return max(0, min(len(self.rows) - 1, bisect_right(self._starts, last) - 1))

    def row_at(self, y: int) -> int:
        """Index of the row at this height of the widget; past the last one if there is none."""
        return bisect_right(self._starts, self.scroll_offset.y + y) - 1

    def reveal(self, index: int) -> None:
        """Scrolls so that this row is at the upper edge, as far as there is text below it."""
        if 0 <= index < len(self.rows):
            self.scroll_to(y=self._starts[index], animate=False)

    def reveal_anchor(self, anchor: str) -> None:
        """Scrolls to the row that carries this anchor, if one does."""
        for index, row in enumerate(self.rows):
            if row.anchor == anchor:
                self.reveal(index)
                return

    def find(self, wanted: str) -> bool:
        """Goes to the next row that contains the text (case does not matter), round the end; False if none does."""
        return self.find_from(self.top_row() if self.match is None else self.match + 1, wanted)

    def find_from(self, after: int, wanted: str) -> bool:
        """As `find`, from this row on."""
        needle = wanted.casefold()
        order = [*range(after, len(self.rows)), *range(after)]
        self.match = next((index for index in order if needle in self.rows[index].text.casefold()), None)
        self._drawn.clear()
        if self.match is not None:
            self.scroll_to(y=max(0, self._starts[self.match] - self.size.height // 3), animate=False)
        self.refresh()
        return self.match is not None

    def move(self, lines: int) -> None:
        """Scrolls by so many lines, at once."""
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False)

    def restyle(self) -> None:
        """Draws again in the palette of a new theme."""
        self._drawn.clear()
        self._base = self._palette = None
        self.refresh()

    def segments(self, index: int) -> list[Segment]:
        """One row as styled runs of text."""
        palette = self.palette
        row = self.rows[index]
        made = [Segment(part.text, palette[part.role]) for part in row.parts]
        if row.clip and len(row.text) > self._width // 2:
            return _clipped(made, self._width)
        return made

    def fill(self, index: int) -> Style:
        """The style that a row has from edge to edge."""
        return self.palette.match if index == self.match else Style.null()

    def lead(self, index: int) -> Segment:
        """What a continued line of this row begins with."""
        indent = self.rows[index].indent
        return Segment(" " * (indent if indent < self._width // 2 else 0))

    def render_line(self, y: int) -> Strip:
        """The strip at this height of the widget."""
        line = self.scroll_offset.y + y
        index = bisect_right(self._starts, line) - 1
        if not self.rows or index >= len(self.rows):
            return Strip.blank(self.size.width, self.base)
        if index not in self._drawn:
            self._drawn[index] = self._draw(index)
        piece = line - self._starts[index]
        self.was_drawn(index, last=piece == len(self._drawn[index]) - 1)
        return self._drawn[index][piece]

    def redraw(self, rows: Iterable[int]) -> None:
        """Draws these rows anew, and no others: a whole screen takes longer than a key may."""
        top, bottom = self.top_row(), self.bottom_row()
        for index in rows:
            self._drawn.pop(index, None)
            if top <= index <= bottom and index < len(self.rows):
                self.refresh_lines(self._starts[index], self._starts[index + 1] - self._starts[index])
        self._draw_ahead_soon()

    def coming(self) -> Iterator[int]:
        """Rows that the next key may bring into sight, the likeliest first; drawn while nothing else is to do."""
        return iter(())

    def _draw_ahead_soon(self) -> None:
        if self._ahead is None and self.is_attached:
            self._ahead = self.set_timer(_REST, self._draw_ahead)

    def _draw_ahead(self) -> None:
        self._ahead = None
        until = perf_counter() + _SLICE
        for index in self.coming():
            if index not in self._drawn:
                self._drawn[index] = self._draw(index)
                if perf_counter() > until:
                    self._draw_ahead_soon()
                    return

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows will come into sight next."""
        super().watch_scroll_y(old_value, new_value)
        self._draw_ahead_soon()

    def was_drawn(self, index: int, *, last: bool) -> None:
        """Called for each line of a row that goes to the screen; `last` when it is the row's last line."""

    def _draw(self, index: int) -> list[Strip]:
        pieces = divided(self.segments(index), self._cuts(index))
        base = self.base + self.fill(index)
        lead = self.lead(index)
        return [
            Strip([lead, *piece] if number else list(piece)).adjust_cell_length(self.size.width).apply_style(base)
            for number, piece in enumerate(pieces)
        ]


def divided(segments: list[Segment], cuts: Sequence[int]) -> list[Strip]:
    """One line as the pieces that it breaks into at these offsets."""
    whole = Strip(segments)
    cells = [whole.index_to_cell_position(cut) for cut in cuts]
    return list(whole.divide([*cells, whole.cell_length])) if cells else [whole]


def _clipped(segments: list[Segment], width: int) -> list[Segment]:
    left = width
    kept: list[Segment] = []
    for text, style, _ in segments:
        if left <= 0:
            break
        cut = Segment(short(text, left) if text else "", style)
        kept.append(cut)
        left -= cut.cell_length
    return kept
