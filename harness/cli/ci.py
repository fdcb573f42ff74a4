"""`holdpoint ci`: one branch in a CI job: judged, run in the sandbox, JUnit XML and an exit code out."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.opened import laboratory, opened
from harness.cli.propose import from_branch
from harness.cli.shell import DONE, REFUSED, now, person, shell_of
from harness.ledger import Ledger, ProposalView
from harness.ledger.events import TargetInitialised
from harness.pipeline import Draft, propose, run
from harness.repo import Repo
from harness.target import StateDir
from harness.text import visible
from harness.workspace import read_rules


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("ci")(command)


def command(
    context: typer.Context,
    branch: Annotated[str, typer.Option(help="The branch or commit to judge.")] = "HEAD",
    ref: Annotated[str, typer.Option(help="The protected branch, local or remote (origin/main).")] = "main",
    junit: Annotated[Path | None, typer.Option(help="Where the JUnit XML goes.")] = None,
    author: Annotated[str, typer.Option(help="Who proposes.")] = "agent:ci",
) -> None:
    """Judge and run one branch against the protected branch; exit code 1 unless the verdict is pass.

    Works in a fresh clone: the state that a target keeps is made when it is missing.
    """
    shell = shell_of(context)
    _ready(Repo.find(shell.repo), ref)
    with opened(shell, lock="ci") as work:
        base, patch = from_branch(work, work.tip(), branch)
        view = propose(
            work,
            Draft(
                title=f"branch {branch}",
                rationale="",
                author=author,
                launcher=person(),
                base=base,
                parent=None,
                claims_gain=False,
                patch=patch,
            ),
        )
        if view.candidate is not None:
            with laboratory(shell, work) as lab:
                run(work, lab, view.id)
            view = work.view(view.id)
    verdict = view.run.verdict if view.run else "fail"
    reasons = view.run.reasons if view.run else tuple(f"{f.rule}: {f.message}" for f in view.findings if f.blocking)
    if junit is not None:
        junit.write_bytes(_junit(view, verdict, reasons))
    reports = {"junit": str(junit) if junit else None, "sarif": None, "summary": None}
    words = "\n".join([f"{view.id} {verdict}", *(f"  {reason}" for reason in reasons)])
    content = {"verdict": verdict, "proposal": view.id, "reasons": reasons, "reports": reports}
    shell.finish("ci", content, words, DONE if verdict == "pass" else REFUSED)


def _ready(repo: Repo, ref: str) -> None:
    """State for this clone, when there is none; the protected branch is taken as it is here."""
    state = StateDir(repo.common_dir)
    if state.exists():
        return
    commit = repo.resolve(ref)
    rules = read_rules(repo, commit)
    local = rules.config.target.ref
    if repo.tip(local) is None:
        repo.land(local, commit, None)
    state.create()
    with state.lock("ci"):
        ledger = Ledger.open(state.ledger, create=True)
        begun = TargetInitialised(commit=commit, ref=f"refs/heads/{local}", config=rules.config_digest, by=person())
        ledger.append(begun, now())
        ledger.close()


def _junit(view: ProposalView, verdict: str, reasons: tuple[str, ...]) -> bytes:
    """JUnit XML: one case a base test that did not pass, one for the findings, one for the verdict."""
    suite = ET.Element("testsuite", name=f"holdpoint {view.id}")
    failures = 0
    tests = view.run.tests if view.run else None
    for word in ("failed", "missing", "skipped"):
        for name in getattr(tests, word, ()):
            case = ET.SubElement(suite, "testcase", classname="tests", name=visible(name))
            ET.SubElement(case, "failure", message=word)
            failures += 1
    for finding in view.findings:
        case = ET.SubElement(suite, "testcase", classname="policy", name=f"{finding.rule} {visible(finding.path)}")
        if finding.blocking:
            ET.SubElement(case, "failure", message=visible(finding.message))
            failures += 1
    case = ET.SubElement(suite, "testcase", classname="holdpoint", name="verdict")
    if verdict != "pass":
        ET.SubElement(case, "failure", message=visible("; ".join(reasons) or verdict))
        failures += 1
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    document: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return document
