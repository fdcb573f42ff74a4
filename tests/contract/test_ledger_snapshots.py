"""Snapshots beside the ledger: quick pasts that say what the chain says, and that nothing believes over the chain."""

import random
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.errors import IntegrityError
from harness.ledger import EMPTY, Head, Ledger, State, check_ledger
from harness.ledger.events import (
    CampaignFinished,
    CampaignStarted,
    CampaignStepped,
    DecisionMade,
    Event,
    MergeFailed,
    MergeIntended,
    ProposeAccepted,
    ProposeIntended,
    RunFinished,
    RunIntended,
    SignersChanged,
    TargetInitialised,
)
from harness.ledger.snapshots import EVERY
from harness.records import Candidate, Decision, Proposal, TestsResult

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def story(seed: int, length: int) -> list[tuple[Event, datetime]]:
    """A history with every kind of thing in it, and a clock that steps back now and then."""
    pick = random.Random(seed)
    told: list[tuple[Event, datetime]] = []
    names: list[str] = []
    at = NOW
    told.append((TargetInitialised(commit="0" * 40, ref="main", config="c", by="ana"), at))
    told.append((CampaignStarted(campaign="c", plan="p", base="b", seed=1), at))
    while len(told) < length:
        at += SECOND if pick.random() < 0.95 else -20 * SECOND
        name = pick.choice(names) if names else ""
        turn = pick.random()
        event: Event
        if not names or turn < 0.2:
            name = f"P{len(names) + 1:05d}"
            proposal = Proposal(
                title=name, rationale="r", author="a", base="0" * 40, patch_digest="d", created=at,
                parent=pick.choice(names) if names else None,
            )  # fmt: skip
            names.append(name)
            event = ProposeIntended(id=name, proposal=proposal, digest="d", launcher="ana")
        elif turn < 0.35:
            candidate = Candidate(proposal=name, base="0" * 40, commit="1" * 40, tree="2" * 40, branch=name)
            event = ProposeAccepted(id=name, candidate=candidate, findings=())
        elif turn < 0.5:
            event = RunIntended(id=name, tip="0" * 40)
        elif turn < 0.65:
            event = RunFinished(
                id=name, tip="0" * 40, merge="m", tree="t", verdict="pass", reasons=("r",), effects=(), evidence="e",
                tests=TestsResult(expected=1, passed=1), policy="p",
            )  # fmt: skip
        elif turn < 0.8:
            decision = Decision(
                proposal=name, decision=pick.choice(["approve", "defer", "revoke"]), tree="t", evidence="e",
                reviewer=pick.choice(["ana", "bob"]), reason="r", statement="s", at=at,
            )  # fmt: skip
            event = DecisionMade(id=name, decision=decision)
        elif turn < 0.85:
            event = MergeIntended(id=name, ref="main", old="o", new="n")
        elif turn < 0.9:
            event = MergeFailed(id=name, ref="main", why="w")
        elif turn < 0.95:
            event = CampaignStepped(campaign="c", generation=len(told), proposals=(name,), accepted=name)
        else:
            event = SignersChanged(commit=f"{len(told):040d}", statement=None, by="ana")
        told.append((event, at))
    told.append((CampaignFinished(campaign="c", why="done"), at))
    return told


def fold(told: list[tuple[Event, datetime]]) -> State:
    state = State()
    for event, at in told:
        state.apply(event, at)
    return state


def assert_same(found: State, expected: State) -> None:
    assert len(found.proposals) == len(expected.proposals)
    assert list(found.proposals) == list(expected.proposals), "the order in which they were numbered"
    assert dict(found.proposals) == dict(expected.proposals)
    assert dict(found.campaigns) == dict(expected.campaigns)
    assert found.steps("c") == expected.steps("c")
    assert found.roots == expected.roots
    assert found.merging == expected.merging
    assert (found.tips, found.next_id(), found.initialised) == (
        expected.tips, expected.next_id(), expected.initialised,
    )  # fmt: skip
    for name in expected.proposals:
        assert found.children(name) == expected.children(name)


def write(path: Path, told: list[tuple[Event, datetime]]) -> None:
    with Ledger.open(path, create=True) as ledger:
        ledger._database.driver().execute("PRAGMA synchronous=OFF")  # these tests cut no power
        for event, at in told:
            ledger.append(event, at)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def beside(path: Path) -> Path:
    return path.with_name("ledger.sqlite-snapshots")


@pytest.mark.parametrize("seed", range(3))
def test_any_past_is_what_its_events_add_up_to(path: Path, seed: int) -> None:
    told = story(seed, 10 * EVERY + 17)
    write(path, told)
    pick = random.Random(seed)
    with Ledger.open(path) as ledger:
        assert_same(ledger.state, fold(told))
        for _ in range(25):
            moment = NOW + pick.uniform(-2, len(told) + 2) * SECOND
            last = max((number for number, (_, at) in enumerate(told, 1) if at <= moment), default=0)
            assert_same(ledger.state_at(moment), fold(told[:last]))
        assert ledger.check_snapshots() == ""
    assert beside(path).is_file()


def test_opening_folds_only_what_came_after_the_last_snapshot(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = story(1, 20 * EVERY)
    write(path, told)
    applied = []
    original = State.apply
    monkeypatch.setattr(State, "apply", lambda self, event, at: (applied.append(event), original(self, event, at))[1])
    with Ledger.open(path) as ledger:
        assert ledger.state.next_id() == fold(told).next_id()
        opened = len(applied) - len(told)
        assert opened <= EVERY
        del applied[:]
        ledger.state_at(NOW + 700 * SECOND)
        assert len(applied) <= EVERY


def test_snapshots_may_be_deleted_at_any_time_and_come_again(path: Path) -> None:
    told = story(2, 5 * EVERY)
    write(path, told)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{beside(path)}{suffix}").unlink(missing_ok=True)
    with Ledger.open(path) as ledger:
        assert_same(ledger.state, fold(told))
        assert ledger.check_snapshots() == ""
    assert beside(path).is_file()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE kept SET value = CAST(replace(CAST(value AS TEXT), 'waiting', 'approved') AS BLOB)",
        "DELETE FROM kept WHERE rowid = (SELECT max(rowid) FROM kept)",
        "INSERT INTO kept SELECT kind, key || 'x', seq, rank, value FROM kept LIMIT 1",
        "UPDATE kept SET rank = rank + 1 WHERE kind = 'proposal'",
        "UPDATE place SET rest = CAST(replace(CAST(rest AS TEXT), '\"highest\":', '\"highest\":1') AS BLOB)",
        "UPDATE place SET low = '2000-01-01T00:00:00.000000Z' WHERE seq = (SELECT min(seq) FROM place)",
        "DELETE FROM place WHERE seq = (SELECT min(seq) FROM place)",
    ],
)
def test_snapshots_that_were_changed_are_found(path: Path, change: str) -> None:
    told = story(3, 4 * EVERY)
    write(path, told)
    with sqlite3.connect(beside(path)) as connection:
        connection.execute(change)
    connection.close()
    with Ledger.open(path) as ledger:
        assert "snapshot" in ledger.check_snapshots()
        assert ledger.verify().ok, "the chain itself is whole"
        assert ledger.proven("P00001") == fold(told).proposals["P00001"], "and the chain is what is believed"


def test_a_proposal_is_proven_from_the_chain_alone(path: Path) -> None:
    told = story(4, 3 * EVERY)
    write(path, told)
    with Ledger.open(path) as ledger:
        expected = fold(told)
        assert {name: ledger.proven(name) for name in expected.proposals} == dict(expected.proposals)
        assert ledger.proven("P99999") is None
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER event_is_never_changed")
        connection.execute("UPDATE event SET at = '2026-03-01T12:00:09.000000Z' WHERE seq = 5")
        connection.execute(_trigger())
    connection.close()
    with Ledger.open(path) as ledger, pytest.raises(IntegrityError, match="entry 5 was changed"):
        ledger.proven("P00001")


def _trigger() -> str:
    from harness.ledger.schema import SCHEMA

    return SCHEMA["event_is_never_changed"]


def test_another_chains_versions_or_broken_snapshots_are_thrown_away(path: Path, tmp_path: Path) -> None:
    told = story(5, 3 * EVERY)
    write(path, told)
    other = tmp_path / "other" / "ledger.sqlite"
    other.parent.mkdir()
    write(other, story(6, 3 * EVERY))
    whole = beside(path).read_bytes()
    future = tmp_path / "future"
    future.write_bytes(whole)
    with sqlite3.connect(future) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    for strange in (beside(other).read_bytes(), future.read_bytes(), b"no database" * 500, whole[:5000]):
        beside(path).write_bytes(strange)
        with Ledger.open(path, read_only=True) as ledger:
            assert_same(ledger.state, fold(told))
        assert beside(path).read_bytes() == strange, "reading changes nothing"
        with Ledger.open(path) as ledger:
            assert_same(ledger.state, fold(told))
            assert ledger.check_snapshots() == ""


def test_damage_met_while_reading_names_the_file_to_remove(path: Path) -> None:
    told = story(7, 3 * EVERY)
    write(path, told)
    with Ledger.open(path) as ledger:
        state = ledger.state_at(NOW + 20 * SECOND)
        assert state.proposals
        with sqlite3.connect(beside(path)) as connection:
            connection.execute("DROP TABLE kept")
        connection.close()
        with pytest.raises(IntegrityError, match="the ledger is not") as caught:
            dict(ledger.state_at(NOW + 150 * SECOND).proposals)
        assert caught.value.next_step.startswith("rm ")


def test_a_place_that_cannot_be_written_costs_nothing_but_time(path: Path) -> None:
    beside(path).mkdir()
    told = story(8, 3 * EVERY)
    write(path, told)
    with Ledger.open(path) as ledger:
        assert_same(ledger.state, fold(told))
        assert_same(ledger.state_at(NOW + 900 * SECOND), fold(told))
    assert check_ledger(path).ok


def test_several_writers_keep_one_line_of_places(path: Path) -> None:
    """Each appends through its own ledger, as processes do; whoever is overtaken goes on from the other's snapshot."""
    ledgers = [Ledger.open(path, create=True) for _ in range(3)]

    def work(mine: Ledger, who: int) -> None:
        for number in range(2 * EVERY):
            mine.append(SignersChanged(commit=f"{who}-{number}", statement=None, by="x"), NOW + number * SECOND)

    threads = [threading.Thread(target=work, args=(ledger, who)) for who, ledger in enumerate(ledgers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ledger in ledgers:
        assert len(ledger.state.roots) == 6 * EVERY
        assert ledger.check_snapshots() == ""
        ledger.close()


def test_a_ledger_cut_below_its_snapshot_is_folded_anew(path: Path) -> None:
    told = story(9, 2 * EVERY + 1)
    write(path, told)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER event_is_never_removed")
        connection.execute("DELETE FROM event WHERE seq > 40")
        from harness.ledger.schema import SCHEMA

        connection.execute(SCHEMA["event_is_never_removed"])
    connection.close()
    with Ledger.open(path) as ledger:
        assert_same(ledger.state, fold(told[:40]))
        assert ledger.verify().ok
        assert not ledger.contains(Head(index=50, hash="a" * 64))
        assert ledger.contains(EMPTY)


def test_before_the_first_entry_nothing_was(path: Path) -> None:
    told = story(10, 3 * EVERY)
    write(path, told)
    with Ledger.open(path) as ledger:
        assert len(ledger.state_at(NOW - timedelta(days=1)).proposals) == 0
        assert_same(ledger.state_at(NOW), fold(told[: max(n for n, (_, at) in enumerate(told, 1) if at <= NOW)]))


def test_a_state_is_used_while_its_ledger_is_open(path: Path) -> None:
    write(path, story(11, 3 * EVERY))
    with Ledger.open(path) as ledger:
        early = ledger.state_at(NOW + 150 * SECOND)
        late = ledger.state_at(NOW + 150 * SECOND)
        ledger._snapshots.discard()
        with pytest.raises(IntegrityError, match="are gone"):
            dict(early.proposals)
    with pytest.raises(ValueError, match="closed"):
        late.children("P00001")


def test_places_that_cannot_be_parsed_are_none(path: Path) -> None:
    told = story(12, 3 * EVERY)
    write(path, told)
    with sqlite3.connect(beside(path)) as connection:
        connection.execute("UPDATE place SET rest = x'00'")
    connection.close()
    with Ledger.open(path) as ledger:
        assert ledger.check_snapshots() == ""
        assert_same(ledger.state, fold(told))
        assert ledger.check_snapshots() == ""


def test_a_place_that_fails_half_way_is_not_there(path: Path) -> None:
    told = story(13, EVERY + 1)
    write(path, told)
    with Ledger.open(path) as ledger:
        assert ledger.state
        with sqlite3.connect(beside(path)) as connection:
            connection.execute("CREATE TRIGGER no BEFORE INSERT ON place BEGIN SELECT RAISE(ABORT, 'full'); END")
        connection.close()
        for number in range(2 * EVERY):
            ledger.append(SignersChanged(commit=f"{number}", statement=None, by="x"), NOW)
        assert len(ledger._snapshots.places()) == 1
        assert ledger.check_snapshots() == ""
        assert ledger.verify().ok


def test_a_snapshot_by_a_version_with_other_keys(path: Path) -> None:
    """Fewer optional keys are the same value; keys that nobody knows are said to be none of ours."""
    write(path, story(14, 2 * EVERY))
    for change, fine in (("replace(CAST(value AS TEXT), '\"merged\":null,', '')", True), ("'{\"x\": 1}'", False)):
        with sqlite3.connect(beside(path)) as connection:
            connection.execute(f"UPDATE kept SET value = CAST({change} AS BLOB) WHERE kind = 'proposal'")
        connection.close()
        with Ledger.open(path) as ledger:
            assert (ledger.check_snapshots() == "") == fine
            if not fine:
                with pytest.raises(IntegrityError, match="no proposal that this version knows"):
                    dict(ledger.state.proposals)


def test_numbers_come_from_names_that_are_numbers(path: Path) -> None:
    with Ledger.open(path, create=True) as ledger:
        proposal = Proposal(title="t", rationale="r", author="a", base="0" * 40, patch_digest="d", created=NOW)
        ledger.append(ProposeIntended(id="draft", proposal=proposal, digest="d", launcher="ana"), NOW)
        assert ledger.state.next_id() == "P00001"
        assert ledger.proven("draft") == ledger.state.proposals["draft"]
