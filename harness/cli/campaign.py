"""`holdpoint campaign run`: many proposals by the target's own agent under one budget."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from harness.campaign.loop import Campaign, Progress
from harness.campaign.outcome import campaign_report
from harness.campaign.plan import Plan, parse_plan
from harness.cli.opened import laboratory, opened
from harness.cli.shell import Shell, person, shell_of
from harness.cli.words import effect_words
from harness.errors import EnvironmentFault, UsageError
from harness.ledger import ProposalView
from harness.pipeline import resume
from harness.report import CampaignReport, forest, page, path_line
from harness.report.page import in_order, labelled, summary
from harness.text import visible_line
from harness.workspace import Workspace

FORMS = (".html", ".svg", ".png")
MOST_ROWS = 40


def register(app: typer.Typer) -> None:
    """Adds the command group."""
    group = typer.Typer(help="Many proposals under one budget.", no_args_is_help=True)
    group.command("run")(run)
    group.command("report")(report)
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


def report(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(help="A campaign's id, such as tinker-1.")],
    to: Annotated[Path | None, typer.Option(help="Write it: a page (.html) or a plot (.svg, .png).")] = None,
    metric: Annotated[str, typer.Option(help="Which metric a plot shows; default: the first one.")] = "",
) -> None:
    """What a campaign amounts to, how many wins luck would have given, and forest plots of its effects."""
    shell = shell_of(context)
    if to is not None and to.suffix not in FORMS:
        raise UsageError(f"{to} is no kind of report.", f"name a file that ends with {', '.join(FORMS)}")
    with opened(shell) as work:
        found = campaign_report(work, campaign)
    if to is not None:
        _write(to, found, metric)
    content = {key: getattr(found, key) for key in ("campaign", "proposals", "passed", "state")}
    shell.finish("report", {**content, "report": found, "file": str(to or "")}, lambda: _in_words(found, to))


def _write(to: Path, found: CampaignReport, metric: str) -> None:
    data = (
        page(found).encode() if to.suffix == ".html" else _plot(found, metric, "svg" if to.suffix == ".svg" else "png")
    )
    try:
        to.write_bytes(data)
    except OSError as error:
        raise EnvironmentFault(f"{to} cannot be written: {error.strerror}.", "name another file") from None


def _plot(found: CampaignReport, metric: str, form: Literal["svg", "png"]) -> bytes:
    by_metric = {
        name: tuple(one for one in ones if not one.effect.exact)
        for name, ones in in_order(found.effects).items()
        if any(not one.effect.exact for one in ones)
    }
    name = metric or next(iter(by_metric), "")
    if name not in by_metric:
        raise UsageError(
            f"No effects of {name or 'a noisy metric'} to plot.", f"there are: {', '.join(by_metric) or 'none'}"
        )
    return forest(labelled(by_metric[name]), f"{found.campaign}: {name}, right is better", form)


def _in_words(found: CampaignReport, to: Path | None) -> str:
    lines = list(summary(found))
    for metric, ones in in_order(found.effects).items():
        lines.append(f"{visible_line(metric, 60)}:")
        for one in ones:
            if one.effect.outcome == "win" or len(ones) <= MOST_ROWS:
                lines.append(f"  {one.proposal}  {effect_words(one.effect)}  {path_line(one.effect, 24)}".rstrip())
    return "\n".join([*lines, *([f"written: {to}"] if to else [])])


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
