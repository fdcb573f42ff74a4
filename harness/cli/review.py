"""`holdpoint review`: the review screen."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.opened import desk, opened
from harness.cli.shell import Shell, shell_of
from harness.errors import RefusedError, UsageError


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("review")(command)


def command(
    context: typer.Context,
    proposal: Annotated[str | None, typer.Argument(help="Open this proposal at once.")] = None,
    reviewer: Annotated[str | None, typer.Option(help="Who reviews (default: whom `init` noted).")] = None,
    key: Annotated[Path | None, typer.Option(help="The private key file that signs.")] = None,
) -> None:
    """Open the review screen: the queue, the change, the evidence, the decision."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RefusedError("review needs a terminal.", "holdpoint queue and holdpoint show work without one")
    open_screen(shell_of(context), proposal, reviewer, key)


def open_screen(
    shell: Shell, proposal: str | None = None, reviewer: str | None = None, key: Path | None = None
) -> None:
    """Runs the screen on this call's target until the person leaves it."""
    from harness.tui.app import (
        run_review,
    )  # Textual takes a while to import; other commands do not wait for it

    with opened(shell, lock="review") as work:
        counter = desk(work, reviewer=reviewer, key=key, terminal=True)
        run_review(counter, proposal and work.view(proposal).id, own_keys())


def own_keys() -> dict[str, str]:
    """The keys that this person chose, in `holdpoint/keys.toml` of the configuration folder; none without that file."""
    from harness.tui.keymap import read_keys

    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    file = home / "holdpoint" / "keys.toml"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.", "mend it or move it away") from error
    return read_keys(text)
