"""What the rules of one commit find in a patch; decides nothing beyond the findings."""

from collections.abc import Iterable
from typing import Literal, assert_never

from harness.patch import Malformed, from_overlay
from harness.policy import Policy, check, meaning, refusal
from harness.records import Alarm, Finding, Patch, Semantic, TestsResult
from harness.workspace import Rules, Workspace

Kind = Literal["agent", "person"]


def kind_of(author: str) -> Kind:
    """Whose proposal it is; agents have the narrower rights."""
    return "agent" if author.startswith("agent:") else "person"


def findings(work: Workspace, patch: Patch | Malformed, rules: Rules, author: str) -> tuple[Finding, ...]:
    """What the policy at one commit finds in a patch on it."""
    match patch:
        case Malformed():
            return (refusal(patch),)
        case Patch():
            found = check(
                patch, rules.policy, rules.config, kind_of(author), work.inspector, work.imports_at(rules.commit)
            )
            return (*found, *_self_modification(patch, rules))
        case _:
            assert_never(patch)


def landing(work: Workspace, tip: str, merge: str) -> Patch | Malformed:
    """The merge's whole difference to the tip as a patch, its ancestors' changes included."""
    changed = tuple(work.repo.changed_paths(tip, merge))
    after = dict(work.repo.read_matching(merge, changed)) if changed else {}
    gone = tuple(path for path in changed if path not in after)
    return from_overlay(after, gone, lambda path: work.repo.read(tip, path))


def meaning_of(work: Workspace, patch: Patch | Malformed, rules: Rules) -> Semantic | None:
    """What a patch means, by name; None when it is no patch. What people allow to be imported is marked so."""
    match patch:
        case Malformed():
            return None
        case Patch(edits=edits):
            return meaning(edits, (*rules.policy.imports, *rules.config.policy.imports), work.inspector)
        case _:
            assert_never(patch)


def unverified(policy: Policy, tests: TestsResult) -> tuple[Finding, ...]:
    """A finding when more tests than the policy allows passed in the candidate's own process only; it never blocks."""
    count = len(tests.unverified) + tests.unnamed
    if not count or count <= policy.unverified * tests.passed:
        return ()
    first = tests.unverified[0] if tests.unverified else ""
    message = f"{count} of {tests.passed} tests passed in the candidate's own process only: {first}"
    return (
        Finding(rule="unverified-tests", severity="medium", path=first.partition("::")[0], line=0, message=message),
    )


def routed(findings: Iterable[Finding]) -> tuple[Alarm, ...]:
    """An alarm for each finding that stops nothing, so that nobody who reads alarms alone misses where to look."""
    return tuple(
        Alarm(kind=found.rule, detail=found.message, place=found.place)
        for found in findings
        if not found.blocking and found.severity != "info"
    )


def _self_modification(patch: Patch, rules: Rules) -> tuple[Finding, ...]:
    """The proposer's own package may be the target only where the target opted in."""
    agent = rules.config.agent
    if agent is None:
        return ()
    package = agent.module.split(".")[0]
    touched = [edit.path for edit in patch.edits if package in edit.path.removesuffix(".py").split("/")]
    if not touched:
        return ()
    allowed = rules.config.self_.allow
    message = (
        "the proposing agent's own package changes; self-modification is not recommended in production"
        if allowed
        else "the proposing agent's own package changes, and [self] allow is false; set it to true to opt in"
    )
    severity: Literal["info", "critical"] = "info" if allowed else "critical"
    return (
        Finding(
            rule="self-modification",
            severity=severity,
            path=touched[0],
            line=0,
            message=message,
            blocking=not allowed,
        ),
    )
