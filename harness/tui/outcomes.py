"""What came of an act, in words; the port's texts are quoted as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from textual.binding import Binding, BindingType

from harness.records import Decided, Landed, NotDecided, NotLanded
from harness.tui.rows import Row, lines_of, row


@dataclass(frozen=True)
class Fault:
    """The port could not do what it was asked."""

    why: str
    next_step: str


Outcome = Decided | NotDecided | Landed | NotLanded | Fault


_KEY_NAMES = {"slash": "/", "question_mark": "?", "right_square_bracket": "]", "left_square_bracket": "[",
              "right_curly_bracket": "}", "left_curly_bracket": "{", "vertical_line": "|"}  # fmt: skip


def key_names(keys: str) -> str:
    """Keys as they are printed on a keyboard."""
    return "  ".join(_KEY_NAMES.get(key, key) for key in keys.split(","))


def key_rows(bindings: Sequence[BindingType]) -> tuple[Row, ...]:
    """The keys and what they do, as declared."""
    rows = [row(("KEYS", "head")), row("")]
    for one in bindings:
        if isinstance(one, Binding) and one.description:
            rows.append(row((f"  {key_names(one.key):<18}", "key"), one.description, indent=20))
    return (*rows, row(""), row(("Decision keys are dead for half a second after the screen changes.", "dim")))


def outcome_rows(outcome: Outcome) -> tuple[Row, ...]:
    """What came of a decision or a merge, in words; the port's texts are quoted as they are."""
    match outcome:
        case Decided(proposal=proposal, decision=decision, statement=statement):
            signed = (row(("signed statement ", "dim"), statement, indent=2),) if statement else ()
            after = (row("M merges it: nothing has landed yet."),) if decision == "approve" else ()
            return (
                row((f"{proposal}: {decision}", "head")),
                row(""),
                row("The decision is in the ledger."),
                *signed,
                *after,
            )
        case Landed(proposal=proposal, merge=merge, ref=ref):
            return (row((f"{proposal} has landed", "head")), row(""), row((ref, "strong"), f" is now at {merge}."))
        case NotDecided(proposal=proposal, why=why, next_step=step):
            return _refused(f"{proposal}: nothing was decided", why, step)
        case NotLanded(proposal=proposal, why=why, next_step=step):
            return _refused(f"{proposal} did not land", why, step)
        case Fault(why=why, next_step=step):
            return _refused("That could not be done", why, step)
        case _ as never:
            assert_never(never)


def _refused(title: str, why: str, step: str) -> tuple[Row, ...]:
    following = (row(""), row(("next  ", "dim"), (step.replace("\n", "␊"), "key"), indent=6)) if step else ()
    return (row((title, "bad")), row(""), *lines_of(why), *following)
