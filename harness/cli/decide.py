"""`approve`, `reject`, `defer`, `request-changes` and `revoke`: a person's decision, in plain words, at a terminal."""

import sys
from pathlib import Path
from typing import Annotated, assert_never

import typer

from harness.cli.opened import desk, needs_reviewer, opened
from harness.cli.plain import plain_review, question
from harness.cli.shell import DONE, REFUSED, Shell, at_time, shell_of
from harness.errors import RefusedError, UsageError
from harness.records import Decided, NotDecided

Name = Annotated[str, typer.Argument(help="A proposal id, such as P00001.")]
Who = Annotated[str | None, typer.Option("--reviewer", help="Who decides (default: whom `init` noted).")]
Key = Annotated[Path | None, typer.Option("--key", help="The private key file that signs.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why, in plain words.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("approve")(approve)
    app.command("reject")(reject)
    app.command("defer")(defer)
    app.command("request-changes")(request_changes)
    app.command("revoke")(revoke)


def approve(context: typer.Context, proposal: Name, reviewer: Who = None, key: Key = None) -> None:
    """Approve exactly what was tested: shows it, asks for eight digits of its tree hash and a reason, and signs.

    Needs a terminal. There is no --yes, and no way to answer for the person.
    """
    shell = shell_of(context)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError("approve needs a person at a terminal.", "run it there, or use holdpoint review")
    with opened(shell, lock="approve") as work:
        view = work.view(proposal)
        counter = desk(work, reviewer=reviewer, key=key, terminal=True)
        needs_reviewer(counter)
        sheet = counter.sheet(view.id)
        if sheet.tree is None or view.state not in ("waiting", "approved", "deferred"):
            raise RefusedError(
                f"{view.id} is {view.state}; only what waits can be approved.", f"holdpoint show {view.id}"
            )
        done = plain_review(shell, sheet)
        tree = (
            f"\nThe tree is {sheet.tree}.\nType the first eight hex digits of the tree hash (nothing else approves): "
        )
        typed = question(tree, typed_only=True)
        reason = question("Why may this land? (at least 20 characters): ")
        outcome = counter.approve(view.id, typed, reason, done)
    _told(shell, outcome)


def reject(context: typer.Context, proposal: Name, reason: Why = None, reviewer: Who = None) -> None:
    """Say no to a proposal, with a reason."""
    _plain(context, proposal, "reject", reason, reviewer, None)


def defer(
    context: typer.Context,
    proposal: Name,
    reason: Why = None,
    until: Annotated[str | None, typer.Option(help="When it comes back (RFC 3339).")] = None,
    reviewer: Who = None,
) -> None:
    """Put a proposal off; it comes back and never turns into an approval."""
    _plain(context, proposal, "defer", reason, reviewer, until)


def request_changes(context: typer.Context, proposal: Name, reason: Why = None, reviewer: Who = None) -> None:
    """Ask the proposer for changes, in words that reach it as quoted data."""
    _plain(context, proposal, "request-changes", reason, reviewer, None)


def revoke(context: typer.Context, proposal: Name, reason: Why = None, reviewer: Who = None, key: Key = None) -> None:
    """Take back your approval before the merge; signed with your key, and published for every later verification."""
    _plain(context, proposal, "revoke", reason, reviewer, None, key)


def _plain(
    context: typer.Context,
    proposal: str,
    word: str,
    reason: str | None,
    reviewer: str | None,
    until: str | None,
    key: Path | None = None,
) -> None:
    shell = shell_of(context)
    if not reason:
        if not sys.stdin.isatty():
            raise UsageError(f"{word} needs a reason.", f"holdpoint {word} {proposal} --reason '…'")
        reason = ask("Why? ")
    with opened(shell, lock=word) as work:
        view = work.view(proposal)
        counter = desk(work, reviewer=reviewer, key=key, terminal=sys.stdin.isatty())
        needs_reviewer(counter)
        match word:
            case "reject":
                outcome = counter.reject(view.id, reason)
            case "defer":
                outcome = counter.defer(view.id, reason, at_time(until))
            case "request-changes":
                outcome = counter.request_changes(view.id, reason)
            case _:
                outcome = counter.revoke(view.id, reason)
    _told(shell, outcome)


def ask(question: str) -> str:
    """One line from the person; asked on stderr so that stdout stays a document's."""
    print(question, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise RefusedError("the terminal closed before an answer; nothing was decided.")
    return line.rstrip("\n")


def _told(shell: Shell, outcome: Decided | NotDecided) -> None:
    match outcome:
        case Decided(proposal=proposal, decision=decision, statement=statement):
            following = f"\nnext: holdpoint merge {proposal}" if decision == "approve" else ""
            words = f"{proposal}: {decision} recorded" + (f", signed ({statement})" if statement else "") + following
            shell.finish("decision", {"proposal": proposal, "decision": decision, "statement": statement}, words, DONE)
        case NotDecided(proposal=proposal, why=why, next_step=next_step):
            words = f"{proposal}: nothing was decided: {why}" + (f"\nnext: {next_step}" if next_step else "")
            document = {"proposal": proposal, "decision": "none", "statement": None, "why": why}
            shell.finish("decision", document, words, REFUSED)
        case _:
            assert_never(outcome)
