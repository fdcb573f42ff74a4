"""The queue: what waits for a person, ten thousand rows as fast as ten; it opens proposals and decides nothing."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.strip import Strip

from harness.records import QueueRow
from harness.tui.fields import SearchField
from harness.tui.guard import Guarded, TypeAhead
from harness.tui.lines import LinesView, palette_of
from harness.tui.rows import Part, risk, row, short
from harness.tui.sheet import age

_NUMBER = re.compile(r"\s[-+×\[]?[\d.]")
WIDE = 110  # columns from which verdict and author have room


class QueueList(ScrollView, inherit_bindings=False):
    """One line for each proposal; only those in sight are formatted."""

    DEFAULT_CSS = """
    QueueList {
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; height: 1fr; background: $background;
    }
    """
    can_focus = True

    class Chosen(Message):
        """The reviewer wants to see this proposal."""

        def __init__(self, proposal: str) -> None:
            super().__init__()
            self.proposal = proposal

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(id="queue")
        self._now = now
        self._at = now()
        self.all: Sequence[QueueRow] = ()
        self.shown: Sequence[QueueRow] = ()
        self.cursor = 0
        self.marked: frozenset[str] = frozenset()

    def mark(self) -> None:
        """Marks the proposal under the cursor, or takes its mark back."""
        if self.shown:
            self.marked ^= {self.shown[self.cursor].proposal}
            self.move(1)

    def load(self, rows: Sequence[QueueRow], wanted: str = "") -> None:
        """Shows the rows that contain the wanted text; the cursor stays on its proposal if it is still there."""
        at = self.shown[self.cursor].proposal if self.shown else ""
        self.all, self._at = rows, self._now()
        self.marked &= {one.proposal for one in rows}
        needle = wanted.casefold()
        self.shown = [one for one in rows if needle in _searched(one)] if needle else rows
        self.cursor = next((number for number, one in enumerate(self.shown) if one.proposal == at), 0)
        self.virtual_size = Size(self.size.width or 80, len(self.shown))
        self.move(0)
        self.refresh()

    def move(self, lines: int) -> None:
        """Moves the cursor and keeps it in sight."""
        self.cursor = max(0, min(len(self.shown) - 1, self.cursor + lines))
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False)
        self.refresh()

    def choose(self) -> None:
        """Asks for the proposal under the cursor to be opened."""
        if self.shown:
            self.post_message(self.Chosen(self.shown[self.cursor].proposal))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor, a second one opens."""
        line = self.scroll_offset.y + event.y
        if line < len(self.shown):
            if line == self.cursor and event.chain > 1:
                self.choose()
            self.move(line - self.cursor)

    def on_resize(self, event: events.Resize) -> None:
        """The rows follow the width by themselves; only the cursor may have gone out of sight."""
        self.virtual_size = Size(event.size.width, len(self.shown))
        self.move(0)

    def render_line(self, y: int) -> Strip:
        """The row at this height."""
        index = self.scroll_offset.y + y
        if index >= len(self.shown):
            return Strip.blank(self.size.width, self.rich_style)
        palette = palette_of(self.app)
        here = index == self.cursor
        one = self.shown[index]
        parts = queue_parts(one, self._at, self.size.width - 1, here=here, marked=one.proposal in self.marked)
        base = self.rich_style + (palette.cursor if here else Style.null())
        strip = Strip([Segment(part.text, palette[part.role]) for part in parts])
        return strip.adjust_cell_length(self.size.width).apply_style(base)


def _searched(one: QueueRow) -> str:
    return f"{one.proposal} {one.title} {one.author} {one.state} {one.verdict or ''} {one.risk or ''}".casefold()


def outcome_of(effect: str) -> str:
    """The effects without their numbers: these are sealed until the reviewer's first verdict."""
    return "; ".join(_NUMBER.split(one, 1)[0].strip() for one in effect.split(";"))


def queue_parts(one: QueueRow, now: datetime, width: int, *, here: bool, marked: bool = False) -> tuple[Part, ...]:
    """One queue row within a width: risk first, the agent's own title last."""
    word, role = risk(one.risk)
    counts = f"+{one.added} -{one.removed}"
    wide = width >= WIDE
    size = 28 if wide else 12
    verdict = f"{one.verdict or '–':<12} " if wide else ""
    author = f"{_cell(one.author, 18)}  " if wide else ""
    parts = (
        Part(f"{'×' if marked else ' '}{'▸' if here else ' '} ", "key"),
        Part(word, role),
        Part(f" {_cell(one.proposal, 7)}", "strong"),
        Part(f"{_cell(one.state, 12 if wide else 9)} {verdict}{counts:>8}  {age(one.since, now):>4}  "),
        Part(f"{_cell(outcome_of(one.effect) or '–', size)}  "),
        Part(author, "dim"),
    )
    used = sum(cell_len(part.text) for part in parts)
    return (*parts, Part(short(one.title, max(8, width - used))))


def _cell(text: str, size: int) -> str:
    return set_cell_size(short(text, size), size)


def _titles(width: int) -> str:
    wide = width >= WIDE
    verdict = f"{'VERDICT':<12} " if wide else ""
    last = f"{'EFFECT':<28}  {'AUTHOR':<18}  TITLE" if wide else f"{'EFFECT':<12}  TITLE"
    return f"   {'RISK':<7} {'ID':<7}{'STATE':<{12 if wide else 9}} {verdict}{'+/-':>8}  {'AGE':>4}  {last}"


class QueueScreen(Guarded, Screen[None]):
    """Everything that waits, one line each."""

    CSS = "QueueScreen { layout: vertical; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "next proposal", id="queue.down"),
        Binding("k,up", "move(-1)", "previous proposal", id="queue.up"),
        Binding("space,pagedown", "page(1)", "a page down", id="queue.page-down"),
        Binding("b,pageup", "page(-1)", "a page up", id="queue.page-up"),
        Binding("g,home", "move(-1000000000)", "first", id="queue.first"),
        Binding("G,end", "move(1000000000)", "last", id="queue.last"),
        Binding("enter", "open", "review the proposal", id="queue.open"),
        Binding("slash", "search", "search", id="queue.search"),
        Binding("u,f5", "reload", "read the queue again", id="queue.reload"),
        Binding("x", "mark", "mark, to reject several at once", id="queue.mark"),
        Binding("X", "reject", "reject what is marked…", id="queue.reject"),
        Binding("H", "app.history", "every decision so far", id="queue.history"),
        Binding("ctrl+p", "app.commands", "find a command", id="queue.commands"),
        Binding("question_mark", "app.keys", "help", id="queue.help"),
        Binding("escape", "clear", "clear the search", id="queue.clear"),
        Binding("q", "app.quit", "leave", id="queue.quit"),
    ]

    def __init__(
        self,
        guard: TypeAhead,
        load: Callable[[], Sequence[QueueRow]],
        reject: Callable[[frozenset[str]], None],
        identity: str,
        now: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self.guard = guard
        self._reject = reject
        self._load = load
        self._identity = identity
        self._now = now
        self._wanted = ""

    def compose(self) -> ComposeResult:
        """Head, column titles, list, search, keys."""
        yield LinesView(id="head", fit=3)
        yield QueueList(self._now)
        yield SearchField()
        yield LinesView(id="keys", fit=1)

    def on_mount(self) -> None:
        """Reads the queue for the first time."""
        self.query_one(QueueList).focus()
        self._keys = row(("Enter", "key"), " review   ", ("j/k", "key"), " move   ", ("/", "key"), " search   ",
                   ("u", "key"), " reload   ", ("?", "key"), " help   ", ("q", "key"), " leave", clip=True)  # fmt: skip
        self.query_one("#keys", LinesView).show([self._keys])
        self.action_reload()

    def on_screen_resume(self) -> None:
        """What was decided meanwhile is gone from the list."""
        if self.is_mounted:
            self.action_reload()

    def on_resize(self) -> None:
        """The column titles follow the width."""
        self._head()

    def action_reload(self) -> None:
        """Reads the queue again."""
        self.query_one(QueueList).load(self._load(), self._wanted)
        self._head()

    def _head(self) -> None:
        listed = self.query_one(QueueList)
        count = f"{len(listed.shown)} of {len(listed.all)}" if self._wanted else f"{len(listed.all)}"
        lead = row(
            ("Holdpoint", "head"), f"  {count} waiting for a person", (f"   you: {self._identity}", "dim"), clip=True
        )
        empty = row(("  Nothing waits. `holdpoint campaign run FILE` or `holdpoint propose` makes proposals.", "dim"))
        titles = row((_titles(listed.size.width - 1), "dim"), clip=True)
        self.query_one("#head", LinesView).show([lead, titles if listed.shown else empty])

    def action_move(self, lines: int) -> None:
        """Moves the cursor."""
        self.say("")
        self.query_one(QueueList).move(lines)

    def action_page(self, pages: int) -> None:
        """Moves by what fits on the screen."""
        listed = self.query_one(QueueList)
        listed.move(pages * max(1, listed.size.height - 1))

    def action_open(self) -> None:
        """Opens the proposal under the cursor."""
        self.query_one(QueueList).choose()

    def action_mark(self) -> None:
        """Marks the proposal, or takes the mark back."""
        self.query_one(QueueList).mark()

    def action_reject(self) -> None:
        """Leads to the form that rejects what is marked; there is no other decision about several at once."""
        marked = self.query_one(QueueList).marked
        if marked:
            self._reject(marked)
        else:
            self.say("Mark proposals with x first; X rejects them together.")

    def say(self, text: str) -> None:
        """One line instead of the keys, until the next move."""
        self.query_one("#keys", LinesView).show([row((f" {text}", "bad"), clip=True) if text else self._keys])

    def action_search(self) -> None:
        """Asks what to look for."""
        self.query_one(SearchField).ask()

    def action_clear(self) -> None:
        """Shows all again."""
        self._wanted = ""
        self.action_reload()

    def on_search_field_wanted(self, message: SearchField.Wanted) -> None:
        """Keeps the rows that contain the text."""
        self._wanted = message.text
        self.query_one(QueueList).focus()
        self.action_reload()
