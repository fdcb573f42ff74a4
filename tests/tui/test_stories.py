"""What a reviewer does, key by key, on the real screens over the in-memory port."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import pytest
from hostile_port import HostilePort
from memory_port import NOW, TREE, MemoryPort, queue_row, sheet
from textual.pilot import Pilot
from textual.widgets import Input, Static

from harness.errors import IntegrityError
from harness.records import Finding, ReviewSheet
from harness.text import mark
from harness.tui.app import ReviewApp
from harness.tui.dialogs import FormDialog, Note
from harness.tui.diffview import DiffView
from harness.tui.fields import Field
from harness.tui.guard import DEAD_AFTER_PAINT
from harness.tui.lines import LinesView
from harness.tui.queue import QueueList, QueueScreen
from harness.tui.review import ReviewScreen
from harness.tui.screenshot import render_svg

REASON = "read every hunk, order only"
Story = Callable[[ReviewApp, Pilot[None]], Awaitable[None]]


DEAD = 0.05  # seconds; most stories do not wait the half second out, those about it do


def play(
    story: Story,
    port: MemoryPort | None = None,
    proposal: str | None = None,
    size: tuple[int, int] = (80, 24),
    dead: float = DEAD,
) -> MemoryPort:
    """Runs a story at the keyboard of a fresh app."""
    port = port or MemoryPort(sheet(1), sheet(2, title="second"))

    async def run() -> None:
        app = ReviewApp(port, proposal, now=lambda: NOW)
        app.guard.dead = dead
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await story(app, pilot)

    asyncio.run(run())
    return port


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Waits for the condition; a machine may be slow, but not for ever."""
    for _ in range(400):
        await pilot.pause()
        if condition():
            return
        await asyncio.sleep(0.02)
    assert isinstance(pilot.app, ReviewApp)
    raise AssertionError(shown(pilot.app))


async def ready(pilot: Pilot[None]) -> None:
    """Until decision keys count."""
    app = pilot.app
    assert isinstance(app, ReviewApp)
    await until(pilot, lambda: app.guard._painted is not None and monotonic() - app.guard._painted > app.guard.dead)


async def decide(pilot: Pilot[None], key: str) -> None:
    """Opens a decision's form."""
    await ready(pilot)
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))


async def look(pilot: Pilot[None]) -> None:
    """The steps before an approval: every hunk, every grave finding, a first verdict, a nominated hunk."""
    app = pilot.app
    assert isinstance(app, ReviewApp)
    screen = app.screen
    assert isinstance(screen, ReviewScreen)
    await ready(pilot)
    for _ in range(40):
        if screen.view.hunks_seen == len(screen.diff.hunks):
            break
        await pilot.press("space")
        await pilot.pause()
    await pilot.press("s")
    for _ in screen.session.watch.grave:
        await pilot.press("f")
        await pilot.pause()
        done = len(screen.session.watch.acknowledged)
        await pilot.press("a")
        await until(pilot, lambda done=done: len(screen.session.watch.acknowledged) > done)  # type: ignore[misc]
    await pilot.press("4")
    await until(pilot, lambda: screen.session.watch.verdict == 4)


async def write(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*("space" if char == " " else char for char in text))


async def submit(pilot: Pilot[None], expected: str) -> None:
    """Enter on the last field, and what it leads to."""
    await ready(pilot)
    await pilot.press("enter")
    assert isinstance(pilot.app, ReviewApp)
    app = pilot.app
    await until(pilot, lambda: expected in shown(app))


def shown(app: ReviewApp) -> str:
    """The characters on the screen."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line) for line in lines)


def test_from_the_queue_to_an_approval_and_the_merge() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        assert isinstance(app.screen, QueueScreen)
        assert "2 waiting for a person" in shown(app)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ReviewScreen)
        assert "sealed until your first verdict" in shown(app)
        await look(pilot)
        assert "15 → 18" in shown(app)
        await decide(pilot, "A")
        assert isinstance(app.screen, FormDialog)
        assert app.focused is not None
        assert app.focused.id == "field0"
        await write(pilot, TREE[:8])
        await pilot.press("enter")
        assert app.focused.id == "field1"
        await write(pilot, REASON)
        await submit(pilot, "P00001: approve")
        assert isinstance(app.screen, Note)
        await pilot.press("enter")
        await pilot.pause()
        assert "M merge…" in shown(app)
        await decide(pilot, "M")
        await write(pilot, "merge")
        await submit(pilot, "P00001 has landed")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, QueueScreen)
        assert "1 waiting for a person" in shown(app)

    port = play(story)
    assert [(one.decision, one.reason) for one in port.decisions] == [("approve", REASON)]
    assert port.sheets["P00001"].state == "merged"


@pytest.mark.parametrize(
    ("key", "second", "state"),
    [("X", "", "rejected"), ("R", "", "changes"), ("D", "3d", "deferred")],
)
def test_the_other_decisions_take_a_reason_and_leave(key: str, second: str, state: str) -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await decide(pilot, key)
        if key == "X":
            await write(pilot, "wrong")
            await pilot.press("enter")
        await write(pilot, "no gain")
        if second:
            await pilot.press("enter")
            await write(pilot, second)
        await submit(pilot, "The decision is in the ledger")
        assert isinstance(app.screen, Note)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, QueueScreen)

    assert play(story, proposal="P00001").sheets["P00001"].state == state


def test_escape_in_the_form_decides_nothing() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await decide(pilot, "X")
        await write(pilot, "nearly")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ReviewScreen)
        assert "Nothing was decided" in shown(app)

    assert play(story, proposal="P00001").decisions == ()


@pytest.mark.parametrize("size", [(80, 24), (150, 40)])
def test_a_burst_of_enter_and_a_decision_key_opens_no_dialog(size: tuple[int, int]) -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await ready(pilot)
        await pilot.press("enter", "A")
        await until(pilot, lambda: "came before the screen could be read" in shown(app))
        await pilot.pause(0.7)
        assert isinstance(app.screen, ReviewScreen)

    assert play(story, size=size, dead=DEAD_AFTER_PAINT).decisions == ()


def test_a_decision_key_in_the_middle_of_other_input_is_dead() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await ready(pilot)
        for key in ("A", "j", "A", "r"):
            app.simulate_key(key)
        await until(pilot, lambda: "in the middle of other input" in shown(app))
        assert isinstance(app.screen, ReviewScreen)

    play(story, proposal="P00001")


def test_a_decision_key_and_the_way_out_in_one_burst_do_no_harm() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await ready(pilot)
        for key in ("X", "q"):
            app.simulate_key(key)
        await pilot.pause(0.3)
        assert isinstance(app.screen, QueueScreen)
        assert "waiting for a person" in shown(app)

    assert play(story, proposal="P00001").decisions == ()


def test_the_hash_must_be_typed_and_right() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await look(pilot)
        await decide(pilot, "A")
        field = app.screen.query_one("#field0", Field)
        app.copy_to_clipboard(TREE)
        await pilot.press("ctrl+v")
        await pilot.pause()
        assert field.value == ""
        assert "Pasting is refused" in shown(app)
        await write(pilot, "00000000")
        await pilot.press("enter")
        assert app.focused is field
        assert "not this proposal's tree" in shown(app)
        field.value = TREE[:8]
        await pilot.press("enter")
        await write(pilot, "short reason")
        await submit(pilot, "at least 20")
        assert isinstance(app.screen, FormDialog)

    assert play(story, proposal="P00001").decisions == ()


def test_the_submitting_enter_is_dead_right_after_the_dialog_was_painted() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await ready(pilot)
        await pilot.press("X")
        await until(pilot, lambda: isinstance(app.screen, FormDialog))
        app.guard.painted(monotonic())
        for field, value in zip(app.screen.query(Field), ("other", "x"), strict=True):
            field.value = value
        await pilot.press("tab", "enter")
        await until(pilot, lambda: "came before the screen could be read" in shown(app))
        assert isinstance(app.screen, FormDialog)
        await submit(pilot, "The decision is in the ledger")
        assert isinstance(app.screen, Note)

    play(story, proposal="P00001", dead=DEAD_AFTER_PAINT)


def test_what_was_never_tested_cannot_be_approved() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await ready(pilot)
        await pilot.press("A")
        await until(pilot, lambda: "there is nothing to approve" in shown(app))
        assert isinstance(app.screen, ReviewScreen)

    play(story, MemoryPort(sheet(1, tree=None, tests=None)), "P00001")


def test_a_merge_without_an_approval_is_told_what_is_missing() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await decide(pilot, "M")
        await write(pilot, "mergeX")
        await submit(pilot, "Type the word merge")
        await pilot.press("backspace")
        await submit(pilot, "P00001 did not land")
        assert "holdpoint approve P00001" in shown(app)

    play(story, proposal="P00001")


def test_hunks_files_search_and_the_count_of_what_was_seen() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        view = app.screen.query_one(DiffView)
        assert view.hunks_seen == 0
        await pilot.press("n")
        assert view.hunk == 1
        await pilot.press("p", "right_square_bracket")
        assert (view.hunk, view.file) == (2, 1)
        await pilot.press("left_square_bracket")
        assert view.file == 0
        for _ in range(4):
            await pilot.press("space")
            await pilot.pause()
        assert view.hunks_seen == 3
        assert "hunks seen 3/3" in shown(app)
        await pilot.press("slash", *"history", "enter")
        await pilot.pause()
        assert view.match is not None
        first = view.match
        await pilot.press("f3")
        assert view.match not in (None, first)

    play(story, proposal="P00001")


def test_evidence_at_80_columns_and_the_rationale_last_and_closed() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        assert "NOTICE  Self-modification" in shown(app)
        assert "So they go first" not in shown(app)
        await pilot.press("t")
        await pilot.pause()
        assert "no test file and no test configuration" in shown(app)
        await pilot.press("G")
        await pilot.pause()
        assert "r opens it" in shown(app)
        await pilot.press("r")
        await pilot.pause()
        assert "So they go first" in shown(app)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ReviewScreen)
        assert app.focused is app.screen.query_one(DiffView)
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(app.screen, QueueScreen)

    play(story, proposal="P00001")


def test_three_panes_from_140_columns() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        text = shown(app)
        assert "FILES  2" in text
        assert "IDENTITY" in text
        assert "swap-operands" in text
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert "IDENTITY" not in shown(app)

    play(story, proposal="P00001", size=(140, 40))


def test_ten_thousand_rows_and_their_search() -> None:
    rows = tuple(queue_row(sheet(number, title=f"proposal number {number}")) for number in range(1, 10_001))

    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        assert "10000 waiting" in shown(app)
        await pilot.press("G")
        await pilot.pause()
        assert "P10000" in shown(app)
        await pilot.press("slash", *"4711", "enter")
        await pilot.pause()
        assert "1 of 10000" in shown(app)
        assert app.screen.query_one(QueueList).shown[0].proposal == "P04711"
        await pilot.press("escape")
        await pilot.pause()
        assert "10000 waiting" in shown(app)

    play(story, MemoryPort(rows=rows))


def test_an_empty_queue_says_what_fills_it() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        assert "Nothing waits" in shown(app)
        await pilot.press("enter")

    play(story, MemoryPort())


def test_a_fault_of_the_state_is_a_sentence() -> None:
    class Broken(MemoryPort):
        def sheet(self, proposal: str) -> ReviewSheet:
            raise IntegrityError("Evidence sha256:… does not match.", "holdpoint verify")

    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await pilot.pause()
        assert "does not match" in shown(app)
        assert "holdpoint verify" in shown(app)

    play(story, Broken(sheet(1)))


def test_help_lists_the_keys_of_the_screen_in_front() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        assert "next hunk" in shown(app)
        await pilot.press(*["space"] * 4)
        await pilot.pause()
        assert "approve…" in shown(app)

    play(story, proposal="P00001")


MARKUP = "[@click=app.quit]press[/] [@click=app.bell()]me[/] [bold]x [/nope] [link=https://x.invalid]y[/link]"


def marked(number: int) -> ReviewSheet:
    """Markup wherever an agent can write."""
    found = Finding(rule=MARKUP, severity="high", path=MARKUP, line=1, message=MARKUP)
    diff = f"--- a/{MARKUP}\n+++ b/{MARKUP}\n@@ -1 +1 @@ {MARKUP}\n-{MARKUP}\n+{MARKUP}\n"
    return sheet(
        number, title=MARKUP, author=MARKUP, launcher=MARKUP, ref=MARKUP, findings=(found,), diff=diff,
        reasons=(MARKUP,), rationale=MARKUP, log_tail=MARKUP, notices=(MARKUP,), sandbox=MARKUP, lineage=(MARKUP,),
    )  # fmt: skip


@pytest.mark.parametrize("size", [(80, 24), (150, 40)])
def test_clicking_on_markup_runs_nothing(size: tuple[int, int]) -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        assert "[@click=app.quit]" in shown(app)
        await pilot.press("enter", "r")
        await pilot.pause()
        for keys in ((), ("e",)):
            await pilot.press(*keys)
            await pilot.pause()
            assert "[@click=app.quit]" in shown(app)
            for y in range(0, size[1], 2):
                for x in range(0, size[0], 9):
                    assert not any(key.startswith("@") for key in app.screen.get_style_at(x, y).meta)
                await pilot.click(offset=(12, y))
        assert app.is_running
        assert isinstance(app.screen, ReviewScreen)

    assert play(story, MemoryPort(marked(1)), size=size).decisions == ()


def test_the_rows_hold_without_the_filter() -> None:
    """The first layer alone: nothing hostile is in what the widgets draw."""

    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        app.get_line_filters = lambda: ()  # type: ignore[method-assign]
        app.screen.refresh(layout=True)
        for key in ("u", "enter", "r", "g", "space"):
            await pilot.press(key)
            await pilot.pause()
            assert [hex(ord(char)) for char in shown(app) if mark(char) is not None and char != "\n"] == []
        assert "␛" in shown(app)

    play(story, HostilePort(), size=(130, 120))


def test_the_filter_holds_when_a_widget_forgets() -> None:
    """The second layer alone: a widget with markup on, as every stock widget has it."""

    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        careless = Static("[@click=app.note_it]press me[/] \x1b]52;c;aGk=\x1b\\\u202e\u200b")
        ran: list[str] = []
        app.action_note_it = lambda: ran.append("ran")  # type: ignore[attr-defined]
        await app.screen.mount(careless, before=0)
        await pilot.pause()
        assert "press me ␛]52;c;aGk=␛\\<U+202E><U+200B>"[:40] in shown(app)
        await pilot.click(careless, offset=(2, 0))
        await pilot.pause()
        assert ran == []
        app.get_line_filters = lambda: ()  # type: ignore[method-assign]
        careless.refresh()
        await pilot.pause()
        await pilot.click(careless, offset=(2, 0))
        await pilot.pause()
        assert ran == ["ran"]  # without the filter the click does run it: the test can see what it guards against

    play(story)


def test_light_theme_and_picture() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await pilot.press("f2")
        await pilot.pause()
        assert not app.current_theme.dark
        assert "swap-operands" in shown(app)

    play(story, proposal="P00001")
    drawn = render_svg(MemoryPort(sheet(1)), "P00001", (80, 24), now=lambda: NOW)
    assert drawn.startswith("<svg ")
    assert "swap-operands" in drawn
    assert "url(http" not in drawn
    assert render_svg(MemoryPort(marked(1)), None, (80, 24), now=lambda: NOW).count("<svg ") == 1


def test_no_input_is_prefilled_and_approve_is_no_widget() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        assert [widget.id for widget in app.screen.focus_chain] == ["diff"]
        await look(pilot)
        await decide(pilot, "A")
        assert [field.value for field in app.screen.query(Input)] == ["", ""]
        assert [widget.id for widget in app.screen.focus_chain] == ["field0", "field1"]
        assert isinstance(app.screen.query_one("#what"), LinesView)

    play(story, proposal="P00001")
