"""A reviewer port over records in memory: the second implementation of the Protocol, to test the screens with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.gate.protocol import unfinished
from harness.records import (
    Alarm,
    Decided,
    Decision,
    DecisionWord,
    Effect,
    Finding,
    Landed,
    LineComment,
    NotDecided,
    NotLanded,
    ProposalState,
    QueueRow,
    RejectCategory,
    Reviewed,
    ReviewSheet,
    Semantic,
    SemanticChange,
    TestsResult,
    canonical_json,
    sha256,
)

NOW = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
TREE = "9f31c07e6b1255aa08dd0f0dbb6e1c3a51c2f4aa"
ALLOWED: dict[DecisionWord, tuple[ProposalState, ...]] = {
    "approve": ("waiting",),
    "reject": ("waiting", "approved", "deferred"),
    "request-changes": ("waiting", "deferred"),
    "defer": ("waiting",),
}
AFTER: dict[DecisionWord, ProposalState] = {
    "approve": "approved",
    "reject": "rejected",
    "request-changes": "changes",
    "defer": "deferred",
}

DIFF = (Path(__file__).parent / "sample.diff").read_text(encoding="utf-8")


def sheet(number: int = 1, **changed: object) -> ReviewSheet:
    """A plausible sheet; any field can be changed."""
    fields: dict[str, object] = {
        "proposal": f"P{number:05d}",
        "title": "Order edits by what paid off before",
        "author": "tinker@seed-3",
        "launcher": "ana",
        "state": "waiting",
        "base": "5d20aa1f00b3c7a99e2d6f4b6a1f7c2d3e4f5a6b",
        "ref": "main",
        "commit": "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
        "merge": "c0ffee11223344556677889900aabbccddeeff00",
        "tree": TREE,
        "diff": DIFF,
        "findings": (
            Finding(rule="global-read", severity="low", path="src/tinker/policy.py", line=21, message="reads a global"),
        ),
        "tests": TestsResult(expected=35, passed=35),
        "effects": (
            Effect(
                metric="solved", unit="tasks", kind="score", role="objective", exact=True, baseline=15.0,
                candidate=18.0, estimate=3.0, low=3.0, high=3.0, e_value=None, pairs=28, outcome="win",
            ),
            Effect(
                metric="evaluations", unit="", kind="time", role="guardrail", exact=False, baseline=None,
                candidate=None, estimate=0.118, low=0.05, high=0.19, e_value=1843.0, pairs=41, outcome="no worse",
            ),
        ),
        "alarms": (Alarm(kind="slow start", detail="the first trial took 3.1 s longer than the rest"),),
        "verdict": "pass",
        "reasons": ("all 35 base tests passed", "solved: 15 → 18 tasks"),
        "evidence": sha256(b"evidence"),
        "rationale": "Rules that led to a fix before are likely to do so again.\nSo they go first.",
        "log_tail": "collected 35 items\n...................................\n35 passed in 0.41s\n",
        "decisions": (),
        "lineage": ("P00001",),
        "notices": (
            "The launcher of this campaign may approve under policy default.",
            "Self-modification: this agent rewrites itself. Not recommended in production.",
        ),
        "sandbox": "runc, no network, 1 GiB, 1 CPU, seccomp default",
        "semantic": Semantic(
            files=1,
            changes=(
                SemanticChange(
                    path="src/tinker/policy.py", line=21, name="priority", kind="returns",
                    before="(candidate.depth, candidate.order)", after="(candidate.depth - paid, candidate.order)",
                ),
                SemanticChange(
                    path="src/tinker/policy.py", line=21, name="priority", kind="calls", after="HISTORY.get"
                ),
            ),
        ),
    }  # fmt: skip
    return ReviewSheet.model_validate(fields | changed)


def queue_row(one: ReviewSheet, effect: str = "solved +3", minutes: int = 41) -> QueueRow:
    """The queue's line for a sheet."""
    lines = one.diff.split("\n")
    return QueueRow(
        proposal=one.proposal,
        title=one.title,
        author=one.author,
        state=one.state,
        verdict=one.verdict,
        risk=one.findings[0].severity if one.findings else None,
        added=sum(line.startswith("+") and not line.startswith("+++") for line in lines),
        removed=sum(line.startswith("-") and not line.startswith("---") for line in lines),
        effect=effect,
        since=NOW - timedelta(minutes=minutes),
    )


class MemoryPort:
    """Keeps sheets and decisions; says no where the real desk would."""

    def __init__(self, *sheets: ReviewSheet, rows: tuple[QueueRow, ...] | None = None, who: str = "") -> None:
        self.sheets = {one.proposal: one for one in sheets}
        self.rows = rows
        self.who = who or "ana  SHA256:Jx8qY0mO2u2x1dZyq3F0m0vTn5ZrKqkq1c2rXbG3m1E"
        self.prompt: Path | None = None
        self.texts: dict[str, str] = {}
        self.prompted = ""

    def identity(self) -> str:
        return self.who

    def queue(self) -> tuple[QueueRow, ...]:
        if self.rows is not None:
            return self.rows
        shown = ("waiting", "approved")
        return tuple(queue_row(one) for one in self.sheets.values() if one.state in shown)

    def sheet(self, proposal: str) -> ReviewSheet:
        return self.sheets[proposal]

    def source(self, proposal: str, path: str) -> str | None:
        return self.texts.get(path)

    def history(self) -> tuple[Decision, ...]:
        return self.decisions

    def approve(self, proposal: str, typed: str, reason: str, reviewed: Reviewed | None = None) -> Decided | NotDecided:
        assert reviewed is not None
        why = unfinished(self.sheets[proposal], reviewed)
        if why:
            return NotDecided(proposal=proposal, why=why)
        tree = self.sheets[proposal].tree or ""
        if len(typed) < 8 or not tree.startswith(typed.lower()):
            return NotDecided(proposal=proposal, why="The typed hash is not the tested tree's.")
        if len(reason.strip()) < 20:
            return NotDecided(proposal=proposal, why="The reason is too short.")
        if self.prompt is not None:
            # As ssh-keygen does: ask at the terminal itself, whatever the streams are.
            with self.prompt.open("r+b", buffering=0) as terminal:
                terminal.write(b"Enter passphrase: ")
                self.prompted = terminal.readline().decode().strip()
        return self._decide(proposal, "approve", reason, reviewed=reviewed)

    def reject(
        self,
        proposal: str,
        reason: str,
        category: RejectCategory = "",
        *,
        comments: tuple[LineComment, ...] = (),
        reviewed: Reviewed | None = None,
    ) -> Decided | NotDecided:
        return self._decide(proposal, "reject", reason, category=category, comments=comments, reviewed=reviewed)

    def request_changes(
        self, proposal: str, reason: str, comments: tuple[LineComment, ...] = (), reviewed: Reviewed | None = None
    ) -> Decided | NotDecided:
        return self._decide(proposal, "request-changes", reason, comments=comments, reviewed=reviewed)

    def defer(
        self, proposal: str, reason: str, until: datetime | None = None, reviewed: Reviewed | None = None
    ) -> Decided | NotDecided:
        return self._decide(proposal, "defer", reason, until=until, reviewed=reviewed)

    def merge(self, proposal: str) -> Landed | NotLanded:
        one = self.sheets[proposal]
        if one.state != "approved" or one.merge is None:
            return NotLanded(proposal=proposal, why="There is no approval.", next_step=f"holdpoint approve {proposal}")
        self.sheets[proposal] = one.model_copy(update={"state": "merged"})
        return Landed(proposal=proposal, merge=one.merge, ref=one.ref)

    def _decide(self, proposal: str, word: DecisionWord, reason: str, **details: Any) -> Decided | NotDecided:
        one = self.sheets[proposal]
        if one.state not in ALLOWED[word]:
            return NotDecided(proposal=proposal, why=f"It is {one.state}.", next_step=f"holdpoint show {proposal}")
        statement = sha256(canonical_json({"tree": one.tree, "reason": reason})) if word == "approve" else None
        decision = Decision(
            proposal=proposal, decision=word, reviewer="ana", reason=reason, tree=one.tree, evidence=one.evidence,
            statement=statement, at=NOW, **details,
        )  # fmt: skip
        changed = {"state": AFTER[word], "decisions": (*one.decisions, decision)}
        self.sheets[proposal] = one.model_copy(update=changed)
        return Decided(proposal=proposal, decision=word, statement=statement)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Everything that was decided."""
        return tuple(decision for one in self.sheets.values() for decision in one.decisions)
