"""The ledger as JSON lines: complete, checkable without SQLite, and found out when anything in it was changed."""

import hashlib
import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from gate_stage import Stage, build

from harness.cli.app import build as build_app
from harness.cli.shell import run
from harness.errors import IntegrityError
from harness.ledger import EMPTY, Head, Ledger
from harness.ledger.chain import link
from harness.ledger.transfer import check_lines, exported, relation
from harness.records import canonical_json


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = build(tmp_path_factory.mktemp("target"))
    stage.landed()
    stage.waiting()
    return stage


@pytest.fixture(scope="module")
def lines(stage: Stage) -> list[bytes]:
    return list(exported(stage.ledger))


def test_a_program_with_nothing_but_json_and_sha256_can_check_it(stage: Stage, lines: list[bytes]) -> None:
    prev = "0" * 64
    for line in lines:
        row = json.loads(line)
        hashed = {key: row[key] for key in ("at", "event", "seq")}
        text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert row["prev"] == prev
        assert row["hash"] == hashlib.sha256((prev + text).encode()).hexdigest()
        prev = row["hash"]
    assert prev == stage.ledger.head().hash


def test_an_export_is_whole_and_of_its_ledger(stage: Stage, lines: list[bytes], tmp_path: Path) -> None:
    check = check_lines(lines, stage.ledger.head())
    assert (check.ok, check.why, check.head, check.events) == (True, "", stage.ledger.head(), len(lines))
    assert relation(stage.ledger, check.head) == "it is this ledger"
    part = check_lines(lines[:5])
    assert part.ok
    assert relation(stage.ledger, part.head) == f"this ledger goes on from it, to entry {len(lines)}"
    assert relation(stage.ledger, EMPTY).startswith("this ledger goes on")
    assert "does not pass" in relation(build(tmp_path).ledger, check.head)
    assert "had been written" in check_lines(lines[:5], stage.ledger.head()).why
    assert check_lines([]).ok


def test_any_change_of_a_line_is_found(lines: list[bytes]) -> None:
    pick = random.Random(3)
    head = check_lines(lines).head
    for _ in range(300):
        number = pick.randrange(len(lines))
        raw = bytearray(lines[number])
        raw[pick.randrange(len(raw))] ^= pick.randint(1, 255)
        check = check_lines([*lines[:number], bytes(raw), *lines[number + 1 :]], head)
        assert not check.ok
        assert check.why
        assert check.events <= number + 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda all_: [*all_[:3], all_[4], all_[3], *all_[5:]], "entry 4 is missing"),
        (lambda all_: [*all_[:3], *all_[4:]], "entry 4 is missing"),
        (lambda all_: [*all_[:3], all_[2], *all_[3:]], "entry 4 is missing"),
        (lambda all_: [*all_[:3], b"\n", *all_[3:]], "line 4 is not JSON"),
        (lambda all_: [*all_[:3], b"[]\n"], "line 4 does not have the keys"),
        (lambda all_: [*all_[:3], all_[3][:-1]], "line 4 is cut off"),
        (lambda all_: [*all_[:3], all_[3].replace(b",", b", ", 1)], "line 4 is not the canonical text"),
        (lambda all_: [*all_[:3], all_[3].replace(b'"seq":4', b'"seq":NaN')], "line 4 "),
        (lambda all_: [*all_[:3], b'{"at":"","event":"\\ud800","hash":"","prev":"","seq":4}\n'], "line 4 "),
        (lambda all_: [b"[" * 100_000 + b"\n"], "line 1 "),
    ],
)
def test_what_is_wrong_is_said(lines: list[bytes], change: Callable[[list[bytes]], list[bytes]], why: str) -> None:
    check = check_lines(change(lines))
    assert not check.ok
    assert why in check.why


def test_what_an_older_version_wrote_is_exported_as_it_is(tmp_path: Path) -> None:
    """An event that lacks an optional key of today keeps its bytes, and so its hash."""
    path = tmp_path / "ledger.sqlite"
    Ledger.open(path, create=True).close()
    proposal = {
        "title": "t",
        "rationale": "r",
        "author": "a",
        "base": "b",
        "patch_digest": "d",
        "created": "2026-03-01T12:00:00Z",
    }
    event = {"type": "propose.intended", "id": "P00001", "proposal": proposal, "digest": "d", "launcher": "l"}
    payload = canonical_json(event)
    assert b"parent" not in payload
    at = "2026-03-01T12:00:00.000000Z"
    with sqlite3.connect(path) as connection:
        digest = link(1, at, payload, "0" * 64)
        connection.execute("INSERT INTO event VALUES (1, ?, ?, ?, ?)", (at, payload, "0" * 64, digest))
    connection.close()
    with Ledger.open(path) as ledger:
        (line,) = exported(ledger)
        assert payload in line
        assert check_lines([line], ledger.head()).ok


def test_a_damaged_ledger_is_not_exported_further_than_it_is_whole(tmp_path: Path) -> None:
    stage = build(tmp_path)
    stage.waiting()
    with sqlite3.connect(stage.state.ledger) as connection:
        connection.execute("DROP TRIGGER event_is_never_changed")
        connection.execute("UPDATE event SET at = replace(at, '2026', '2025') WHERE seq = 3")
    connection.close()
    with pytest.raises(IntegrityError, match="entry 3 was changed"):
        list(exported(stage.ledger))


def test_an_event_that_this_version_does_not_know_is_said(lines: list[bytes]) -> None:
    event = {"type": "coffee.made"}
    text = json.dumps(
        {"at": json.loads(lines[0])["at"], "event": event, "seq": 1}, sort_keys=True, separators=(",", ":")
    )
    digest = hashlib.sha256(("0" * 64 + text).encode()).hexdigest()
    row = {**json.loads(text), "prev": "0" * 64, "hash": digest}
    check = check_lines([json.dumps(row, sort_keys=True, separators=(",", ":")).encode() + b"\n"])
    assert not check.ok
    assert "no event that this version knows" in check.why


def holdpoint(capsys: pytest.CaptureFixture[str], repo: Path, *argv: str) -> tuple[int, dict[str, object], str]:
    code = run(build_app, [*argv, "--repo", str(repo), "--json"])
    out, words = capsys.readouterr()
    return code, json.loads(out) if out else {}, words


def test_the_commands(stage: Stage, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    code, document, _ = holdpoint(capsys, stage.root, "log", "--export", str(file))
    assert (code, document["file"]) == (0, str(file))
    for place in (stage.root, tmp_path):  # in the target, and where there is none
        code, document, _ = holdpoint(capsys, place, "log", "--import", str(file), "--check")
        assert code == 0, document
        check = document["check"]
        assert isinstance(check, dict)
        assert check["head"]["hash"] == stage.ledger.head().hash
    other = build(tmp_path / "other")
    code, document, _ = holdpoint(capsys, other.root, "log", "--import", str(file), "--check")
    assert code == 1
    assert "does not pass through" in str(document["check"])
    file.write_bytes(file.read_bytes().replace(b"because", b"becausE", 1))
    code, document, _ = holdpoint(capsys, tmp_path, "log", "--import", str(file), "--check")
    assert code == 1
    assert "was changed" in str(document["check"])
    for wrong in (
        ["--import", str(file)],
        ["--check"],
        ["--import", str(tmp_path / "none"), "--check"],
        ["--import", str(file), "--check", "--at", "2026-01-01"],
        ["--export", str(file), "--at", "2026-01-01"],
    ):
        code, _, words = holdpoint(capsys, stage.root, "log", *wrong)
        assert code == 2, wrong
        assert "next:" in words
    code, _, _ = holdpoint(capsys, stage.root, "log", "--export", str(tmp_path / "no" / "where"))
    assert code == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.jsonl", "other"], (
        "nothing half-written is left"
    )


def test_status_as_of_a_time(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    entries = list(stage.ledger.entries())
    waiting = next(entry for entry in entries if entry.event.type == "run.finished")
    code, document, _ = holdpoint(capsys, stage.root, "status", "--at", waiting.at.isoformat())
    assert code == 0
    assert [(row["proposal"], row["state"]) for row in document["proposals"]] == [("P00001", "waiting")]  # type: ignore[attr-defined]
    code, document, _ = holdpoint(capsys, stage.root, "status")
    assert [row["state"] for row in document["proposals"]] == ["merged", "waiting"]  # type: ignore[attr-defined]
    assert Head(**document["head"]) == stage.ledger.head()
