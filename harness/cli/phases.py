"""What must be true of a target before its own proposer may be its subject; tells, and switches nothing on.

The roadmap's phases, in order: tests that pass, an engine on which the box is proven, a judge without known faults,
people who can say no, a policy for it. `[self] allow` in holdpoint.toml is the switch, and people own it.
"""

from typing import Literal

from harness.errors import HoldpointError
from harness.gate.root import current_chain, not_in_force
from harness.records import Record
from harness.workspace import Rules, Workspace

PhaseName = Literal["tests", "engine", "judge", "reviewers", "policy"]
_PERSONS = 2


class Phase(Record):
    """One thing that must be true; `why` says what was found, `next_step` how to get there."""

    phase: PhaseName
    ok: bool
    why: str
    next_step: str = ""


class SelfModification(Record):
    """Whether the proposer's own package may be the subject here, and whether it should be."""

    allowed: bool
    ready: bool
    phases: tuple[Phase, ...]


def self_modification(work: Workspace) -> SelfModification:
    """Every phase as it stands now, read from ledger, repository and this user's records; starts no engine."""
    rules = work.rules_at(work.tip())
    phases = (_tests(work), _engine(), _judge(), _reviewers(work, rules), _policy(rules))
    return SelfModification(allowed=rules.config.self_.allow, ready=all(phase.ok for phase in phases), phases=phases)


def _tests(work: Workspace) -> Phase:
    tip = work.tip()
    for view in work.ledger.state.proposals.values():
        run = view.run
        if run is None or run.verdict != "pass" or run.tests is None:
            continue
        if tip in (run.tip, view.merged):
            return Phase(phase="tests", ok=True, why=f"{run.tests.passed} tests passed on this base ({view.id})")
    return Phase(
        phase="tests", ok=False, why="no run on this base has passed its tests yet", next_step="holdpoint run --all"
    )


def _engine() -> Phase:
    from harness.doctor.proof import Proofs, quick_probes, sound

    needed = {probe.id for probe in quick_probes()}
    for proof in Proofs().every():
        if sound(proof.results) and needed <= {result.id for result in proof.results}:
            held = sum(not result.fell for result in proof.results)
            return Phase(
                phase="engine", ok=True, why=f"{held} probes held on engine {proof.version}, {proof.at:%Y-%m-%d}"
            )
    return Phase(
        phase="engine", ok=False, why="on no engine of this user is the sandbox proven", next_step="holdpoint doctor"
    )


def _judge() -> Phase:
    from harness.integrity.standing import Standing

    try:
        Standing().require()
    except HoldpointError as error:
        return Phase(phase="judge", ok=False, why=error.message.rstrip("."), next_step=error.next_step)
    return Phase(phase="judge", ok=True, why="no self-check stands that went wrong")


def _reviewers(work: Workspace, rules: Rules) -> Phase:
    unsigned = not_in_force(current_chain(work, work.protected_ref()), rules.config.reviewers)
    people = len(rules.config.reviewers)
    if unsigned or people < _PERSONS:
        why = unsigned or f"{people} of {_PERSONS} reviewers are registered: a change of what judges needs two persons"
        return Phase(phase="reviewers", ok=False, why=why, next_step="holdpoint reviewer add NAME --key FILE")
    return Phase(phase="reviewers", ok=True, why=f"{people} reviewers, named by a signed root")


def _policy(rules: Rules) -> Phase:
    if rules.policy.launcher_may_approve:
        why = f"policy {rules.policy.name!r} lets whoever starts a run approve it"
        return Phase(phase="policy", ok=False, why=why, next_step='use = "self" under [policy] in holdpoint.toml')
    return Phase(phase="policy", ok=True, why=f"policy {rules.policy.name!r} wants somebody else than the launcher")
