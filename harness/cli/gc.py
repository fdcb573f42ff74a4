"""`holdpoint gc`: removes what no ledger entry needs and nobody used of late, and says what."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.opened import opened
from harness.cli.shell import Shell, shell_of
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.records import Removal
    from harness.workspace import Workspace

DAYS = 7.0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("gc")(command)


def command(
    context: typer.Context,
    days: Annotated[float, typer.Option("--unused", min=0.0, help="Days without use that make a thing old.")] = DAYS,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove containers of dead harnesses, images and results that nobody used of late, and what a crash left.

    Images are the whole engine's, the rest is this target's; in a folder that is no target, only the machine's things
    are looked at. What is removed too early is made again when it is needed; evidence and history always stay.
    """
    from harness.container import Engine, NoEngineFault
    from harness.tidy import tidy

    shell = shell_of(context)
    age = days * 86400.0
    try:
        engine = Engine.connect()
    except NoEngineFault as fault:
        shell.progress(f"{fault.message} Containers and images are left out.")
        removed = _with_target(shell, lambda work: tidy(None, work, age, dry=dry))
    else:
        with engine:
            removed = _with_target(shell, lambda work: tidy(engine, work, age, dry=dry))
    verb = "would remove" if dry else "removed"
    lines = [f"{verb} {one.kind} {one.name}: {one.why}" for one in removed] or ["nothing to remove"]
    shell.finish("gc", {"removed": removed, "dry": dry}, "\n".join(lines))


def _with_target(shell: Shell, act: "Callable[[Workspace | None], tuple[Removal, ...]]") -> "tuple[Removal, ...]":
    """Acts on the target that we are in, under its lock, or without one where there is none."""
    try:
        with opened(shell, lock="gc", sweeps=False) as work:  # `tidy` does it, and says so
            return act(work)
    except UsageError as error:
        shell.progress(f"{error.message} Only the machine's things are looked at.")
        return act(None)
