"""Compares snapshots with what the entries add up to; believes the entries, and writes nothing."""

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from harness.ledger.chain import stamp
from harness.ledger.entry import Entry
from harness.ledger.snapshots import Place, Snapshots
from harness.ledger.state import VALUES, State
from harness.ledger.views import Kept


def disagreement(entries: Iterable[Entry], snapshots: Snapshots, places: Mapping[int, Place]) -> str:
    """Where a snapshot says otherwise than the entries, in words, or nothing.

    Each place must hold exactly what changed since the place before, and no more rows than those may be there.
    """
    state, low, rows = State(), "", 0
    lows: list[tuple[int, str]] = []
    for entry in entries:
        state.apply(entry.event, entry.at)
        low = min(low or stamp(entry.at), stamp(entry.at))
        place = places.get(entry.seq)
        if place is None:
            continue
        changes = state.changes()
        if place.head.hash != entry.hash or place.rest != changes.rest:
            return _words(entry.seq, "another sum")
        for kept in changes.values:
            if not _same(kept, snapshots.at(entry.seq, kept[0], kept[1])):
                return _words(entry.seq, f"another {kept[0]} {kept[1]}".strip())
        rows += len(changes.values)
        lows.append((entry.seq, low))
        state.rest_on(None)
        low = ""
    if len(lows) != len(places) or rows != snapshots.rows():
        return "the snapshots hold more than the entries add up to"
    earliest = "Z"  # after every time
    for seq, low in reversed(lows):
        earliest = min(earliest, low)
        if places[seq].low != earliest:
            return _words(seq, "another time")
    return ""


def _same(kept: Kept, stored: tuple[int, bytes] | None) -> bool:
    """Whether a snapshot has this value: in the same bytes, or in those of a version that knew fewer keys."""
    kind, _, rank, value = kept
    if stored is None or stored[0] != rank:
        return False
    if stored[1] == value:
        return True
    try:
        return bool(VALUES[kind].validate_json(stored[1]) == VALUES[kind].validate_json(value))
    except ValidationError:
        return False


def _words(seq: int, what: str) -> str:
    return f"the snapshot at entry {seq} says otherwise than the entries: {what}"
