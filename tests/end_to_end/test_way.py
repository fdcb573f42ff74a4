"""The whole way on a ten-line target, through the command as a person and a CI job use it."""

import json
import shutil
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness.cli.documents import DOCUMENTS
from tests.end_to_end.conftest import SOURCE, Target, at_terminal, git

pytestmark = pytest.mark.engine
BETTER = SOURCE.replace("a + b", "b + a")
WRONG = SOURCE.replace("a + b", "a - b")


def landed(target: Target, tmp_path: Path) -> str:
    """One proposal all the way to its merge commit."""
    proposal = target.proposed(tmp_path / "better", BETTER, "Swap the operands")
    assert target("run", proposal).json["verdict"] == "pass"
    code, shown = target.approved(proposal)
    assert code == 0, shown
    merged = target("merge", proposal)
    assert merged.code == 0, merged
    return str(merged.json["merge"])


def test_from_an_idea_to_a_signed_merge_that_anyone_can_verify(plain_target: Target, tmp_path: Path) -> None:
    target = plain_target
    before = target.git("rev-parse", "main")
    merge = landed(target, tmp_path)
    assert target.git("rev-parse", "main") == merge
    assert target.git("rev-parse", "main^1") == before
    assert target.git("status", "--porcelain") == ""
    assert (target.root / "src/calc/__init__.py").read_text() == BETTER

    assert target("reviewer", "list", "--signers", tmp_path / "signers").code == 0
    bare = tmp_path / "bare.git"
    git(target.root, "clone", "-q", "--bare", str(target.root), str(bare))
    report = target("verify", "--bare", bare, "--signers", tmp_path / "signers")
    assert report.code == 0, report
    assert report.json["ok"] is True
    assert [found["merge"] for found in report.json["merges"]][-1] == merge
    assert report.json["ledger"] is None
    assert target("verify", "--bare", bare).code == 2, "without signers there is no trust"
    local = target("verify")
    assert local.code == 0, local
    assert local.json["ledger"]["ok"] is True


def test_a_wrong_change_fails_and_cannot_be_approved_or_merged(target: Target, tmp_path: Path) -> None:
    proposal = target.proposed(tmp_path / "wrong", WRONG)
    run = target("run", proposal)
    assert run.code == 1
    assert run.json["verdict"] == "fail"
    assert "tests/test_calc.py::test_add" in run.json["tests"]["failed"]
    assert "assert" in target("logs", proposal).json["logs"]
    assert target("queue").json["waiting"] == []
    code, shown = at_terminal(["approve", proposal], [("tree hash", "00000000\r")], target.root)
    assert code == 1, shown
    assert target("merge", proposal).code == 1


def test_approval_needs_a_terminal_the_right_hash_and_a_reason(target: Target, tmp_path: Path) -> None:
    proposal = target.proposed(tmp_path / "better", BETTER)
    assert target("run", proposal).code == 0
    assert target("approve", proposal).code == 1, "no terminal, no approval"
    tree = target("show", proposal).json["tree"]
    flipped = f"{int(tree[0], 16) ^ 1:x}{tree[1:8]}"
    for typed, reason in ((flipped, "I read all of it, and it is fine."), (tree[:8], "ok")):
        steps = target.steps(proposal, typed, reason)
        code, shown = at_terminal(["approve", proposal], steps, target.root)
        assert code == 1, shown
    assert target("show", proposal).json["decisions"] == []
    assert target("merge", proposal).code == 1, "a merge without an approval"


def test_a_moved_base_voids_the_approval_until_it_is_run_again(target: Target, tmp_path: Path) -> None:
    first = target.proposed(tmp_path / "first", BETTER)
    second = target.proposed(tmp_path / "second", SOURCE.replace('"""Sums."""', '"""Sums of two."""'))
    reasons = ("Addition commutes, so this is the same.", "Only words of a docstring change here.")
    for proposal, reason in zip((first, second), reasons, strict=True):
        assert target("run", proposal).code == 0
        assert target.approved(proposal, reason)[0] == 0
    assert target("merge", first).code == 0
    stale = target("merge", second)
    assert stale.code == 1
    assert "run" in stale.json["why"] or "moved" in stale.json["why"]
    again = target("run", second)
    assert again.json["verdict"] == "pass"
    assert again.json["cached"] is False
    assert target("merge", second).code == 1, "the old approval was for another tree"
    assert target.approved(second, "Read again on the new base: still the same.")[0] == 0
    assert target("merge", second).code == 0


def test_verify_says_what_is_wrong_after_one_flipped_byte(target: Target, tmp_path: Path) -> None:
    landed(target, tmp_path)
    signers = tmp_path / "signers"
    target("reviewer", "list", "--signers", signers)

    spoiled = tmp_path / "spoiled"
    data = bytearray(signers.read_bytes())
    data[len(data) // 2] ^= 1
    spoiled.write_bytes(data)
    bare = tmp_path / "bare.git"
    git(target.root, "clone", "-q", "--bare", str(target.root), str(bare))
    assert target("verify", "--bare", bare, "--signers", spoiled).code == 1

    ledger = target.root / ".git/holdpoint/ledger.sqlite"
    copy = tmp_path / "copy"
    shutil.copytree(target.root, copy)
    with sqlite3.connect(copy / ".git/holdpoint/ledger.sqlite") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray((copy / ".git/holdpoint/ledger.sqlite").read_bytes())
    place = raw.find(b"run.finished")
    raw[place] ^= 1
    (copy / ".git/holdpoint/ledger.sqlite").write_bytes(raw)
    report = Target(copy, target.key)("verify")
    assert report.code == 1, report
    assert ledger.exists()

    for branch, spoil in (("holdpoint/approvals", "approval"), ("main", "tree")):
        clone = tmp_path / f"{spoil}.git"
        git(target.root, "clone", "-q", "--bare", str(target.root), str(clone))
        flip_an_object_of(clone, branch)
        report = target("verify", "--bare", clone, "--signers", signers)
        assert report.code == 1, (spoil, report)
        assert report.json["ok"] is False
        assert report.json["why"] or any(not merge["ok"] for merge in report.json["merges"])


def flip_an_object_of(bare: Path, branch: str) -> None:
    """Flips one byte of a loose object that the branch's tip needs."""
    packs = list((bare / "objects/pack").glob("*.pack"))
    for pack in packs:
        moved = bare / pack.name
        pack.rename(moved)
        pack.with_suffix(".idx").unlink()
        with moved.open("rb") as stream:
            import subprocess

            subprocess.run(["git", "-C", str(bare), "unpack-objects", "-q"], stdin=stream, check=True)
    listing = git(bare, "ls-tree", "-r", branch).splitlines()
    name = next(line.split()[2] for line in listing if line.split()[1] == "blob")
    path = bare / "objects" / name[:2] / name[2:]
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)


def test_ci_judges_a_branch_in_a_fresh_clone(target: Target, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(target.root, "clone", "-q", str(target.root), str(clone))
    git(clone, "config", "user.name", "someone")
    git(clone, "config", "user.email", "someone@example.invalid")
    git(clone, "checkout", "-q", "-b", "feature")
    (clone / "src/calc/__init__.py").write_text(WRONG)
    git(clone, "commit", "-q", "-am", "wrong")
    junit = tmp_path / "junit.xml"
    answer = Target(clone, target.key)("ci", "--branch", "feature", "--junit", junit)
    assert answer.code == 1, answer
    assert answer.json["verdict"] == "fail"
    suite = ET.parse(junit).getroot()
    assert int(suite.get("failures", "0")) >= 2
    git(clone, "checkout", "-q", "-b", "good", "main")
    (clone / "src/calc/__init__.py").write_text(BETTER)
    git(clone, "commit", "-q", "-am", "good")
    assert Target(clone, target.key)("ci", "--branch", "good").json["verdict"] == "pass"


def test_every_document_is_of_its_published_schema_and_status_can_look_back(target: Target, tmp_path: Path) -> None:
    proposal = target.proposed(tmp_path / "better", BETTER)
    moment = target("log").json["events"][-1]["at"]
    target("run", proposal)
    answers = {
        "queue": target("queue"),
        "show": target("show", proposal),
        "diff": target("diff", proposal),
        "logs": target("logs", proposal),
        "status": target("status"),
        "log": target("log"),
        "reviewers": target("reviewer", "list"),
    }
    for name, answer in answers.items():
        assert answer.code == 0, answer
        assert answer.json["schema"] == f"holdpoint/{name}/1"
        DOCUMENTS[name].model_validate(answer.json)
    assert answers["status"].json["proposals"][0]["state"] == "waiting"
    assert target("status", "--at", moment).json["proposals"][0]["state"] == "accepted"
    assert "+    return b + a" in answers["diff"].json["diff"]


def test_a_second_reviewer_is_signed_for_by_the_first(target: Target, tmp_path: Path) -> None:
    landed(target, tmp_path)
    refused = target("reviewer", "add", "ben", "--generate-key", tmp_path / "ben.key")
    assert refused.code == 1, refused
    added = target("reviewer", "add", "ben", "--key", tmp_path / "ben.key.pub", "--sign-as", f"ana={target.key}")
    assert added.code == 0, added
    assert [row["name"] for row in added.json["reviewers"]] == ["ana", "ben"]
    report = target("verify")
    assert report.code == 0, report
    alone = target("reviewer", "revoke", "ben", "--sign-as", f"ana={target.key}")
    assert alone.code == 1, "where two exist, two must sign"
    assert json.loads(target("reviewer", "list").out)["reviewers"][1]["name"] == "ben"
