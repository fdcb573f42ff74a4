"""What each decision asks for and when an answer is complete; pure, the port still checks everything itself."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from harness.records import ReviewSheet
from harness.tui.rows import Row, row

DecisionKey = Literal["approve", "reject", "request-changes", "defer", "merge"]
HASH_DIGITS = 8
REASON_LENGTH = 20


@dataclass(frozen=True)
class Ask:
    """One field: its label, and a check that says what is wrong with a value, or "" when nothing is."""

    label: str
    hint: str
    wrong: Callable[[str], str]
    typed_only: bool = False
    allowed: str | None = None


@dataclass(frozen=True)
class Form:
    """One decision on one proposal: what it means, and the fields to fill in order. Nothing is pre-filled."""

    decision: DecisionKey
    title: str
    rows: tuple[Row, ...]
    asks: tuple[Ask, ...]


@dataclass(frozen=True)
class Answer:
    """The person filled every field; values in the order of the form's fields."""

    decision: DecisionKey
    values: tuple[str, ...]


@dataclass(frozen=True)
class Cancelled:
    """The person went back; nothing is decided."""


def _reason(least: int) -> Callable[[str], str]:
    def wrong(value: str) -> str:
        length = len(value.strip())
        return "" if length >= least else f"The reason has {length} characters; at least {least} are asked for."

    return wrong


def form_for(decision: DecisionKey, sheet: ReviewSheet, identity: str, unseen: int, now: datetime) -> Form:
    """The form of a decision on this sheet; `unseen` hunks have not been on the screen."""
    match decision:
        case "approve":
            return _approve(sheet, identity, unseen)
        case "merge":
            return _merge(sheet)
        case "reject":
            text = "Nothing of it lands. The reason is kept in the ledger."
            return Form("reject", f"Reject {sheet.proposal}", (row(text),), (_why("Reason"),))
        case "request-changes":
            text = "It leaves the queue; the proposer gets your words as quoted data, never as instructions."
            return Form(
                "request-changes", f"Request changes to {sheet.proposal}", (row(text),), (_why("What must change"),)
            )
        case "defer":
            text = "It comes back at that date, and never turns into an approval."
            until = Ask("Until", "YYYY-MM-DD, or a number of days such as 3d", lambda value: _date_wrong(value, now))
            return Form("defer", f"Defer {sheet.proposal}", (row(text),), (_why("Reason"), until))


def _why(label: str) -> Ask:
    return Ask(label, "in your own words", _reason(1))


def _approve(sheet: ReviewSheet, identity: str, unseen: int) -> Form:
    tree = sheet.tree or ""
    rows = [
        row("You sign for this tree, as tested, and for nothing else:"),
        row("  ", (tree[:HASH_DIGITS], "key"), (tree[HASH_DIGITS:], "dim")),
        row(("  as ", "dim"), identity, indent=5),
        row(("The terminal is handed to ssh-keygen, which may ask for a passphrase or a touch.", "dim")),
    ]
    if unseen:
        rows.append(row((f" {unseen} hunks have not been on your screen yet. ", "notice")))

    def wrong(value: str) -> str:
        typed = value.strip().lower()
        if len(typed) < HASH_DIGITS:
            return f"Type the first {HASH_DIGITS} digits of the tree hash; pasting is refused."
        return "" if tree and tree.startswith(typed) else "That is not this proposal's tree."

    digits = Ask("Tree hash", "eight hex digits, typed", wrong, typed_only=True, allowed=r"[0-9a-fA-F]{0,40}")
    why = Ask("Reason", "what you looked at, and why it may land", _reason(REASON_LENGTH))
    return Form("approve", f"Approve {sheet.proposal}", tuple(rows), (digits, why))


def _merge(sheet: ReviewSheet) -> Form:
    rows = (
        row("This moves ", (sheet.ref, "strong"), " to the merge that was tested and approved:", indent=2),
        row("  ", sheet.merge or "none"),
    )
    word = Ask(
        "Type merge", "merge", lambda value: "" if value.strip() == "merge" else "Type the word merge.", typed_only=True
    )
    return Form("merge", f"Merge {sheet.proposal}", rows, (word,))


def _date_wrong(value: str, now: datetime) -> str:
    when = until_date(value, now)
    if when is None:
        return "Give a date as YYYY-MM-DD, or days as 3d."
    return "" if when > now else "That date has passed."


def until_date(value: str, now: datetime) -> datetime | None:
    """The UTC time that a date or a number of days means, or None when it means none."""
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,4}d", text):
        return now + timedelta(days=int(text[:-1]))
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
