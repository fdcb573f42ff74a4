"""`queue`, `show`, `diff` and `logs`: what waits, and one proposal whole, safe for any terminal."""

from typing import Annotated

import typer

from harness.cli.opened import desk, opened
from harness.cli.shell import shell_of
from harness.cli.words import effect_words, lane_words
from harness.errors import UsageError
from harness.evidence import EvidenceStore
from harness.gate.behaviour import replay_words
from harness.gate.meaning import changed_tests, meaning_lines
from harness.patch.hunks import read_diff
from harness.records import ArtifactEntry, Decision, Evidence, Finding, QueueRow, ReviewSheet, Revision
from harness.report import path_line
from harness.text import decoded, visible_line

Name = Annotated[str, typer.Argument(help="A proposal id, such as P00001.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("queue")(queue)
    app.command("show")(show)
    app.command("diff")(diff)
    app.command("logs")(logs)


def queue(context: typer.Context) -> None:
    """What waits for a person, wins first."""
    shell = shell_of(context)
    with opened(shell) as work:
        rows = desk(work).queue()
    shell.finish("queue", {"waiting": rows}, lambda: "\n".join(map(_row, rows)) or "nothing waits for a person")


def _row(row: QueueRow) -> str:
    return (
        f"{row.proposal}  {row.state:8}  +{row.added} −{row.removed}  {visible_line(row.effect, 60)}  "
        f"{visible_line(row.title, 80)}  ({visible_line(row.author, 40)})"
    )


def show(context: typer.Context, proposal: Name) -> None:
    """One proposal: identity, findings, tests, effects, decisions, the change and the proposer's reasons."""
    shell = shell_of(context)
    with opened(shell) as work:
        view = work.view(proposal)
        sheet = desk(work).sheet(view.id)
    content = {
        key: getattr(sheet, key)
        for key in (
            "proposal", "title", "author", "launcher", "rationale", "state", "base", "commit", "tree", "merge",
            "findings", "verdict", "reasons", "tests", "effects", "alarms", "evidence", "decisions", "lineage",
            "notices", "replay", "semantic", "revises",
        )
    }  # fmt: skip
    status = "accepted" if view.candidate else "refused"
    shell.finish("show", {**content, "status": status, "cached": False}, lambda: sheet_words(sheet))


def sheet_words(sheet: ReviewSheet, *, sealed: bool = False, whole: bool = True) -> str:
    """The sheet as text, in the order of evidence. `sealed` hides the measurements and what tells them; `whole` ends
    with the difference and the proposer's rationale.
    """
    lines = [
        f"{sheet.proposal}  {visible_line(sheet.title, 200)}",
        f"state {sheet.state}   author {visible_line(sheet.author)}   launched by {visible_line(sheet.launcher)}",
        f"tree {sheet.tree or '-'}   merge {sheet.merge or '-'}",
        f"on {sheet.ref}@{sheet.base}   evidence {sheet.evidence or '-'}",
        *(f"NOTE {visible_line(notice)}" for notice in sheet.notices),
        *map(finding_line, sheet.findings),
        *_revision_lines(sheet.revises),
        *_test_lines(sheet),
        *(
            f"MEANING  {visible_line(place)}  {visible_line(words)}"
            for _, place, words in meaning_lines(sheet.semantic)
        ),
    ]
    hidden = sealed and bool(sheet.effects)
    lines += ["A/B      sealed until your first verdict"] if hidden else effects_lines(sheet)
    lines += [f"ALARM    {visible_line(alarm.kind)}: {visible_line(alarm.detail)}" for alarm in sheet.other_alarms]
    lines += [f"REPLAY   {visible_line(line)}" for line in replay_words(sheet.replay)]
    if sheet.verdict:
        reasons = "sealed" if hidden else "; ".join(visible_line(reason) for reason in sheet.reasons)
        lines.append(f"VERDICT  {sheet.verdict}: {reasons}")
    lines += [line for decision in sheet.decisions for line in _decision_lines(decision)]
    if whole:
        lines += ["", sheet.diff.rstrip("\n"), *rationale_lines(sheet)]
    return "\n".join(lines)


def finding_line(found: Finding) -> str:
    """One finding."""
    where = f"{visible_line(found.path)}:{found.line}"
    return f"{found.severity.upper():8} {visible_line(found.rule)}  {where}  {visible_line(found.message)}"


def effects_lines(sheet: ReviewSheet) -> list[str]:
    """The measurements, each with the path of its evidence: from left to right by pairs, full height is enough."""
    lines = []
    for effect in sheet.effects:
        lines.append(f"A/B      {visible_line(effect_words(effect))}")
        lines += [f"         evidence {path_line(effect)}"] if effect.path else []
    return lines


def rationale_lines(sheet: ReviewSheet) -> list[str]:
    """The proposer's own words, marked as such."""
    if not sheet.rationale:
        return []
    return ["", "The proposer says (its own words, not evidence):", *(f"  │ {x}" for x in sheet.rationale.splitlines())]


def _test_lines(sheet: ReviewSheet) -> list[str]:
    changed = changed_tests(read_diff(sheet.diff))
    lines = [f"TESTS    changed: {visible_line(path)}" for path in changed]
    if sheet.tests is None:
        return lines
    if not sheet.tests.run:
        return [*lines, "TESTS    not run"]
    lines.append(f"TESTS    {sheet.tests.passed} of {sheet.tests.expected} passed{lane_words(sheet.tests)}")
    for word in ("failed", "missing", "skipped", "unverified"):
        lines += [f"  {word}: {visible_line(name)}" for name in getattr(sheet.tests, word)[:20]]
    return lines


def _decision_lines(decision: Decision) -> list[str]:
    kind = f" ({decision.category})" if decision.category else ""
    said = f"DECISION {decision.decision}{kind} by {visible_line(decision.reviewer)}: {visible_line(decision.reason)}"
    return [said, *(f"  │ {visible_line(one.path)}:{one.line} {visible_line(one.text)}" for one in decision.comments)]


def _revision_lines(revises: Revision | None) -> list[str]:
    """What was asked of the revision before, quoted, and what has changed since."""
    if revises is None:
        return []
    lines = [f"REVISES  {visible_line(revises.proposal)}", *_decision_lines(revises.decision)]
    return [*lines, *(f"  │ {visible_line(line)}" for line in revises.diff.rstrip("\n").split("\n"))]


def diff(context: typer.Context, proposal: Name) -> None:
    """The change as it would land."""
    shell = shell_of(context)
    with opened(shell) as work:
        view = work.view(proposal)
        text = desk(work).sheet(view.id).diff
    shell.finish("diff", {"proposal": view.id, "diff": text}, text.rstrip("\n"))


def logs(
    context: typer.Context,
    proposal: Name,
    artifact: Annotated[
        str | None, typer.Option(help="A file that its tests left, by the name that `logs` shows.")
    ] = None,
) -> None:
    """The output of the proposal's trials, as far as it was kept, and the files that its tests left."""
    shell = shell_of(context)
    with opened(shell) as work:
        view = work.view(proposal)
        found = view.run.evidence if view.run is not None else None
        evidence = work.store.evidence(found) if found is not None else None
        left = evidence.artifacts if evidence is not None else ()
        if artifact is not None:
            text = decoded(work.store.get(_named(left, artifact).digest))
        else:
            text = "" if evidence is None else _output(evidence, work.store)
    words = text or ("the file is empty" if artifact is not None else f"{view.id} has no logs; it was not run")
    shell.finish("logs", {"proposal": view.id, "logs": text, "artifacts": left}, words)


def _named(left: tuple[ArtifactEntry, ...], name: str) -> ArtifactEntry:
    for entry in left:
        if entry.path == name:
            return entry
    names = ", ".join(visible_line(entry.path, 80) for entry in left[:20])
    raise UsageError(
        f"There is no artifact {visible_line(name, 80)!r}; there are: {names or 'none'}.", "holdpoint logs"
    )


def _output(evidence: Evidence, store: EvidenceStore) -> str:
    parts = [decoded(store.get(evidence.log))] if evidence.log else []
    for trial in evidence.trials:
        parts.append(f"== {trial.arm} {trial.purpose}: exit {trial.state.exit_code}, {trial.state.seconds:.1f} s")
        parts.append(decoded(store.get(trial.stderr)))
    parts += [f"== artifact {visible_line(e.path)}: {e.size} bytes, {e.digest}" for e in evidence.artifacts]
    return "\n".join(part.rstrip("\n") for part in parts if part)
