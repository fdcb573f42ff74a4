"""How fast the ledger appends, verifies and answers "as of", beside the eventsourcing library; prints, decides nothing.

`append_ratio`: our durable appends a second over the eventsourcing library's `Application.save` of the same events,
from the same records (the library keeps JSON's own types, so a record is dumped for it), one event a commit in both,
SQLite in WAL mode with synchronous=FULL in both (asked of both), in blocks of which now one, now the other comes first.
Ours also chains, checks by trigger, folds and snapshots; the library's do not. The rest is measured on one history at
growing sizes, each figure the median of its rounds: `verify_per_s` walks the whole chain, `as_of` asks for the state at
a random moment and for two proposals in it, `open_ms` opens the ledger and asks for its state.
"""

import argparse
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

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


class Acted(Aggregate):
    """One proposal as the library would keep it: an aggregate with an event for each act."""

    @event("Began")
    def __init__(self, content: dict[str, Any]) -> None:
        self.last = content

    @event("WentOn")
    def go_on(self, content: dict[str, Any]) -> None:
        self.last = content


def durability(connection: sqlite3.Connection) -> tuple[str, int]:
    """Journal mode and synchronous setting, as the connection itself says."""
    journal: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level: int = connection.execute("PRAGMA synchronous").fetchone()[0]
    return journal, level


def peer(path: Path) -> Application:
    """The library's application on a SQLite file."""
    made = Application(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)})
    with made.recorder.datastore.transaction(commit=False) as cursor:
        journal = cursor.execute("PRAGMA journal_mode") or cursor.fetchone()[0]
        level = cursor.execute("PRAGMA synchronous") or cursor.fetchone()[0]
    if (journal, level) != ("wal", 2):
        raise SystemExit(f"the library's durability is another: {journal}, {level}")
    return made


def appends(folder: Path, blocks: int) -> tuple[float, float]:
    """(ours, the library's) appends a second: median over alternating blocks of 20 events."""
    ours: list[float] = []
    theirs: list[float] = []
    library = peer(folder / "peer.sqlite")
    with Ledger.open(folder / "append.sqlite", create=True) as ledger:
        if durability(sqlite3.connect(folder / "append.sqlite"))[0] != "wal":
            raise SystemExit("the ledger's durability is another")
        for block in range(blocks):
            stories = [proposal_events(5 * block + number + 1) for number in range(5)]
            turns = [(ours, partial(_append_all, ledger, stories)), (theirs, partial(_save_all, library, stories))]
            # Whoever comes first finds the caches cold, after the making of the stories.
            for times, act in turns if block % 2 else reversed(turns):
                times.append(_timed(act))
    library.close()
    return 20 / statistics.median(ours), 20 / statistics.median(theirs)


def _append_all(ledger: Ledger, stories: list[list[Event]]) -> None:
    for story in stories:
        for each in story:
            ledger.append(each, START)


def _save_all(library: Application, stories: list[list[Event]]) -> None:
    for first, *others in stories:
        kept = Acted(first.model_dump(mode="json"))
        library.save(kept)
        for each in others:
            kept.go_on(each.model_dump(mode="json"))
            library.save(kept)


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def grow(path: Path, first: int, events: int) -> None:
    """Adds proposals until the history has that many events, one a second; in batches, since this is not measured."""
    with Ledger.open(path, create=True) as ledger:
        for start in range(first, events // 4 + 1, 15):
            batch = range(start, min(start + 15, events // 4 + 1))
            ledger.append_all(
                [each for number in batch for each in proposal_events(number)], START + timedelta(seconds=4 * start)
            )


def measure(path: Path, events: int, questions: int, rounds: int) -> dict[str, float]:
    """Verification, opening, appending and as-of questions over a history of so many events."""
    opened = [_timed(partial(_open, path)) for _ in range(5)]
    with Ledger.open(path) as ledger:
        checks = []
        for _ in range(rounds):
            began = time.perf_counter()
            check = ledger.verify()
            checks.append(check.events / (time.perf_counter() - began))
            if not check.ok or check.events != events:
                raise SystemExit(check.why or f"{check.events} events")
        pick, waits = random.Random(1), []
        for _ in range(questions):
            moment = START + timedelta(seconds=pick.randrange(events))
            names = [f"P{pick.randrange(1, events // 4 + 1):05d}" for _ in range(2)]
            waits.append(1000 * _timed(partial(_ask, ledger, moment, names)))
    waits.sort()
    return {
        "events": events,
        "verify_per_s": round(statistics.median(checks)),
        "open_ms": round(1000 * statistics.median(opened), 2),
        "as_of_p50_ms": round(statistics.median(waits), 3),
        "as_of_p99_ms": round(waits[min(len(waits) - 1, int(len(waits) * 0.99))], 3),
    }


def _open(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.state.next_id()


def _ask(ledger: Ledger, moment: datetime, names: list[str]) -> None:
    state = ledger.state_at(moment)
    for name in names:
        state.proposals.get(name)


def single_appends(path: Path, events: int, count: int) -> float:
    """Durable appends a second to a history of so many events."""
    rates = []
    with Ledger.open(path) as ledger:
        _ = ledger.state
        for start in range(events // 4 + 1, events // 4 + 1 + count // 4, 5):
            stories = [proposal_events(number) for number in range(start, start + 5)]
            rates.append(20 / _timed(partial(_append_all, ledger, stories)))
    return round(statistics.median(rates))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, for checks")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--dir", type=Path, help="measure on this file system")
    options = parser.parse_args()
    blocks, sizes = (40, (5_000, 20_000)) if options.quick else (150, (10_000, 100_000, 1_000_000))
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        folder = Path(name)
        ours, theirs = appends(folder, blocks)
        grown, first = [], 1
        for size in sizes:
            grow(folder / "history.sqlite", first, size)
            first = size // 4 + 1
            grown.append(measure(folder / "history.sqlite", size, 1000 if not options.quick else 200, 3))
        last = single_appends(folder / "history.sqlite", sizes[-1], 400)
    document = {
        "schema": "holdpoint/benchmark-ledger/2",
        "quick": options.quick,
        "append_ratio": round(ours / theirs, 3),
        "append_per_s": round(ours),
        "append_per_s_at_the_end": last,
        "peer": f"eventsourcing {version('eventsourcing')}",
        "peer_append_per_s": round(theirs),
        "verify_per_s": grown[-1]["verify_per_s"],
        "as_of_p99_ms": grown[-1]["as_of_p99_ms"],
        "as_of_events": sizes[-1],
        "growth": grown,
    }
    if options.json:
        print(json.dumps(document))
        return
    for key, value in document.items():
        if key != "growth":
            print(f"{key:24} {value}")
    print("".join(f"{key:>16}" for key in grown[0]))
    for row in grown:
        print("".join(f"{value:>16}" for value in row.values()))


if __name__ == "__main__":
    main()
