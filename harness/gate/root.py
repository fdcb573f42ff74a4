"""Who may sign, from which commit on: root statements, their chain, and how a new one is recorded.

The first root is where verification starts. Each later one needs signatures by two reviewers of the root before
(by one, where there is only one). A root's commit may change nothing but holdpoint.toml.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HoldpointError, RefusedError, UsageError
from harness.gate.approvals import BRANCH, sort_files
from harness.gate.ports import Work
from harness.gate.rules import reviewer_named
from harness.gate.signing import ROOT, KeyRefused, fingerprint, public_key, sign, signature_fault
from harness.gate.statement import RootStatement, read_root
from harness.ledger.events import SignersChanged
from harness.records import Record, canonical_json, sha256
from harness.repo import Repo, branch_ref
from harness.target import CONFIG_NAME, ReviewerEntry, TargetConfig, parse_config


class RootRecorded(Record):
    """A root statement was signed by one reviewer; it counts when `signed_by` has `needed` of the root before's."""

    commit: str
    statement: str
    signed_by: tuple[str, ...]
    needed: int


@dataclass(frozen=True, slots=True)
class Root:
    """One root: its statement and the names whose signatures on it are valid."""

    statement: RootStatement
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RootChain:
    """The roots from the first to the newest, and what is wrong with them; `roots` ends before the first fault."""

    roots: tuple[Root, ...]
    faults: tuple[str, ...]

    @property
    def repository(self) -> str:
        """The repository's identity: the digest of its first root statement; "" when there is none."""
        return self.roots[0].statement.digest if self.roots else ""


def config_at(repo: Repo, commit: str) -> tuple[TargetConfig, str]:
    """holdpoint.toml at a commit, with the digest of its bytes; UsageError when it is missing or wrong."""
    raw = repo.read(commit, CONFIG_NAME)
    if raw is None:
        raise UsageError(f"Commit {commit[:12]} has no {CONFIG_NAME}.", "holdpoint init")
    return parse_config(raw.decode("utf-8", "replace"), f"{CONFIG_NAME} at {commit[:12]}"), sha256(raw)


def read_roots(repo: Repo, files: Mapping[str, Mapping[str, bytes]], ref: str) -> RootChain:
    """The chain of roots on the approvals branch, each signature and digest checked; faults are words."""
    statements: dict[str | None, RootStatement] = {}
    faults: list[str] = []
    for commit, found in sorted(files.items()):
        statement = read_root(found.get("statement.json", b""))
        if isinstance(statement, str):
            faults.append(f"root {commit[:12]}: {statement}")
        elif statement.commit != commit:
            faults.append(f"root {commit[:12]}: its statement is about {statement.commit[:12]}")
        elif statement.previous in statements:
            faults.append(f"root {commit[:12]}: a second root follows {statement.previous or 'nothing'}")
        else:
            statements[statement.previous] = statement
    roots: list[Root] = []
    before: RootStatement | None = None
    while (at := before.commit if before else None) in statements:
        statement = statements.pop(at)
        root = _checked(repo, statement, files[statement.commit], before, roots, ref)
        if isinstance(root, str):
            faults.append(f"root {statement.commit[:12]}: {root}")
            break
        roots.append(root)
        before = statement
    faults += [f"root {left.commit[:12]}: it follows no known root" for left in statements.values() if not faults]
    return RootChain(tuple(roots), tuple(faults))


def _checked(
    repo: Repo,
    statement: RootStatement,
    files: Mapping[str, bytes],
    before: RootStatement | None,
    roots: list[Root],
    ref: str,
) -> Root | str:
    try:
        config, digest = config_at(repo, statement.commit)
    except HoldpointError as error:
        return error.message
    if (statement.config, statement.reviewers) != (digest, config.reviewers):
        return "holdpoint.toml at that commit is not what its statement says"
    if statement.ref != ref:
        return f"it is about {statement.ref}"
    if statement.repository != (roots[0].statement.digest if roots else None):
        return "it belongs to another repository"
    known = {entry.name: entry for entry in (*statement.reviewers, *(before.reviewers if before else ()))}
    raw = canonical_json(statement)
    signers = []
    for name, data in sorted(files.items()):
        if name == "statement.json":
            continue
        signer = known.get(name.removesuffix(".sig"))
        if signer is None or not name.endswith(".sig"):
            return f"{name} does not belong there"
        fault = signature_fault(signer, ROOT, raw, data.decode("utf-8", "replace"))
        if fault:
            return f"{name}: {fault}"
        signers.append(signer.name)
    fault = _too_few(statement, before, signers)
    return fault or Root(statement, tuple(signers))


def _too_few(statement: RootStatement, before: RootStatement | None, signers: list[str]) -> str:
    entitled = before.reviewers if before else statement.reviewers
    valid = {fingerprint(entry.key) for entry in entitled if entry.name in signers}
    needed = needed_signatures(before)
    if len(valid) >= needed:
        return ""
    return f"{len(valid)} of {needed} signatures by reviewers of the root before"


def needed_signatures(before: RootStatement | None) -> int:
    """How many reviewers must sign the next root."""
    return min(2, len({entry.key for entry in before.reviewers})) if before and before.reviewers else 1


def current_chain(work: Work, ref: str) -> RootChain:
    """The roots as the approvals branch has them now."""
    return read_roots(work.repo, sort_files(work.repo.read_branch(BRANCH, ("roots",))).roots, branch_ref(ref))


def not_in_force(chain: RootChain, reviewers: tuple[ReviewerEntry, ...]) -> str:
    """Why these reviewers are not the ones that the newest root names; "" when they are."""
    if chain.faults:
        return "; ".join(chain.faults)
    if not chain.roots:
        return "no root is signed yet, so nobody could verify an approval"
    if chain.roots[-1].statement.reviewers != reviewers:
        return f"{CONFIG_NAME} names other reviewers than the newest signed root"
    return ""


def record_root(
    work: Work, name: str, private_key: Path, *, commit: str | None = None, terminal: bool = True
) -> RootRecorded:
    """Signs the protected ref's tip (or `commit`) as root in a reviewer's name, or adds a signature to it.

    RefusedError when the key is not that reviewer's or the reviewer is not entitled.
    """
    ref = protected(work)
    at = commit or work.repo.resolve(ref)
    shelf = sort_files(work.repo.read_branch(BRANCH, ("roots",)))
    chain = read_roots(work.repo, {key: shelf.roots[key] for key in shelf.roots if key != at}, ref)
    before = chain.roots[-1].statement if chain.roots else None
    statement = _statement(work, at, ref, chain, shelf.roots.get(at, {}).get("statement.json"))
    signer = _signer(statement, before, name, private_key)
    raw = canonical_json(statement)
    match sign(private_key, ROOT, raw, signer, terminal=terminal):
        case KeyRefused(why=why):
            raise RefusedError(f"The root was not signed: {why}.", "check --key and --reviewer")
        case signature:
            files = {
                f"roots/{at}/statement.json": raw,
                f"roots/{at}/{name}.sig": signature.armored.encode(),
            }
    have = {path.removesuffix(".sig") for path in shelf.roots.get(at, {}) if path.endswith(".sig")}
    if name not in have:
        work.repo.append_branch(BRANCH, files, f"Root {at}, signed by {name}", work.clock())
        work.ledger.append(SignersChanged(commit=at, statement=statement.digest, by=name), work.clock())
    return RootRecorded(
        commit=at,
        statement=statement.digest,
        signed_by=tuple(sorted(have | {name})),
        needed=needed_signatures(before),
    )


def protected(work: Work) -> str:
    """The protected ref's full name; UsageError when `init` did not finish."""
    begun = work.ledger.state.initialised
    if begun is None:
        raise UsageError("This target's initialisation did not finish.", "holdpoint init")
    return branch_ref(begun.ref)


def _statement(work: Work, at: str, ref: str, chain: RootChain, existing: bytes | None) -> RootStatement:
    if existing is not None:
        found = read_root(existing)
        if isinstance(found, str):
            raise RefusedError(f"The root statement of {at[:12]} is damaged: {found}.", "holdpoint verify")
        return found
    config, digest = config_at(work.repo, at)
    parents = work.repo.parents(at)
    if chain.roots and (not parents or set(work.repo.changed_paths(parents[0], at)) != {CONFIG_NAME}):
        raise RefusedError(
            f"Commit {at[:12]} changes more than {CONFIG_NAME}; it cannot be a root.", "propose the rest"
        )
    return RootStatement(
        repository=chain.repository or None,
        previous=chain.roots[-1].statement.commit if chain.roots else None,
        ref=ref,
        commit=at,
        config=digest,
        reviewers=config.reviewers,
        nonce=secrets.token_hex(16),
        issued=work.clock(),
    )


def _signer(statement: RootStatement, before: RootStatement | None, name: str, private_key: Path) -> ReviewerEntry:
    entitled = (*statement.reviewers, *(before.reviewers if before else ()))
    entry = reviewer_named(entitled, name)
    if entry is None:
        raise RefusedError(f"{name} is not a reviewer in {CONFIG_NAME}.", "holdpoint reviewer list")
    public = public_key(private_key)
    mine = [one for one in entitled if one.name == name and one.key == public]
    if not mine:
        raise RefusedError(f"The key {private_key} is not {name}'s in {CONFIG_NAME}.", "give --key FILE")
    return mine[0]
