"""One sheet before one person: what they did about it, what they may be asked next. Pure: no widget, no clock."""

from dataclasses import dataclass
from typing import Literal

from harness.gate.protocol import Watch, reviewed
from harness.patch.hunks import Diff
from harness.records import LineComment, Reviewed, ReviewSheet
from harness.tui.forms import DecisionKey, Form
from harness.tui.sheet import worst_first

MOST_COMMENTS = 200


class Session:
    """The state behind the keys of the review screen. Times are seconds of one monotonic clock."""

    def __init__(self, sheet: ReviewSheet, diff: Diff, at: float) -> None:
        self.sheet = sheet
        self.diff = diff
        self.watch = Watch.of(sheet)
        self.comments: tuple[LineComment, ...] = ()
        self.viewed: frozenset[int] = frozenset()  # files
        self.order = worst_first(sheet.findings)
        self.finding = 0  # place in `order`
        self._began = self._since = at
        self._spent = [0.0] * len(diff.hunks)
        self._at: int | None = None

    def renew(self, sheet: ReviewSheet) -> None:
        """The same proposal was read again. What was done about other content counts no more."""
        same = sheet.diff == self.sheet.diff and sheet.findings == self.sheet.findings
        self.sheet = sheet
        if not same:
            self.watch = Watch.of(sheet)

    def saw(self, hunks: frozenset[int]) -> None:
        """These hunks have been on the screen, all of them."""
        for hunk in hunks - self.watch.seen:
            self.watch = self.watch.saw(hunk)

    def reading(self, hunk: int, at: float) -> None:
        """From this time on this hunk is the one that is read."""
        if self._at is not None and self._at < len(self._spent):
            self._spent[self._at] += at - self._since
        self._at, self._since = hunk, at

    def step_finding(self, step: int) -> int | None:
        """Index of the next finding, the worst one first; None when there is none."""
        if not self.order:
            return None
        self.finding = (self.finding + step) % len(self.order)
        return self.order[self.finding]

    @property
    def current(self) -> int | None:
        """Index of the finding that is looked at."""
        return self.order[self.finding] if self.order else None

    def acknowledge(self) -> str:
        """Acknowledges the current finding; what there is to say about it."""
        found = self.current
        if found is None:
            return "There is no finding."
        if found not in self.watch.grave:
            return "Only HIGH and CRITICAL findings need it."
        self.watch = self.watch.acknowledge(found)
        open_still = set(self.watch.grave) - self.watch.acknowledged
        left = [number for number in self.order if number in open_still]
        if left:
            self.finding = self.order.index(left[0])
        return f"Acknowledged. {len(left)} left." if left else "Acknowledged, all of them."

    def judge(self, verdict: int) -> str:
        """Takes the first verdict; what there is to say about it."""
        before = self.watch
        self.watch = before.judge(verdict)
        if before.verdict is not None:
            return f"Your first verdict was {before.verdict}; it stays."
        return f"First: {before.unread}." if self.watch is before else "Noted. The measurements are open now: e."

    def nominate(self, hunk: int) -> None:
        """This hunk is the most suspicious one."""
        self.watch = self.watch.nominate(hunk)

    def comment(self, path: str, line: int, side: Literal["new", "old"], text: str) -> None:
        """A comment on a line; an empty one takes it back."""
        kept = [one for one in self.comments if (one.path, one.line, one.side) != (path, line, side)]
        if text.strip() and len(kept) < MOST_COMMENTS:
            kept.append(LineComment(path=path, line=line, side=side, text=text.strip()))
        self.comments = tuple(kept)

    def refusal(self, decision: DecisionKey) -> str:
        """Why the form of this decision may not open yet, in words; empty when it may."""
        if decision == "approve" and not self.sheet.tree:
            return "It has no tested tree: there is nothing to approve."
        if decision == "approve" and self.watch.missing:
            return f"Not yet: {self.watch.missing}."
        if decision == "comment" and not self.diff.hunks:
            return "There is no line to comment on."
        return ""

    def done(self, at: float) -> Reviewed:
        """What was shown and done until now, for the decision's record."""
        if self._at is not None:
            self.reading(self._at, at)
        return reviewed(self.sheet, self.watch, "screen", seconds=at - self._began, hunk_seconds=tuple(self._spent))


@dataclass(frozen=True)
class Wrong:
    """This field is not filled as it should be; `why` says how."""

    field: int
    why: str


@dataclass(frozen=True)
class Submit:
    """Every field is filled."""

    values: tuple[str, ...]


class Filling:
    """A form that is being filled: Enter goes on field by field, and submits only from the last one."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.focus = 0

    def step(self, by: int) -> int:
        """To another field; at either end it stays."""
        self.focus = min(max(0, self.focus + by), len(self.form.asks) - 1)
        return self.focus

    @property
    def last(self) -> bool:
        """Whether Enter would submit."""
        return self.focus == len(self.form.asks) - 1

    def check(self, field: int, value: str) -> Wrong | None:
        """What is wrong with one field; the focus goes back to it."""
        why = self.form.asks[field].wrong(value)
        if not why:
            return None
        self.focus = field
        return Wrong(field, why)

    def submit(self, values: tuple[str, ...]) -> Wrong | Submit:
        """All fields, or the first one that is wrong."""
        for field, value in enumerate(values):
            if wrong := self.check(field, value):
                return wrong
        return Submit(values)
