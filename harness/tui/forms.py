"""What each decision asks for and when an answer is complete; pure, the port still checks everything itself."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, assert_never

from harness.gate.protocol import VERDICTS, Watch
from harness.records import LineComment, RejectCategory, ReviewSheet
from harness.tui.rows import Row, row, short

DecisionKey = Literal["approve", "reject", "request-changes", "defer", "merge", "comment"]
CATEGORIES: dict[str, RejectCategory] = {
    "g": "gaming", "h": "harmful", "w": "wrong", "u": "unclear", "n": "unneeded", "o": "other",
}  # fmt: skip
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


def form_for(
    decision: DecisionKey,
    sheet: ReviewSheet,
    identity: str,
    now: datetime,
    *,
    watch: Watch,
    nominated: str = "",
    comments: tuple[LineComment, ...] = (),
    place: str = "",
) -> Form:
    """The form of a decision on this sheet; `place` is the line that a comment is about."""
    match decision:
        case "approve":
            return _approve(sheet, identity, watch, nominated)
        case "merge":
            return _merge(sheet)
        case "reject":
            return reject_form(sheet.proposal, comments)
        case "request-changes":
            text = "It leaves the queue; the proposer gets your words as quoted data, never as instructions."
            title = f"Request changes to {sheet.proposal}"
            return Form("request-changes", title, (row(text), _with_it(comments)), (_why("What must change"),))
        case "comment":
            ask = Ask("Comment", "empty takes it back", lambda _: "")
            return Form("comment", f"Comment on {short(place, 60)}", (row("It is kept until you decide."),), (ask,))
        case "defer":
            text = "It comes back at that date, and never turns into an approval."
            until = Ask("Until", "YYYY-MM-DD, or a number of days such as 3d", lambda value: _date_wrong(value, now))
            return Form("defer", f"Defer {sheet.proposal}", (row(text),), (_why("Reason"), until))
        case _ as never:
            assert_never(never)


def _with_it(comments: tuple[LineComment, ...]) -> Row:
    return row(("Your comments on lines go with it: ", "dim"), (str(len(comments)), "strong"))


def reject_form(what: str, comments: tuple[LineComment, ...] = ()) -> Form:
    """The form of a rejection, of one proposal or of several."""
    text = row("Nothing of it lands. Category and reason are kept in the ledger.")
    words = ", ".join(f"{key} {word}" for key, word in CATEGORIES.items())
    category = Ask("Category", words, _category_wrong)
    rows = (text, row((words, "dim"), indent=2), *([_with_it(comments)] if comments else []))
    return Form("reject", f"Reject {what}", rows, (category, _why("Reason")))


def category_of(value: str) -> RejectCategory | None:
    """The category that a letter or a word means."""
    text = value.strip().casefold()
    return next((word for key, word in CATEGORIES.items() if text in (key, word)), None)


def _category_wrong(value: str) -> str:
    return "" if category_of(value) else "Give one of: " + ", ".join(CATEGORIES.values()) + "."


def _why(label: str) -> Ask:
    return Ask(label, "in your own words", _reason(1))


def _approve(sheet: ReviewSheet, identity: str, watch: Watch, nominated: str) -> Form:
    tree = sheet.tree or ""
    rows = [
        row("You sign for this tree, as tested, and for nothing else:"),
        row("  ", (tree[:HASH_DIGITS], "key"), (tree[HASH_DIGITS:], "dim")),
        row(("  as ", "dim"), identity, indent=5),
        row(("The terminal is handed to ssh-keygen, which may ask for a passphrase or a touch.", "dim")),
    ]
    if watch.verdict is not None:
        said = f"{watch.verdict}, {VERDICTS[watch.verdict]}"
        rows.append(row(("Your first verdict: ", "dim"), said, ("   most suspicious: ", "dim"), nominated or "no hunk"))

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
