"""`holdpoint demo`: the main job on a real target: an agent rewrites itself, and a person decides."""

import json
import os
import shutil
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.campaign.loop import Campaign
from harness.campaign.plan import Plan
from harness.cli.campaign import document, row, watcher
from harness.cli.init import identify, initialise
from harness.cli.opened import laboratory, opened
from harness.cli.review import open_screen
from harness.cli.shell import Shell, now, person, shell_of
from harness.data import data_dir
from harness.errors import UsageError
from harness.ledger import ProposalView
from harness.patch import Malformed, from_diff, from_edits, from_overlay
from harness.pipeline import Draft, propose, run_many
from harness.records import Patch
from harness.repo import Repo
from harness.text import visible_line
from harness.trial.lab import Lab
from harness.workspace import Workspace

MARK = ".holdpoint-demo"
MINUTES = 5.0
RESERVE = 0.5  # minutes kept for what is under way when the budget ends
SEED = 7
WORKERS = 2
EXAMPLE = "agent:example-"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo")(command)


def command(
    context: typer.Context,
    at: Annotated[Path | None, typer.Option("--at", help="Where the demo lives (default: your state folder).")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Remove an earlier demo there and start again.")] = False,
    minutes: Annotated[float, typer.Option(help="Wall time for everything after set-up.", min=0.5)] = MINUTES,
    seed: Annotated[int, typer.Option(help="The campaign's seed.")] = SEED,
) -> None:
    """Watch a small repair agent improve itself inside the box, hostile changes caught, and sign one change yourself.

    A finished demo is shown again in a moment; an interrupted one goes on. --anew starts over.
    """
    shell = shell_of(context)
    folder = _folder(at, anew=anew)
    started = time.monotonic()
    target = make_target(shell, folder)
    inside = replace(shell, repo=target)
    with opened(inside, lock="demo") as work:
        name = _campaign(work)
        if name is None:
            with laboratory(inside, work) as lab:
                _examples(inside, work, lab)
                spent = (time.monotonic() - started) / 60
                plan = Plan(name="tinker", seed=seed, proposals=100_000, minutes=max(0.2, minutes - RESERVE - spent))
                shell.progress(f"tinker proposes edits to itself for {plan.minutes or 0:.1f} minutes (seed {seed}) …")
                name = Campaign(work, lab, plan, person(), watcher(inside, plan)).run()
        content = _content(work, name, target)
    if not shell.json:
        _table(content)
    if not shell.json and sys.stdin.isatty() and sys.stdout.isatty() and "CI" not in os.environ:
        open_screen(inside)
    shell.finish("demo", content, lambda: _closing(content, target))


def _folder(at: Path | None, *, anew: bool) -> Path:
    """The demo's folder; only a folder that a demo made is ever removed or reused."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    folder = (at or home / "holdpoint" / "demo").absolute()
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise UsageError(f"{folder} holds something that is no Holdpoint demo.", "holdpoint demo --at AN-EMPTY-FOLDER")
    if anew and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    return folder


def make_target(shell: Shell, folder: Path) -> Path:
    """A fresh repository of tinker, made a target whose one reviewer is whoever runs the demo."""
    target, ready = folder / "tinker", folder / ".ready"
    if ready.exists():
        return target
    shutil.rmtree(target, ignore_errors=True)  # an earlier set-up was interrupted
    source = data_dir("examples") / "tinker"
    files = {
        path.relative_to(source).as_posix(): path.read_bytes()
        for path in sorted(source.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    repo = Repo.init(target, branch="main")
    commit, _tree = repo.commit_edits(
        None, files, message="tinker, a small repair agent", author="holdpoint demo", branch=None, at=now()
    )
    repo.land("main", commit, None)
    key = folder / "reviewer.key"
    key.unlink(missing_ok=True)
    key.with_suffix(".key.pub").unlink(missing_ok=True)
    initialise(Repo.find(target), identify(person(), None, key))
    ready.touch()
    shell.progress(f"target: {target}, reviewer: {person()} (a new key, {key})")
    return target


def _campaign(work: Workspace) -> str | None:
    """The finished campaign of an earlier run."""
    finished = [view.id for view in work.ledger.state.campaigns.values() if view.finished]
    return finished[-1] if finished else None


def _examples(shell: Shell, work: Workspace, lab: Lab) -> None:
    """Proposes the shipped examples, hostile and malformed ones included, and runs those that the policy lets in."""
    known = {(view.proposal.author, view.proposal.title): view for view in work.ledger.state.proposals.values()}
    wanted: list[str] = []
    for folder in sorted((data_dir("proposals") / "examples").glob("*/*/")):
        meta = json.loads((folder / "meta.json").read_text())
        author = f"{EXAMPLE}{folder.parent.name}"
        view = known.get((author, meta["title"])) or propose(
            work,
            Draft(
                title=meta["title"],
                rationale=str(meta["why"]),
                author=author,
                launcher=person(),
                base=work.tip(),
                parent=None,
                claims_gain=False,
                patch=_patch(work, folder),
            ),
        )
        if view.state in ("accepted", "running", "error"):
            wanted.append(view.id)
        else:
            _say(shell, view)
    shell.progress(f"{len(wanted)} examples got past the policy; the sandbox judges them")
    with lab.hands(WORKERS) as pool:
        for settled in run_many(work, lab, wanted, pool):
            _say(shell, work.view(settled.event.id))


def _say(shell: Shell, view: ProposalView) -> None:
    who = view.proposal.author.removeprefix("agent:")
    shell.progress(f"{view.id} {view.state:8} {who:18} {visible_line(view.proposal.title, 70)}")


def _patch(work: Workspace, folder: Path) -> Patch | Malformed:
    base = work.tip()

    def read(path: str) -> bytes | None:
        return work.repo.read(base, path)

    if (folder / "edits.json").exists():
        return from_edits((folder / "edits.json").read_bytes(), read)
    if (folder / "change.diff").exists():
        return from_diff((folder / "change.diff").read_bytes().decode("utf-8", "surrogateescape"), read)
    overlay = folder / "overlay"
    files = {path.relative_to(overlay).as_posix(): path.read_bytes() for path in overlay.rglob("*") if path.is_file()}
    return from_overlay(files, (), read)


def _content(work: Workspace, campaign: str, target: Path) -> dict[str, Any]:
    views = list(work.ledger.state.proposals.values())
    states = Counter(view.state for view in views)
    summary = document(work, campaign)
    return {
        "proposals": len(views),
        "passed": sum(view.run is not None and view.run.verdict == "pass" for view in views),
        "refused": states["refused"],
        "failed": states["failed"] + states["inconclusive"] + states["error"],
        "waiting": states["waiting"],
        "target": str(target),
        "table": tuple(map(row, views)),
        "before": summary["before"],
        "after": summary["after"],
    }


def _table(content: dict[str, Any]) -> None:
    """The examples, what passed, and a sample of what did not: a person reads tens of rows, not hundreds."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 150
    table = Table(title="proposals", expand=True)
    for name in ("proposal", "by", "what it changes", "findings", "tests", "effect", "verdict"):
        table.add_column(name, overflow="fold")
    rows = content["table"]
    shown = [r for r in rows if r["author"].startswith(EXAMPLE) or r["verdict"] == "pass"]
    for r in shown:
        who = r["author"].removeprefix("agent:")
        cells = (r["proposal"], who, r["title"], r["findings"], r["tests"], r["effect"], r["verdict"])
        table.add_row(*(Text(visible_line(cell, 200)) for cell in cells))
    console.print(table)
    if len(rows) > len(shown):
        console.print(f"… and {len(rows) - len(shown)} proposals of the campaign that failed or were refused")


def _closing(content: dict[str, Any], target: Path) -> str:
    command = f"{Path(sys.argv[0])} --repo {target}"
    measures = [f"  {name}: {value:g} → {content['after'][name]:g}" for name, value in content["before"].items()
                if name in content["after"]]  # fmt: skip
    return "\n".join(
        [
            (
                f"{content['proposals']} proposals: {content['waiting']} wait for a person, "
                f"{content['refused']} refused by policy, {content['failed']} failed"
            ),
            *measures,
            "An agent that rewrites itself is an experiment; self-modification is not recommended in production.",
            f"Review and sign: {command} review",
            f"Then:            {command} merge P…    and    {command} verify",
        ]
    )
