"""What a person decided, and what came of it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from harness.records.frozen import Record, Stored

DecisionWord = Literal["approve", "reject", "request-changes", "defer", "revoke"]

RejectCategory = Literal["", "gaming", "harmful", "wrong", "unclear", "unneeded", "other"]


class LineComment(Stored):
    """A person's words about one line of a difference, on its new side or, where it was removed, its old one."""

    path: str
    line: int
    side: Literal["new", "old"]
    text: str


class Reviewed(Stored):
    """What a person was shown (`view`: digest of the sheet, by which `version`) and did: telemetry, no safeguard.

    `acknowledged` names findings, `nominated` the hunk (`path:line`) that was thought the most suspicious. Times are
    seconds: in all, and for each hunk of the difference.
    """

    view: str
    version: str
    mode: Literal["screen", "plain"]
    hunks: int
    seen: int
    acknowledged: tuple[str, ...] = ()
    first_verdict: int | None = None
    nominated: str = ""
    seconds: float = 0.0
    hunk_seconds: tuple[float, ...] = ()


class Decision(Stored):
    """What a person decided, about which exact content, and why. `statement` names the signed statement, if any."""

    proposal: str
    decision: DecisionWord
    reviewer: str
    reason: str
    tree: str | None
    evidence: str | None
    statement: str | None
    at: datetime
    until: datetime | None = None
    category: RejectCategory = ""
    comments: tuple[LineComment, ...] = ()
    reviewed: Reviewed | None = None


class Decided(Record):
    """A decision was written to the ledger."""

    kind: Literal["decided"] = "decided"
    proposal: str
    decision: DecisionWord
    statement: str | None


class NotDecided(Record):
    """Nothing was decided, and why."""

    kind: Literal["not decided"] = "not decided"
    proposal: str
    why: str
    next_step: str = ""


class Landed(Record):
    """The protected ref now names the approved merge commit."""

    kind: Literal["landed"] = "landed"
    proposal: str
    merge: str
    ref: str


class NotLanded(Record):
    """The ref did not move, and why."""

    kind: Literal["not landed"] = "not landed"
    proposal: str
    why: str
    next_step: str = ""


DecisionOutcome = Annotated[Decided | NotDecided, Field(discriminator="kind")]

MergeOutcome = Annotated[Landed | NotLanded, Field(discriminator="kind")]
