"""Checks one merge on the protected ref against the approvals that travel with the repository; trusts nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from harness.gate.approvals import Packet, checkpoint, open_packet
from harness.gate.root import config_at
from harness.gate.rules import Case, approval, judge_paths, shortfall
from harness.gate.statement import Predicate, RootStatement, read_statement
from harness.policy import EARLIER, Policy, load_policy
from harness.records import Evidence, Proposal, sha256
from harness.repo import GITLINK, Repo
from harness.target import TargetConfig
from harness.text import visible_line


@dataclass(frozen=True, slots=True)
class Proven:
    """What a checked merge rests on."""

    proposal: str
    predicates: tuple[Predicate, ...]
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One commit of the protected ref's first-parent line, and the root in force before it.

    `after` is the ledger entry that the approvals of what landed before name: those of this were signed later.
    """

    commit: str
    ref: str
    repository: str
    root: RootStatement
    is_root: bool
    after: int


def submodule_fault(repo: Repo, base: str, commit: str) -> str:
    """That a commit adds or moves a submodule, whose content lies elsewhere, untested; "" when it does not."""
    before = repo.files(base)
    for path, entry in repo.files(commit).items():
        if entry.mode == GITLINK and before.get(path) != entry:
            return f"it points the submodule {visible_line(path, 80)} at content that is not in it and was not tested"
    return ""


def prove_merge(repo: Repo, place: Place, files: Mapping[str, bytes]) -> Proven | str:
    """The approvals of one merge, or the first thing that is wrong with it."""
    packet = open_packet(files)
    if packet.faults:
        return "; ".join(packet.faults)
    bundle = _bundle(packet)
    if isinstance(bundle, str):
        return bundle
    fault = _merge_fault(repo, place.commit, bundle.evidence) or _rules_fault(repo, place, bundle)
    if fault:
        return fault
    config, _ = config_at(repo, bundle.evidence.base)
    paths = repo.changed_paths(bundle.evidence.base, place.commit)
    return _approvals(place, packet, bundle, (paths, judge_paths(paths, bundle.policy, config)))


@dataclass(frozen=True, slots=True)
class _Bundle:
    evidence: Evidence
    policy: Policy
    proposal: Proposal


def _bundle(packet: Packet) -> _Bundle | str:
    """The parsed records, once their bytes have the digests that the evidence names."""
    try:
        evidence = Evidence.model_validate_json(packet.evidence)
        if sha256(packet.policy) != evidence.policy:
            return "policy.json is not the policy that the evidence names"
        if sha256(packet.proposal) != evidence.proposal_digest:
            return "proposal.json is not the proposal that the evidence names"
        return _Bundle(
            evidence, Policy.model_validate_json(packet.policy), Proposal.model_validate_json(packet.proposal)
        )
    except ValidationError as error:
        return f"its evidence, policy or proposal is no such record ({error.title})"


def _merge_fault(repo: Repo, commit: str, evidence: Evidence) -> str:
    """Whether the commit on the ref is, object by object, the one that was tested."""
    found = repo.commit(commit)
    if evidence.verdict != "pass":
        return f"its evidence says {evidence.verdict}"
    if (evidence.merge, evidence.tree) != (commit, found.tree):
        return "its evidence is about another merge"
    if found.parents != (evidence.base, evidence.commit):
        return "its evidence is about another base or proposal"
    repo.commit(evidence.commit)
    if repo.manifest_digest(found.tree) != evidence.manifest:
        return "the content of its tree is not what was tested"
    return submodule_fault(repo, evidence.base, commit)


def _rules_fault(repo: Repo, place: Place, bundle: _Bundle) -> str:
    """Whether configuration, policy and reviewers are those of the base and of the root in force."""
    config, digest = config_at(repo, bundle.evidence.base)
    if digest != bundle.evidence.config:
        return "holdpoint.toml at its base is not the one it was tested under"
    if config.reviewers != place.root.reviewers:
        return "the reviewers at its base are not those of the signed root"
    after, _ = config_at(repo, place.commit)
    if after.reviewers != config.reviewers and not place.is_root:
        return "it changes the reviewers without a signed root"
    return _policy_fault(repo, config, bundle)


def _policy_fault(repo: Repo, config: TargetConfig, bundle: _Bundle) -> str:
    use = config.policy.use
    _, digest = load_policy(use, lambda path: repo.read(bundle.evidence.base, path))
    # A packaged policy may be that of an earlier version of the program: its text travelled, its digest is known.
    if bundle.evidence.policy in {digest, *EARLIER.get(use, ())}:
        return ""
    return f"its policy is not {use!r} of its base"


def _approvals(
    place: Place, packet: Packet, bundle: _Bundle, changed: tuple[tuple[str, ...], tuple[str, ...]]
) -> Proven | str:
    if not packet.envelopes:
        return "it has no approval"
    paths, judges = changed
    predicates: list[Predicate] = []
    for name, envelope in packet.envelopes.items():
        first = read_statement(envelope.statement.encode())
        if isinstance(first, str):
            return f"{name}'s approval: {first}"
        case = Case(
            repository=place.repository,
            ref=place.ref,
            author=bundle.proposal.author,
            # Who launched it stands in the statements alone; all of them must name the same person.
            launcher=(predicates[0] if predicates else first.predicate).launcher,
            evidence_digest=sha256(packet.evidence),
            evidence=bundle.evidence,
            reviewers=place.root.reviewers,
            policy=bundle.policy,
            paths=paths,
            judges=judges,
        )
        said = approval(name, envelope, case)
        if isinstance(said, str):
            return f"{name}'s approval does not count: {said}"
        if said.ledger.index <= place.after:
            return (
                f"{name}'s approval is backdated: signed at ledger entry {said.ledger.index}, and what it is based on "
                f"was signed at entry {place.after}"
            )
        predicates.append(said)
    lack = shortfall(predicates, case)
    if lack:
        return f"it has {lack}"
    if packet.checkpoint != checkpoint(predicates):
        return "checkpoint.json is not the newest ledger entry that its statements name"
    statements = tuple(envelope.digest for envelope in packet.envelopes.values())
    return Proven(bundle.evidence.proposal, tuple(predicates), statements)
