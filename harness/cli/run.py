"""`holdpoint run`: trials, effects, verdict and evidence for one proposal or for all that wait for one."""

from typing import Annotated, Any

import typer

from harness.campaign.levels import level_of
from harness.cli.opened import laboratory, opened
from harness.cli.shell import DONE, REFUSED, shell_of
from harness.cli.words import effect_words, lane_words
from harness.errors import UsageError
from harness.gate.behaviour import replay_words
from harness.ledger import ProposalView
from harness.pipeline import Settled, resume, run_many
from harness.records import Alarm
from harness.workspace import Workspace

WORKERS = 2
PENDING = ("accepted", "running", "inconclusive", "error")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("run")(command)


def command(
    context: typer.Context,
    proposals: Annotated[list[str] | None, typer.Argument(help="Proposal ids, such as P00001.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every proposal that has no verdict yet.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Run even where the verdict is known.")] = False,
) -> None:
    """Test and measure proposals in the sandbox; exit code 1 unless every verdict is pass."""
    shell = shell_of(context)
    if bool(proposals) == every:
        raise UsageError("run takes proposal ids, or --all.", "holdpoint run P00001")
    with opened(shell, lock="run") as work:
        resume(work)
        wanted = [work.view(name).id for name in proposals or []]
        if every:
            wanted = [view.id for view in work.ledger.state.proposals.values() if view.state in PENDING]

        def level(view: ProposalView) -> float:
            return level_of(work, view)

        documents: list[dict[str, Any]] = []
        with laboratory(shell, work) as lab, lab.hands(WORKERS) as pool:
            for settled in run_many(work, lab, wanted, pool, again=again, level=level):
                documents.append(document(work, settled))
                shell.progress(f"{settled.event.id}: {settled.event.verdict}{' (known)' if settled.cached else ''}")
    code = DONE if all(found["verdict"] == "pass" for found in documents) else REFUSED
    words = "\n".join(map(in_words, documents)) or "nothing to run"
    if every or len(documents) != 1:
        runs = tuple({"schema": "holdpoint/run/1", **found} for found in documents)
        shell.finish("runs", {"runs": runs}, words, code)
    shell.finish("run", documents[0], words, code)


def document(work: Workspace, settled: Settled) -> dict[str, Any]:
    """The `run` document of one settled run."""
    event = settled.event
    evidence = work.store.evidence(event.evidence) if event.evidence else None
    return {
        "proposal": event.id,
        "verdict": event.verdict,
        "reasons": event.reasons,
        "tests": event.tests,
        "effects": evidence.effects if evidence else event.effects,
        "alarms": evidence.alarms if evidence else (),
        "replay": evidence.replay if evidence else None,
        "evidence": event.evidence,
        "cached": settled.cached,
        "base": event.tip,
        "merge": event.merge,
        "tree": event.tree,
    }


def _placed(alarm: Alarm) -> str:
    """The place goes before the words, unless these name it already."""
    return alarm.detail if alarm.place in alarm.detail else f"{alarm.place}: {alarm.detail}"


def in_words(found: dict[str, Any]) -> str:
    """One run for people."""
    lines = [f"{found['proposal']} {found['verdict']}{' (known result)' if found['cached'] else ''}"]
    lines += [f"  {reason}" for reason in found["reasons"]]
    tests = found["tests"]
    if tests is not None and tests.run:
        lines.append(f"  tests: {tests.passed} of {tests.expected} passed{lane_words(tests)}")
    lines += [f"  {effect_words(effect)}" for effect in found["effects"]]
    lines += [f"  alarm {alarm.kind}: {_placed(alarm)}" for alarm in found["alarms"]]
    lines += [f"  replay: {line}" for line in replay_words(found["replay"])]
    if found["verdict"] == "pass":
        lines.append(f"  it waits for a person. next: holdpoint review, or holdpoint approve {found['proposal']}")
    else:
        lines.append(f"  next: holdpoint logs {found['proposal']}")
    return "\n".join(lines)
