"""`log` and `status`: what happened, and how things stood, at any past time."""

from typing import Annotated

import typer

from harness.cli.opened import opened
from harness.cli.shell import at_time, now, shell_of
from harness.ledger import Entry
from harness.text import visible_line

At = Annotated[str | None, typer.Option("--at", help="As of this RFC 3339 time.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("log")(log)
    app.command("status")(status)


def log(context: typer.Context, at: At = None) -> None:
    """The ledger's events, oldest first."""
    shell = shell_of(context)
    with opened(shell) as work:
        entries = tuple(work.ledger.entries(until=at_time(at)))
    shell.finish("log", {"events": entries}, lambda: "\n".join(map(_line, entries)) or "the ledger is empty")


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
        "head": head.model_dump(mode="json"),
        "at": (moment or now()).isoformat(),
    }
    shell.finish(
        "status",
        content,
        lambda: (
            "\n".join(f"{row['proposal']}  {row['state']:12} {visible_line(str(row['title']), 100)}" for row in rows)
            or "no proposals yet\nnext: holdpoint propose --diff FILE --title '…'"
        ),
    )
