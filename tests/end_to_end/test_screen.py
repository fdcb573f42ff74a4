"""The review screen on a real target at a real terminal: approve with a generated key, merge, verify."""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import COMMAND, ENVIRONMENT, SOURCE, Target, git
from tests.shared.terminal import Terminal

pytestmark = pytest.mark.engine
REASON = "The operands are swapped, the sum stays."


def test_approve_and_merge_on_the_screen_then_verify_a_bare_clone(target: Target, tmp_path: Path) -> None:
    proposal = target.proposed(tmp_path / "better", SOURCE.replace("a + b", "b + a"), "Swap the operands")
    assert target("run", proposal).code == 0
    tree = target("show", proposal).json["tree"]
    argv = [*COMMAND, "--repo", str(target.root), "review"]
    terminal = Terminal(argv, (80, 24), {**ENVIRONMENT, "TERM": "xterm-256color"})
    try:
        terminal.wait("1 waiting for a person", 30)
        terminal.type("\r")
        terminal.wait("Assume one hunk is hostile")
        terminal.settle(1.0)
        terminal.type("A")
        terminal.wait("Tree hash")
        terminal.settle(0.7)
        terminal.type(tree[:8])
        terminal.settle(0.2)
        terminal.type("\t")
        terminal.type(REASON)
        terminal.wait(REASON)
        terminal.settle(0.7)
        terminal.type("\r")
        terminal.wait(f"{proposal}: approve")
        terminal.type("\r")
        terminal.wait("M merge…")
        terminal.settle(1.0)
        terminal.type("M")
        terminal.wait("merge")
        terminal.settle(0.7)
        terminal.type("merge")
        terminal.settle(0.7)
        terminal.type("\r")
        terminal.wait("landed")
        terminal.settle(0.7)
        terminal.type("\x11")
    finally:
        code = terminal.close()
    assert code == 0
    shown = target("show", proposal).json
    assert shown["state"] == "merged"
    assert shown["decisions"][0]["reason"] == REASON
    assert target.git("rev-parse", "main") == shown["merge"]
    target("reviewer", "list", "--signers", tmp_path / "signers")
    git(target.root, "clone", "-q", "--bare", str(target.root), str(tmp_path / "bare.git"))
    assert target("verify", "--bare", tmp_path / "bare.git", "--signers", tmp_path / "signers").json["ok"] is True
