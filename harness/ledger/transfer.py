"""The ledger as JSON lines, for people and programs without SQLite, and the check of such a file; writes no ledger.

A line is the canonical JSON of {at, event, hash, prev, seq}. Whoever reads it needs SHA-256 alone:
hash = SHA-256(prev ‖ canonical JSON of {at, event, seq}), prev of the first is 64 zeros.
"""

import json
from collections.abc import Iterable, Iterator

from harness.errors import HoldpointError
from harness.ledger.chain import EMPTY, Head, Row, Walk
from harness.ledger.entry import checked_entry
from harness.ledger.state import State
from harness.ledger.store import Ledger, LedgerCheck
from harness.records import canonical_json

_KEYS = ("at", "event", "hash", "prev", "seq")
LONGEST = 1 << 24
"""Bytes of a line, at most."""


def exported(ledger: Ledger) -> Iterator[bytes]:
    """Every entry as a line, each checked against the chain before it is given out; IntegrityError at damage."""
    for seq, at, payload, prev, digest in ledger.rows():
        # The event's bytes as they are stored: a version that knows more keys would write others.
        row = (at.encode(), payload, digest.encode(), prev.encode(), seq)
        yield b'{"at":"%b","event":%b,"hash":"%b","prev":"%b","seq":%d}\n' % row


def check_lines(lines: Iterable[bytes], expect: Head | None = None) -> LedgerCheck:
    """Whether these lines are a whole chain of events that this version knows, and pass through `expect`.

    Damage of any kind is an answer, not an exception.
    """
    walk, state = Walk(expect), State()
    why = ""
    for number, line in enumerate(lines, 1):
        before = walk.head()
        row = _row(line)
        if isinstance(row, str):
            why = f"line {number} {row}"
            break
        if not walk.through((row,)):
            break
        try:
            entry = checked_entry(number, before.hash, row)
            state.apply(entry.event, entry.at)
        except HoldpointError as error:
            why = error.message.rstrip(".")
            break
    why = walk.why or why or walk.missing()
    return LedgerCheck(ok=not why, head=walk.head(), events=walk.index, why=why)


def relation(ledger: Ledger, head: Head) -> str:
    """How a checked file that ends with this head stands to a ledger, in words."""
    ours = ledger.head()
    if ours == head:
        return "it is this ledger"
    if ledger.contains(head) or head == EMPTY:
        return f"this ledger goes on from it, to entry {ours.index}"
    return f"this ledger does not pass through its entry {head.index}"


def _row(line: bytes) -> Row | str:
    if not line.endswith(b"\n"):
        return "is cut off, or no line of ours"
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return "is not JSON"
    if not isinstance(found, dict) or tuple(sorted(found)) != _KEYS:
        return f"does not have the keys {', '.join(_KEYS)}"
    try:
        if canonical_json(found) + b"\n" != line:
            return "is not the canonical text of its content"
        return found["seq"], found["at"], canonical_json(found["event"]), found["prev"], found["hash"]
    except (ValueError, RecursionError):
        return "holds text or a number that JSON cannot hold"
