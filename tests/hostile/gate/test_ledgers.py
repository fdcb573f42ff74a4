"""A history edited, reordered, truncated or forked, by whoever holds the file: found, with or without a head kept."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from attacks import wrong
from gate_stage import Stage, build

from harness.gate.signers import signers_lines
from harness.gate.verify import Earlier, verify
from harness.ledger import Head, check_ledger
from harness.ledger.chain import link
from harness.ledger.schema import SCHEMA

Rows = list[tuple[int, str, bytes, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = build(tmp_path_factory.mktemp("model"))
    stage.landed()
    stage.waiting()
    stage.ledger.close()
    return stage.reopened()


@pytest.fixture(scope="module")
def copied(model: Stage, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows, Head]:
    path = tmp_path_factory.mktemp("copy") / "ledger.sqlite"
    with sqlite3.connect(model.state.ledger) as source, sqlite3.connect(path) as target:
        source.backup(target)
        rows = target.execute("SELECT seq, at, payload, prev, hash FROM event ORDER BY seq").fetchall()
    source.close()
    target.close()
    return path, rows, model.ledger.head()


def written(where: Path, model: Path, rows: Rows) -> Path:
    """A ledger of these rows, guards and all."""
    shutil.copyfile(model, where)
    with sqlite3.connect(where) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        guards = [name for name in SCHEMA if name != "event"]
        for name in guards:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("DELETE FROM event")
        connection.executemany("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?)", rows)
        for name in guards:
            connection.execute(SCHEMA[name])
    connection.close()
    return where


def chained(rows: Rows, start: int) -> Rows:
    """The same rows with every hash made to fit from a place on: what a careful forger writes."""
    out = rows[:start]
    prev = out[-1][4] if out else "0" * 64
    for seq, (_, at, payload, _, _) in enumerate(rows[start:], start + 1):
        digest = link(seq, at, payload, prev)
        out.append((seq, at, payload, prev, digest))
        prev = digest
    return out


def edited(rows: Rows, pick: random.Random) -> Rows:
    number = pick.randrange(len(rows))
    seq, at, payload, prev, digest = rows[number]
    raw = bytearray(payload)
    raw[pick.randrange(len(raw))] ^= pick.randint(1, 255)
    return [*rows[:number], (seq, at, bytes(raw), prev, digest), *rows[number + 1 :]]


def reordered(rows: Rows, pick: random.Random) -> Rows:
    one, two = sorted(pick.sample(range(len(rows)), 2))
    order = list(range(len(rows)))
    order[one], order[two] = order[two], order[one]
    return [(number, *rows[place][1:]) for number, place in enumerate(order, 1)]


def truncated(rows: Rows, pick: random.Random) -> Rows:
    return rows[: pick.randrange(len(rows))]


def holed(rows: Rows, pick: random.Random) -> Rows:
    gone = pick.randrange(len(rows) - 1)
    left = [*rows[:gone], *rows[gone + 1 :]]
    return chained(left, gone) if pick.random() < 0.5 else left


def forked(rows: Rows, pick: random.Random) -> Rows:
    """Another story from some entry on, in itself a perfect chain; of the same length, longer or shorter."""
    start = pick.randrange(len(rows))
    tail = [rows[pick.randrange(len(rows))] for _ in range(pick.randint(1, 2 * len(rows)))]
    story = chained([*rows[:start], *tail], start)
    return chained(edited(rows, pick), 0) if story[: len(rows)] == rows else story


def retimed(rows: Rows, pick: random.Random) -> Rows:
    number = pick.randrange(len(rows))
    seq, at, payload, prev, digest = rows[number]
    other = at[:18] + str((int(at[18]) + pick.randint(1, 9)) % 10) + at[19:]
    return [*rows[:number], (seq, other, payload, prev, digest), *rows[number + 1 :]]


TAMPERS: tuple[Callable[[Rows, random.Random], Rows], ...] = (edited, reordered, truncated, holed, forked, retimed)


def all_found(copied: tuple[Path, Rows, Head], where: Path, tampers: int, seed: int) -> None:
    model, rows, head = copied
    assert check_ledger(written(where, model, rows), head).ok, "untouched, it is whole"
    pick = random.Random(seed)
    for number in range(tampers):
        act = TAMPERS[number % len(TAMPERS)]
        check = check_ledger(written(where, model, act(rows, pick)), head)
        assert not check.ok, (seed, number, act.__name__)
        assert check.why.isprintable()


def test_two_hundred_random_tampers_are_found(copied: tuple[Path, Rows, Head], tmp_path: Path) -> None:
    all_found(copied, tmp_path / "ledger.sqlite", 200, 11)


@pytest.mark.soak
def test_ten_thousand_random_tampers_are_found(copied: tuple[Path, Rows, Head], tmp_path: Path) -> None:
    import time

    seed = time.time_ns()
    print(f"seed {seed}")  # shown when it fails
    all_found(copied, tmp_path / "ledger.sqlite", 10_000, seed)


def against(model: Stage, path: Path, since: Head | None = None) -> str:
    """What `verify` of the target says about this ledger, whose approvals name entries of the true one."""
    return wrong(verify(model.repo, signers=signers_lines(model.reviewers()), ledger=path, since=since))


def test_an_edited_ledger(model: Stage, copied: tuple[Path, Rows, Head], tmp_path: Path) -> None:
    path = written(tmp_path / "l", copied[0], edited(copied[1], random.Random(1)))
    assert "was changed: its hash does not match" in against(model, path)


def test_a_reordered_ledger(model: Stage, copied: tuple[Path, Rows, Head], tmp_path: Path) -> None:
    path = written(tmp_path / "l", copied[0], reordered(copied[1], random.Random(1)))
    assert "its link to it was changed" in against(model, path)


def test_a_truncated_ledger(model: Stage, copied: tuple[Path, Rows, Head], tmp_path: Path) -> None:
    """In itself whole; the approvals that travelled name an entry that it no longer has."""
    landed = next(row for row in copied[1] if b'"type":"merge.landed"' in row[2])
    path = written(tmp_path / "l", copied[0], copied[1][: landed[0] - 4])
    assert check_ledger(path).ok
    assert "does not know that" in against(model, path)
    shorter = written(tmp_path / "m", copied[0], copied[1][:-1])
    assert "had been written" in against(model, shorter, copied[2])


def test_a_forked_ledger(model: Stage, copied: tuple[Path, Rows, Head], tmp_path: Path) -> None:
    """A full rewrite with a perfect chain, down to the last hash: found by the entry that a person signed."""
    rows = copied[1]
    seq, at, payload, _, _ = rows[2]
    other = payload.replace(b"because", b"becausE")
    assert other != payload
    path = written(tmp_path / "l", copied[0], chained([*rows[:2], (seq, at, other, "", ""), *rows[3:]], 2))
    assert check_ledger(path).ok
    assert "does not pass through entry" in against(model, path)
    assert "the history was rewritten" in against(model, path, copied[2])


def test_a_forked_ledger_and_a_clone_without_one(model: Stage, tmp_path: Path) -> None:
    """A verifier with git alone compares a kept head with those that approvals name."""
    bare = model.bare(tmp_path / "clone.git")
    said = next(entry for entry in model.ledger.entries() if entry.event.type == "merge.intended")
    signers = signers_lines(model.reviewers())
    named = next(
        Head(index=entry.seq, hash=entry.hash)
        for entry in model.ledger.entries()
        if entry.event.type == "decision.intended"
    )
    assert verify(bare, signers=signers, since=named).ok
    assert "was rewritten" in wrong(verify(bare, signers=signers, since=Head(index=named.index, hash="0" * 64)))
    assert "no ledger to look for it" in wrong(verify(bare, signers=signers, since=Head(index=said.seq, hash="0" * 64)))


def test_branches_that_were_set_back_since_an_earlier_verification(model: Stage, tmp_path: Path) -> None:
    from gate_stage import git

    bare = model.bare(tmp_path / "clone.git")
    signers = signers_lines(model.reviewers())
    report = verify(bare, signers=signers)
    seen = Earlier(tip=report.tip, approvals=report.approvals)
    assert report.ok
    assert verify(bare, signers=signers, since=seen).ok
    git(bare, "update-ref", "refs/heads/main", "main^1")
    git(bare, "update-ref", "refs/heads/holdpoint/approvals", "holdpoint/approvals~1")
    assert verify(bare, signers=signers).ok, "by itself an older state is whole"
    text = wrong(verify(bare, signers=signers, since=seen))
    assert "refs/heads/main does not go on from" in text
    assert "holdpoint/approvals does not go on from" in text
    assert "does not go on from" in wrong(verify(bare, signers=signers, since=Earlier(tip="f" * 40)))
