"""The keys of the review screen that record what the reader thinks: marks, comments, findings, the first verdict."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from harness.patch.hunks import Diff, file_keys
from harness.tui.diffview import DiffView
from harness.tui.forms import DecisionKey
from harness.tui.guard import Guarded
from harness.tui.lines import LinesView
from harness.tui.rows import Role
from harness.tui.session import Session

if TYPE_CHECKING:
    from harness.tui.review import Hands


class Judging(Guarded, Screen[None]):
    """Marks what was read and what is thought of it; no key here decides."""

    KEYS: ClassVar[list[BindingType]] = [
        Binding("f", "finding(1)", "next finding", id="review.next-finding"),
        Binding("F", "finding(-1)", "previous finding", id="review.previous-finding"),
        Binding("o", "goto", "go to the finding's line", id="review.finding-line"),
        Binding("a", "acknowledge", "acknowledge the finding", id="review.acknowledge"),
        *(Binding(str(n), f"judge({n})", f"first verdict {n}", id=f"review.verdict-{n}") for n in range(1, 6)),
        Binding("s", "nominate", "nominate the most suspicious hunk", id="review.nominate"),
        Binding("c", "comment", "comment on the line", id="review.comment"),
        Binding("v", "viewed", "mark the file as viewed", id="review.viewed"),
    ]
    session: Session
    hands: "Hands"
    diff: Diff

    if TYPE_CHECKING:

        @property
        def view(self) -> DiffView: ...
        @property
        def evidence(self) -> LinesView: ...
        def say(self, text: str, role: Role = "bad") -> None: ...
        def to_diff(self, then: Callable[[], None] = ...) -> None: ...
        def to_evidence(self) -> None: ...
        def show_evidence(self) -> None: ...
        def show_all(self) -> None: ...
        def show_place(self) -> None: ...
        def action_decide(self, decision: DecisionKey) -> None: ...

    def signs(self) -> Mapping[int, str]:
        """Signs in the diff's margin: comments and findings, by line of the difference."""
        diff = self.view.diff
        commented = {(one.path, one.side, one.line) for one in self.session.comments}
        warned = {(one.path, one.line) for one in self.session.sheet.findings if one.line}
        paths = {path for path, *_ in (*commented, *warned)}
        found: dict[int, str] = {}
        for file in diff.files:
            for number in range(file.start, file.end) if file.path in paths else ():
                line = diff.lines[number]
                if line.new is not None and (file.path, line.new) in warned:
                    found[number] = "!"
                if (file.path, "new", line.new) in commented or (file.path, "old", line.old) in commented:
                    found[number] = "✎"
        return found

    def _marked(self) -> None:
        nominated = self.session.watch.nominated if self.view.diff is self.diff else None
        self.view.mark(self.signs(), nominated)

    def action_finding(self, step: int) -> None:
        """Goes to another finding, in the evidence."""
        first = self.focused is not self.evidence
        found = self.session.step_finding(0 if first else step)
        if found is None:
            self.say("There is no finding; that is no proof of harmlessness.", "dim")
            return
        self.show_evidence()
        self.to_evidence()
        self.call_after_refresh(self.evidence.reveal_anchor, f"finding {found}")

    def action_goto(self) -> None:
        """Goes to the line that the current finding is about."""
        current = self.session.current
        if current is None:
            self.say("There is no finding.", "dim")
            return
        found = self.session.sheet.findings[current]

        def go_there() -> None:
            if not self.view.go_to(found.path, found.line):
                self.say("Its file is not in the difference.", "dim")

        self.to_diff(go_there)

    def action_acknowledge(self) -> None:
        """Acknowledges the finding under the mark, if it is in sight and the key was meant for it."""
        current = self.session.current
        if current is None or not self._in_sight(f"finding {current}"):
            self.action_finding(0)
            self.say("Read it here, then press a.")
            return

        def act() -> None:
            said = self.session.acknowledge()
            self.show_all()
            if self.session.current is not None:
                self.call_after_refresh(self.evidence.reveal_anchor, f"finding {self.session.current}")
            self.say(said, "dim")

        self.hands.settled(act, self.say)

    def _in_sight(self, anchor: str) -> bool:
        evidence = self.evidence
        if not evidence.display or self.focused is not evidence:
            return False
        rows = range(evidence.top_row(), evidence.bottom_row() + 1)
        return any(evidence.rows[number].anchor == anchor for number in rows)

    def action_judge(self, verdict: int) -> None:
        """Takes the first verdict, which opens the measurements."""

        def act() -> None:
            said = self.session.judge(verdict)
            self.show_all()
            self.say(said, "dim")

        self.hands.settled(act, self.say)

    def action_nominate(self) -> None:
        """Nominates the hunk under the cursor."""
        if self.view.diff is not self.diff or not self.diff.hunks:
            self.say("Nominate in the whole difference.", "dim")
            return
        self.session.nominate(self.view.hunk)
        self._marked()
        self.show_place()

    def action_viewed(self) -> None:
        """Marks the file as viewed, or takes the mark back, and goes on to the next file."""
        if not self.view.diff.files or self.view.diff is not self.diff:
            return
        file = self.view.file
        self.session.viewed ^= {file}
        key = file_keys(self.diff)[file]
        (self.hands.viewed.add if file in self.session.viewed else self.hands.viewed.discard)(key)
        if file in self.session.viewed:
            self.view.step_file(1)
        self.show_place()

    def action_comment(self) -> None:
        """Asks for a comment on the line under the cursor."""
        if self.view.diff is not self.diff or not self.diff.lines:
            self.say("Comment in the whole difference.", "dim")
            return
        if self.diff.lines[self.view.cursor].kind not in ("added", "removed", "context"):
            self.view.move_cursor(1)
        self.action_decide("comment")

    def commented(self, text: str) -> None:
        """Keeps a comment on the line under the cursor."""
        line = self.diff.lines[self.view.cursor]
        path = self.diff.files[max(0, self.diff.file_at(self.view.cursor))].path
        side = "old" if line.kind == "removed" else "new"
        number = line.old if line.kind == "removed" else line.new
        if number is not None:
            self.session.comment(path, number, "old" if side == "old" else "new", text)
        self._marked()
        self.show_evidence()
        self.show_place()

    @property
    def place(self) -> str:
        """The line under the cursor, as `path:line`."""
        line = self.diff.lines[self.view.cursor]
        path = self.diff.files[max(0, self.diff.file_at(self.view.cursor))].path
        return f"{path}:{line.new or line.old or 0}"
