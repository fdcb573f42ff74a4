"""`holdpoint bypass`: reviewers declare a commit that landed without approval, so that `verify` shows it for ever."""

import sys
from typing import Annotated

import typer

from harness.cli.decide import Key, Who, ask
from harness.cli.opened import desk, opened
from harness.cli.shell import shell_of
from harness.errors import RefusedError, UsageError
from harness.gate.declared import declare_bypass


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("bypass")(command)


def command(
    context: typer.Context,
    commit: Annotated[str, typer.Argument(help="The commit on the protected branch that nobody approved.")],
    reviewer: Who = None,
    key: Key = None,
) -> None:
    """Declare a commit that reached the protected branch past Holdpoint, in an emergency or by mistake; signed.

    It approves nothing and hides nothing: `verify` goes on, and shows commit and reason each time. Two reviewers must
    declare it where there are two. Needs a terminal.
    """
    shell = shell_of(context)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError("bypass needs a person at a terminal.", "run it there")
    with opened(shell, lock="bypass") as work:
        counter = desk(work, reviewer=reviewer, key=key, terminal=True)
        if not counter.reviewer or counter.key is None:
            raise UsageError("Nobody is named who could sign.", "add --reviewer NAME and --key FILE")
        found = work.repo.resolve(commit)
        tree = work.repo.tree_of(found)
        shell.words(f"{found}: {work.repo.commit(found).message.strip()[:200]}\ntree {tree}", error=True)
        typed = ask("Type the first eight hex digits of its tree hash: ").strip().lower()
        if len(typed) < 8 or not tree.startswith(typed):
            raise RefusedError("What was typed is not the beginning of the tree hash.", "look again")
        reason = ask("Why did it land without approval? (at least 20 characters): ")
        made = declare_bypass(work, found, counter.reviewer, counter.key, reason)
    lacking = made.needed - len(made.signed_by)
    words = f"{found[:12]} is declared a bypass by {', '.join(made.signed_by)}"
    words += f"; {lacking} more reviewer must declare it" if lacking > 0 else "\nnext: holdpoint verify"
    shell.finish("bypass", made.model_dump(mode="json"), words)
