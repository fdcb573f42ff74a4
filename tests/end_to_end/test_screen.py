"""A newcomer at 80×24 on a real target: one proposal approved, signed and merged, one rejected with comments."""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import COMMAND, ENVIRONMENT, SOURCE, Target, git
from tests.shared.terminal import Terminal

pytestmark = pytest.mark.engine
REASON = "The operands are swapped, the sum stays."


def press(terminal: Terminal, key: str, expected: str) -> None:
    """Presses a key as a person would: again, when the screen says that it came too soon."""
    for _ in range(5):
        terminal.settle()
        terminal.type(key)
        terminal.settle(0.5)
        text = terminal.wait(lambda text: expected in text or "press it again" in text)
        if expected in text:
            return
    raise AssertionError(terminal.text)


def read_all(terminal: Terminal, grave: int) -> None:
    """Looks at everything, as the status line asks for it."""
    for _ in range(8):
        terminal.type("j")
        terminal.settle(0.1)
    terminal.wait("hunks seen 1/1")
    if grave:
        press(terminal, "f", "not acknowledged")
        for left in range(grave - 1, -1, -1):
            press(terminal, "a", f"Acknowledged. {left} left" if left else "Acknowledged, all of them")
    press(terminal, "4", "Noted. The measurements are open now")
    press(terminal, "e", "hunk 1/1") if grave else None
    press(terminal, "s", "· ◆ nominated")


def fill(terminal: Terminal, *values: str) -> None:
    """Types into one field after the other."""
    terminal.settle()
    for number, value in enumerate(values):
        terminal.type("\t" if number else "")
        terminal.type(value)
        terminal.wait(value[-20:])
    terminal.settle()


def test_a_newcomer_approves_one_and_rejects_another(target: Target, tmp_path: Path) -> None:
    better = target.proposed(tmp_path / "better", SOURCE.replace("a + b", "b + a"), "Swap the operands")
    assert target("run", better).code == 0
    other = target.proposed(tmp_path / "other", SOURCE.replace("a + b", "a + b + 0"), "Add nothing")
    assert target("run", other).code == 0
    graves = {
        name: sum(one["severity"] in ("high", "critical") for one in target("show", name).json["findings"])
        for name in (better, other)
    }
    tree = target("show", better).json["tree"]
    argv = [*COMMAND, "--repo", str(target.root), "review"]
    terminal = Terminal(argv, (80, 24), {**ENVIRONMENT, "TERM": "xterm-256color"})
    try:
        terminal.wait("2 waiting for a person", 30)
        press(terminal, "?", "review the proposal")
        press(terminal, "\r", "waiting for a person")
        press(terminal, "\r", "Assume one hunk is hostile")
        press(terminal, "A", "Not yet")
        press(terminal, "e", "IDENTITY")
        press(terminal, "e", "hunk 1/1")
        read_all(terminal, graves[better])
        press(terminal, "A", "Tree hash")
        fill(terminal, tree[:8], REASON)
        press(terminal, "\r", f"{better}: approve")
        press(terminal, "\r", "M merge…")
        press(terminal, "M", "moves main")
        fill(terminal, "merge")
        press(terminal, "\r", "has landed")
        press(terminal, "\r", "1 waiting for a person")
        press(terminal, "\r", "Add nothing")
        for _ in range(6):
            terminal.type("j")
        press(terminal, "c", "Comment on src/calc/__init__.py:")
        fill(terminal, "what is this zero for?")
        press(terminal, "\r", "hunks seen")
        press(terminal, "X", "go with it: 1")
        fill(terminal, "unneeded", "it adds nothing")
        press(terminal, "\r", f"{other}: reject")
        press(terminal, "\r", "Nothing waits")
        press(terminal, "H", "what is this zero for?")
        terminal.type("\x11")
    finally:
        code = terminal.close()
    assert code == 0
    shown = target("show", better).json
    assert shown["state"] == "merged"
    decision = shown["decisions"][0]
    assert decision["reason"] == REASON
    done = decision["reviewed"]
    assert (done["mode"], done["seen"], done["hunks"], done["first_verdict"]) == ("screen", 1, 1, 4)
    assert done["nominated"].startswith("src/calc/__init__.py:")
    assert shown["semantic"]["files"] == 1
    assert target.git("rev-parse", "main") == shown["merge"]
    refused = target("show", other).json["decisions"][0]
    assert (refused["decision"], refused["category"], refused["reason"]) == ("reject", "unneeded", "it adds nothing")
    assert [one["text"] for one in refused["comments"]] == ["what is this zero for?"]
    target("reviewer", "list", "--signers", tmp_path / "signers")
    git(target.root, "clone", "-q", "--bare", str(target.root), str(tmp_path / "bare.git"))
    assert target("verify", "--bare", tmp_path / "bare.git", "--signers", tmp_path / "signers").json["ok"] is True
