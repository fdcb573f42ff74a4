"""The review screen: one proposal's evidence and diff, and keys that lead to a decision; it takes none itself."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message

from harness.patch.hunks import Diff, file_keys, read_diff
from harness.records import ReviewSheet
from harness.tui.colours import Coloured, lex_file
from harness.tui.diffview import DiffView
from harness.tui.evidence import Reading, evidence_rows
from harness.tui.fields import SearchField
from harness.tui.forms import DecisionKey
from harness.tui.guard import TypeAhead
from harness.tui.judging import Judging
from harness.tui.lines import LinesView, palette_of
from harness.tui.moving import Moving
from harness.tui.rows import Part, Role, Row, row, short
from harness.tui.session import Session
from harness.tui.sheet import summary_rows

WIDE = 140  # columns from which file list, diff and evidence stand side by side


@dataclass(frozen=True)
class Hands:
    """What the screen asks the application for. `settled` runs an act once the key was surely meant for the screen;
    `viewed` are digests of the files that were marked as viewed: another content has another one. `rest` waits while
    the person types, for work beside the screen.
    """

    decide: Callable[["ReviewScreen", DecisionKey], None]
    settled: Callable[[Callable[[], None], Callable[[str], None]], None]
    source: Callable[[str], Sequence[str] | None]
    note: Callable[[Sequence[Row]], None]
    viewed: set[str]
    rest: Callable[[], None]


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


class ReviewScreen(Moving, Judging):
    """One proposal. Keys move and mark; only A, X, R, D and M lead to a decision, each through its own form."""

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
    ReviewScreen.split #files, ReviewScreen.split #evidence { display: none; }
    ReviewScreen.split.evidence #evidence { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *Moving.KEYS,
        *Judging.KEYS,
        Binding("A", "decide('approve')", "approve…", id="review.approve"),
        Binding("X", "decide('reject')", "reject…", id="review.reject"),
        Binding("R", "decide('request-changes')", "request changes…", id="review.request-changes"),
        Binding("D", "decide('defer')", "defer…", id="review.defer"),
        Binding("M", "decide('merge')", "merge what was approved…", id="review.merge"),
        Binding("H", "app.history", "every decision so far", id="review.history"),
        Binding("ctrl+p", "app.commands", "find a command", id="review.commands"),
        Binding("question_mark", "app.keys", "help", id="review.help"),
        Binding("q,escape", "back", "back to the queue", id="review.back"),
    ]

    def __init__(self, guard: TypeAhead, sheet: ReviewSheet, hands: Hands) -> None:
        super().__init__()
        self.guard = guard
        self.hands = hands
        self.sheet = sheet
        self.diff: Diff = read_diff(sheet.diff)
        self.session = Session(sheet, self.diff, monotonic())
        self.revising = False
        self._rationale = False
        self._listed: tuple[int, frozenset[int]] = (-1, frozenset())
        self._lexed: set[int] = set()
        self._lexing = False

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

    @property
    def view(self) -> DiffView:
        """The diff."""
        return self.query_one("#diff", DiffView)

    @property
    def evidence(self) -> LinesView:
        """The evidence."""
        return self.query_one("#evidence", LinesView)

    def on_mount(self) -> None:
        """Shows the sheet; the diff has the focus, no decision does."""
        self.set_class(self.app.size.width >= WIDE, "wide")
        self.view.moved = self.moved
        self.show(self.sheet)
        self.view.focus()

    def show(self, sheet: ReviewSheet) -> None:
        """Puts a sheet on the screen; the diff stays where it is when it is the same."""
        same = sheet.diff == self.sheet.diff
        self.session.renew(sheet)
        self.sheet = sheet
        if not same or not self.view.rows:
            self.diff = read_diff(sheet.diff)
            self.session.diff = self.diff
            self.session.viewed = frozenset(n for n, key in enumerate(file_keys(self.diff)) if key in self.hands.viewed)
            self.open_diff()
        self.show_all()

    def open_diff(self) -> None:
        """Shows the difference, or the one to the last revision that was reviewed."""
        revises = self.sheet.revises
        if self.revising and revises is not None:
            self.view.open(read_diff(revises.diff), self.hands.source)
        else:
            self.view.open(self.diff, self.hands.source)
            self.view.mark_seen(self.session.watch.seen)
        shown = self.view.diff
        self.view.mark(self.signs(), self.session.watch.nominated if shown is self.diff else None)
        self._listed = (-1, frozenset())
        self._lexed = set()
        self.call_after_refresh(self._lex)

    def _lex(self) -> None:
        """Lexes the current file whole, then those beside it, beside the screen, one at a time.

        The port is asked here, on the main thread.
        """
        shown, here, palette = self.view.diff, self.view.file, palette_of(self.app)
        wanted = (file for file in (here, here + 1, here - 1) if 0 <= file < len(shown.files))
        file = next((file for file in wanted if file not in self._lexed), None)
        if file is None or self._lexing:
            return
        self._lexed.add(file)
        span = shown.files[file]
        text = self.hands.source(span.path)
        if text is None:
            self._lex()
            return
        self._lexing = True

        def work() -> None:
            found = lex_file(shown, span, text, palette, self.hands.rest)
            with contextlib.suppress(RuntimeError):  # the person has left meanwhile
                self.app.call_from_thread(self._coloured, shown, found)

        self.run_worker(work, thread=True, group="colours")

    def _coloured(self, shown: Diff, found: Mapping[int, Coloured]) -> None:
        self._lexing = False
        if self.is_attached:
            self.view.take_colours(shown, found)
            self._lex()

    def show_all(self) -> None:
        """Draws everything around the diff anew."""
        self._show_head()
        self.show_evidence()
        self.show_place()
        self.query_one("#keys", LinesView).show([_keys(self.sheet)])

    def _show_head(self) -> None:
        rows = summary_rows(self.sheet, self.diff, self.session.watch, self.app.size.width)
        self.query_one("#head", LinesView).show(rows)

    def show_evidence(self) -> None:
        """Draws the evidence anew, at the same place."""
        reading = Reading(self.session.watch, self.session.current, self.session.comments, self._rationale)
        self.evidence.show(evidence_rows(self.sheet, self.diff, reading), keep=True)

    def say(self, text: str, role: Role = "bad") -> None:
        """One line in the status row, until the next move; nothing brings back what stands there otherwise."""
        said = row((f" {text}", role), clip=True) if text else self._progress()
        self.query_one("#status", LinesView).show([said])

    def _progress(self) -> Row:
        watch = self.session.watch
        seen = (f" hunks seen {len(watch.seen)}/{watch.hunks}", _done(len(watch.seen) == watch.hunks))
        grave, known = len(watch.grave), len(watch.acknowledged)
        findings = (f" · findings ack {known}/{grave}", _done(known == grave))
        verdict = (f" · verdict {watch.verdict or '–'}", _done(watch.verdict is not None))
        nominated = (
            " · ◆ nominated" if watch.nominated is not None else " · nothing nominated",
            _done(watch.nominated is not None),
        )
        return row(seen, findings, verdict, nominated, clip=True)

    def show_place(self) -> None:
        """Where the reader is, and how far."""
        view = self.view
        self.query_one("#place", LinesView).show([self._place(view)])
        self.say("")
        listed = (view.file, self.session.viewed)
        if listed != self._listed:
            self._listed = listed
            self.query_one("#files", FileList).show(self._files(view.file), keep=True)

    def _files(self, current: int) -> list[Row]:
        rows = [row((f" FILES  {len(self.view.diff.files)}", "head"))]
        for number, span in enumerate(self.view.diff.files):
            here = number == current
            counts = f"+{span.added} -{span.removed}"
            name: tuple[str, Role] = (span.path, "strong" if here else "plain")
            done = "✓" if number in self.session.viewed else " "
            rows.append(row(("▸" if here else " ", "key"), (done, "good"), (f"{counts:<9} ", "dim"), name, indent=4))
        return rows

    def _place(self, view: DiffView) -> Row:
        if not view.diff.files:
            return row(("── no difference to show ──", "dim"))
        span = view.diff.files[view.file]
        hunk = f"  hunk {view.hunk + 1}/{len(view.diff.hunks)}" if view.diff.hunks else ""
        viewed = " ✓" if view.file in self.session.viewed else ""
        since = f"  since {self.sheet.revises.proposal}" if self.revising and self.sheet.revises else ""
        where = f"{hunk}  file {view.file + 1}/{len(view.diff.files)}{viewed}{since} "
        width = view.size.width or self.app.size.width
        room = max(12, width - len(where) - 8)
        path = Part(short(span.path if len(span.path) <= room else "…" + span.path[-room:], room), "strong")
        rest = Part("─" * max(0, width - 3 - cell_len(path.text) - len(where)), "dim")
        return Row((Part("── ", "dim"), path, Part(where), rest), clip=True)

    def moved(self) -> None:
        """Another line is current, or one more hunk was seen."""
        if self.view.diff is self.diff:
            self.session.saw(self.view.seen)
            self.session.reading(self.view.hunk, monotonic())
        self._lex()
        self.show_place()

    def on_file_list_picked(self, message: FileList.Picked) -> None:
        """A file was clicked."""
        self.view.go_file(message.index)

    def on_resize(self, event: events.Resize) -> None:
        """Three panes where there is room."""
        self.set_class(event.size.width >= WIDE, "wide")
        self._show_head()
        self.call_after_refresh(self.show_place)

    def action_rationale(self) -> None:
        """Opens or closes the agent's own account."""
        self._rationale = not self._rationale
        self.show_evidence()
        self.action_anchor("rationale")

    def action_decide(self, decision: DecisionKey) -> None:
        """Leads to a decision's form."""
        self.hands.decide(self, decision)

    def action_back(self) -> None:
        """Back to the diff, or from there to the queue."""
        if self.revising:
            self.action_revision()
        elif self.has_class("evidence") and not self.has_class("wide"):
            self.to_diff()
        else:
            self.dismiss(None)


def _done(done: bool) -> Role:
    return "good" if done else "medium"


def _keys(sheet: ReviewSheet) -> Row:
    last = ("M", " merge…") if sheet.state == "approved" else ("A", " approve…")
    shown = (("n/p", " hunk "), ("e", " evidence "), ("f", " findings "), ("s", " nominate "),
             ("1-5", " verdict "), (last[0], f"{last[1]} "), ("?", " help"))  # fmt: skip
    parts = [part for key, does in shown for part in (Part(key, "key"), Part(does))]
    return Row((Part(" "), *parts), clip=True)
