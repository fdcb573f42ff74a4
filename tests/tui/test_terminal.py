"""The review screen at a real pseudo-terminal: what reaches it, what a hurried or pasting hand can do, how it ends."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_port import PAYLOADS, SHEET_TAGS
from memory_port import TREE

from harness.text import mark
from tests.shared.terminal import Terminal, program

ROOT = Path(__file__).parents[2]
REASON = "every hunk read, order only"
_CSI = re.compile(r"\x1b\[([0-9;?<>=$]*)([A-Za-z])")
_POINTER = re.compile(r"\x1b\]22;[a-z-]*\x07")  # the pointer's shape, from Textual's own list of names
_OURS = set("mHhlup")  # colours, cursor, modes, keyboard protocol, mode query: all that Textual writes
Open = Callable[..., Terminal]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Open]:
    """Opens the screen over a named port at a size."""
    opened: list[Terminal] = []

    def start(name: str, size: tuple[int, int] = (80, 24), **environ: str) -> Terminal:
        kept = {
            key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TEXTUAL", "COLUMNS", "LINES")
        }
        path = f"{ROOT}{os.pathsep}{Path(__file__).parent}"
        base = kept | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": path}
        terminal = Terminal(program(tmp_path, name), size, base | environ)
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()


def report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())  # type: ignore[no-any-return]


def leave(terminal: Terminal) -> None:
    terminal.type("\x11")  # Ctrl-Q
    assert terminal.close() == 0


def decide(terminal: Terminal, key: str, expected: str) -> None:
    """Presses a decision key as a person would: again, when the screen says that it came too soon."""
    for _ in range(5):
        terminal.settle()
        terminal.type(key)
        terminal.settle(0.5)
        text = terminal.wait(lambda text: expected in text or "press it again" in text)
        if expected in text:
            return
    raise AssertionError(terminal.text)


def clean(raw: bytes) -> None:
    """No byte of any payload, and nothing that could steer a terminal beside the sequences that are ours."""
    text = raw.decode("utf-8")  # a lone C1 byte or a torn character fails here
    strange = {match[0] for match in _CSI.finditer(text) if match[2] not in _OURS}
    assert strange == set()
    text = _POINTER.sub("", text)
    rest = _CSI.sub("", text)
    assert {f"U+{ord(char):04X}" for char in rest if mark(char) is not None and char not in "\r"} == set()
    for payload in PAYLOADS:
        if any(mark(char) is not None for char in payload) and payload not in ("\r",):
            assert payload not in text, repr(payload)


def test_no_hostile_byte_reaches_the_terminal(at: Open, tmp_path: Path) -> None:
    terminal = at("hostile", (138, 140))
    tags = ["you", *map(str, range(len(PAYLOADS)))]
    text = terminal.wait(lambda text: all(f"<{tag}>" in text for tag in tags))
    assert "␛]52;c;aGFja2Vk␇" in text
    terminal.type("\r")
    found = terminal.wait("<string>")
    terminal.type("r")
    found += terminal.wait("<rationale 2>")
    terminal.type("g")
    found += terminal.wait("<launcher>")
    terminal.type(" ")
    found += terminal.wait("<detail>")
    assert [tag for tag in SHEET_TAGS if f"<{tag}>" not in found] == []
    assert "<U+202E>" in found
    leave(terminal)
    before = terminal.raw.rindex(b"\x1b[?1049l")  # after that the shell's own screen is back
    clean(terminal.raw[:before])
    assert len(report(tmp_path)["decisions"]) == 1  # the old one that is part of the sheet


def test_no_hostile_byte_in_dialogs_outcomes_and_errors(at: Open) -> None:
    terminal = at("hostile", (150, 60))
    terminal.wait("waiting for a person")
    terminal.type("j\r")
    terminal.wait("<fault step>")
    terminal.type("\r")
    terminal.wait("waiting for a person")
    terminal.type("k\r")
    terminal.wait("<title>")
    for key, word, tags in (
        ("X", "no", ("why", "why step")),
        ("M", "merge", ("landed", "landed merge", "landed ref")),
    ):
        decide(terminal, key, "Enter submits")
        terminal.settle()
        terminal.type(word)
        terminal.settle(0.2)
        terminal.type("\r")
        terminal.wait(lambda text, tags=tags: all(f"<{tag}>" in text for tag in tags))
        terminal.type("\r")
    leave(terminal)
    clean(terminal.raw[: terminal.raw.rindex(b"\x1b[?1049l")])


def test_from_the_queue_to_a_signed_approval_at_80_by_24(at: Open, tmp_path: Path) -> None:
    terminal = at("prompting")
    terminal.wait("1 waiting for a person")
    terminal.type("\r")
    terminal.wait("Assume one hunk is hostile")
    decide(terminal, "A", "Tree hash")
    terminal.type(f"\x1b[200~{TREE[:8]}\x1b[201~")
    terminal.wait("Pasting is refused")
    terminal.type(TREE[:8])
    terminal.settle(0.2)
    terminal.type("\t")
    terminal.type(REASON)
    terminal.wait(REASON)
    terminal.settle(0.3)
    terminal.type("\r")
    terminal.wait("Enter passphrase:")
    terminal.type("open sesame\n")
    terminal.wait("P00001: approve")
    terminal.type("\r")
    terminal.wait("M merge…")
    leave(terminal)
    assert report(tmp_path) == {"decisions": [["approve", REASON]], "prompted": "open sesame", "error": ""}


def test_a_burst_of_keys_opens_no_dialog_and_decides_nothing(at: Open, tmp_path: Path) -> None:
    terminal = at("memory")
    terminal.wait("2 waiting for a person")
    terminal.type("\rA" + TREE[:8] + "\t" + REASON + "\r")
    terminal.wait("Assume one hunk is hostile")
    terminal.settle(1.2)
    assert "Tree hash" not in terminal.text
    terminal.type("A" + TREE[:8] + "\r" + REASON + "\r")
    terminal.settle(1.0)
    assert "Tree hash" not in terminal.text
    leave(terminal)
    assert report(tmp_path)["decisions"] == []


def test_no_color_means_no_colour(at: Open) -> None:
    terminal = at("memory", NO_COLOR="1")
    terminal.wait("2 waiting for a person")
    terminal.type("\r")
    terminal.wait("swap-comparison")
    leave(terminal)
    codes = {code for match in _CSI.finditer(terminal.raw.decode()) if match[2] == "m" for code in match[1].split(";")}
    assert codes <= {"", "0", "1", "2", "3", "4", "7", "39", "49"}


def test_a_bug_leaves_the_terminal_whole_and_prints_nothing_hostile(at: Open, tmp_path: Path) -> None:
    terminal = at("faulty")
    terminal.wait("1 waiting for a person")
    terminal.type("\r")
    assert terminal.close() == 0
    assert report(tmp_path)["error"] == "ZeroDivisionError"
    assert b"\x1b[?1049l" in terminal.raw
    assert b"local value" not in terminal.raw
    clean(terminal.raw)


def test_without_a_terminal_it_says_what_to_type() -> None:
    import subprocess
    import sys

    code = "from harness.tui.app import run_review\nrun_review(None)"
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "needs a terminal. Next: holdpoint queue" in done.stderr
