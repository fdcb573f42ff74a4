"""The parts of the screen that need no screen: rows, wrapping, diffs, forms, the type-ahead guard."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_port import DIFF, NOW, TREE, sheet
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from harness.gate.protocol import Watch
from harness.patch.hunks import read_diff
from harness.records import Effect, Finding, TestsResult
from harness.text import mark
from harness.tui.evidence import Reading, evidence_rows
from harness.tui.forms import form_for, until_date
from harness.tui.guard import DEAD_AFTER_PAINT, TypeAhead
from harness.tui.rows import Part, breaks, risk, short
from harness.tui.sanitiser import SANITISER
from harness.tui.sheet import summary_rows, worst_first

HOSTILE = "a\x1b]52;c;aGk=\x07b\x9b2Jc\u202ed\u200be\ufefff\rg\x00h\x7f"


def steers(text: str) -> bool:
    return any(mark(char) is not None or char in "\n\t" for char in text)


@given(st.text())
def test_no_part_holds_a_steering_character(text: str) -> None:
    assert not steers(Part(text).text)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(2, 60), st.integers(0, 20), st.booleans()
)
def test_wrapping_loses_nothing_and_fits(text: str, width: int, indent: int, words: bool) -> None:
    shown = Part(text).text
    indent = indent if indent < width // 2 else 0
    cuts = breaks(shown, width, indent, words=words)
    edges = [0, *cuts, len(shown)]
    pieces = [shown[a:b] for a, b in pairwise(edges)]
    assert "".join(pieces) == shown
    assert all(a < b for a, b in pairwise(edges[:-1]))
    for number, piece in enumerate(pieces):
        room = width - (indent if number else 0)
        assert sum(cell_len(char) for char in piece) <= room or len(piece) == 1


@given(st.text(), st.integers(1, 30))
def test_a_shortened_line_fits(text: str, limit: int) -> None:
    assert cell_len(short(text, limit)) <= limit
    assert not steers(short(text, limit))


def test_the_filter_alone_cleans_text_links_and_actions() -> None:
    style = Style(link="https://x.invalid") + Style.from_meta({"@click": "app.quit", "row": 3})
    line = [Segment(HOSTILE + " " * 40, style), Segment("plain")]
    cleaned = SANITISER.apply(line, Color(0, 0, 0))
    assert not any(steers(segment.text) for segment in cleaned)
    assert Segment.get_line_length(cleaned) == Segment.get_line_length(line)
    assert cleaned[0].style is not None
    assert cleaned[0].style.link is None
    assert cleaned[0].style.meta == {"row": 3}
    assert "␛" in cleaned[0].text
    assert "<U+202E>" in cleaned[0].text
    assert SANITISER.apply([Segment("", None, [(1,)])], Color(0, 0, 0)) == []  # type: ignore[list-item]


def test_the_diff_is_numbered_and_counted() -> None:
    diff = read_diff(DIFF)
    assert [(span.path, span.added, span.removed) for span in diff.files] == [
        ("src/tinker/policy.py", 7, 3),
        ("src/tinker/notes.md", 1, 0),
    ]
    assert len(diff.hunks) == 3
    added = [line for line in diff.lines if line.kind == "added"]
    assert added[0].text == '    Rule("negate", find="if x", put="if not x", weight=3),'
    assert (added[0].old, added[0].new) == (None, 15)
    assert diff.lines[-1].text == "- history is kept for one run only"
    assert (diff.changed, diff.hunk_at(0), diff.hunk_at(10_000)) == (11, -1, 2)


def test_a_changed_line_that_looks_like_a_header_is_none() -> None:
    text = "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n--- a/evil.py\n+++ b/evil.py\n context\n"
    diff = read_diff(text)
    assert [span.path for span in diff.files] == ["x.py"]
    assert [line.kind for line in diff.lines] == ["file", "hunk", "removed", "added", "context"]


@given(st.text(alphabet="-+@ \\ab/\n\t0123456789,"))
def test_any_text_is_a_diff_and_every_line_is_shown(text: str) -> None:
    shown = "\n".join(line.text for line in read_diff(text).lines)
    for raw in text.split("\n"):
        if raw not in ("", "--- ") and not raw.startswith("+++ "):
            assert raw in shown or raw[1:] in shown


def test_new_and_deleted_files_say_so() -> None:
    text = "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n--- a/old.py\n+++ /dev/null\n"
    assert [line.text for line in read_diff(text).lines if line.kind == "file"] == [
        "new.py (new file)",
        "old.py (deleted)",
    ]
    assert [span.path for span in read_diff(text).files] == ["new.py", "old.py"]


def test_decision_keys_are_dead_until_the_paint_is_old() -> None:
    guard = TypeAhead()
    guard.acting_on("key", 100.0)
    assert not guard.live()
    guard.painted(100.0)
    guard.acting_on("key", 100.0 + DEAD_AFTER_PAINT - 0.001)
    assert not guard.live()
    guard.acting_on("key", 100.0 + DEAD_AFTER_PAINT)
    assert guard.live()
    guard.blank()
    assert not guard.live()
    first, second = object(), object()
    guard.arrived(first)
    assert guard.alone(first)
    guard.arrived(second)
    assert not guard.alone(first)


def test_the_order_of_the_evidence_puts_the_agents_words_last() -> None:
    one = sheet(1)
    rows = evidence_rows(one, read_diff(one.diff), Reading(Watch.of(one), rationale=True))
    anchors = [row.anchor for row in rows if row.anchor]
    assert anchors == [
        "identity",
        "findings",
        "finding 0",
        "tests",
        "meaning",
        "results",
        "effects",
        "verdict",
        "log",
        "decisions",
        "rationale",
    ]
    text = "\n".join(row.text for row in rows)
    assert text.index("TEST CHANGES") < text.index("35 of 35 passed")
    assert "So they go first." in text
    closed = "\n".join(row.text for row in evidence_rows(one, read_diff(one.diff), Reading(Watch.of(one))))
    assert "So they go first." not in closed


def test_the_worst_finding_leads() -> None:
    given_findings = [
        Finding(rule=rule, severity=severity, path="a.py", line=1, message="m", blocking=blocking)  # type: ignore[arg-type]
        for rule, severity, blocking in (
            ("a", "low", False),
            ("b", "high", False),
            ("c", "high", True),
        )
    ]
    assert [given_findings[n].rule for n in worst_first(tuple(given_findings))] == ["c", "b", "a"]


def test_risk_is_a_word_and_a_glyph_and_never_called_safe() -> None:
    words = {severity: risk(severity)[0] for severity in ("info", "low", "medium", "high", "critical")}  # type: ignore[arg-type]
    assert len(set(words.values())) == 5
    text = " ".join(row.text for row in summary_rows(sheet(1, findings=()), read_diff(""), Watch.of(sheet(1)), 80))
    assert "no finding" in text
    assert "safe" not in text


def test_bad_tests_and_changed_judges_are_said_before_the_count() -> None:
    diff = "--- a/tests/conftest.py\n+++ b/tests/conftest.py\n@@ -1 +1 @@\n-a\n+b\n"
    one = sheet(1, diff=diff, tests=TestsResult(expected=35, passed=33, failed=("t::a",), skipped=("t::b",)))
    line = next(
        row.text for row in summary_rows(one, read_diff(diff), Watch.of(one), 80) if row.text.startswith("TESTS")
    )
    assert (
        line.index("1 TEST FILES CHANGED") < line.index("1 FAILED") < line.index("1 SKIPPED") < line.index("33 of 35")
    )


def test_a_large_change_is_a_notice() -> None:
    body = "".join(f"+line {number}\n" for number in range(401))
    diff = "--- /dev/null\n+++ b/a.py\n@@ -0,0 +1,401 @@\n" + body
    first = [row.text for row in summary_rows(sheet(1, diff=diff), read_diff(diff), Watch.of(sheet(1)), 80)][:4]
    assert any("401 changed lines" in text for text in first)


def test_notices_cannot_push_the_rest_out_of_sight() -> None:
    one = sheet(1, notices=("short", "x" * 5000, "three"))
    rows = summary_rows(one, read_diff(""), Watch.of(one), 80)
    assert [row.text.strip() for row in rows[:2]] == ["NOTICE  short", "NOTICE  2 more, whole in the evidence: press e"]
    assert rows[2].text.startswith("P00001  tree 9f31c07e")
    assert "x" * 5000 in "".join(row.text for row in evidence_rows(one, read_diff(""), Reading(Watch.of(one))))


def test_effects_read_as_numbers() -> None:
    effect = Effect(
        metric="t", unit="", kind="time", role="objective", exact=False, baseline=None, candidate=None,
        estimate=0.0, low=None, high=0.1, e_value=None, pairs=3, outcome="inconclusive",
    )  # fmt: skip
    one = sheet(1, effects=(effect,), diff="")
    rows = evidence_rows(one, read_diff(""), Reading(Watch.of(one).judge(3)))
    assert any("×1.000 [?, 1.105] inconclusive" in row.text for row in rows)


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [("", True), (TREE[:7], True), (TREE[:8], False), (TREE[:8].upper(), False), (TREE, False), ("00000000", True)],
)
def test_approval_asks_for_the_tree(typed: str, wrong: bool) -> None:
    form = form_for("approve", sheet(1), "ana", NOW, watch=Watch.of(sheet(1)))
    assert bool(form.asks[0].wrong(typed)) is wrong
    assert form.asks[0].typed_only
    assert form.asks[1].wrong("nineteen characters")
    assert not form.asks[1].wrong("exactly twenty chars")


def test_dates() -> None:
    assert until_date("3d", NOW) == NOW + timedelta(days=3)
    assert until_date("2026-04-01", NOW) is not None
    assert until_date("2026-13-01", NOW) is None
    assert until_date("soon", NOW) is None
    ask = form_for("defer", sheet(1), "ana", NOW, watch=Watch.of(sheet(1))).asks[1]
    assert ask.wrong("2020-01-01")
    assert not ask.wrong("2d")
