"""The review screen at a real pseudo-terminal: what reaches it, what a hurried or pasting hand can do, how it ends."""

import json
from pathlib import Path
from typing import Any

from memory_port import TREE
from terminals import CSI, ROOT, Open, forbidden

from tests.shared.terminal import Terminal

REASON = "every hunk read, order only"


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


def look(terminal: Terminal) -> None:
    """The steps before an approval of the sample: every hunk, a nominated one, the first verdict."""
    for _ in range(6):
        terminal.type(" ")
        terminal.settle(0.2)
    terminal.wait("hunks seen 3/3")
    terminal.type("s")
    decide(terminal, "4", "Noted")


def test_no_hostile_byte_in_dialogs_outcomes_and_errors(at: Open) -> None:
    terminal = at("hostile", (150, 60))
    terminal.wait("waiting for a person")
    terminal.type("j\r")
    terminal.wait("<fault step>")
    terminal.type("\r")
    terminal.wait("waiting for a person")
    terminal.type("k\r")
    terminal.wait("<title>")
    for key, words, tags in (
        ("X", ("other", "no"), ("why", "why step")),
        ("M", ("merge",), ("landed", "landed merge", "landed ref")),
    ):
        decide(terminal, key, "Escape goes back")
        terminal.settle()
        terminal.type("\t".join(words))
        terminal.settle(0.2)
        terminal.type("\r")
        terminal.wait(lambda text, tags=tags: all(f"<{tag}>" in text for tag in tags))
        terminal.type("\r")
    leave(terminal)
    assert forbidden(terminal.raw[: terminal.raw.rindex(b"\x1b[?1049l")]) == []


def test_from_the_queue_to_a_signed_approval_at_80_by_24(at: Open, tmp_path: Path) -> None:
    terminal = at("prompting")
    terminal.wait("1 waiting for a person")
    terminal.type("\r")
    terminal.wait("Assume one hunk is hostile")
    decide(terminal, "A", "hunks have not been on your screen")
    look(terminal)
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
    terminal.type("npp")  # the burst's letters have led elsewhere
    look(terminal)
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
    codes = {code for match in CSI.finditer(terminal.raw.decode()) if match[2] == "m" for code in match[1].split(";")}
    assert codes <= {"", "0", "1", "2", "3", "4", "7", "39", "49"}


def test_a_bug_leaves_the_terminal_whole_and_prints_nothing_hostile(at: Open, tmp_path: Path) -> None:
    terminal = at("faulty")
    terminal.wait("1 waiting for a person")
    terminal.type("\r")
    assert terminal.close() == 0
    assert report(tmp_path)["error"] == "ZeroDivisionError"
    assert b"\x1b[?1049l" in terminal.raw
    assert b"local value" not in terminal.raw
    assert forbidden(terminal.raw) == []


def test_without_a_terminal_it_says_what_to_type() -> None:
    import subprocess
    import sys

    code = "from harness.tui.app import run_review\nrun_review(None)"
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "needs a terminal. Next: holdpoint queue" in done.stderr
