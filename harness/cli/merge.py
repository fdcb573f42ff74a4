"""`holdpoint merge`: lands an authorised proposal, or says what is missing."""

from typing import Annotated, assert_never

import typer

from harness.cli.opened import desk, opened
from harness.cli.shell import DONE, REFUSED, shell_of
from harness.records import Landed, NotLanded


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("merge")(command)


def command(
    context: typer.Context, proposal: Annotated[str, typer.Argument(help="A proposal id, such as P00001.")]
) -> None:
    """Land exactly the approved merge commit by compare-and-swap of the protected ref."""
    shell = shell_of(context)
    with opened(shell, lock="merge") as work:
        view = work.view(proposal)
        outcome = desk(work).merge(view.id)
        ref = work.protected_ref()
    match outcome:
        case Landed(merge=merge):
            words = f"{view.id} landed: {ref} is now {merge}\nnext: holdpoint verify"
            shell.finish("merge", {"proposal": view.id, "merge": merge, "ref": ref}, words, DONE)
        case NotLanded(why=why, next_step=next_step):
            words = f"{view.id} did not land: {why}" + (f"\nnext: {next_step}" if next_step else "")
            shell.finish("merge", {"proposal": view.id, "merge": None, "ref": ref, "why": why}, words, REFUSED)
        case _:
            assert_never(outcome)
