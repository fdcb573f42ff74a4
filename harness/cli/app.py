"""Puts the commands together; each command lives in a file of its own."""

import typer

from harness import __version__
from harness.cli import (
    campaign,
    ci,
    decide,
    demo,
    engine,
    history,
    init,
    look,
    merge,
    propose,
    review,
    reviewer,
    run,
    verify,
)

HELP = f"""Holdpoint {__version__}: an agent may rewrite any code in scope; nothing lands until a person has signed
for exactly what was tested.

Global options, before or after COMMAND: --repo PATH (the target; default: here), --json (one JSON document on stdout).

Exit codes: 0 done, 1 refused, 2 usage or configuration, 3 our bug, 4 environment, 130 interrupted, 143 terminated.
"""


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="holdpoint",
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for part in (
        init,
        engine,
        propose,
        run,
        look,
        review,
        decide,
        merge,
        verify,
        reviewer,
        history,
        campaign,
        ci,
        demo,
    ):
        part.register(app)
    return app
