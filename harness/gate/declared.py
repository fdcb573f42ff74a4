"""What reviewers declare beside approvals: revocations, signed noes, and commits that landed without approval.

A declaration only ever takes away trust or makes a gap visible; none of them lets anything land.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.errors import RefusedError
from harness.gate.approvals import BRANCH, pairs, sort_files
from harness.gate.ports import Work
from harness.gate.root import config_at, current_chain, needed_signatures, not_in_force, protected
from harness.gate.rules import principal, reviewer_named
from harness.gate.signing import DECISION, ROOT, KeyRefused, fingerprint, sign, signature_fault, signs_quietly
from harness.gate.statement import BypassStatement, DecisionStatement, Envelope, RootStatement, read_plain
from harness.ledger import ProposalView
from harness.ledger.events import BypassDeclared
from harness.records import DecisionWord, Record, canonical_json
from harness.repo import Repo
from harness.target import ReviewerEntry


class BypassRecorded(Record):
    """One reviewer has declared a bypass; it counts when `signed_by` has `needed`."""

    commit: str
    statement: str
    signed_by: tuple[str, ...]
    needed: int


@dataclass(frozen=True, slots=True)
class Bypass:
    """A declared bypass that enough reviewers signed."""

    reason: str
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hand:
    """Who decides, with which key, and whether they sit at a terminal."""

    reviewer: str
    key: Path | None
    terminal: bool


@dataclass(frozen=True, slots=True)
class No:
    """A decision that does not approve."""

    word: DecisionWord
    reason: str
    until: datetime | None = None


def signed_no(work: Work, hand: Hand, view: ProposalView, no: No) -> str | KeyRefused | None:
    """The digest of the signed decision, None where it is not signed, or why a revocation could not be.

    A revocation must be signed, and is published at once. No other no is held up by a key, a touch or a passphrase.
    """
    must = no.word == "revoke"
    rules = work.rules_at(work.repo.resolve(protected(work)))
    entry = reviewer_named(rules.config.reviewers, hand.reviewer)
    if hand.key is None or entry is None or not (must or signs_quietly(hand.key)):
        return None
    statement = _no_statement(work, view, no, entry)
    raw = canonical_json(statement)
    made = sign(hand.key, DECISION, raw, entry, terminal=hand.terminal and must)
    if isinstance(made, KeyRefused):
        return made if must else None
    envelope = Envelope(statement=raw.decode(), signature=made.armored)
    if must:
        name = f"revocations/{statement.merge}/{statement.reviewer}-{statement.nonce}"
        files = {f"{name}.json": raw, f"{name}.sig": made.armored.encode()}
        work.repo.append_branch(BRANCH, files, f"{entry.name} revokes an approval of {view.id}", work.clock())
    return work.store.put(canonical_json(envelope))


def _no_statement(work: Work, view: ProposalView, no: No, entry: ReviewerEntry) -> DecisionStatement:
    run = view.run
    mine = next((given for given in view.approvals if given.reviewer == entry.name), None)
    ref = protected(work)
    return DecisionStatement.model_validate(
        {
            "decision": no.word,
            "repository": current_chain(work, ref).repository,
            "ref": ref,
            "proposal": view.id,
            "proposal_digest": view.digest,
            "merge": run.merge if run else None,
            "evidence": run.evidence if run else None,
            "approval": mine.statement if mine and no.word == "revoke" else None,
            "ledger": work.ledger.head(),
            "reviewer": entry.name,
            "key": fingerprint(entry.key),
            "reason": no.reason,
            "until": no.until,
            "nonce": secrets.token_hex(16),
            "issued": work.clock(),
        }
    )


def revoked_approvals(
    files: Mapping[str, bytes], merge: str, repository: str, reviewers: tuple[ReviewerEntry, ...]
) -> Mapping[str, str] | str:
    """Digest of each approval of a merge that is revoked → who and by which file; or what is wrong with the files."""
    envelopes, odd = pairs(files)
    if odd:
        return f"{odd[0]} of a revocation is missing, or does not belong there"
    found: dict[str, str] = {}
    for name, envelope in envelopes.items():
        raw = envelope.statement.encode()
        said = read_plain(DecisionStatement, raw)
        if isinstance(said, str):
            return f"revocation {name}: {said}"
        entry = reviewer_named(reviewers, said.reviewer)
        if entry is None or name != f"{said.reviewer}-{said.nonce}":
            return f"revocation {name}: {said.reviewer} is not a reviewer at its base, or that is not its name"
        if (said.decision, said.repository, said.merge) != ("revoke", repository, merge) or said.approval is None:
            return f"revocation {name}: it is about something else"
        fault = signature_fault(entry, DECISION, raw, envelope.signature)
        if fault:
            return f"revocation {name}: {fault}"
        found[said.approval] = f"{name}.json"
    return found


def declare_bypass(
    work: Work, commit: str, name: str, key: Path, reason: str, *, terminal: bool = True
) -> BypassRecorded:
    """Declares, in a reviewer's name, a commit on the protected ref that nobody approved; RefusedError if it is none.

    It counts when as many reviewers have declared it as a new root would need, and every later verification shows it.
    """
    ref = protected(work)
    config, _ = config_at(work.repo, work.repo.parents(commit)[0] if work.repo.parents(commit) else commit)
    chain = current_chain(work, ref)
    unsigned = not_in_force(chain, config.reviewers)
    entry = reviewer_named(config.reviewers, name)
    shelf = sort_files(work.repo.read_branch(BRANCH))
    line = work.repo.first_parents(work.repo.resolve(ref), chain.roots[0].statement.commit) if chain.roots else None
    why = unsigned or _unfit(commit, shelf.merges, shelf.roots, line, entry, name)
    if why or entry is None:
        raise RefusedError(f"{commit[:12]} was not declared: {why}.", "holdpoint verify")
    if len(reason.strip()) < _SHORTEST_REASON:
        raise RefusedError(f"The reason is shorter than {_SHORTEST_REASON} characters.", "say what happened, and why")
    statement = BypassStatement(
        repository=chain.repository, ref=ref, commit=commit, by=name, reason=reason.strip(),
        nonce=secrets.token_hex(16), manifest=work.repo.manifest_digest(work.repo.tree_of(commit)), issued=work.clock(),
    )  # fmt: skip
    raw = canonical_json(statement)
    made = sign(key, ROOT, raw, entry, terminal=terminal)
    if isinstance(made, KeyRefused):
        raise RefusedError(f"{commit[:12]} was not declared: {made.why}.", "check --key and --reviewer")
    envelope = Envelope(statement=raw.decode(), signature=made.armored)
    folder = f"bypasses/{commit}"
    files = {f"{folder}/{name}.json": raw, f"{folder}/{name}.sig": made.armored.encode()}
    have = {file.removesuffix(".sig") for file in shelf.bypasses.get(commit, {}) if file.endswith(".sig")}
    if name not in have:
        work.repo.append_branch(BRANCH, files, f"{name} declares the bypass {commit}", work.clock())
        work.ledger.append(BypassDeclared(commit=commit, statement=envelope.digest, by=name), work.clock())
    needed = needed_signatures(chain.roots[-1].statement)
    return BypassRecorded(
        commit=commit, statement=envelope.digest, signed_by=tuple(sorted(have | {name})), needed=needed
    )


_SHORTEST_REASON = 20


def _unfit(
    commit: str,
    merges: Mapping[str, object],
    roots: Mapping[str, object],
    line: tuple[str, ...] | None,
    entry: ReviewerEntry | None,
    name: str,
) -> str:
    if line is None or commit not in line:
        return "it is not on the protected branch after its root"
    if commit in merges or commit in roots:
        return "it needs no declaration: it was approved, or is a root"
    return "" if entry else f"{name} is not a reviewer in the holdpoint.toml before it"


def proven_bypass(
    repo: Repo, commit: str, ref: str, repository: str, root: RootStatement, files: Mapping[str, bytes]
) -> Bypass | str:
    """The declared bypass in these files, if enough reviewers of the root in force signed it; or why it is none."""
    envelopes, odd = pairs(files)
    if odd:
        return f"{odd[0]} of its declaration is missing, or does not belong there"
    said: list[BypassStatement] = []
    keys: set[str] = set()
    manifest = repo.manifest_digest(repo.tree_of(commit))
    for name, envelope in envelopes.items():
        raw = envelope.statement.encode()
        one = read_plain(BypassStatement, raw)
        if isinstance(one, str):
            return f"its declaration by {name}: {one}"
        entry = reviewer_named(root.reviewers, name)
        if entry is None or one.by != name:
            return f"its declaration by {name}: {name} is not a reviewer of the root in force, or did not make it"
        if (one.repository, one.ref, one.commit, one.manifest) != (repository, ref, commit, manifest):
            return f"its declaration by {name}: it is about something else"
        fault = signature_fault(entry, ROOT, raw, envelope.signature)
        if fault:
            return f"its declaration by {name}: {fault}"
        said.append(one)
        keys.add(fingerprint(entry.key))
    persons = min(len({principal(one.by) for one in said}), len(keys))
    needed = needed_signatures(root)
    if persons < needed:
        return f"no approval of it is on {BRANCH}, and {persons} of {needed} reviewers declared it a bypass"
    if config_at(repo, commit)[0].reviewers != root.reviewers:
        return "it is a declared bypass, and changes the reviewers without a signed root"
    return Bypass(said[0].reason, tuple(one.by for one in said))
