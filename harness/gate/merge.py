"""Lands an authorised merge so that a crash at any point is completed or undone; takes nothing but an Authorization.

Order: intent → compare-and-swap of the ref → approvals branch → outcome. `recover` finishes what an intent without
an outcome left behind.
"""

from collections.abc import Callable
from typing import assert_never

from harness.errors import IntegrityError, UsageError
from harness.gate.approvals import BRANCH, merge_files
from harness.gate.authorize import Authorization, Missing, authorize, case_of, passed_run, signed_approvals
from harness.gate.ports import Work
from harness.gate.rules import policy_text, shortfall
from harness.gate.statement import Envelope, Predicate
from harness.ledger import ProposalView
from harness.ledger.events import MergeFailed, MergeIntended, MergeLanded
from harness.records import Landed, MergeOutcome, NotLanded, canonical_json
from harness.repo import Dirty, Moved, Stale

Step = Callable[[str], None]


def _no_step(_: str) -> None:
    """Where a test may stop the harness."""


def merge(work: Work, proposal: str, step: Step = _no_step) -> MergeOutcome:
    """Moves the protected ref to the approved merge commit, or says what is missing; moves nothing else."""
    recover(work)
    view = _proven(work, proposal)
    if view.state == "merged":
        return NotLanded(proposal=view.id, why="it is merged already", next_step="holdpoint verify")
    allowed = authorize(work, view)
    match allowed:
        case Missing(reasons=reasons, next_step=next_step):
            return NotLanded(proposal=view.id, why="; ".join(reasons), next_step=next_step)
        case Authorization():
            return _land(work, view, allowed, step)
        case _:
            assert_never(allowed)


def _land(work: Work, view: ProposalView, allowed: Authorization, step: Step) -> MergeOutcome:
    intent = MergeIntended(id=view.id, ref=allowed.ref, old=allowed.base, new=allowed.merge)
    work.ledger.append(intent, work.clock())
    step("intended")
    moved = work.repo.land(allowed.ref, allowed.merge, allowed.base, reason=f"holdpoint: {view.id}")
    match moved:
        case Moved():
            step("moved")
            _publish(work, view, intent, allowed.signed, step)
            return Landed(proposal=view.id, merge=allowed.merge, ref=allowed.ref)
        case Stale():
            return _failed(work, intent, "the base moved since the merge was tested", f"holdpoint run {view.id}")
        case Dirty(work_tree=where, paths=paths):
            shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
            why = f"{allowed.ref} is checked out in {where}, which has changes: {shown}"
            return _failed(work, intent, why, f"commit or stash them there, then holdpoint merge {view.id}")
        case _:
            assert_never(moved)


def _failed(work: Work, intent: MergeIntended, why: str, next_step: str) -> NotLanded:
    work.ledger.append(MergeFailed(id=intent.id, ref=intent.ref, why=why), work.clock())
    return NotLanded(proposal=intent.id, why=why, next_step=next_step)


def _publish(
    work: Work,
    view: ProposalView,
    intent: MergeIntended,
    signed: tuple[tuple[Predicate, Envelope], ...],
    step: Step = _no_step,
) -> None:
    """Puts the approvals where a plain clone carries them, then writes the outcome; harmless when done twice."""
    assert view.run is not None
    assert view.run.evidence is not None
    files = merge_files(
        intent.new,
        signed,
        work.store.get(view.run.evidence),
        policy_text(work.rules_at(intent.old).policy),
        canonical_json(view.proposal),
    )
    work.repo.append_branch(BRANCH, files, f"Approvals of {view.id} ({intent.new})", work.clock())
    step("published")
    statements = tuple(envelope.digest for _, envelope in signed)
    work.ledger.append(
        MergeLanded(id=intent.id, ref=intent.ref, old=intent.old, new=intent.new, statements=statements), work.clock()
    )
    step("recorded")


def recover(work: Work) -> tuple[str, ...]:
    """Completes or undoes every merge that began and has no outcome; says what was done, one sentence each."""
    begun = [_proven(work, view.id) for view in work.ledger.state.merging]
    return tuple(_recover(work, view, view.merge_intent) for view in begun if view.merge_intent is not None)


def _recover(work: Work, view: ProposalView, intent: MergeIntended) -> str:
    if _reached(work, intent):
        found = passed_run(work, view)
        if isinstance(found, str):
            raise IntegrityError(
                f"{view.id} landed, and its approval cannot be published: {found}.", "holdpoint verify"
            )
        case = case_of(work, view, found)
        signed, faults = signed_approvals(work, view, case, None)
        lack = shortfall((said for said, _ in signed), case)
        if lack:
            reasons = "; ".join((*faults, lack))
            raise IntegrityError(f"{view.id} landed, and its approval is not valid: {reasons}.", "holdpoint verify")
        _publish(work, view, intent, signed)
        return f"{view.id} had landed before the interruption; its approval is now published."
    left = work.repo.repair(intent.ref, intent.new, intent.old)
    where = f"; {', '.join(left)} holds changes of your own, look there with git status" if left else ""
    _failed(work, intent, "interrupted before the ref moved", "")
    return f"The interrupted merge of {view.id} was undone{where}."


def _reached(work: Work, intent: MergeIntended) -> bool:
    """Whether the ref is at the merge, or has moved on from it."""
    tip = work.repo.tip(intent.ref)
    return tip is not None and work.repo.is_ancestor(intent.new, tip)


def _proven(work: Work, proposal: str) -> ProposalView:
    """The proposal from the whole chain: what lands rests on no snapshot."""
    found = work.ledger.proven(proposal)
    if found is None:
        raise UsageError(f"There is no proposal {proposal!r}.", "holdpoint queue")
    return found
