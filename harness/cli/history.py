"""`log` and `status`: what happened, and how things stood, at any past time."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from harness.cli.opened import opened
from harness.cli.phases import SelfModification, self_modification
from harness.cli.shell import DONE, REFUSED, Shell, at_time, now, shell_of
from harness.errors import EnvironmentFault, HoldpointError, UsageError
from harness.ledger import Entry
from harness.ledger.transfer import LONGEST, check_lines, exported, relation
from harness.repo import Repo
from harness.target import StateDir
from harness.text import visible_line
from harness.workspace import Workspace

At = Annotated[str | None, typer.Option("--at", help="As of this RFC 3339 time.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("log")(log)
    app.command("status")(status)


def log(
    context: typer.Context,
    at: At = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write every entry as JSON lines to this file.")
    ] = None,
    read: Annotated[Path | None, typer.Option("--import", help="Read such a file; with --check.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check the file's chain, and whether it is of this target.")
    ] = False,
) -> None:
    """The ledger's events, oldest first; or all of them to a file of JSON lines, or such a file checked.

    No file is ever made into a ledger: to restore one, copy ledger.sqlite back.
    """
    shell = shell_of(context)
    if read is not None or check:
        _check(shell, read, check, at, export)
    if export is not None:
        _export(shell, export, at)
    with opened(shell) as work:
        entries = tuple(work.ledger.entries(until=at_time(at)))
    shell.finish("log", {"events": entries}, lambda: "\n".join(map(_line, entries)) or "the ledger is empty")


def _export(shell: Shell, path: Path, at: str | None) -> NoReturn:
    if at is not None:
        raise UsageError("--export writes the whole ledger.", "leave --at away")
    with opened(shell) as work:
        unfinished = path.with_name(f".{path.name}.part")
        try:
            with unfinished.open("wb") as file:
                events = 0
                for line in exported(work.ledger):
                    file.write(line)
                    events += 1
            unfinished.replace(path)
        except OSError as error:
            raise EnvironmentFault(f"{path} cannot be written: {error.strerror}.", "name another file") from None
        finally:
            unfinished.unlink(missing_ok=True)
    shell.finish("log", {"events": (), "file": str(path)}, f"{events} events are in {path}")


def _check(shell: Shell, path: Path | None, check: bool, at: str | None, export: Path | None) -> NoReturn:
    if path is None or not check or at is not None or export is not None:
        raise UsageError("A file is only ever checked, and by itself.", "holdpoint log --import FILE --check")
    try:
        with path.open("rb") as file:
            found = check_lines(iter(partial(file.readline, LONGEST), b""))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", "holdpoint log --export FILE writes one"
        ) from None
    words = [f"{path}: {'ok' if found.ok else 'BAD'}, {found.events} events, head {found.head.index}:{found.head.hash}"]
    if found.ok and _is_target(shell):
        with opened(shell) as work:
            words.append(how := relation(work.ledger, found.head))
            if how.startswith("this ledger does not"):
                found = found.model_copy(update={"ok": False, "why": how})
    words += [] if found.ok else [visible_line(found.why), "NOT ok"]
    shell.finish(
        "log", {"events": (), "file": str(path), "check": found}, "\n".join(words), DONE if found.ok else REFUSED
    )


def _is_target(shell: Shell) -> bool:
    """Whether there is a ledger here to compare with; a file is also checked where none is."""
    try:
        return StateDir(Repo.find(shell.repo).common_dir).exists()
    except UsageError:
        return False


def _line(entry: Entry) -> str:
    event = entry.event.model_dump(mode="json")
    subject = event.get("id") or event.get("campaign") or str(event.get("commit", ""))[:12]
    notes = [f"{key}={event[key]}" for key in ("verdict", "why", "by", "reviewer", "accepted") if event.get(key)]
    if isinstance(event.get("decision"), dict):
        notes.append(f"{event['decision']['decision']} by {event['decision']['reviewer']}")
    words = visible_line(" ".join(notes), 160)
    return f"{entry.seq:6}  {entry.at:%Y-%m-%dT%H:%M:%SZ}  {entry.event.type:18} {subject}  {words}".rstrip()


def status(context: typer.Context, at: At = None) -> None:
    """Every proposal's state, and the ledger's head."""
    shell = shell_of(context)
    moment = at_time(at)
    with opened(shell) as work:
        state = work.ledger.state if moment is None else work.ledger.state_at(moment)
        head = work.ledger.head()
        readiness = _self_modification(work) if moment is None else None
        rows = tuple(
            {
                "proposal": view.id,
                "state": view.state,
                "title": view.proposal.title,
                "since": view.since.isoformat(),
            }
            for view in state.proposals.values()
        )
    content = {
        "proposals": rows,
        "head": dataclasses.asdict(head),
        "at": (moment or now()).isoformat(),
        "self_modification": readiness,
    }
    shell.finish(
        "status",
        content,
        lambda: "\n".join([*_proposals(rows), *(_readiness(readiness) if readiness else ())]),
    )


def _self_modification(work: Workspace) -> SelfModification | None:
    """None where the target's own configuration cannot be read: `status` still says how the proposals stand."""
    try:
        return self_modification(work)
    except HoldpointError:
        return None


def _proposals(rows: tuple[dict[str, str], ...]) -> list[str]:
    lines = [f"{row['proposal']}  {row['state']:12} {visible_line(row['title'], 100)}" for row in rows]
    return lines or ["no proposals yet", "next: holdpoint propose --diff FILE --title '…'"]


def _readiness(found: SelfModification) -> list[str]:
    """What must be true before self-modification is switched on; loud when it is on and something is not."""
    switch = "ON" if found.allowed else "off"
    lines = ["", f"self-modification is {switch} ([self] allow); before it is switched on:"]
    for phase in found.phases:
        step = f" (next: {visible_line(phase.next_step, 120)})" if phase.next_step else ""
        lines.append(f"  {'ok ' if phase.ok else 'NO '} {phase.phase:10} {visible_line(phase.why, 200)}{step}")
    if found.allowed and not found.ready:
        lines.append("!!!! it is switched on although not all of this is true")
    return lines
