"""From a decision key to the reviewer port: a wait that no burst survives, the form, the call, what came of it."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Any, assert_never

from textual.app import App, SuspendNotSupported
from textual.screen import Screen

from harness.errors import HoldpointError
from harness.records import Decided, Landed, NotDecided, NotLanded, ReviewSheet
from harness.tui.dialogs import FormDialog, Note
from harness.tui.forms import Answer, Cancelled, DecisionKey, category_of, form_for, reject_form, until_date
from harness.tui.guard import QUIET_AFTER_KEY, TypeAhead
from harness.tui.outcomes import Fault, Outcome, outcome_rows
from harness.tui.port import ReviewerPort
from harness.tui.queue import QueueScreen
from harness.tui.review import ReviewScreen
from harness.tui.rows import Row

_TOO_SOON = "That key came before the screen could be read; press it again."
_IN_A_BURST = "That key came in the middle of other input; press it again."


class Deciding(App[None]):
    """The part of the application that decides nothing itself: it asks, calls the port, and tells what that said."""

    def __init__(self, port: ReviewerPort, now: Callable[[], datetime]) -> None:
        super().__init__()
        self.port = port
        self.guard = TypeAhead()
        self.now = now
        self.reviewer = ""

    def go(self, screen: Screen[Any], then: Callable[[Any], None] | None = None) -> None:
        """Shows a screen; keys typed before it was painted are no answer to it."""
        self.guard.blank()
        self.push_screen(screen, then)

    def note(self, rows: Sequence[Row], then: Callable[[Any], None] | None = None) -> None:
        """Shows something to read."""
        self.go(Note(self.guard, rows), then)

    def read_sheet(self, proposal: str) -> ReviewSheet | Fault:
        """The sheet of a proposal, or why there is none."""
        try:
            return self.port.sheet(proposal)
        except HoldpointError as error:
            return Fault(error.message, error.next_step)

    def when_settled(self, act: Callable[[], None], say: Callable[[str], None]) -> None:
        """Does it if the latest key came well after the paint, and if nothing more is typed right after it."""
        if not self.guard.live():
            say(_TOO_SOON)
            return
        key, front = self.guard.acting, self.screen
        say("")

        def settled() -> None:
            if self.screen is not front:
                return  # another key has led away meanwhile: what was asked for is no longer in front of anybody
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
        else:
            self.when_settled(lambda: self._ask(screen, decision), screen.say)

    def _ask(self, screen: ReviewScreen, decision: DecisionKey) -> None:
        session = screen.session
        if refusal := session.refusal(decision):
            screen.say(refusal)
            return
        done = session.done(monotonic())
        form = form_for(
            decision, screen.sheet, self.reviewer, self.now(), watch=session.watch, nominated=done.nominated,
            comments=session.comments, place=screen.place if decision == "comment" else "",
        )  # fmt: skip
        self.go(FormDialog(self.guard, form, self.when_settled), lambda answer: self._answered(screen, answer))

    def reject_all(self, proposals: frozenset[str]) -> None:
        """Leads to one form that rejects several proposals, each with the same words."""
        queue = self.screen
        assert isinstance(queue, QueueScreen)
        if self.is_web:
            queue.say("Decisions are never taken through a browser.")
            return
        names = sorted(proposals)
        dialog = FormDialog(self.guard, reject_form(f"{len(names)} proposals"), self.when_settled)
        self.when_settled(lambda: self.go(dialog, lambda answer: self._rejected(names, answer)), queue.say)

    def _rejected(self, names: Sequence[str], answer: Answer | Cancelled | None) -> None:
        if not isinstance(answer, Answer):
            return
        category, reason = category_of(answer.values[0]) or "other", answer.values[1].strip()
        rows = [
            line for name in names for line in outcome_rows(_asked(partial(self.port.reject, name, reason, category)))
        ]
        self.note(rows)

    def _answered(self, screen: ReviewScreen, answer: Answer | Cancelled | None) -> None:
        match answer:
            case Cancelled() | None:
                screen.say("Nothing was decided.", "dim")
            case Answer(decision="comment"):
                screen.commented(answer.values[0])
            case Answer():
                outcome = self._carry_out(screen, answer)
                self.note(outcome_rows(outcome), lambda _: self._after(screen, outcome))
            case _ as never:
                assert_never(never)

    def _carry_out(self, screen: ReviewScreen, answer: Answer) -> Outcome:
        values = [value.strip() for value in answer.values]
        proposal, port, session = screen.sheet.proposal, self.port, screen.session
        done = session.done(monotonic())
        match answer.decision:
            case "approve":
                return self._handed_over(lambda: port.approve(proposal, values[0], values[1], done))
            case "reject":
                category, said = category_of(values[0]) or "other", session.comments
                return _asked(lambda: port.reject(proposal, values[1], category, comments=said, reviewed=done))
            case "request-changes":
                return _asked(lambda: port.request_changes(proposal, values[0], session.comments, done))
            case "defer":
                until = until_date(values[1], self.now()) or self.now()
                return _asked(lambda: port.defer(proposal, values[0], until, done))
            case "merge":
                return _asked(lambda: port.merge(proposal))
            case "comment":
                raise AssertionError("a comment is no decision")
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
        match self.read_sheet(screen.sheet.proposal):
            case Fault() as fault:
                self.note(outcome_rows(fault))
            case ReviewSheet() as sheet:
                screen.show(sheet)


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
