"""The review screen: one proposal's evidence and diff, and keys that lead to a decision; it takes none itself."""

from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen

from harness.records import ReviewSheet
from harness.tui.diffs import Diff, read_diff
from harness.tui.diffview import DiffView
from harness.tui.fields import SearchField
from harness.tui.forms import DecisionKey
from harness.tui.guard import Guarded, TypeAhead
from harness.tui.lines import LinesView
from harness.tui.rows import Part, Role, Row, row, short
from harness.tui.sheet import evidence_rows, summary_rows

WIDE = 140  # columns from which file list, diff and evidence stand side by side
_QUESTION = "Assume one hunk is hostile. Where would it hide?"


class FileList(LinesView):
    """The files of the diff, the current one marked; a click goes there."""

    class Picked(Message):
        """Go to this file."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def on_click(self, event: events.Click) -> None:
        """A click picks the file of that row."""
        if 0 <= (index := self.row_at(event.y) - 1) < len(self.rows) - 1:
            self.post_message(self.Picked(index))


class ReviewScreen(Guarded, Screen[None]):
    """One proposal. Keys move; only A, X, R, D and M lead to a decision, each through its own form."""

    CSS = """
    ReviewScreen { layout: vertical; }
    #body { height: 1fr; }
    #files, #evidence { display: none; }
    #middle { width: 1fr; }
    #diff { height: 1fr; }
    ReviewScreen.evidence #evidence { display: block; width: 1fr; }
    ReviewScreen.evidence #middle { display: none; }
    ReviewScreen.wide #files { display: block; width: 27; border-right: vkey $panel; }
    ReviewScreen.wide #middle { display: block; width: 1fr; }
    ReviewScreen.wide #evidence { display: block; width: 46; border-left: vkey $panel; }
    ReviewScreen.wide #evidence:focus { border-left: vkey $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
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
        Binding("e", "evidence", "evidence and diff", id="review.evidence"),
        Binding("t", "anchor('tests')", "tests", id="review.tests"),
        Binding("l", "anchor('log')", "log", id="review.log"),
        Binding("r", "rationale", "the agent's rationale", id="review.rationale"),
        Binding("A", "decide('approve')", "approve…", id="review.approve"),
        Binding("X", "decide('reject')", "reject…", id="review.reject"),
        Binding("R", "decide('request-changes')", "request changes…", id="review.request-changes"),
        Binding("D", "decide('defer')", "defer…", id="review.defer"),
        Binding("M", "decide('merge')", "merge what was approved…", id="review.merge"),
        Binding("question_mark", "app.keys", "help", id="review.help"),
        Binding("q,escape", "back", "back to the queue", id="review.back"),
    ]

    def __init__(
        self,
        guard: TypeAhead,
        sheet: ReviewSheet,
        identity: str,
        decide: Callable[["ReviewScreen", DecisionKey], None],
    ) -> None:
        super().__init__()
        self.guard = guard
        self.sheet = sheet
        self.diff: Diff = read_diff(sheet.diff)
        self._identity = identity
        self._decide = decide
        self._rationale = False
        self._wanted = ""
        self._listed = -1

    def compose(self) -> ComposeResult:
        """Head, then files, diff and evidence, then search, status and keys."""
        yield LinesView(id="head", fit=12)
        with Horizontal(id="body"):
            yield FileList(id="files")
            with Vertical(id="middle"):
                yield LinesView(id="place", fit=1)
                yield DiffView(id="diff")
            yield LinesView(id="evidence", focusable=True)
        yield SearchField()
        yield LinesView(id="status", fit=1)
        yield LinesView(id="keys", fit=1)

    def on_mount(self) -> None:
        """Shows the sheet; the diff has the focus, no decision does."""
        self.set_class(self.app.size.width >= WIDE, "wide")
        self.show(self.sheet)
        self.query_one(DiffView).focus()

    def show(self, sheet: ReviewSheet) -> None:
        """Puts a sheet on the screen; the diff stays where it is when it is the same."""
        view = self.query_one(DiffView)
        if sheet.diff != self.sheet.diff or not view.rows:
            self.diff = read_diff(sheet.diff)
            view.open(self.diff)
            self._listed = -1
        self.sheet = sheet
        self._show_head()
        self._show_evidence()
        self._show_place()
        self.query_one("#keys", LinesView).show([_keys(sheet)])

    def _show_head(self) -> None:
        rows = summary_rows(self.sheet, self.diff, self._identity, self.app.size.width)
        self.query_one("#head", LinesView).show(rows)

    @property
    def unseen(self) -> int:
        """Hunks that have not been on the screen in full."""
        return len(self.diff.hunks) - self.query_one(DiffView).hunks_seen

    def say(self, text: str, role: Role = "bad") -> None:
        """One line in the status row, until the next move; nothing brings back what stands there otherwise."""
        said = row((f" {text}", role), clip=True) if text else self._seen()
        self.query_one("#status", LinesView).show([said])

    def _seen(self) -> Row:
        view = self.query_one(DiffView)
        seen = f" hunks seen {view.hunks_seen}/{len(self.diff.hunks)} "
        done = view.hunks_seen == len(self.diff.hunks)
        return row((seen, "good" if done else "medium"), (f" {_QUESTION}", "strong"), clip=True)

    def _show_evidence(self) -> None:
        rows = evidence_rows(self.sheet, self.diff, rationale=self._rationale)
        self.query_one("#evidence", LinesView).show(rows, keep=True)

    def _show_place(self) -> None:
        view = self.query_one(DiffView)
        self.query_one("#place", LinesView).show([self._place(view)])
        self.say("")
        if view.file != self._listed:
            self._listed = view.file
            self.query_one("#files", FileList).show(self._files(view.file), keep=True)

    def _files(self, current: int) -> list[Row]:
        rows = [row((f" FILES  {len(self.diff.files)}", "head"))]
        for number, span in enumerate(self.diff.files):
            here = number == current
            counts = f"+{span.added} -{span.removed}"
            name: tuple[str, Role] = (span.path, "strong" if here else "plain")
            rows.append(row(("▸ " if here else "  ", "key"), (f"{counts:<9} ", "dim"), name, indent=4))
        return rows

    def _place(self, view: DiffView) -> Row:
        if not self.diff.files:
            return row(("── no difference to show ──", "dim"))
        span = self.diff.files[max(0, view.file)]
        hunk = f"  hunk {view.hunk + 1}/{len(self.diff.hunks)}" if self.diff.hunks else ""
        where = f"{hunk}  file {view.file + 1}/{len(self.diff.files)} "
        width = view.size.width or self.app.size.width
        room = max(12, width - len(where) - 8)
        path = Part(short(span.path if len(span.path) <= room else "…" + span.path[-room:], room), "strong")
        rest = Part("─" * max(0, width - 3 - cell_len(path.text) - len(where)), "dim")
        return Row((Part("── ", "dim"), path, Part(where), rest), clip=True)

    def on_diff_view_moved(self) -> None:
        """Another hunk is current, or one more was seen."""
        self._show_place()

    def on_file_list_picked(self, message: FileList.Picked) -> None:
        """A file was clicked."""
        self.query_one(DiffView).go_file(message.index)

    def on_resize(self, event: events.Resize) -> None:
        """Three panes where there is room."""
        self.set_class(event.size.width >= WIDE, "wide")
        self._show_head()
        self.call_after_refresh(self._show_place)

    def _pane(self) -> LinesView:
        evidence = self.query_one("#evidence", LinesView)
        return evidence if evidence.has_focus else self.query_one(DiffView)

    def action_move(self, lines: int) -> None:
        """Scrolls the pane that has the focus."""
        self._pane().move(lines)

    def action_page(self, pages: int) -> None:
        """Scrolls by a page, keeping one line."""
        pane = self._pane()
        pane.move(pages * max(1, pane.size.height - 1))

    def action_hunk(self, step: int) -> None:
        """Goes to another hunk."""
        self._to_diff()
        if not self.query_one(DiffView).step_hunk(step):
            self.say("No further hunk in this direction.", "dim")

    def action_file(self, step: int) -> None:
        """Goes to another file."""
        self._to_diff()
        if not self.query_one(DiffView).step_file(step):
            self.say("No further file in this direction.", "dim")

    def _to_diff(self) -> None:
        self.remove_class("evidence")
        self.query_one(DiffView).focus()

    def _to_evidence(self) -> None:
        self.add_class("evidence")
        self.query_one("#evidence", LinesView).focus()

    def action_evidence(self) -> None:
        """Between the diff and the evidence."""
        if self.query_one("#evidence", LinesView).has_focus:
            self._to_diff()
        else:
            self._to_evidence()

    def action_anchor(self, anchor: str) -> None:
        """To a section of the evidence."""
        self._to_evidence()
        self.call_after_refresh(self.query_one("#evidence", LinesView).reveal_anchor, anchor)

    def action_rationale(self) -> None:
        """Opens or closes the agent's own account."""
        self._rationale = not self._rationale
        self._show_evidence()
        self.action_anchor("rationale")

    def action_search(self) -> None:
        """Asks what to look for in the pane that has the focus."""
        self._searched = self._pane()
        self.query_one(SearchField).ask()

    def on_search_field_wanted(self, message: SearchField.Wanted) -> None:
        """Goes to the first match."""
        self._wanted = message.text
        self._searched.focus()
        self.action_again()

    def action_again(self) -> None:
        """Goes to the next match."""
        if self._wanted and not self._pane().find(self._wanted):
            self.say("Not found: " + short(self._wanted, 40), "dim")

    def action_decide(self, decision: DecisionKey) -> None:
        """Leads to a decision's form."""
        self._decide(self, decision)

    def action_back(self) -> None:
        """Back to the diff, or from there to the queue."""
        if self.has_class("evidence") and not self.has_class("wide"):
            self._to_diff()
        else:
            self.dismiss(None)


def _keys(sheet: ReviewSheet) -> Row:
    last = ("M", " merge…") if sheet.state == "approved" else ("A", " approve…")
    shown = (("n/p", " hunk "), ("]/[", " file "), ("/", " search "), ("e", " evidence "), ("r", " rationale "),
             (last[0], f"{last[1]} "), ("X", " reject… "), ("?", " help"))  # fmt: skip
    parts = [part for key, does in shown for part in (Part(key, "key"), Part(does))]
    return Row((Part(" "), *parts), clip=True)
