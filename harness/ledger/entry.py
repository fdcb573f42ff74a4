"""One event with its place in the chain, to and from its row; pure, reads no database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.errors import IntegrityError
from harness.ledger.chain import Broken, Head, Row, follow, link, stamp
from harness.ledger.events import Event, event_adapter
from harness.ledger.payload import payload


@dataclass(frozen=True, slots=True)
class Entry:
    """One event with its place in the chain; made from what was checked already, so nothing checks it again."""

    seq: int
    at: datetime
    event: Event
    prev: str
    hash: str


def chained(events: Iterable[Event], at: datetime, head: Head) -> tuple[tuple[Entry, ...], list[Row]]:
    """The entries that follow `head` with these events, and their rows."""
    entries: list[Entry] = []
    rows: list[Row] = []
    for event in events:
        entry, row = following(event, at, head)
        entries.append(entry)
        rows.append(row)
        head = Head(entry.seq, entry.hash)
    return tuple(entries), rows


def following(event: Event, at: datetime, head: Head) -> tuple[Entry, Row]:
    """The entry that follows `head` with this event, and its row."""
    seq, stamped, stored = head.index + 1, stamp(at), payload(event)
    digest = link(seq, stamped, stored, head.hash)
    moment = at if at.tzinfo is UTC else at.astimezone(UTC)
    return Entry(seq, moment, event, head.hash, digest), (seq, stamped, stored, head.hash, digest)


def checked_entry(index: int, prev: str, row: Row) -> Entry:
    """The entry in a row; IntegrityError when it is not what was written at this place."""
    digest = follow(index, prev, row)
    if isinstance(digest, Broken):
        raise IntegrityError(f"the ledger is damaged: {digest.why}.", "holdpoint verify")
    _, at, stored, _, _ = row
    try:
        event = event_adapter.validate_json(stored)  # type: ignore[arg-type]  # `follow` made sure of bytes
        return Entry(seq=index, at=datetime.fromisoformat(str(at)), event=event, prev=prev, hash=digest)
    except ValueError:
        raise IntegrityError(
            f"ledger entry {index} is no event that this version knows.",
            "use the version of holdpoint that wrote it",
        ) from None
