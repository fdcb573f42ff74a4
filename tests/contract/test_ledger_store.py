"""The ledger on a real file: durable, ordered, append-only, and clear about every fault it meets."""

import hashlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from harness.errors import EnvironmentFault, IntegrityError, UsageError
from harness.ledger import EMPTY, Head, Ledger, check_ledger
from harness.ledger.events import (
    CampaignStarted,
    CampaignStepped,
    Event,
    MergeFailed,
    ProposeIntended,
    RunIntended,
    SignersChanged,
    TargetInitialised,
)
from harness.records import Proposal, canonical_json

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def proposed(number: int, rationale: str = "because") -> ProposeIntended:
    proposal = Proposal(
        title=f"№ {number} \x00", rationale=rationale, author="a", base="0" * 40, patch_digest="sha256:", created=NOW
    )
    return ProposeIntended(id=f"P{number:05d}", proposal=proposal, digest="sha256:1", launcher="ana")


def started(number: int) -> TargetInitialised:
    return TargetInitialised(commit=f"{number:040x}", ref="main", config="sha256:", by="ana")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def test_what_was_appended_is_read_back_in_order(path: Path):
    with Ledger.open(path, create=True) as ledger:
        assert ledger.head() == EMPTY
        assert ledger.verify().ok
        written = [ledger.append(proposed(n), NOW + n * SECOND) for n in range(1, 6)]
        written += ledger.append_all([RunIntended(id="P00001", tip="1" * 40), proposed(6)], NOW + 9 * SECOND)
        assert ledger.append_all([], NOW) == ()
    with Ledger.open(path) as ledger:
        assert list(ledger.entries()) == written
        assert [entry.seq for entry in written] == list(range(1, 8))
        assert list(ledger.entries(since=5)) == written[5:]
        assert list(ledger.entries(since=99)) == []
        assert list(ledger.entries(until=NOW + 3.5 * SECOND)) == written[:3]
        assert list(ledger.entries(until=NOW + 3 * SECOND, since=2)) == written[2:3]
        assert list(ledger.entries(until=NOW)) == []
        assert ledger.head() == Head(index=7, hash=written[-1].hash)
        check = ledger.verify(ledger.head())
        assert (check.ok, check.events, check.why, check.head) == (True, 7, "", ledger.head())
        assert list(ledger.state.proposals) == [f"P{n:05d}" for n in range(1, 7)]
        assert ledger.state.next_id() == "P00007"


def test_the_chain_can_be_checked_with_nothing_but_sqlite_and_sha256(path: Path):
    with Ledger.open(path, create=True) as ledger:
        ledger.append_all([proposed(1), proposed(2)], NOW)
    prev = "0" * 64
    for seq, at, payload, before, digest in sqlite3.connect(path).execute("SELECT * FROM event ORDER BY seq"):
        assert before == prev
        canonical = canonical_json({"at": at, "event": json.loads(payload), "seq": seq})
        assert hashlib.sha256(prev.encode() + canonical).hexdigest() == digest
        prev = digest


def test_the_state_as_of_a_time_survives_a_clock_that_steps_back(path: Path):
    with Ledger.open(path, create=True) as ledger:
        for number, second in ((1, 10), (2, 5), (3, 20)):
            ledger.append(proposed(number), NOW + second * SECOND)
        known = [len(ledger.state_at(NOW + second * SECOND).proposals) for second in (4, 5, 9, 10, 19, 20)]
        assert known == [0, 2, 2, 2, 2, 3]
        assert len(ledger.state.proposals) == 3


def test_times_keep_their_instant_and_need_a_zone(path: Path):
    with Ledger.open(path, create=True) as ledger:
        entry = ledger.append(started(1), NOW.astimezone(timezone(timedelta(hours=5, minutes=30))))
        assert entry.at == NOW
        assert next(ledger.entries()).at.utcoffset() == timedelta(0)
        with pytest.raises(ValueError, match="zone"):
            ledger.append(started(2), datetime(2026, 1, 1))  # noqa: DTZ001  # the mistake under test
        assert ledger.head().index == 1


@pytest.mark.parametrize(
    "event",
    [
        RunIntended(id="P00007", tip="1"),
        MergeFailed(id="P00007", ref="main", why="x"),
        proposed(1),
        CampaignStepped(campaign="none", generation=1, proposals=(), accepted=None),
        CampaignStarted(campaign="c", plan="p", base="b", seed=1),
    ],
)
def test_an_event_about_nothing_is_refused_and_leaves_no_trace(path: Path, event: Event):
    with Ledger.open(path, create=True) as ledger:
        ledger.append_all([proposed(1), CampaignStarted(campaign="c", plan="p", base="b", seed=1)], NOW)
        with pytest.raises(IntegrityError):
            ledger.append_all([proposed(2), event], NOW)
        assert list(ledger.state.proposals) == ["P00001"]
        assert ledger.append(proposed(2), NOW).seq == 3
        assert ledger.verify().ok


def test_the_database_itself_refuses_to_forget(path: Path):
    with Ledger.open(path, create=True) as ledger:
        ledger.append_all([proposed(1), proposed(2)], NOW)
        connection = sqlite3.connect(path)
        for statement in (
            "UPDATE event SET payload = x'00' WHERE seq = 1",
            "DELETE FROM event WHERE seq = 2",
            "INSERT INTO event SELECT 2, at, payload, prev, hash FROM event WHERE seq = 1",
            "INSERT OR REPLACE INTO event SELECT 2, at, payload, prev, hash FROM event WHERE seq = 1",
            "INSERT INTO event SELECT 4, at, payload, hash, hash FROM event WHERE seq = 2",
            "INSERT INTO event SELECT 3, at, payload, prev, hash FROM event WHERE seq = 2",
        ):
            with pytest.raises(sqlite3.IntegrityError, match=r"append-only|must follow"):
                connection.execute(statement)
        connection.close()
        assert ledger.verify().ok


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DROP TRIGGER event_is_never_changed", "trigger event_is_never_changed is missing"),
        ("DROP TRIGGER event_is_never_removed", "trigger event_is_never_removed is missing"),
        ("DROP TRIGGER event_follows_the_last", "trigger event_follows_the_last is missing"),
        ("CREATE TRIGGER extra AFTER INSERT ON event BEGIN SELECT 1; END", "'extra', which is not ours"),
        ("DROP TABLE event", "table event is missing"),
        ("PRAGMA user_version=2", "another version"),
        ("PRAGMA application_id=7", "not a Holdpoint ledger"),
    ],
)
def test_a_ledger_without_its_guards_is_not_used(path: Path, statement: str, why: str):
    with Ledger.open(path, create=True) as ledger:
        ledger.append(proposed(1), NOW)
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()
    with pytest.raises(IntegrityError, match=why):
        Ledger.open(path)
    with pytest.raises(IntegrityError, match=why):
        Ledger.open(path, create=True)
    check = check_ledger(path)
    assert not check.ok
    assert why in check.why or statement.startswith("DROP TABLE")


def test_there_is_no_ledger_unless_one_was_made(path: Path):
    with pytest.raises(UsageError, match="no ledger") as caught:
        Ledger.open(path)
    assert caught.value.next_step == "holdpoint init"
    assert not path.exists()
    check = check_ledger(path)
    assert (check.ok, "no ledger" in check.why) == (False, True)
    path.mkdir()
    with pytest.raises(UsageError):
        Ledger.open(path, create=True)


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 999, b"SQLite format 3\x00" + b"\xff" * 8000])
def test_a_foreign_file_is_said_to_be_one_and_left_alone(path: Path, content: bytes):
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="ledger"):
        Ledger.open(path)
    assert path.read_bytes() == content
    assert not check_ledger(path).ok


def test_another_programs_database_is_left_alone(path: Path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE event (seq INTEGER)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(IntegrityError, match="not a Holdpoint ledger"):
            Ledger.open(path, create=create)
    assert path.read_bytes() == before


def test_a_half_made_file_of_a_crashed_init_is_completed(path: Path):
    path.touch()
    with Ledger.open(path, create=True) as ledger:
        ledger.append(proposed(1), NOW)
    with Ledger.open(path, create=True) as ledger:
        assert ledger.head().index == 1


def fill(ledger: Ledger, until: int) -> None:
    for number in range(ledger.head().index + 1, until):
        ledger.append(proposed(number, "long " * 400), NOW)


def test_a_full_disk_is_the_machines_fault_and_loses_nothing(path: Path):
    with Ledger.open(path, create=True) as ledger:
        ledger.append(proposed(1), NOW)
        driver = ledger._database.driver()
        pages = driver.execute("PRAGMA page_count").fetchone()[0]
        driver.execute(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(EnvironmentFault, match="disk is full") as caught:
            fill(ledger, 100)
        assert caught.value.next_step
        written = ledger.head().index
        assert 1 < written < 100
        assert len(ledger.state.proposals) == written
        with pytest.raises(EnvironmentFault):
            ledger.append_all([proposed(written + n, "long " * 400) for n in range(1, 9)], NOW)
        assert ledger.verify().events == written
        driver.execute("PRAGMA max_page_count=100000")
        assert ledger.append(proposed(written + 1), NOW).seq == written + 1
        assert ledger.verify().ok


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_really_full_file_system(tmp_path: Path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine may not mount a tmpfs")
    try:
        with Ledger.open(small / "ledger.sqlite", create=True) as ledger:
            with pytest.raises(EnvironmentFault, match="disk"):
                fill(ledger, 1000)
            written = len(ledger.state.proposals)
            assert written > 3
            assert ledger.verify().events == written
        assert check_ledger(small / "ledger.sqlite").events == written
    finally:
        subprocess.run(["umount", str(small)], check=True)


APPENDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from harness.ledger import Ledger
from harness.ledger.events import TargetInitialised
ledger = Ledger.open(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    event = TargetInitialised(commit=f"{sys.argv[3]}-{number}", ref="main", config="c" * 300, by="x")
    print(ledger.append(event, datetime.now(UTC)).seq, flush=True)
"""


def appender(path: Path, count: int, name: str = "a") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(path), str(count), name], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_kill_9_loses_nothing_that_was_acknowledged(path: Path):
    Ledger.open(path, create=True).close()
    pick = random.Random(7)
    known = 0
    for _ in range(10):
        child = appender(path, 1_000_000)
        assert child.stdout is not None
        assert child.stdout.readline(), "the child ended before it was killed"
        time.sleep(pick.uniform(0.0, 0.05))
        os.kill(child.pid, signal.SIGKILL)
        said, errors = child.communicate()
        assert not errors
        acknowledged = [int(word) for word in said.split(b"\n")[:-1]]
        check = check_ledger(path)
        assert check.ok, check.why
        assert check.events >= max([known, *acknowledged])
        known = check.events
    assert known >= 10
    with Ledger.open(path) as ledger:
        assert ledger.append(started(1), NOW).seq == known + 1


def test_processes_that_append_at_once_never_fork_the_chain(path: Path):
    Ledger.open(path, create=True).close()
    children = [appender(path, 60, name) for name in "abc"]
    outputs = [child.communicate(timeout=60) for child in children]
    assert [errors for _, errors in outputs] == [b""] * 3
    numbers = [int(word) for said, _ in outputs for word in said.split()]
    assert sorted(numbers) == list(range(1, 181))
    with Ledger.open(path) as ledger:
        assert ledger.verify(ledger.head()).ok
        entries = list(ledger.entries())
    for name, (said, _) in zip("abc", outputs, strict=True):
        own = [e.seq for e in entries if isinstance(e.event, TargetInitialised) and e.event.commit.startswith(name)]
        assert own == [int(word) for word in said.split()]


def test_threads_that_share_one_ledger_never_fork_the_chain(path: Path):
    with Ledger.open(path, create=True) as ledger:
        seen: list[int] = []

        def work(name: int) -> None:
            for number in range(25):
                seen.append(ledger.append(started(100 * name + number), NOW).seq)
                assert ledger.state.tips
                assert sum(1 for _ in ledger.entries()) <= ledger.head().index

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(seen) == list(range(1, 101))
        assert ledger.verify().ok


def _append_one(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append(proposed(2), NOW)


def test_the_state_includes_what_another_process_appended(path: Path):
    with Ledger.open(path, create=True) as ledger:
        ledger.append(proposed(1), NOW)
        assert len(ledger.state.proposals) == 1
        child = multiprocessing.get_context("spawn").Process(target=_append_one, args=(path,))
        child.start()
        child.join()
        assert child.exitcode == 0
        assert ledger.state.next_id() == "P00003"
        assert ledger.append(proposed(3), NOW).seq == 3
        with pytest.raises(IntegrityError, match="second proposal"):
            ledger.append(proposed(2), NOW)


def test_a_history_rewritten_under_an_open_ledger_is_noticed(path: Path):
    with Ledger.open(path, create=True) as ledger:
        ledger.append_all([proposed(1), proposed(2)], NOW)
        assert ledger.state
        connection = sqlite3.connect(path)
        connection.execute("DROP TRIGGER event_is_never_removed")
        connection.execute("DELETE FROM event WHERE seq = 2")
        connection.commit()
        connection.close()
        with pytest.raises(IntegrityError, match="rewritten"):
            _ = ledger.state
        with pytest.raises(IntegrityError, match="rewritten"):
            ledger.append(proposed(3), NOW)


def test_a_head_kept_elsewhere_pins_the_history(path: Path, tmp_path: Path):
    other = tmp_path / "other.sqlite"
    with Ledger.open(path, create=True) as ledger, Ledger.open(other, create=True) as rewritten:
        for number in range(1, 6):
            ledger.append(proposed(number), NOW)
            rewritten.append(proposed(number, "another story" if number == 3 else "because"), NOW)
        heads = [Head(index=entry.seq, hash=entry.hash) for entry in ledger.entries()]
        assert all(ledger.contains(head) and ledger.verify(head).ok for head in [EMPTY, *heads])
        assert [rewritten.contains(head) for head in heads] == [True, True, False, False, False]
        assert rewritten.verify().ok, "by itself a full rewrite cannot be seen"
        assert "rewritten" in rewritten.verify(heads[4]).why
        assert "entry 3" in rewritten.verify(heads[2]).why
        far = Head(index=9, hash="a" * 64)
        assert not ledger.contains(far)
        assert "ends at entry 5, but entry 9" in ledger.verify(far).why
        assert not ledger.contains(Head(index=0, hash="a" * 64))
        assert not ledger.verify(Head(index=0, hash="a" * 64)).ok


def test_reading_never_writes(path: Path):
    with Ledger.open(path, create=True) as ledger:
        ledger.append(proposed(1), NOW)
    before = path.read_bytes()
    with Ledger.open(path, read_only=True) as ledger:
        assert ledger.state.next_id() == "P00002"
        with pytest.raises(EnvironmentFault, match="written"):
            ledger.append(proposed(2), NOW)
        assert ledger.verify().ok
    assert path.read_bytes() == before


CHECKER = """
import sys
from pathlib import Path
from harness.ledger import check_ledger
check = check_ledger(Path(sys.argv[1]))
print(check.ok, check.events, check.why)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_anyone_may_verify_a_copy_in_a_place_they_cannot_write(path: Path):
    with Ledger.open(path, create=True) as ledger:
        ledger.append(proposed(1), NOW)
    with tempfile.TemporaryDirectory() as name:
        copy = Path(shutil.copy(path, name))
        Path(name).chmod(0o755)
        copy.chmod(0o444)
        code = f"import os; os.setgid(65534); os.setuid(65534)\n{CHECKER}"
        # Imports come first: the interpreter's own folders may be closed to the other user.
        code = "import harness.ledger, sqlalchemy.dialects.sqlite\n" + code
        ran = subprocess.run([sys.executable, "-c", code, str(copy)], check=False, capture_output=True, text=True)
    assert ran.stdout == "True 1 \n", ran.stderr


def test_a_locked_ledger_is_a_fault_with_words(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("harness.ledger.database._BUSY_SECONDS", 0.1)
    with Ledger.open(path, create=True) as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EnvironmentFault, match="another process"):
            ledger.append(proposed(1), NOW)
        other.execute("ROLLBACK")
        other.close()
        assert ledger.append(proposed(1), NOW).seq == 1


def test_an_append_is_synced_to_the_disk_before_it_is_acknowledged(path: Path):
    """No test can cut the power; this one holds the settings under which SQLite promises it."""
    with Ledger.open(path, create=True) as ledger:
        driver = ledger._database.driver()
        assert driver.execute("PRAGMA synchronous").fetchone() == (2,)
        assert driver.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_closed_ledger_is_closed(path: Path):
    ledger = Ledger.open(path, create=True)
    ledger.append(SignersChanged(commit="c", statement=None, by="ana"), NOW)
    ledger.close()
    ledger.close()
    with pytest.raises(ValueError, match="closed"):
        ledger.head()
    leftovers = sorted(entry.name for entry in path.parent.iterdir())
    assert leftovers == ["ledger.sqlite"], "closing must not leave a write-ahead log behind"


def test_a_database_that_refuses_an_entry_loses_none(path: Path):
    with Ledger.open(path, create=True) as ledger:
        ledger.append(proposed(1), NOW)
        connection = sqlite3.connect(path)
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'no'); END")
        connection.commit()
        with pytest.raises(IntegrityError, match="refused an entry"):
            ledger.append(proposed(2), NOW)
        connection.execute("DROP TRIGGER no")
        connection.close()
        assert list(ledger.state.proposals) == ["P00001"]
        assert ledger.append(proposed(2), NOW).seq == 2


def test_a_last_row_of_another_type_is_damage(path: Path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE event (seq, at, payload, prev, hash)")
    connection.execute("INSERT INTO event VALUES (1, 'x', 'x', 'x', x'00')")
    connection.commit()
    connection.close()
    with Ledger.open(path, read_only=True) as ledger:
        with pytest.raises(IntegrityError, match="no hash"):
            ledger.head()
        assert not ledger.contains(Head(index=1, hash="0" * 64))


def test_a_process_without_descriptors_left_says_so(path: Path):
    Ledger.open(path, create=True).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(EnvironmentFault, match="cannot be opened"):
            Ledger.open(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
