"""Who may approve what: the rules that the gate and every later verification apply to a signed statement; pure.

Nothing but a valid approval approves: whatever is missing, unknown or unreadable counts as a no, with its reason.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from harness.gate.signing import APPROVAL, fingerprint, signature_fault
from harness.gate.statement import Envelope, Predicate, read_statement
from harness.policy import Policy, first, guarded, load_policy
from harness.records import Evidence, Finding, canonical_json
from harness.target import ReviewerEntry, TargetConfig

_AGENT = "agent:"


@dataclass(frozen=True, slots=True)
class Case:
    """What a statement must say, word for word, to count for one merge, and who may say it."""

    repository: str
    ref: str
    author: str
    launcher: str
    evidence_digest: str
    evidence: Evidence
    reviewers: tuple[ReviewerEntry, ...]
    policy: Policy
    paths: tuple[str, ...]
    judges: tuple[str, ...]

    def words(self) -> dict[str, str]:
        """The fields of the predicate that are determined by the merge."""
        seen = self.evidence
        return {
            "repository": self.repository,
            "ref": self.ref,
            "author": self.author,
            "launcher": self.launcher,
            "evidence": self.evidence_digest,
            "proposal": seen.proposal,
            "proposal_digest": seen.proposal_digest,
            "base": seen.base,
            "commit": seen.commit,
            "merge": seen.merge,
            "tree": seen.tree,
            "manifest": seen.manifest,
            "diff": seen.diff,
            "image": seen.image,
            "profile": seen.profile,
            "config": seen.config,
            "policy": seen.policy,
        }


def principal(name: str) -> str:
    """A person's name as it is compared: without an address, in one Unicode form and case."""
    return unicodedata.normalize("NFKC", name.partition("<")[0]).casefold().strip()


def reviewer_named(reviewers: Iterable[ReviewerEntry], name: str) -> ReviewerEntry | None:
    """The reviewer of exactly this name."""
    return next((entry for entry in reviewers if entry.name == name), None)


def barred(name: str, case: Case) -> str:
    """Why this person may not approve this proposal, whatever they sign; "" when they may."""
    entry = reviewer_named(case.reviewers, name)
    if entry is None:
        return f"{name} is not a reviewer in the base's holdpoint.toml"
    if name.casefold().startswith(_AGENT):
        return "an agent never approves"
    kind = entry.key.partition(" ")[0]
    if case.policy.key_types and kind not in case.policy.key_types:
        return f"policy {case.policy.name!r} wants a key of type {' or '.join(case.policy.key_types)}, not {kind}"
    excluded = {"author": case.author}
    if not case.policy.launcher_may_approve:
        excluded["launcher"] = case.launcher
    for role, other in excluded.items():
        same_key = any(principal(one.name) == principal(other) and one.key == entry.key for one in case.reviewers)
        if principal(name) == principal(other) or same_key:
            return f"{name} is the proposal's {role}; policy {case.policy.name!r} wants somebody else"
    return ""


def approval(name: str, envelope: Envelope, case: Case) -> Predicate | str:
    """The predicate of a valid approval of this case by this person, or why it is none."""
    raw = envelope.statement.encode()
    statement = read_statement(raw)
    if isinstance(statement, str):
        return statement
    said = statement.predicate
    if said.reviewer != name:
        return f"it names {said.reviewer!r} as reviewer, not {name!r}"
    for field, value in case.words().items():
        if getattr(said, field) != value:
            return f"it was given for another {field.replace('_', ' ')} ({getattr(said, field)!r}, not {value!r})"
    if said.not_after <= said.issued:
        return "it expired before it was issued"
    if said.not_after - said.issued > timedelta(days=case.policy.approval_days):
        return f"it was given for longer than the {case.policy.approval_days} days that the policy allows"
    fault = barred(name, case)
    if fault:
        return fault
    entry = reviewer_named(case.reviewers, name)
    assert entry is not None
    if said.key != fingerprint(entry.key):
        return f"it names another key than {name}'s"
    return signature_fault(entry, APPROVAL, raw, envelope.signature) or said


def judge_paths(paths: Iterable[str], policy: Policy, config: TargetConfig) -> tuple[str, ...]:
    """The changed paths that decide about changes: policy, signers, tests, CI, whatever a policy file leaves out."""
    packaged, _ = load_policy("default", lambda _: None)
    patterns = (*guarded(policy, config), *packaged.protect)
    return tuple(path for path in paths if first(patterns, path) is not None)


def needed_approvals(policy: Policy, findings: Iterable[Finding], judges: Iterable[str] = ()) -> int:
    """How many persons must sign: the policy's number, one more after a finding that it names for that.

    Two at least where what judges is changed, whatever the policy says.
    """
    more = any(finding.rule in policy.second_reviewer_on for finding in findings)
    return max(1, policy.approvals, 2 if any(True for _ in judges) else 1) + more


def shortfall(approvers: Iterable[Predicate], case: Case) -> str:
    """What is missing for that many distinct persons with distinct keys, of the roles asked for; "" when nothing is."""
    given = tuple(approvers)
    policy = case.policy
    needed = needed_approvals(policy, case.evidence.findings, case.judges)
    have = _persons(given)
    if have < needed:
        why = (
            f" (it changes {case.judges[0]}, which judges changes)" if case.judges and needed > policy.approvals else ""
        )
        return f"{have} of {needed} approvals that policy {policy.name!r} demands{why}"
    for one in policy.required:
        touched = next((path for path in case.paths if first(one.paths, path) is not None), None)
        if touched is None:
            continue
        fit = {entry.name for entry in case.reviewers if not one.roles or set(one.roles) & set(entry.roles)}
        have = _persons(said for said in given if said.reviewer in fit)
        if have < one.approvals:
            who = f" by {' or '.join(one.roles)}" if one.roles else ""
            return f"{have} of {one.approvals} approvals{who} that policy {policy.name!r} demands for {touched}"
    return ""


def _persons(given: Iterable[Predicate]) -> int:
    """How many persons these are: one name or one key is one person."""
    signed = tuple(given)
    return min(len({principal(said.reviewer) for said in signed}), len({said.key for said in signed}))


def policy_text(policy: Policy) -> bytes:
    """The canonical text of a policy: what its digest is of, and what travels with a merge."""
    return canonical_json(policy.model_dump(mode="json", by_alias=True))
