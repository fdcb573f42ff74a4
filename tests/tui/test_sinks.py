"""Every place where foreign text reaches the review screen, times every payload that steers a terminal, at a real one.

Each pair must be shown whole, as marks; no forbidden byte may reach the terminal; no click on it may run anything. The
same suite is run with each protection taken away, and must then fail: that is what shows that it can see.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_port import EVERYTHING, PAYLOADS, SHEET_TAGS
from terminals import Open, forbidden, program_at

from harness.text import mark, visible
from tests.shared.terminal import Terminal

SIZE = (138, 300)
_LEADS = re.compile(r"[\s│┊↪↵]")
_ACTION = "[@click=app.quit]"
# A paste ends at the first line end, which a field takes for the end of the text.
PASTED = [text for text in PAYLOADS if len(text.splitlines()) < 2 and text.strip("\r\x0b\x0c\x85\u2028\u2029")]


def squeezed(text: str) -> str:
    """Without what wrapping puts in: line ends, indentation, continuation signs."""
    return _LEADS.sub("", text)


def pairs() -> Iterator[tuple[str, str, str]]:
    """(sink, payload, what must stand on the screen for it): each payload with what surrounds it."""
    for tag in SHEET_TAGS:
        before = f"<{tag}>"
        for number, payload in enumerate(PAYLOADS):
            yield tag, payload, squeezed(visible("".join((before, *PAYLOADS[: number + 1]))))


def walk(terminal: Terminal) -> str:
    """All of the hostile sheet: diff, evidence with the rationale, queue; the characters that were on the screen."""
    tags = ["you", *map(str, range(len(PAYLOADS)))]
    terminal.wait(lambda text: all(f"<{tag}>" in text for tag in tags))
    found = ""
    steps = (("\r", "<string>"), ("f", "FINDINGS"), ("a", "Acknowledged, all"), ("4", "Noted"), ("r", "<rationale 2>"),
             ("g", "<launcher>"), (" ", ""), (" ", ""))  # fmt: skip
    for key, expected in steps:
        if key in "a4":
            terminal.settle()
        terminal.type(key)
        terminal.wait(expected)
        terminal.settle(0.4)  # the frame may have come in two pieces
        found += terminal.text
    return found


def click_everything(terminal: Terminal) -> int:
    """Presses the button on each action that stands on the screen; how many there were."""
    count = 0
    for y, line in enumerate(terminal.text.split("\n")):
        for found in re.finditer(re.escape(_ACTION), line):
            count += 1
            for x in (found.start() + 3, found.end() + 1):
                terminal.type(f"\x1b[<0;{x};{y + 1}M\x1b[<0;{x};{y + 1}m")
    terminal.settle(0.3)
    return count


def paste_into_a_reason(terminal: Terminal) -> list[str]:
    """Pastes the payloads into the reason of a rejection, a few at a time; what was not shown as marks."""
    hidden = []
    terminal.type("q")
    terminal.wait("Assume one hunk is hostile")
    for _ in range(5):
        terminal.settle()
        terminal.type("X")
        terminal.settle(0.4)
        if "Escape goes back" in terminal.text:
            break
    for start in range(0, len(PASTED), 4):
        text = "".join(PASTED[start : start + 4])
        terminal.type(f"\x1b[200~{text}\x1b[201~")
        terminal.settle(0.15)
        if any(mark(char) is not None for char in text) and not re.search(r"␛|<U\+|␇|␀|␎|␈|␡", terminal.text):
            hidden.append(repr(text))
        terminal.type("\x15")  # deletes what stands before the cursor
        terminal.settle(0.1)
    terminal.type("\x1b")
    terminal.settle(0.3)
    return hidden


def faults(terminal: Terminal, report: Path) -> list[str]:
    """What went wrong when the whole suite was gone through."""
    found: list[str] = []
    try:
        shown = squeezed(walk(terminal))
        found += [f"not shown whole: {tag} {payload!r}" for tag, payload, whole in pairs() if whole not in shown]
        if not click_everything(terminal):
            found.append("no action was there to click on")
        found += [f"pasted and not shown: {text}" for text in paste_into_a_reason(terminal)]
    except (AssertionError, OSError) as error:
        found.append(f"the way was blocked: {str(error)[:200]}")
    running = terminal.process.poll() is None
    if not running:
        found.append("an action ended the program")
    else:
        terminal.type("\x11")
    terminal.close()
    end = terminal.raw.rfind(b"\x1b[?1049l")
    found += forbidden(terminal.raw[: end if end >= 0 else None])
    if running and len(json.loads(report.read_text())["decisions"]) != 1:  # the old one that is part of the sheet
        found.append("something was decided")
    return found


def test_the_suite_is_large_enough() -> None:
    assert len(SHEET_TAGS) >= 20
    assert len(PAYLOADS) >= 30
    assert len(set(SHEET_TAGS)) == len(SHEET_TAGS)
    assert len(set(PAYLOADS)) == len(PAYLOADS)
    assert all(payload in EVERYTHING for payload in PAYLOADS)
    assert len(list(pairs())) == len(SHEET_TAGS) * len(PAYLOADS)


def test_every_payload_in_every_sink(at: Open, tmp_path: Path) -> None:
    assert faults(at("hostile", SIZE), tmp_path / "report.json") == []


@pytest.mark.soak
@pytest.mark.parametrize(
    ("layer", "symptom"),
    [
        ("rows", "not shown whole|never came"),  # the filter would need room that the layout does not have
        ("content", "the way was blocked"),  # malformed markup takes the screen down
        ("filter", r"U\+202E"),  # a stock widget shows what was pasted into it
    ],
)
def test_no_layer_can_be_taken_away_unseen(at: Open, tmp_path: Path, layer: str, symptom: str) -> None:
    found = faults(at("hostile", SIZE, WITHOUT=layer), tmp_path / "report.json")
    assert any(re.search(symptom, fault) for fault in found), found


@pytest.mark.soak
def test_a_click_can_run_an_action_where_nothing_holds_it(at: Open, tmp_path: Path) -> None:
    """The control of the clicks: with content and filter gone, the payload's action does end the program."""
    terminal = at("clickable", (100, 30), WITHOUT="content filter")
    terminal.wait("1 waiting")
    terminal.type("\r")
    terminal.wait("Assume one hunk is hostile")
    click = terminal.text.split("\n")
    y = next(number for number, line in enumerate(click) if "press" in line)
    x = click[y].index("press")
    terminal.settle(0.3)
    terminal.type(f"\x1b[<0;{x + 2};{y + 1}M\x1b[<0;{x + 2};{y + 1}m")
    terminal.close()
    assert json.loads((tmp_path / "report.json").read_text())["decisions"] == []
    held = program_at(tmp_path, "clickable", (100, 30))
    try:
        held.wait("1 waiting")
        held.type("\r")
        held.wait("Assume one hunk is hostile")
        assert click_everything(held) > 0
        assert held.process.poll() is None
        held.type("\x11")
    finally:
        held.close()
