"""`holdpoint campaign run`: many proposals by the target's own agent under one budget."""

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.campaign.loop import Campaign, Progress
from harness.campaign.plan import Plan, parse_plan
from harness.cli.opened import laboratory, opened
from harness.cli.shell import Shell, person, shell_of
from harness.cli.words import effect_words
from harness.errors import UsageError
from harness.ledger import ProposalView
from harness.pipeline import resume
from harness.text import visible_line
from harness.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Adds the command group."""
    group = typer.Typer(help="Many proposals under one budget.", no_args_is_help=True)
    group.command("run")(run)
    app.add_typer(group, name="campaign")


def run(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(help="The plan: a TOML file with one [campaign] table.")],
    seed: Annotated[int | None, typer.Option(help="Instead of the plan's seed.")] = None,
) -> None:
    """Let the target's agent propose under the plan's budget; an unfinished campaign of the same plan goes on."""
    shell = shell_of(context)
    try:
        text = plan.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{plan} cannot be read: {error}.", "holdpoint campaign run FILE.toml") from None
    chosen = parse_plan(text, str(plan))
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    with opened(shell, lock="campaign") as work, laboratory(shell, work) as lab:
        resume(work)
        name = Campaign(work, lab, chosen, person(), watcher(shell, chosen)).run()
        content = document(work, name)
    words = "\n".join(
        [
            f"{name}: {content['proposals']} proposals, {content['passed']} passed, {content['refused']} refused",
            f"before {_totals(content['before'])}",
            f"after  {_totals(content['after'])}",
            "next: holdpoint review" if content["passed"] else "",
        ]
    )
    shell.finish("campaign", content, words.rstrip())


def watcher(shell: Shell, plan: Plan) -> Any:
    """Says each settled proposal in one line on stderr."""

    def watch(seen: Progress) -> None:
        view = seen.view
        effects = "; ".join(effect_words(effect) for effect in view.run.effects[:1]) if view.run else ""
        mark = "✔" if view.state == "waiting" else "·"
        shell.progress(
            f"{mark} {view.id} [{seen.generation}] {view.state:8} {visible_line(view.proposal.title, 70)}  {effects}"
        )

    return watch


def document(work: Workspace, name: str) -> dict[str, Any]:
    """What a finished campaign amounts to; `before` and `after` are the exact objectives' totals."""
    state = work.ledger.state
    names = [proposal for step in state.steps(name) for proposal in step.proposals]
    views = [state.proposals[proposal] for proposal in names]
    accepted = tuple(step.accepted for step in state.steps(name) if step.accepted)
    best = state.proposals[accepted[-1]] if accepted else None
    return {
        "campaign": name,
        "proposals": len(views),
        "passed": sum(view.run is not None and view.run.verdict == "pass" for view in views),
        "refused": sum(view.state == "refused" for view in views),
        "state": "finished" if state.campaigns[name].finished else "running",
        "accepted": accepted,
        "table": tuple(map(row, views)),
        "before": _side(best or next((view for view in views if view.run), None), "baseline"),
        "after": _side(best, "candidate"),
    }


def row(view: ProposalView) -> dict[str, Any]:
    """One proposal as a table row: what it changes, findings, tests, effect with interval, verdict."""
    blocking = [f.rule for f in view.findings if f.blocking] or sorted({f.rule for f in view.findings})
    tests = view.run.tests if view.run else None
    return {
        "proposal": view.id,
        "title": view.proposal.title,
        "author": view.proposal.author,
        "findings": ", ".join(dict.fromkeys(blocking)),
        "tests": f"{tests.passed}/{tests.expected}" if tests and tests.run else "not run",
        "effect": "; ".join(effect_words(effect) for effect in view.run.effects) if view.run else "",
        "verdict": view.run.verdict if view.run else "refused" if view.state == "refused" else "",
        "state": view.state,
    }


def _side(view: ProposalView | None, side: str) -> dict[str, float]:
    if view is None or view.run is None:
        return {}
    values = {effect.metric: getattr(effect, side) for effect in view.run.effects if effect.exact}
    return {name: value for name, value in values.items() if value is not None}


def _totals(totals: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in totals.items()) or "nothing accepted"
