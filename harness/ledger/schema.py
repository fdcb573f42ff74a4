"""The ledger's one table, and triggers that stop mistakes (edits are caught by the chain); text only."""

from types import MappingProxyType

APPLICATION_ID = 0x484F4C44  # "HOLD", so that another program's database is never taken for a ledger
VERSION = 1

SCHEMA = MappingProxyType(
    {
        "event": (
            "CREATE TABLE event (seq INTEGER PRIMARY KEY CHECK (seq > 0), "
            "at TEXT NOT NULL CHECK (length(at) = 27), payload BLOB NOT NULL, "
            "prev TEXT NOT NULL CHECK (length(prev) = 64), hash TEXT NOT NULL CHECK (length(hash) = 64)) STRICT"
        ),
        "event_is_never_changed": (
            "CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        ),
        "event_is_never_removed": (
            "CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        ),
        "event_follows_the_last": (
            "CREATE TRIGGER event_follows_the_last BEFORE INSERT ON event "
            "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM event) "
            "OR NEW.prev IS NOT "
            "coalesce((SELECT hash FROM event ORDER BY seq DESC LIMIT 1), printf('%064d', 0)) "
            "BEGIN SELECT RAISE(ABORT, 'an entry must follow the last one'); END"
        ),
    }
)
"""What `sqlite_schema` holds in a whole ledger: name and text of the table and of each trigger, no more."""


def schema_fault(found: dict[str, str]) -> str:
    """What differs from `SCHEMA`, in words, or nothing."""
    for name, text in SCHEMA.items():
        if name not in found:
            return f"its {'table' if name == 'event' else 'trigger'} {name} is missing"
        if found[name] != text:
            return f"its {name} was replaced by something else"
    extra = sorted(set(found) - set(SCHEMA))
    return f"it holds {extra[0]!a}, which is not ours" if extra else ""
