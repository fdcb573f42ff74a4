"""What the review screen may ask of the rest of the harness; it may do nothing that is not named here."""

from datetime import datetime
from typing import Protocol

from harness.records import (
    Decided,
    Decision,
    Landed,
    LineComment,
    NotDecided,
    NotLanded,
    QueueRow,
    RejectCategory,
    Reviewed,
    ReviewSheet,
)


class ReviewerPort(Protocol):
    """One reviewer's desk. Every method runs on the caller's thread; a HoldpointError is shown, not swallowed."""

    def identity(self) -> str:
        """Reviewer name and key fingerprint, as decisions will be signed."""
        ...

    def queue(self) -> tuple[QueueRow, ...]:
        """What waits for a person, in the order in which it should be looked at."""
        ...

    def sheet(self, proposal: str) -> ReviewSheet:
        """Everything to show about one proposal, computed before it is shown."""
        ...

    def source(self, proposal: str, path: str) -> str | None:
        """A file as it would stand after the merge; None where there is none."""
        ...

    def history(self) -> tuple[Decision, ...]:
        """Every decision at this target, the latest first."""
        ...

    def approve(self, proposal: str, typed: str, reason: str, reviewed: Reviewed | None = None) -> Decided | NotDecided:
        """Signs for the tree whose hash was typed; may talk to the person through the terminal."""
        ...

    def reject(
        self,
        proposal: str,
        reason: str,
        category: RejectCategory = "",
        *,
        comments: tuple[LineComment, ...] = (),
        reviewed: Reviewed | None = None,
    ) -> Decided | NotDecided:
        """Says no, with the reason and comments on lines."""
        ...

    def request_changes(
        self, proposal: str, reason: str, comments: tuple[LineComment, ...] = (), reviewed: Reviewed | None = None
    ) -> Decided | NotDecided:
        """Sends the proposal back; reason and comments reach the proposer as quoted data."""
        ...

    def defer(
        self, proposal: str, reason: str, until: datetime | None = None, reviewed: Reviewed | None = None
    ) -> Decided | NotDecided:
        """Puts it off until a UTC time; it comes back, and never turns into an approval."""
        ...

    def merge(self, proposal: str) -> Landed | NotLanded:
        """Lands an authorised proposal, or says what is missing."""
        ...
