"""Reading a difference: layouts, colours, changed words, jumps, marks, comments, the palette, keys of one's own."""

from pathlib import Path

import pytest
from memory_port import DIFF, NOW, MemoryPort, queue_row, sheet
from rich.segment import Segment
from rich.style import Style
from test_stories import decide, look, play, ready, shown, submit, until, write
from textual.pilot import Pilot

from harness.cli.review import own_keys
from harness.errors import UsageError
from harness.patch.hunks import file_keys, read_diff
from harness.records import Decision, Effect, Finding, LineComment, Revision, TestsResult
from harness.tui.app import ReviewApp
from harness.tui.colours import lex_chunk, lex_file, with_spans
from harness.tui.commands import Commands, commands_of
from harness.tui.definitions import definition_rows, names_in
from harness.tui.dialogs import FormDialog, Note
from harness.tui.keymap import known_ids, read_keys
from harness.tui.layout import Layout, lay, partners, word_changes
from harness.tui.lines import LinesView
from harness.tui.palette import DARK
from harness.tui.plot import path_lines
from harness.tui.queue import QueueList, QueueScreen, outcome_of
from harness.tui.review import ReviewScreen
from harness.tui.session import Session

GRAVE = (
    Finding(rule="low-one", severity="low", path="src/tinker/policy.py", line=43, message="m"),
    Finding(rule="dynamic-code", severity="high", path="src/tinker/policy.py", line=23, message="builds code"),
)


def nothing(_path: str) -> None:
    return None


def test_side_by_side_shows_every_line_once() -> None:
    diff = read_diff(DIFF)
    for wanted in (Layout(), Layout(split=True), Layout(loose=True), Layout(split=True, loose=True)):
        rows = lay(diff, wanted, nothing)
        told = sorted(line for row in rows for line in row.lines)
        assert told == list(range(len(diff.lines)))
    pairs = partners(diff)
    split = lay(diff, Layout(split=True), nothing)
    both = [row for row in split if row.left and row.right and row.left is not row.right]
    assert {(row.old, row.new) for row in both} == {(old, new) for old, new in pairs.items() if old < new}
    assert len(split) < len(lay(diff, Layout(), nothing))


def test_a_folded_file_says_so_and_counts_as_unseen() -> None:
    diff = read_diff(DIFF)
    rows = lay(diff, Layout(folded=frozenset({0})), nothing)
    assert [row.note for row in rows if row.note] == ["folded: 7 lines added, 3 removed"]
    assert not [row for row in rows if diff.file_at(row.line) == 0 and row.main.kind != "file"]


def test_whitespace_only_changes_are_one_row_with_a_mark() -> None:
    diff = read_diff("--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n-if a:  b\n-c = 1\n+if a: b\n+c = 2\n")
    rows = lay(diff, Layout(loose=True), nothing)
    assert [row.note for row in rows if row.note] == ["whitespace only"]
    assert len([row for row in rows if row.main.kind in ("added", "removed")]) == 3


def test_further_context_comes_from_the_file_and_stops_at_the_next_hunk() -> None:
    text = [f"line {number}" for number in range(1, 31)]
    body = "@@ -10,2 +10,3 @@\n line 10\n+line 11\n line 12\n@@ -14,1 +15,2 @@\n line 15\n+line 16\n"
    diff = read_diff("--- a/x.py\n+++ b/x.py\n" + body)
    rows = lay(diff, Layout(context=3), lambda _path: text)
    more = [(row.main.old, row.main.new, row.main.text) for row in rows if row.line < 0]
    assert [number for _, number, _ in more] == [7, 8, 9, 13, 14, 13, 14, 17, 18, 19]
    assert all(text == f"line {new}" for _, new, text in more)
    assert more[0][0] == 7
    assert more[-1][0] == 17


@pytest.mark.parametrize(
    ("before", "after", "gone", "new"),
    [
        ("return verify(x)", "return True", ["verify(x)"], ["True"]),
        ("a = f(x, y)", "a = f(x, z)", ["y"], ["z"]),
        ("a = 1", "a = 1", [], []),
        ("completely other words", "1 + 2", [], []),
        ("x" * 700, "y" * 700, [], []),
        ("(" * 101, "(" * 100 + ")", [], []),  # comparing such lines takes as long as their makers wish
    ],
)
def test_changed_words(before: str, after: str, gone: list[str], new: list[str]) -> None:
    one, two = word_changes(before, after)
    assert "".join(before[a:b] for a, b in one) == "".join(gone)
    assert "".join(after[a:b] for a, b in two) == "".join(new)


def test_spans_cut_segments_and_lose_nothing() -> None:
    line = (Segment("abc", Style(bold=True)), Segment("defg", Style()))
    made = with_spans(line, [(2, 4)], Style(underline=True))
    assert "".join(one.text for one in made) == "abcdefg"
    assert [one.text for one in made if one.style and one.style.underline] == ["c", "d"]


def test_colours_survive_a_string_over_many_lines() -> None:
    text = ['"""One', *[f"word {number} import def" for number in range(200)], '"""', "import os", "x = 1"]
    diff = read_diff(
        "--- a/x.py\n+++ b/x.py\n@@ -150,2 +150,3 @@\n " + text[149] + "\n+" + text[150] + "\n " + text[151] + "\n"
    )
    alone = lex_chunk(diff, 3, DARK)[3]
    whole = lex_file(diff, diff.files[0], text, DARK)[3]
    assert len(alone) > 1  # alone, `import` in it looks like code
    string = DARK.code.get_style_for_token(("Literal", "String", "Doc"))
    assert {segment.style for segment in whole} == {string}
    assert lex_file(diff, diff.files[0], ["another", "file"], DARK) == {}


def test_the_old_image_is_the_new_one_with_the_difference_undone() -> None:
    new = ['x = """', "a", "b", '"""', "y = 1"]
    diff = read_diff('--- a/x.py\n+++ b/x.py\n@@ -1,5 +1,5 @@\n x = """\n-import old\n+a\n b\n """\n y = 1\n')
    found = lex_file(diff, diff.files[0], new, DARK)
    string = DARK.code.get_style_for_token(("Literal", "String", "Double"))
    assert {segment.style for segment in found[3]} == {string}


def test_definitions_are_found_by_name_alone() -> None:
    text = ["import os", "", "def check(x):", "    return verify(x)", "", "LIMIT = 3", "class Rule:", "    a = 1"]
    assert names_in("if check(LIMIT) and True: Rule") == ("check", "LIMIT", "Rule")
    shown_text = "\n".join(row.text for row in definition_rows("y = check(LIMIT)", [("a.py", text)]))
    assert "a.py:3" in shown_text
    assert "return verify(x)" in shown_text
    assert "a.py:6" in shown_text
    assert definition_rows("nothing here", [("a.py", text)]) == ()
    assert definition_rows("(" * 5000, [("a.py", ["(" * 5000])]) == ()


def test_the_plot_has_the_line_to_cross() -> None:
    lines = path_lines([1.0, 0.5, 2.0, 9.0, 30.0], 0.05)
    assert any("a win" in line and "─" in line for line in lines)
    assert any("e = 1" in line for line in lines)
    assert sum(line.count("●") for line in lines) == 5
    assert lines[-1].endswith("pairs 1 to 5")
    long = path_lines([1.0 + number / 10 for number in range(500)], None)
    assert all(len(line) < 60 for line in long)
    assert path_lines([], 0.05) == path_lines([1.0], 0.05) == ()
    assert path_lines([float("inf"), 0.0, float("nan"), 1.0], 0.05)


def test_the_queue_says_what_came_out_without_the_numbers() -> None:
    assert outcome_of("win solved +3 [+1, +5]; no worse time ×1.02") == "win solved; no worse time"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('[keys]\n"review.nxt-hunk" = "n"', "review.nxt-hunk"),
        ('[keys]\n"review.approve" = "enter"', "by habit"),
        ('[keys]\n"review.next-hunk" = "p"', "both"),
        ('[keys]\n"review.next-hunk" = "ctrl+b"', "multiplexers"),
        ('[keys]\n"review.next-hunk" = 3', "key names"),
        ("[other]\na = 1", "one table"),
        ("no toml", "no TOML"),
    ],
)
def test_a_keys_file_that_will_not_do_is_refused(text: str, word: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_keys(text)
    assert word in f"{refused.value.message} {refused.value.next_step}"


def test_our_own_keys_clash_nowhere_and_leave_the_multiplexers_alone() -> None:
    assert read_keys("") == {}
    assert read_keys('[keys]\n"review.next-hunk" = "ctrl+n"') == {"review.next-hunk": "ctrl+n"}
    assert {"review.approve", "queue.open", "review.verdict-1"} <= set(known_ids())


def test_the_keys_file_is_found_in_the_configuration_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert own_keys() == {}
    file = tmp_path / "holdpoint" / "keys.toml"
    file.parent.mkdir()
    file.write_text('[keys]\n"queue.open" = "o"\n')
    assert own_keys() == {"queue.open": "o"}
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError):
        own_keys()


def test_no_decision_is_in_the_palette() -> None:
    offered = {one.id for one in commands_of([*ReviewScreen.BINDINGS, *QueueScreen.BINDINGS])}
    assert not [one for one in offered if any(word in str(one) for word in ("approve", "reject", "merge", "defer"))]
    assert "review.next-hunk" in offered


def test_a_key_of_ones_own() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        app.set_keymap({"review.next-hunk": "ctrl+n"})
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        await pilot.press("n")
        assert screen.view.hunk == 0
        await pilot.press("ctrl+n")
        assert screen.view.hunk == 1

    play(story, proposal="P00001")


def test_the_palette_finds_and_does() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert isinstance(app.screen, Commands)
        await write(pilot, "next file")
        await pilot.pause()
        assert [row.text.split()[-2:] for row in app.screen.query_one("#found", LinesView).rows] == [["next", "file"]]
        await pilot.press("enter")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        await until(pilot, lambda: screen.view.file == 1)

    play(story, proposal="P00001")


def test_from_a_finding_to_its_line_and_acknowledged_one_by_one() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        await ready(pilot)
        await pilot.press("a")
        await pilot.pause()
        assert screen.session.watch.acknowledged == frozenset()
        assert "Read it here" in shown(app)
        await pilot.press("a")
        await until(pilot, lambda: screen.session.watch.acknowledged == {1})
        assert "✓ acknowledged" in shown(app)
        await pilot.press("o")
        await pilot.pause()
        assert screen.diff.lines[screen.view.cursor].new == 23
        assert "! " in shown(app) or "▸" in shown(app)

    play(story, MemoryPort(sheet(1, findings=GRAVE)), "P00001")


def test_the_same_finding_twice_is_acknowledged_twice() -> None:
    session = Session(sheet(1, findings=(GRAVE[1], GRAVE[1])), read_diff(DIFF), 0.0)
    session.acknowledge()
    assert len(session.watch.acknowledged) == 1
    session.acknowledge()
    assert session.watch.acknowledged == {0, 1}


def test_comments_go_with_the_request_and_the_next_revision_shows_what_changed() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        for _ in range(5):
            await pilot.press("j")
        await decide(pilot, "c")
        await write(pilot, "why three?")
        await submit(pilot, "hunks seen")
        assert "✎" in shown(app) or screen.session.comments
        await pilot.press("e")
        await pilot.pause()
        await decide(pilot, "R")
        assert "Your comments on lines go with it: 1" in shown(app)
        await write(pilot, "say why")
        await submit(pilot, "The decision is in the ledger")

    port = play(story, proposal="P00001")
    (one,) = port.decisions
    assert [(c.path, c.line, c.side, c.text) for c in one.comments] == [
        ("src/tinker/policy.py", 15, "new", "why three?")
    ]


def revised() -> MemoryPort:
    asked = Decision(
        proposal="P00001", decision="request-changes", reviewer="ana", reason="say why", tree=None, evidence=None,
        statement=None, at=NOW,
        comments=(LineComment(path="src/tinker/policy.py", line=15, side="new", text="why three?"),),
    )  # fmt: skip
    changed = "--- a/src/tinker/notes.md\n+++ b/src/tinker/notes.md\n@@ -1 +1,2 @@\n # Notes\n+three was a guess\n"
    return MemoryPort(sheet(2, revises=Revision(proposal="P00001", decision=asked, diff=changed)))


def test_the_difference_to_the_last_review_is_shown_but_does_not_count_as_the_whole() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        await pilot.press("i")
        await pilot.pause()
        assert "three was a guess" in shown(app)
        assert "since P00001" in shown(app)
        await pilot.pause()
        assert screen.session.watch.seen == frozenset()
        await pilot.press("s")
        assert screen.session.watch.nominated is None
        await pilot.press("i", "e")
        await pilot.pause()
        assert "“why three?”" in "\n".join(row.text for row in screen.evidence.rows)

    play(story, revised(), "P00002")


def test_viewed_marks_stay_with_the_content() -> None:
    port = MemoryPort(sheet(1))

    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        await pilot.press("v")
        assert screen.session.viewed == {0}
        assert screen.view.file == 1
        await pilot.press("q")
        await pilot.pause()
        port.sheets["P00001"] = sheet(1, diff=DIFF.replace("weight=3", "weight=4"))
        await pilot.press("enter")
        await pilot.pause()
        again = app.screen
        assert isinstance(again, ReviewScreen)
        assert again.session.viewed == frozenset()
        port.sheets["P00001"] = sheet(1)
        await pilot.press("q")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        back = app.screen
        assert isinstance(back, ReviewScreen)
        assert back.session.viewed == {0}

    play(story, port, "P00001")
    one, two = read_diff(DIFF), read_diff(DIFF.replace("@@ -40,6 +43,7 @@", "@@ -50,6 +53,7 @@"))
    assert file_keys(one) == file_keys(two)


def test_layouts_on_the_screen() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        await pilot.press("vertical_line")
        await pilot.pause()
        line = next(line for line in shown(app).split("\n") if 'put="if not x"),' in line)
        assert "weight=3" in line
        assert "│" in line
        await pilot.press("z")
        await pilot.pause()
        assert "folded: 7 lines added" in shown(app)
        await pilot.press("z", "vertical_line")
        await pilot.pause()
        assert "folded" not in shown(app)
        await pilot.resize_terminal(80, 24)
        await pilot.press("vertical_line")
        await pilot.pause()
        assert "│" not in shown(app).split("policy.py  hunk")[1].split("hunks seen")[0]

    play(story, proposal="P00001", size=(150, 40))


@pytest.mark.parametrize("split", [False, True])
def test_further_context_on_the_screen(split: bool) -> None:
    port = MemoryPort(sheet(1))
    port.texts["src/tinker/policy.py"] = "\n".join(f"line {number} {'x' * 66}" for number in range(1, 80))

    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        if split:
            await pilot.press("vertical_line")
        await pilot.press("right_curly_bracket")
        await pilot.pause()
        assert "10 further lines" in shown(app)
        await pilot.press("g")
        await pilot.pause()
        assert "line 2 xx" in shown(app)
        for _ in range(30):
            if screen.view.hunks_seen == 3:
                break
            await pilot.press("space", "j")
        assert screen.view.hunks_seen == 3
        await pilot.press("left_curly_bracket")
        await pilot.pause()
        assert not [row for row in screen.view.view if row.line < 0]

    play(story, port, "P00001", size=(130, 24))


def test_the_definition_of_what_a_line_calls() -> None:
    port = MemoryPort(sheet(1))
    port.texts["src/tinker/policy.py"] = "def priority(c):\n    return 0\n\n\nclass Candidate:\n    pass\n"

    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        screen.view.to_line(next(n for n, one in enumerate(screen.diff.lines) if "sorted(expand" in one.text))
        await pilot.press("d")
        await pilot.pause()
        assert isinstance(app.screen, Note)
        assert "src/tinker/policy.py:1" in shown(app)

    play(story, port, "P00001")


def test_from_a_failed_test_to_its_place_in_the_log() -> None:
    log = "\n".join([*(f"line {n}" for n in range(80)), "FAILED tests/test_a.py::test_b - assert 1 == 2", *"xyz"])
    tests = TestsResult(expected=2, passed=1, failed=("tests/test_a.py::test_b",))

    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await pilot.press("T")
        await until(pilot, lambda: "assert 1 == 2" in shown(app))

    play(story, MemoryPort(sheet(1, tests=tests, log_tail=log)), "P00001")


def test_a_search_in_the_evidence_stays_there() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        await pilot.press("e", "slash", *"seccomp", "enter")
        await pilot.pause()
        assert screen.evidence.match is not None
        assert "seccomp default" in shown(app)

    play(story, proposal="P00001")


def test_measurements_stay_sealed_until_the_first_verdict() -> None:
    effect = Effect(
        metric="t", unit="", kind="time", role="objective", exact=False, baseline=None, candidate=None, estimate=0.3,
        low=0.1, high=0.5, e_value=44.0, pairs=6, outcome="win", alpha=0.05, path=(1.0, 2.0, 8.0, 9.0, 20.0, 44.0),
    )  # fmt: skip
    one = sheet(1, effects=(effect,), reasons=("t: ×1.35",))

    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        screen = app.screen
        assert isinstance(screen, ReviewScreen)
        text = "\n".join(row.text for row in screen.evidence.rows)
        assert "×1.35" not in text + shown(app)
        await look(pilot)
        text = "\n".join(row.text for row in screen.evidence.rows)
        assert "×1.35" in text
        assert "●" in text
        await pilot.press("2")
        await pilot.pause(0.3)
        assert screen.session.watch.verdict == 4

    play(story, MemoryPort(one), "P00001", size=(80, 40))


def test_several_are_rejected_together_and_nothing_else_is() -> None:
    rows = tuple(queue_row(sheet(number)) for number in (1, 2, 3))
    port = MemoryPort(*(sheet(number) for number in (1, 2, 3)), rows=rows)

    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await ready(pilot)
        await pilot.press("X")
        await pilot.pause()
        assert "Mark proposals with x first" in shown(app)
        await pilot.press("x", "j", "x")
        assert app.screen.query_one(QueueList).marked == {"P00001", "P00003"}
        await pilot.press("X")
        await until(pilot, lambda: isinstance(app.screen, FormDialog))
        assert "Reject 2 proposals" in shown(app)
        await write(pilot, "u")
        await pilot.press("enter")
        await write(pilot, "no case for it")
        await submit(pilot, "P00003: reject")

    play(story, port)
    assert [(one.proposal, one.decision, one.category) for one in port.decisions] == [
        ("P00001", "reject", "unclear"),
        ("P00003", "reject", "unclear"),
    ]


def test_the_history_tells_what_was_decided_and_seen() -> None:
    async def story(app: ReviewApp, pilot: Pilot[None]) -> None:
        await look(pilot)
        await decide(pilot, "X")
        await write(pilot, "gaming")
        await pilot.press("enter")
        await write(pilot, "keyed to the tests")
        await submit(pilot, "The decision is in the ledger")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("H")
        await pilot.pause()
        text = shown(app)
        assert "reject (gaming)" in text
        assert "keyed to the tests" in text
        assert "3 of 3 hunks seen" in text
        assert "first verdict 4" in text

    play(story, proposal="P00001", size=(100, 30))
