"""Payloads that steer terminals, and a port that has them in every field that somebody else can fill."""

from datetime import datetime

from memory_port import MemoryPort, queue_row, sheet

from harness.errors import EnvironmentFault
from harness.records import (
    Alarm,
    CapabilityChange,
    Decided,
    Decision,
    Effect,
    Finding,
    Landed,
    LineComment,
    NotDecided,
    NotLanded,
    QueueRow,
    RejectCategory,
    Reviewed,
    ReviewSheet,
    Revision,
    Semantic,
    SemanticChange,
    TestsResult,
)

PAYLOADS = (
    "\x1b]52;c;aGFja2Vk\x07", "\x1b]52;c;aGFja2Vk\x1b\\", "\x1b[2J", "\x1b[3;3H", "\x1b[5;41m", "\x1bc", "\x1b[6n",
    "\x1bP+q544e\x1b\\", "\x1b_Gi=1;AAAA\x1b\\", "\x1b^x\x1b\\", "\x1b]0;title\x07", "\x1b]8;;https://x.invalid\x1b\\y",
    "\x9b2J", "\x9d52;c;aGFja2Vk\x9c", "\x90q\x9c", "\x85", "\x8d", "\x07", "\x08\x08\x08", "\x00", "\x0e", "\x0b",
    "\x0c", "\x7f", "\r", "\u202e", "\u202d", "\u2066", "\u2069", "\u200e", "\u061c", "\u200b", "\u200d", "\u2060",
    "\ufeff", "\u2028", "\u2029", "\u00ad", "\U000e0041", "\ufe0f", "\ue000", "[@click=app.quit]c[/]",
    "[/nope][link=https://x.invalid]",
)  # fmt: skip
EVERYTHING = "".join(PAYLOADS)


def bad(name: str) -> str:
    """A tag that shows that the sink was on the screen, and everything that must not get out of it."""
    return f"<{name}>{EVERYTHING}"


def hostile_sheet(number: int = 1) -> ReviewSheet:
    """Hostile in every field of free text."""
    found = Finding(
        rule=bad("rule"), severity="critical", path=bad("path"), line=1, message=bad("message"), blocking=True
    )
    effect = Effect(
        metric=bad("metric"), unit=bad("unit"), kind=bad("kind"), role="objective", exact=True, baseline=1.0,
        candidate=2.0, estimate=1.0, low=1.0, high=1.0, e_value=2.0, pairs=3, outcome="win",
    )  # fmt: skip
    base = sheet(number)
    decision = Decision(
        proposal=base.proposal, decision="defer", reviewer=bad("reviewer"), reason=bad("old reason"), tree=None,
        evidence=None, statement=None, at=datetime.fromisoformat("2026-01-01T00:00:00+00:00"),
    )  # fmt: skip
    lines = "".join(f"+{index} {payload}\n" for index, payload in enumerate(PAYLOADS) if "\n" not in payload)
    header = f"--- a/{bad('diff path')}\n+++ b/{bad('diff path')}\n"
    code = f"+{bad('code')}\n+x = '''{bad('string')}'''\n"
    diff = f"{header}@@ -0,0 +1,{len(PAYLOADS) + 2} @@ {bad('heading')}\n{lines}{code}"
    tests = TestsResult(
        expected=3, passed=0, failed=(bad("failed"),), missing=(bad("missing"),), skipped=(bad("skipped"),)
    )  # fmt: skip
    return base.model_copy(
        update={
            "title": bad("title"), "author": bad("author"), "launcher": bad("launcher"), "ref": bad("ref"),
            "base": bad("base"), "commit": bad("commit"), "merge": bad("merge"), "evidence": bad("evidence"),
            "diff": diff, "findings": (found,), "effects": (effect,), "decisions": (decision,), "tests": tests,
            "lineage": (bad("lineage"),), "reasons": (bad("verdict reason"),), "notices": (bad("notice"),),
            "alarms": (Alarm(kind=bad("alarm"), detail=bad("detail")),), "sandbox": bad("sandbox"),
            "semantic": Semantic(
                files=1,
                changes=(
                    SemanticChange(
                        path=bad("changed path"), line=1, name=bad("changed"), kind="calls", before=bad("call gone"),
                        after=bad("call new"),
                    ),
                ),
                capabilities=(
                    CapabilityChange(kind="process", name=bad("reach"), path=bad("reach path"), line=1),
                ),
                unresolved=(bad("unresolved"),),
                faults=(bad("unread"),),
            ),
            "revises": Revision(
                proposal=bad("revised"), diff=diff,
                decision=decision.model_copy(
                    update={
                        "reviewer": bad("asker"), "reason": bad("asked"),
                        "comments": (
                            LineComment(path=bad("comment path"), line=1, side="new", text=bad("comment")),
                        ),
                    }
                ),
            ),
            "rationale": bad("rationale") + "\n" + bad("rationale 2"), "log_tail": bad("log") + "\n" + bad("log 2"),
        }
    )  # fmt: skip


SHEET_TAGS = (
    "rule", "path", "message", "metric", "unit", "kind", "reviewer", "old reason", "diff path", "heading", "code",
    "string", "title", "author", "launcher", "ref", "base", "commit", "merge", "evidence", "lineage", "failed",
    "missing", "skipped", "alarm", "detail", "verdict reason", "rationale", "rationale 2", "log", "log 2", "notice",
    "sandbox", "changed path", "changed", "call gone", "call new", "reach", "reach path", "unresolved", "unread",
    "revised", "asker", "asked", "comment path", "comment",
)  # fmt: skip


class HostilePort(MemoryPort):
    """Hostile in the queue, the sheet, the identity, every outcome and every error."""

    def __init__(self) -> None:
        rows = tuple(
            queue_row(sheet(number + 1, title=f"<{number}>{payload}", author=payload)).model_copy(
                update={"effect": payload}
            )
            for number, payload in enumerate(PAYLOADS)
        )
        super().__init__(hostile_sheet(1), rows=rows, who=bad("you"))
        self.calls = 0

    def queue(self) -> tuple[QueueRow, ...]:
        return self.rows or ()

    def sheet(self, proposal: str) -> ReviewSheet:
        if proposal == "P00002":
            raise EnvironmentFault(bad("fault"), bad("fault step"))
        return super().sheet(proposal)

    def reject(
        self,
        proposal: str,
        reason: str,
        category: RejectCategory = "",
        *,
        comments: tuple[LineComment, ...] = (),
        reviewed: Reviewed | None = None,
    ) -> Decided | NotDecided:
        self.calls += 1
        if self.calls == 1:
            return NotDecided(proposal=proposal, why=bad("why"), next_step=bad("why step"))
        return Decided(proposal=bad("decided"), decision="approve", statement=bad("statement"))

    def merge(self, proposal: str) -> Landed | NotLanded:
        self.calls += 1
        if self.calls == 1:
            return NotLanded(proposal=bad("not landed"), why=bad("no"), next_step=bad("no step"))
        return Landed(proposal=bad("landed"), merge=bad("landed merge"), ref=bad("landed ref"))
