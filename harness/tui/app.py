"""The review application: screens, the type-ahead guard, and the way from a filled form to the reviewer port.

It holds no key and no decision of its own: every outcome it shows is what the port returned.
"""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic, sleep
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen

from harness.errors import HoldpointError, UsageError
from harness.records import QueueRow, ReviewSheet
from harness.tui.colours import highlighted
from harness.tui.commands import Commands
from harness.tui.deciding import Deciding
from harness.tui.evidence import decision_rows
from harness.tui.lines import LinesView
from harness.tui.outcomes import Fault, key_rows, outcome_rows
from harness.tui.palette import DARK, THEMES
from harness.tui.port import ReviewerPort
from harness.tui.queue import QueueList, QueueScreen
from harness.tui.review import Hands, ReviewScreen
from harness.tui.rows import row
from harness.tui.sanitiser import SANITISER

_NO_COLOR = NoColor()
_MOST_HISTORY = 500
_WARM_AFTER = 0.3  # seconds
_TURN = 0.0005  # seconds
_PAUSE = 0.003  # seconds; the work beside the screen takes a quarter of the time
_AFTER_KEY = 0.04  # seconds
_REST = 2.0  # seconds without a key after which the person is taken to read
_SELDOM = 100_000  # younger collections to a full one: walking every object would hold up a key by 150 ms


def utc_now() -> datetime:
    """The current time; tests and pictures pass their own."""
    return datetime.now(UTC)


class ReviewApp(Deciding):
    """Queue and review screens over one reviewer port. Every port call runs on the main thread."""

    TITLE = "Holdpoint"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f2", "light", "light or dark", id="app.theme")]

    def __init__(
        self,
        port: ReviewerPort,
        proposal: str | None = None,
        *,
        now: Callable[[], datetime] = utc_now,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(port, now)
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self._first = proposal
        self._keys = dict(keys or {})
        self._viewed: set[str] = set()
        self._pressed = 0.0
        self._littered = False
        self._texts: dict[tuple[str, str], tuple[str, ...] | None] = {}

    @property
    def fault(self) -> Exception | None:
        """What ended the screen, when something other than the person did."""
        return self._exception

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The sanitiser comes last, so that it sees what the terminal would."""
        given = super().get_line_filters()
        if self.no_color:
            # Textual's own answer to NO_COLOR is shades of grey, which are colours still.
            given = [*(one for one in given if not isinstance(one, Monochrome)), _NO_COLOR]
        return [*given, SANITISER]

    def _fatal_error(self) -> None:
        # Textual would print a traceback with local values, which are the candidate's text, past every filter.
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        """Leaves without printing, as `_fatal_error` does; the caller of `run_review` gets the exception."""
        self._close_messages_no_wait()

    async def on_event(self, event: events.Event) -> None:
        """Takes note of what is typed before anything is done about it."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._pressed, self._littered = monotonic(), True
            self.guard.arrived(event)
        await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """The key came back from the widgets; Textual looks for its binding right after this."""
        self.guard.acting_on(event, event.time)

    def on_mount(self) -> None:
        """Opens the queue, and over it the proposal that was asked for."""
        self.reviewer = self.port.identity()
        self.set_keymap(self._keys)
        self.go(QueueScreen(self.guard, self._queue, self.reject_all, self.reviewer, self.now))
        if self._first is not None:
            self.open(self._first)
        self.set_timer(_WARM_AFTER, self._warm)
        self.set_interval(_REST, self._tidy)

    def _warm(self) -> None:
        """The first use of a lexer builds its tables; that happens while the queue is read.

        What stands by now (modules, the queue) stays: no collection needs to walk it again.
        """
        gc.freeze()
        self.run_worker(partial(highlighted, ["x = 1"], "a.py", DARK), thread=True)

    def _tidy(self) -> None:
        """Collects cyclic garbage while nobody types, and once after each key at most."""
        if self._littered and monotonic() - self._pressed > _REST:
            self._littered = False
            gc.collect()

    def _queue(self) -> tuple[QueueRow, ...]:
        try:
            return self.port.queue()
        except HoldpointError as error:
            self.note(outcome_rows(Fault(error.message, error.next_step)))
            return ()

    def open(self, proposal: str) -> None:
        """Opens one proposal for review."""
        match self.read_sheet(proposal):
            case Fault() as fault:
                self.note(outcome_rows(fault))
            case ReviewSheet() as sheet:
                source = partial(self._source, proposal)
                hands = Hands(self.decide, self.when_settled, source, self.note, self._viewed, self._rest)
                self.go(ReviewScreen(self.guard, sheet, hands))

    def _rest(self) -> None:
        """Called between two pieces of the work beside the screen: keys go first, and so does what they draw."""
        sleep(_PAUSE)
        while monotonic() - self._pressed < _AFTER_KEY and self.is_running:
            sleep(_PAUSE)

    def _source(self, proposal: str, path: str) -> Sequence[str] | None:
        """A file's lines after the merge; it is read once for each proposal, from whatever thread asks first."""
        key = (proposal, path)
        if key not in self._texts:
            try:
                text = self.port.source(proposal, path)
            except HoldpointError:
                text = None  # the diff is shown all the same, lexed hunk by hunk
            self._texts[key] = None if text is None else tuple(text.split("\n"))
        return self._texts[key]

    def on_queue_list_chosen(self, message: QueueList.Chosen) -> None:
        """Somebody wants to see this one."""
        self.open(message.proposal)

    def action_history(self) -> None:
        """Every decision at this target, the latest first, with what the reviewer had seen."""
        try:
            decisions = self.port.history()
        except HoldpointError as error:
            self.note(outcome_rows(Fault(error.message, error.next_step)))
            return
        rows = [row((f"DECISIONS  {len(decisions) or 'none yet'}", "head")), row("")]
        self.note([*rows, *(line for one in decisions[:_MOST_HISTORY] for line in decision_rows(one, proposal=True))])

    def action_commands(self) -> None:
        """Finds a command by its words; decisions are not among them."""
        front = self.screen

        def run(action: str | None) -> None:
            if action:
                self.call_later(self.run_action, action, front)

        self.go(Commands(self.guard, self._bindings_of(front)), run)

    def action_keys(self) -> None:
        """The keys of the screen in front."""
        self.note(key_rows(self._bindings_of(self.screen)))

    def _bindings_of(self, front: Screen[Any]) -> tuple[Binding, ...]:
        """What a screen's keys do, under the keys that the person chose."""
        known = [one for one in (*type(front).BINDINGS, *self.BINDINGS) if isinstance(one, Binding)]
        return tuple(replace(one, key=self._keys.get(one.id or "", one.key)) for one in known)

    def action_light(self) -> None:
        """Between the dark and the light theme."""
        self.theme = next(theme.name for theme in THEMES if theme.name != self.theme)
        for screen in self.screen_stack:
            for view in screen.query(LinesView):
                view.restyle()


@contextmanager
def _short_pauses() -> Iterator[None]:
    """Keys are to wait neither for the thread that works out colours nor for the garbage collector."""
    turn, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_TURN)
    gc.set_threshold(thresholds[0], thresholds[1], _SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        sys.setswitchinterval(turn)


def run_review(port: ReviewerPort, proposal: str | None = None, keys: Mapping[str, str] | None = None) -> None:
    """Runs the review screen until the person leaves. UsageError without a terminal; a fault of ours is raised."""
    streams = (sys.__stdin__, sys.__stderr__)
    if not all(stream is not None and stream.isatty() for stream in streams):
        raise UsageError("The review screen needs a terminal.", "holdpoint queue, then holdpoint show ID")
    app = ReviewApp(port, proposal, keys=keys)
    with _short_pauses():
        app.run()
    if app.fault is not None:
        raise app.fault
