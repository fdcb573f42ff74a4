"""What a person must have done before approving, in its order, on the screen and in plain mode alike; pure.

docs/reviewing.md says why it is this order. Nothing here takes a decision or shows anything.
"""

from typing import Literal

from harness import __version__
from harness.patch.hunks import read_diff
from harness.records import Finding, Record, Reviewed, ReviewSheet, Severity, canonical_json, sha256

GRAVE: tuple[Severity, ...] = ("high", "critical")
VERDICTS = {1: "surely not", 2: "rather not", 3: "cannot tell", 4: "rather yes", 5: "surely yes"}


def view_digest(sheet: ReviewSheet) -> str:
    """Digest of everything that a person was shown; an approval binds it."""
    return sha256(canonical_json(sheet))


def finding_name(found: Finding) -> str:
    """How telemetry names a finding."""
    return f"{found.rule} {found.path}:{found.line}"


class Watch(Record):
    """What one person has done about one sheet. Hunks and findings are named by their index in diff and sheet.

    `grave` are the findings that each need an acknowledgement. Every act gives the next state and undoes nothing.
    """

    hunks: int
    grave: tuple[int, ...] = ()
    seen: frozenset[int] = frozenset()
    acknowledged: frozenset[int] = frozenset()
    verdict: int | None = None
    nominated: int | None = None

    @classmethod
    def of(cls, sheet: ReviewSheet) -> "Watch":
        """Nothing done yet."""
        grave = tuple(number for number, found in enumerate(sheet.findings) if found.severity in GRAVE)
        return cls(hunks=len(read_diff(sheet.diff).hunks), grave=grave)

    def saw(self, hunk: int) -> "Watch":
        """A hunk has been on the screen, all of it."""
        return self.model_copy(update={"seen": self.seen | {hunk}}) if 0 <= hunk < self.hunks else self

    def acknowledge(self, finding: int) -> "Watch":
        """A grave finding was read and acknowledged, by itself."""
        if finding not in self.grave:
            return self
        return self.model_copy(update={"acknowledged": self.acknowledged | {finding}})

    def judge(self, verdict: int) -> "Watch":
        """The first verdict, 1 to 5. It counts once, and only after everything was looked at."""
        if self.verdict is not None or verdict not in VERDICTS or self.unread:
            return self
        return self.model_copy(update={"verdict": verdict})

    def nominate(self, hunk: int) -> "Watch":
        """The hunk that would be the hostile one, if one were; a later choice replaces an earlier one."""
        return self.model_copy(update={"nominated": hunk}) if 0 <= hunk < self.hunks else self

    @property
    def unread(self) -> str:
        """What was not looked at yet, in words; empty when everything was."""
        if left := self.hunks - len(self.seen):
            return f"{left} of {self.hunks} hunks have not been on your screen"
        if left := len(self.grave) - len(self.acknowledged):
            return f"{left} of {len(self.grave)} HIGH findings are not acknowledged"
        return ""

    @property
    def missing(self) -> str:
        """The first step that an approval still lacks, in words; empty when the tree hash may be asked for."""
        if self.unread:
            return self.unread
        if self.verdict is None:
            return "your first verdict is missing, 1 to 5"
        if self.hunks and self.nominated is None:
            return "no hunk is nominated, not even as the least bad one"
        return ""

    @property
    def sealed(self) -> bool:
        """Whether the measurements stay hidden: they would decide for the reader."""
        return self.verdict is None


def reviewed(
    sheet: ReviewSheet,
    watch: Watch,
    mode: Literal["screen", "plain"],
    *,
    seconds: float = 0.0,
    hunk_seconds: tuple[float, ...] = (),
) -> Reviewed:
    """What was shown and done, as it goes into the decision; times in seconds, telemetry and no safeguard."""
    nominated = ""
    if watch.nominated is not None:
        diff = read_diff(sheet.diff)
        span = diff.hunks[watch.nominated]
        changed = (one for one in diff.lines[span.start : span.end] if one.kind in ("added", "removed"))
        line = next((one.new or one.old or 0 for one in changed), 0)
        nominated = f"{span.path}:{line}"
    return Reviewed(
        view=view_digest(sheet),
        version=__version__,
        mode=mode,
        hunks=watch.hunks,
        seen=len(watch.seen),
        acknowledged=tuple(finding_name(sheet.findings[number]) for number in sorted(watch.acknowledged)),
        first_verdict=watch.verdict,
        nominated=nominated,
        seconds=round(seconds, 1),
        hunk_seconds=tuple(round(each, 1) for each in hunk_seconds),
    )


def unfinished(sheet: ReviewSheet, done: Reviewed) -> str:
    """Why this review is no ground for an approval of this sheet, in words; empty when it is."""
    if done.view != view_digest(sheet):
        return "what you were shown has changed since"
    fresh = Watch.of(sheet)
    known = {number for number in fresh.grave if finding_name(sheet.findings[number]) in done.acknowledged}
    again = Watch(
        hunks=fresh.hunks,
        grave=fresh.grave,
        seen=frozenset(range(min(done.seen, fresh.hunks))),
        acknowledged=frozenset(known),
        verdict=done.first_verdict if done.first_verdict in VERDICTS else None,
        nominated=0 if done.nominated else None,
    )
    return again.missing
