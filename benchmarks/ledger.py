"""How fast the ledger appends, verifies and answers "as of"; prints, decides nothing.

`append_ratio` is our appends a second over those of a plain sqlite3 INSERT of the same bytes into the same columns
(WAL, synchronous=FULL, one a commit, no chain, no triggers, no state), in alternating blocks of the same run.
"""

import argparse
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.ledger import Ledger
from harness.ledger.events import Event, ProposeAccepted, ProposeIntended, RunFinished, RunIntended
from harness.records import Candidate, Proposal, TestsResult, sha256

START = datetime(2026, 1, 1, tzinfo=UTC)
COMMIT = "0123456789" * 4


def proposal_events(number: int) -> list[Event]:
    """The four events of one proposal on its way to the queue."""
    name = f"P{number:05d}"
    proposal = Proposal(
        title=f"try rule {number} first",
        rationale="Rules that repaired most tasks of the training set so far are tried before the others. " * 2,
        author="tinker",
        base=COMMIT,
        patch_digest=sha256(name.encode()),
        created=START,
    )
    candidate = Candidate(proposal=name, base=COMMIT, commit=COMMIT, tree=COMMIT, branch=f"holdpoint/{name}")
    return [
        ProposeIntended(id=name, proposal=proposal, digest=sha256(b"d"), launcher="bench"),
        ProposeAccepted(id=name, candidate=candidate, findings=()),
        RunIntended(id=name, tip=COMMIT),
        RunFinished(
            id=name, tip=COMMIT, merge=COMMIT, tree=COMMIT, verdict="pass", reasons=("all tests pass",),
            tests=TestsResult(expected=42, passed=42), effects=(), evidence=sha256(b"e"), policy=sha256(b"p"),
        ),
    ]  # fmt: skip


def _peer(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, at TEXT, payload BLOB, prev TEXT, hash TEXT)")
    return connection


def appends(folder: Path, blocks: int) -> tuple[float, float]:
    """(ours, peer's) appends a second, from the median time of one append in alternating short blocks."""
    ours: list[float] = []
    theirs: list[float] = []
    peer = _peer(folder / "peer.sqlite")
    reader = sqlite3.connect(folder / "append.sqlite")
    with Ledger.open(folder / "append.sqlite", create=True) as ledger:
        for block in range(blocks):
            events = [event for number in range(5) for event in proposal_events(5 * block + number + 1)]
            for event in events:
                began = time.perf_counter()
                ledger.append(event, START)
                ours.append(time.perf_counter() - began)
            rows = reader.execute("SELECT * FROM event WHERE seq > ?", (block * len(events),)).fetchall()
            for row in rows:
                began = time.perf_counter()
                peer.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?)", row)
                theirs.append(time.perf_counter() - began)
    reader.close()
    peer.close()
    return 1 / statistics.median(ours), 1 / statistics.median(theirs)


def history(folder: Path, events: int, questions: int) -> dict[str, float]:
    """Verification, folding and as-of questions over one long history, one event a second."""
    path = folder / "history.sqlite"
    with Ledger.open(path, create=True) as ledger:
        for number in range(1, events // 4 + 1):
            ledger.append_all(proposal_events(number), START + timedelta(seconds=4 * number))
    with Ledger.open(path) as ledger:
        began = time.perf_counter()
        check = ledger.verify()
        verified = check.events / (time.perf_counter() - began)
        if not check.ok:
            raise SystemExit(check.why)
        began = time.perf_counter()
        folded = len(ledger.state.proposals) * 4 / (time.perf_counter() - began)
        pick, waits = random.Random(1), []
        for _ in range(questions):
            moment = START + timedelta(seconds=pick.randrange(events))
            began = time.perf_counter()
            ledger.state_at(moment)
            waits.append(1000 * (time.perf_counter() - began))
    waits.sort()
    return {
        "verify_per_s": round(verified),
        "fold_per_s": round(folded),
        "as_of_p50_ms": round(statistics.median(waits), 3),
        "as_of_p99_ms": round(waits[min(len(waits) - 1, int(len(waits) * 0.99))], 3),
        "as_of_events": events,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, for checks")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--dir", type=Path, help="measure on this file system")
    options = parser.parse_args()
    blocks, events, questions = (100, 20_000, 20) if options.quick else (1000, 200_000, 20)
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        ours, theirs = appends(Path(name), blocks)
        figures = {
            "append_ratio": round(ours / theirs, 3),
            "append_per_s": round(ours),
            "peer_append_per_s": round(theirs),
        } | history(Path(name), events, questions)
    document = {"schema": "holdpoint/benchmark-ledger/1", "quick": options.quick, **figures}
    if options.json:
        print(json.dumps(document))
        return
    for key, value in document.items():
        print(f"{key:20} {value}")


if __name__ == "__main__":
    main()
