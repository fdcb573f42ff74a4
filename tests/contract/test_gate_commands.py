"""The commands around the gate as people and jobs use them: bypass at a terminal, verify since last time, roles."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from gate_stage import REASON, Stage, build, git
from terminal import Terminal

from harness.cli.app import build as build_app
from harness.cli.shell import run
from harness.gate.signers import signers_lines


def holdpoint(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any], str]:
    code = run(build_app, [*argv, "--json"])
    out, words = capsys.readouterr()
    return code, json.loads(out) if out else {}, words


def test_a_bypass_takes_a_terminal_the_tree_hash_and_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = build(tmp_path, reviewers=("ana",))
    (stage.root / "fix").write_text("urgent")
    git(stage.root, "add", "fix")
    git(stage.root, "commit", "-qm", "an urgent repair")
    stage.ledger.close()
    who = ("--repo", str(stage.root), "--reviewer", "ana", "--key", str(stage.keys["ana"]))
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        code, _, words = holdpoint(capsys, "bypass", "main", *who)
    assert (code, "needs a person at a terminal" in words) == (1, True)
    for typed, ending in (
        ("00000000", "not the beginning of the tree hash"),
        (stage.repo.tree_of(stage.tip())[:8], "is declared"),
    ):
        argv = [sys.executable, "-m", "harness.cli", "bypass", "main", *who]
        screen = Terminal(argv, (100, 30), {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])})
        screen.wait("tree hash: ", 60)
        screen.type(f"{typed}\n")
        if "declared" in ending:
            screen.wait("without approval?", 60)
            screen.type(f"{REASON}\n")
        screen.wait(ending, 60)
        assert screen.close() == (0 if "declared" in ending else 1)
    code, document, _ = holdpoint(capsys, "verify", "--repo", str(stage.root))
    assert (code, document["bypasses"]) == (0, [stage.tip()])
    assert REASON in document["merges"][0]["why"]


def test_verify_since_last_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage: Stage = build(tmp_path)
    stage.landed()
    bare = stage.bare(tmp_path / "clone.git")
    (tmp_path / "signers").write_bytes(signers_lines(stage.reviewers()))
    (tmp_path / "last.json").write_text("{}")
    argv = ("verify", "--bare", str(bare), "--signers", str(tmp_path / "signers"))
    code, document, words = holdpoint(capsys, *argv, "--since", str(tmp_path / "last.json"))
    assert (code, "no document of verify" in words) == (2, True)
    code, document, _ = holdpoint(capsys, *argv)
    assert code == 0
    (tmp_path / "last.json").write_text(json.dumps(document))
    assert holdpoint(capsys, *argv, "--since", str(tmp_path / "last.json"))[0] == 0
    git(bare, "update-ref", "refs/heads/main", "main^1")
    git(bare, "update-ref", "refs/heads/holdpoint/approvals", "holdpoint/approvals~1")
    assert holdpoint(capsys, *argv)[0] == 0, "an older state is whole in itself"
    code, document, _ = holdpoint(capsys, *argv, "--since", str(tmp_path / "last.json"))
    assert code == 1
    assert any("does not go on from" in why for why in document["why"])
    code, document, _ = holdpoint(capsys, "verify", "--repo", str(stage.root))
    (tmp_path / "whole.json").write_text(json.dumps(document))
    assert holdpoint(capsys, "verify", "--repo", str(stage.root), "--since", str(tmp_path / "whole.json"))[0] == 0


def test_a_reviewer_with_a_role(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = build(tmp_path, reviewers=("ana",))
    stage.ledger.close()
    new = ("reviewer", "add", "cyd", "--key", f"{stage.keys['mallory']}.pub", "--role", "security")
    code, _, words = holdpoint(capsys, *new, "--sign-as", f"ana={stage.keys['ana']}", "--repo", str(stage.root))
    assert code == 0, words
    assert [(entry.name, entry.roles) for entry in stage.reopened().reviewers()] == [
        ("ana", ()),
        ("cyd", ("security",)),
    ]
    assert holdpoint(capsys, "verify", "--repo", str(stage.root))[0] == 0
