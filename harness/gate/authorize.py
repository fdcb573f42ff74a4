"""Mints the Authorization that a merge needs, from approvals checked this moment; nothing else makes one."""

from dataclasses import dataclass
from datetime import datetime

from harness.errors import IntegrityError
from harness.gate.ports import Work
from harness.gate.proof import submodule_fault
from harness.gate.root import current_chain, not_in_force
from harness.gate.rules import Case, approval, judge_paths, shortfall
from harness.gate.statement import CORE_LIMIT, Envelope, Predicate
from harness.ledger import ProposalView
from harness.ledger.events import RunFinished
from harness.records import Evidence, Record, canonical_json, sha256
from harness.repo import branch_ref

_SEAL = object()


class Missing(Record):
    """Why there is no authorisation."""

    reasons: tuple[str, ...]
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Authorization:
    """Enough valid approvals for exactly this move of the protected ref; made by `authorize` only."""

    proposal: str
    ref: str
    base: str
    merge: str
    signed: tuple[tuple[Predicate, Envelope], ...]
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise IntegrityError("An authorisation was not made by the gate.", "report this")


@dataclass(frozen=True, slots=True)
class Passed:
    """A passed run with its evidence: what a person decides about."""

    run: RunFinished
    merge: str
    tree: str
    digest: str
    evidence: Evidence


def passed_run(work: Work, view: ProposalView) -> Passed | str:
    """The proposal's passed run and its evidence, digests proven; or why there is nothing to decide about."""
    run = view.run
    if run is None:
        return f"{view.id} was not run yet"
    if run.verdict != "pass" or run.merge is None or run.tree is None or run.evidence is None:
        return f"{view.id}'s verdict is {run.verdict}"
    evidence = work.store.evidence(run.evidence)
    commit = view.candidate.commit if view.candidate else ""
    said = (evidence.verdict, evidence.proposal, evidence.proposal_digest, evidence.commit, evidence.base)
    if said != ("pass", view.id, view.digest, commit, run.tip):
        return "its evidence is about something else"
    if (evidence.merge, evidence.tree, evidence.policy) != (run.merge, run.tree, run.policy):
        return "its evidence is about another merge"
    if work.repo.tree_of(run.merge) != run.tree or work.repo.parents(run.merge) != (run.tip, commit):
        return "the merge commit is not the one that was tested"
    if work.repo.manifest_digest(run.tree) != evidence.manifest:
        return "the merge's tree is not the one that was tested"
    if sha256(work.repo.diff(run.tip, run.merge)) != evidence.diff:
        return "the difference is not the one in the evidence"
    submodule = submodule_fault(work.repo, run.tip, run.merge)
    if submodule:
        return submodule
    rules = work.rules_at(run.tip)
    if (rules.policy_digest, rules.config_digest) != (evidence.policy, evidence.config):
        return "the policy or configuration of the base is not the one it was tested under"
    if len(canonical_json(evidence)) > CORE_LIMIT:
        return "its evidence is larger than 1 MiB and could not travel with the repository"
    return Passed(run, run.merge, run.tree, run.evidence, evidence)


def case_of(work: Work, view: ProposalView, found: Passed) -> Case:
    """What an approval of this tested proposal must say, by the rules at its base."""
    rules = work.rules_at(found.run.tip)
    ref = branch_ref(rules.config.target.ref)
    paths = work.repo.changed_paths(found.run.tip, found.merge)
    return Case(
        repository=current_chain(work, ref).repository,
        ref=ref,
        author=view.proposal.author,
        launcher=view.launcher,
        evidence_digest=found.digest,
        evidence=found.evidence,
        reviewers=rules.config.reviewers,
        policy=rules.policy,
        paths=paths,
        judges=judge_paths(paths, rules.policy, rules.config),
    )


def signed_approvals(
    work: Work, view: ProposalView, case: Case, now: datetime | None
) -> tuple[tuple[tuple[Predicate, Envelope], ...], tuple[str, ...]]:
    """The valid approvals that stand in the ledger, and why the others are not; `now` None: expiry is not asked."""
    valid: list[tuple[Predicate, Envelope]] = []
    faults: list[str] = []
    for decision in view.approvals:
        if decision.statement is None:
            faults.append(f"{decision.reviewer}'s approval is not signed")
            continue
        envelope = Envelope.model_validate_json(work.store.get(decision.statement))
        said = approval(decision.reviewer, envelope, case)
        if isinstance(said, str):
            faults.append(f"{decision.reviewer}'s approval does not count: {said}")
        elif now is not None and now >= said.not_after:
            faults.append(f"{decision.reviewer}'s approval expired at {said.not_after:%Y-%m-%d %H:%M} UTC")
        else:
            valid.append((said, envelope))
    return tuple(valid), tuple(faults)


def authorize(work: Work, view: ProposalView) -> Authorization | Missing:
    """Checks every approval again, against the base's policy and the repository as they are now."""
    if view.state != "approved":
        step = f"holdpoint approve {view.id}" if view.state in ("waiting", "deferred") else f"holdpoint show {view.id}"
        return Missing(reasons=(f"{view.id} is {view.state}, not approved",), next_step=step)
    found = passed_run(work, view)
    if isinstance(found, str):
        return Missing(reasons=(found,), next_step=f"holdpoint run {view.id}")
    case = case_of(work, view, found)
    unsigned = not_in_force(current_chain(work, case.ref), case.reviewers)
    if unsigned:
        return Missing(reasons=(unsigned,), next_step="holdpoint reviewer add, or holdpoint verify")
    if work.repo.tip(case.ref) != found.run.tip:
        return Missing(reasons=("the base moved since the merge was tested",), next_step=f"holdpoint run {view.id}")
    valid, faults = signed_approvals(work, view, case, work.clock())
    lack = shortfall((said for said, _ in valid), case)
    if lack:
        return Missing(reasons=(*faults, lack), next_step=f"holdpoint approve {view.id}")
    return Authorization(view.id, case.ref, found.run.tip, found.merge, valid, _SEAL)
