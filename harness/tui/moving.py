"""The keys of the review screen that move and lay out: they change what is in sight, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from harness.records import ReviewSheet
from harness.tui.definitions import definition_rows
from harness.tui.diffview import SPLIT_FROM, DiffView
from harness.tui.fields import SearchField
from harness.tui.guard import Guarded
from harness.tui.layout import printable
from harness.tui.lines import LinesView
from harness.tui.rows import Role, short

if TYPE_CHECKING:
    from harness.tui.review import Hands


class Moving(Guarded, Screen[None]):
    """Moves in diff and evidence."""

    KEYS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "a line down", id="review.down"),
        Binding("k,up", "move(-1)", "a line up", id="review.up"),
        Binding("space,pagedown", "page(1)", "a page down", id="review.page-down"),
        Binding("b,pageup", "page(-1)", "a page up", id="review.page-up"),
        Binding("g,home", "move(-1000000000)", "to the top", id="review.top"),
        Binding("G,end", "move(1000000000)", "to the end", id="review.end"),
        Binding("n", "hunk(1)", "next hunk", id="review.next-hunk"),
        Binding("p", "hunk(-1)", "previous hunk", id="review.previous-hunk"),
        Binding("right_square_bracket", "file(1)", "next file", id="review.next-file"),
        Binding("left_square_bracket", "file(-1)", "previous file", id="review.previous-file"),
        Binding("slash", "search", "search in what has the focus", id="review.search"),
        Binding("f3,enter", "again", "next match", id="review.next-match"),
        Binding("right_curly_bracket", "context(1)", "more context", id="review.more-context"),
        Binding("left_curly_bracket", "context(-1)", "less context", id="review.less-context"),
        Binding("w", "whitespace", "whitespace-only changes aside", id="review.whitespace"),
        Binding("vertical_line", "layout", "side by side, or one column", id="review.layout"),
        Binding("z", "fold", "fold the file, or open it", id="review.fold"),
        Binding("e", "evidence", "evidence and diff", id="review.evidence"),
        Binding("t", "anchor('tests')", "tests", id="review.tests"),
        Binding("T", "failure", "the next failed test, in the log", id="review.failure"),
        Binding("l", "anchor('log')", "log", id="review.log"),
        Binding("i", "revision", "only what changed since the last review", id="review.revision"),
        Binding("d", "definition", "definitions of the names in this line", id="review.definition"),
        Binding("y", "copy", "copy the hunk, without its signs", id="review.copy"),
        Binding("r", "rationale", "the agent's rationale", id="review.rationale"),
    ]
    sheet: ReviewSheet
    hands: "Hands"
    revising: bool
    _wanted = ""
    _failed = -1

    if TYPE_CHECKING:

        @property
        def view(self) -> DiffView: ...
        @property
        def evidence(self) -> LinesView: ...
        def say(self, text: str, role: Role = "bad") -> None: ...
        def open_diff(self) -> None: ...
        def show_place(self) -> None: ...

    def pane(self) -> LinesView:
        """What the moving keys move."""
        return self.evidence if self.focused is self.evidence else self.view

    def to_diff(self, then: Callable[[], None] = lambda: None) -> None:
        """Shows the diff and gives it the keys; `then` is done once it has its place on the screen."""
        hidden = not self.view.size.height or self.has_class("evidence")
        self.remove_class("evidence")
        self.set_focus(self.view)
        if hidden:
            self.call_after_refresh(then)
        else:
            then()

    def to_evidence(self) -> None:
        """Shows the evidence and gives it the keys."""
        self.add_class("evidence")
        self.set_focus(self.evidence)

    def action_move(self, lines: int) -> None:
        """Moves the cursor of the diff, or scrolls the evidence."""
        if self.pane() is self.view:
            self.view.move_cursor(lines)
        else:
            self.evidence.move(lines)

    def action_page(self, pages: int) -> None:
        """Scrolls by a page, keeping one line."""
        pane = self.pane()
        pane.move(pages * max(1, pane.size.height - 1))

    def action_hunk(self, step: int) -> None:
        """Goes to another hunk."""

        def step_there() -> None:
            if not self.view.step_hunk(step):
                self.say("No further hunk in this direction.", "dim")

        self.to_diff(step_there)

    def action_file(self, step: int) -> None:
        """Goes to another file."""

        def step_there() -> None:
            if not self.view.step_file(step):
                self.say("No further file in this direction.", "dim")

        self.to_diff(step_there)

    def action_context(self, step: int) -> None:
        """More or fewer lines around each hunk."""
        self.view.more_context(step)
        self.say(f"{self.view.wanted.context} further lines around each hunk", "dim")

    def action_whitespace(self) -> None:
        """Lines that differ in whitespace alone become one row with a mark, or two again."""
        wanted = self.view.wanted
        self.view.change(replace(wanted, loose=not wanted.loose))
        self.say("Whitespace-only changes are marked ~" if not wanted.loose else "Every change is shown", "dim")

    def action_layout(self) -> None:
        """Between one column and two."""
        wanted = self.view.wanted
        self.set_class(not wanted.split and self.app.size.width < 200, "split")
        self.view.change(replace(wanted, split=not wanted.split))
        self.call_after_refresh(self.show_place)
        if not wanted.split and self.app.size.width < SPLIT_FROM:
            self.call_after_refresh(self.say, f"Two columns need {SPLIT_FROM} columns of room.", "dim")

    def action_fold(self) -> None:
        """Folds the file; what is folded does not count as seen."""
        if self.view.diff.files:
            folded = self.view.fold()
            self.say("Folded; what is folded does not count as seen." if folded else "Open again", "dim")

    def action_evidence(self) -> None:
        """Between the diff and the evidence."""
        if self.focused is self.evidence:
            self.to_diff()
        else:
            self.to_evidence()

    def action_anchor(self, anchor: str) -> None:
        """To a section of the evidence."""
        self.to_evidence()
        self.call_after_refresh(self.evidence.reveal_anchor, anchor)

    def action_failure(self) -> None:
        """To what the log says about the next failed test."""
        tests = self.sheet.tests
        failed = tests.failed if tests else ()
        if not failed:
            self.say("No test failed.", "dim")
            return
        self._failed = (self._failed + 1) % len(failed)
        name = failed[self._failed]
        self.to_evidence()
        self.call_after_refresh(self._to_failure, name)

    def _to_failure(self, name: str) -> None:
        start = next((n for n, row in enumerate(self.evidence.rows) if row.anchor == "log"), 0)
        short_name = name.rpartition("::")[2].partition("[")[0]
        found = self.evidence.find_from(start, name) or self.evidence.find_from(start, short_name)
        self.say(short(name, 60) if found else f"The log's end does not name {short(name, 50)}.", "dim")

    def action_revision(self) -> None:
        """Between the whole difference and the one to the revision that was reviewed last."""
        if self.sheet.revises is None:
            self.say("No earlier revision of it was reviewed.", "dim")
            return
        self.revising = not self.revising
        self.to_diff()
        self.open_diff()
        self.show_place()
        if self.revising:
            self.say("Only what changed since then. The whole difference must be seen all the same.", "dim")

    def action_definition(self) -> None:
        """Shows where the names of the current line are defined, in the files of the change."""
        view = self.view
        if not view.diff.lines:
            return
        paths = [span.path for span in view.diff.files]
        here = view.diff.files[view.file].path if paths else ""
        texts: list[tuple[str, Sequence[str]]] = []
        for path in sorted(paths, key=lambda path: path != here):
            text = self.hands.source(path)
            if text is not None:
                texts.append((path, text))
        rows = definition_rows(view.diff.lines[view.cursor].text, texts)
        if rows:
            self.hands.note(rows)
        else:
            self.say("No name in this line is defined in the files of this change.", "dim")

    def action_copy(self) -> None:
        """Puts the hunk's new text on the clipboard, every steering character as a mark."""
        view = self.view
        if not view.diff.hunks:
            return
        span = view.diff.hunks[view.hunk]
        lines = [one for one in view.diff.lines[span.start : span.end] if one.kind in ("added", "context")]
        self.app.copy_to_clipboard("\n".join(printable(one.text).replace("→   ", "    ") for one in lines))
        self.say(f"{len(lines)} lines copied, as they are shown", "dim")

    def action_search(self) -> None:
        """Asks what to look for in the pane that has the focus."""
        self._searched = self.pane()
        self.query_one(SearchField).ask()

    def on_search_field_wanted(self, message: SearchField.Wanted) -> None:
        """Goes to the first match."""
        self._wanted = message.text
        self.set_focus(self._searched)  # Widget.focus would only take effect after the search
        self.action_again()

    def action_again(self) -> None:
        """Goes to the next match."""
        if self._wanted and not self.pane().find(self._wanted):
            self.say("Not found: " + short(self._wanted, 40), "dim")
