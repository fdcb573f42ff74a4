"""Puts the commands together; each command lives in a file of its own, and only the one that is called is imported."""

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from harness import __version__

HELP = f"""Holdpoint {__version__}: an agent may rewrite any code in scope; nothing lands until a person has signed
for exactly what was tested.

Global options, before or after COMMAND: --repo PATH (the target; default: here), --json (one JSON document on stdout).

Exit codes: 0 done, 1 refused, 2 usage or configuration, 3 our bug, 4 environment, 130 interrupted, 143 terminated.
"""

# File by command, in the order of the help text. Importing all of them takes most of a second.
FILES = {
    "init": "init",
    "engine": "engine",
    "doctor": "doctor",
    "propose": "propose",
    "run": "run",
    "queue": "look",
    "show": "look",
    "diff": "look",
    "logs": "look",
    "review": "review",
    "approve": "decide",
    "reject": "decide",
    "defer": "decide",
    "request-changes": "decide",
    "revoke": "decide",
    "merge": "merge",
    "bypass": "bypass",
    "verify": "verify",
    "reviewer": "reviewer",
    "log": "history",
    "status": "history",
    "campaign": "campaign",
    "experiment": "experiment",
    "ci": "ci",
    "integrity": "integrity",
    "gc": "gc",
    "demo": "demo",
}


def build(arguments: Sequence[str]) -> typer.Typer:
    """The command line as far as these arguments need it: one command's file, or all of them for the help text."""
    app = typer.Typer(
        name="holdpoint",
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_nothing)  # keeps a lone command a command, and not the whole program
    called = FILES.get(arguments[0]) if arguments else None
    for name in [called] if called else dict.fromkeys(FILES.values()):
        import_module(f"harness.cli.{name}").register(app)
    return app


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"holdpoint {__version__}")
        raise typer.Exit


def _nothing(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """The other global options are taken out of the arguments before the commands see them."""
