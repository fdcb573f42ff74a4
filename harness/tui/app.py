"""The review application: screens, the type-ahead guard, and the way from a filled form to the reviewer port.

It holds no key and no decision of its own: every outcome it shows is what the port returned.
"""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, assert_never

from textual import events
from textual.app import App, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen

from harness.errors import HoldpointError, UsageError
from harness.records import Decided, Landed, NotDecided, NotLanded, QueueRow, ReviewSheet
from harness.tui.dialogs import FormDialog, Note
from harness.tui.forms import Answer, Cancelled, DecisionKey, form_for, until_date
from harness.tui.guard import QUIET_AFTER_KEY, TypeAhead
from harness.tui.lines import LinesView
from harness.tui.outcomes import Fault, Outcome, key_rows, outcome_rows
from harness.tui.palette import THEMES
from harness.tui.port import ReviewerPort
from harness.tui.queue import QueueList, QueueScreen
from harness.tui.review import ReviewScreen
from harness.tui.rows import Row
from harness.tui.sanitiser import SANITISER

_NO_COLOR = NoColor()
_TOO_SOON = "That key came before the screen could be read; press it again."
_IN_A_BURST = "That key came in the middle of other input; press it again."


def utc_now() -> datetime:
    """The current time; tests and pictures pass their own."""
    return datetime.now(UTC)


class ReviewApp(App[None]):
    """Queue and review screens over one reviewer port. Every port call runs on the main thread."""

    TITLE = "Holdpoint"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f2", "light", "light or dark", id="app.theme")]

    def __init__(
        self, port: ReviewerPort, proposal: str | None = None, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self.port = port
        self.guard = TypeAhead()
        self._first = proposal
        self._now = now
        self._identity = ""

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
            self.guard.arrived(event)
        await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """The key came back from the widgets; Textual looks for its binding right after this."""
        self.guard.acting_on(event, event.time)

    def on_mount(self) -> None:
        """Opens the queue, and over it the proposal that was asked for."""
        self._identity = self.port.identity()
        self.go(QueueScreen(self.guard, self._queue, self._identity, self._now))
        if self._first is not None:
            self.open(self._first)

    def go(self, screen: Screen[Any], then: Callable[[Any], None] | None = None) -> None:
        """Shows a screen; keys typed before it was painted are no answer to it."""
        self.guard.blank()
        self.push_screen(screen, then)

    def note(self, rows: Sequence[Row], then: Callable[[Any], None] | None = None) -> None:
        """Shows something to read."""
        self.go(Note(self.guard, rows), then)

    def _queue(self) -> tuple[QueueRow, ...]:
        try:
            return self.port.queue()
        except HoldpointError as error:
            self.note(outcome_rows(Fault(error.message, error.next_step)))
            return ()

    def _sheet(self, proposal: str) -> ReviewSheet | Fault:
        try:
            return self.port.sheet(proposal)
        except HoldpointError as error:
            return Fault(error.message, error.next_step)

    def open(self, proposal: str) -> None:
        """Opens one proposal for review."""
        match self._sheet(proposal):
            case Fault() as fault:
                self.note(outcome_rows(fault))
            case ReviewSheet() as sheet:
                self.go(ReviewScreen(self.guard, sheet, self._identity, self.decide))

    def on_queue_list_chosen(self, message: QueueList.Chosen) -> None:
        """Somebody wants to see this one."""
        self.open(message.proposal)

    def when_settled(self, act: Callable[[], None], say: Callable[[str], None]) -> None:
        """Does it if the latest key came well after the paint, and if nothing more is typed right after it."""
        if not self.guard.live():
            say(_TOO_SOON)
            return
        key = self.guard.acting
        say("")

        def settled() -> None:
            if self.guard.alone(key):
                act()
            else:
                say(_IN_A_BURST)

        # The second hop puts the check behind every key that was read meanwhile and waits in the queue.
        self.set_timer(QUIET_AFTER_KEY, lambda: self.call_later(settled))

    def decide(self, screen: ReviewScreen, decision: DecisionKey) -> None:
        """Leads to the form of a decision, if the key was meant for what is on the screen."""
        if self.is_web:
            screen.say("Decisions are never taken through a browser.")
        elif decision == "approve" and not screen.sheet.tree:
            screen.say("It has no tested tree: there is nothing to approve.")
        else:
            form = form_for(decision, screen.sheet, self._identity, screen.unseen, self._now())
            dialog = FormDialog(self.guard, form, self.when_settled)
            self.when_settled(lambda: self.go(dialog, lambda answer: self._answered(screen, answer)), screen.say)

    def _answered(self, screen: ReviewScreen, answer: Answer | Cancelled | None) -> None:
        match answer:
            case Cancelled() | None:
                screen.say("Nothing was decided.", "dim")
            case Answer():
                outcome = self._carry_out(screen.sheet.proposal, answer)
                self.note(outcome_rows(outcome), lambda _: self._after(screen, outcome))
            case _ as never:
                assert_never(never)

    def _carry_out(self, proposal: str, answer: Answer) -> Outcome:
        values = [value.strip() for value in answer.values]
        match answer.decision:
            case "approve":
                return self._handed_over(lambda: self.port.approve(proposal, values[0], values[1]))
            case "reject":
                return _asked(lambda: self.port.reject(proposal, values[0]))
            case "request-changes":
                return _asked(lambda: self.port.request_changes(proposal, values[0]))
            case "defer":
                until = until_date(values[1], self._now()) or self._now()
                return _asked(lambda: self.port.defer(proposal, values[0], until))
            case "merge":
                return _asked(lambda: self.port.merge(proposal))
            case _ as never:
                assert_never(never)

    def _handed_over(self, call: Callable[[], Decided | NotDecided]) -> Outcome:
        """Makes the call with the terminal given back, where there is one: ssh-keygen talks to the person itself."""
        try:
            with self.suspend(), _interrupts_go_to_the_child():
                return _asked(call)
        except SuspendNotSupported:
            return _asked(call)

    def _after(self, screen: ReviewScreen, outcome: Outcome) -> None:
        match outcome:
            case Decided(decision="reject" | "request-changes" | "defer") | Landed():
                screen.dismiss(None)
            case Decided() | NotDecided() | NotLanded() | Fault():
                self._renew(screen)
            case _ as never:
                assert_never(never)

    def _renew(self, screen: ReviewScreen) -> None:
        match self._sheet(screen.sheet.proposal):
            case Fault() as fault:
                self.note(outcome_rows(fault))
            case ReviewSheet() as sheet:
                screen.show(sheet)

    def action_keys(self) -> None:
        """The keys of the screen in front."""
        self.note(key_rows([*type(self.screen).BINDINGS, *self.BINDINGS]))

    def action_light(self) -> None:
        """Between the dark and the light theme."""
        self.theme = next(theme.name for theme in THEMES if theme.name != self.theme)
        for screen in self.screen_stack:
            for view in screen.query(LinesView):
                view.restyle()


def _asked(call: Callable[[], Decided | NotDecided | Landed | NotLanded]) -> Outcome:
    try:
        return call()
    except HoldpointError as error:
        return Fault(error.message, error.next_step)


@contextmanager
def _interrupts_go_to_the_child() -> Iterator[None]:
    """Ctrl-C at a passphrase prompt ends the prompt, not the review."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_review(port: ReviewerPort, proposal: str | None = None) -> None:
    """Runs the review screen until the person leaves. UsageError without a terminal; a fault of ours is raised."""
    streams = (sys.__stdin__, sys.__stderr__)
    if not all(stream is not None and stream.isatty() for stream in streams):
        raise UsageError("The review screen needs a terminal.", "holdpoint queue, then holdpoint show ID")
    app = ReviewApp(port, proposal)
    app.run()
    if app.fault is not None:
        raise app.fault
