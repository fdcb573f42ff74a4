"""What a reviewer is shown: the rows of the queue, and everything about one proposal."""

from datetime import datetime

from harness.records.decision import Decision
from harness.records.evidence import Alarm, Effect, Replayed, TestsResult, VerdictWord
from harness.records.frozen import Record
from harness.records.proposal import Finding, ProposalState, Severity
from harness.records.semantic import Semantic


class Revision(Record):
    """The earlier proposal of this lineage that a person decided about last, and the difference from it to this one."""

    proposal: str
    decision: Decision
    diff: str


class QueueRow(Record):
    """One line of the review queue, worst news first within the row."""

    proposal: str
    title: str
    author: str
    state: ProposalState
    verdict: VerdictWord | None
    risk: Severity | None
    added: int
    removed: int
    effect: str
    since: datetime


class ReviewSheet(Record):
    """Everything the review screen and `show` display about one proposal, computed before it is shown."""

    proposal: str
    title: str
    author: str
    launcher: str
    state: ProposalState
    base: str
    ref: str
    commit: str | None
    merge: str | None
    tree: str | None
    diff: str
    findings: tuple[Finding, ...]
    tests: TestsResult | None
    effects: tuple[Effect, ...]
    alarms: tuple[Alarm, ...]
    verdict: VerdictWord | None
    reasons: tuple[str, ...]
    evidence: str | None
    rationale: str
    log_tail: str
    decisions: tuple[Decision, ...]
    lineage: tuple[str, ...]
    notices: tuple[str, ...]
    sandbox: str
    replay: Replayed | None = None
    revises: Revision | None = None
    semantic: Semantic | None = None

    @property
    def other_alarms(self) -> tuple[Alarm, ...]:
        """The alarms that do not repeat one of the findings."""
        told = {(found.rule, found.place) for found in self.findings}
        return tuple(alarm for alarm in self.alarms if (alarm.kind, alarm.place) not in told)
