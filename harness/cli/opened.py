"""Opens the target, the sandbox and the reviewer's desk for a command, and closes them whatever happens."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from harness.cli.shell import Shell, now
from harness.errors import UsageError
from harness.gate.desk import Desk
from harness.gate.merge import recover
from harness.scratch import sweep
from harness.workspace import Workspace

if TYPE_CHECKING:
    from harness.trial.lab import Lab


@contextlib.contextmanager
def opened(shell: Shell, *, lock: str | None = None, sweeps: bool = True) -> Iterator[Workspace]:
    """The workspace of this call; with `lock`, no second harness acts on the same state meanwhile."""
    work = Workspace.open(shell.repo, now)
    try:
        if lock is None:
            yield work
        else:
            with work.state.lock(lock):
                for place in (Path(gettempdir()), *work.scratch_places()) if sweeps else ():
                    sweep(place)  # what a killed harness left
                for sentence in recover(work):  # a merge that a crash cut in two comes before anything else
                    shell.progress(sentence)
                yield work
    finally:
        work.close()


@contextlib.contextmanager
def laboratory(shell: Shell, work: Workspace) -> "Iterator[Lab]":
    """An engine that answers and on which the sandbox is proven, and the lab on it."""
    from harness.cli.doctor import prove  # only what runs needs an engine
    from harness.container import Engine, ensure_engine, ensure_sandbox_image
    from harness.integrity.standing import Standing
    from harness.trial import lab

    Standing().require()
    ensure_engine(shell.progress)
    rules = work.rules_at(work.tip())
    with Engine.connect() as engine:
        image = ensure_sandbox_image(engine, shell.progress)
        prove(shell, engine, image, rules.config.sandbox.runtime, rules.policy.may_miss)
        with lab.Lab(engine, work.repo, work.state, shell.progress) as opened_lab:
            yield opened_lab


def desk(work: Workspace, *, reviewer: str | None = None, key: Path | None = None, terminal: bool = False) -> Desk:
    """The reviewer's desk: who decides, and with which key, from the options or from what `init` noted."""
    noted: dict[str, str] = {}
    if work.state.local.exists():
        noted = json.loads(work.state.local.read_text())
    name = reviewer or os.environ.get("HOLDPOINT_REVIEWER") or noted.get("reviewer", "")
    where = key or (Path(os.environ["HOLDPOINT_KEY"]) if "HOLDPOINT_KEY" in os.environ else None)
    if where is None and "key" in noted:
        where = Path(noted["key"])
    return Desk(work, reviewer=name, key=where, terminal=terminal)


def note_identity(work: Workspace, reviewer: str, key: Path | None) -> None:
    """Remembers who reviews on this machine; never holds a secret, only the key's path."""
    content = {"reviewer": reviewer} | ({"key": str(key.resolve())} if key else {})
    work.state.local.write_text(json.dumps(content))


def needs_reviewer(found: Desk) -> None:
    """UsageError when nobody is named as reviewer."""
    if not found.reviewer:
        raise UsageError("No reviewer is named.", "add --reviewer NAME and --key FILE, or set HOLDPOINT_REVIEWER")
