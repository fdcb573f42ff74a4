"""Proves, for anyone and offline, that every merge on a protected ref was approved; needs git, ssh-keygen and trust.

Trust comes from a signers file or a pinned root commit, never from the repository itself. Damage of any kind is an
answer in words, not an exception.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from harness.errors import HoldpointError, UsageError
from harness.gate.approvals import BRANCH, Shelf, sort_files
from harness.gate.declared import Bypass, proven_bypass, revoked_approvals
from harness.gate.proof import Place, Proven, prove_merge
from harness.gate.root import RootChain, config_at, read_roots
from harness.gate.signers import Signers, anchored, read_signers
from harness.gate.signing import ready
from harness.gate.story import contradictions
from harness.ledger import Head, Ledger, LedgerCheck, check_ledger
from harness.records import Record
from harness.repo import Repo, branch_ref, is_id
from harness.target import CONFIG_NAME


class MergeCheck(Record):
    """One commit of the protected ref's first-parent line after the first root; `bypass`: declared, not approved."""

    merge: str
    ok: bool
    why: str
    proposal: str | None = None
    bypass: bool = False


class Earlier(Record):
    """What an earlier verification saw: commits of the protected ref and of the approvals, and a ledger's head."""

    tip: str | None = None
    approvals: str | None = None
    ledger: Head | None = None


class VerifyReport(Record):
    """What verification found; `why` is what concerns no single merge."""

    ok: bool
    ref: str
    tip: str | None
    approvals: str | None
    root: str | None
    merges: tuple[MergeCheck, ...]
    ledger: LedgerCheck | None
    why: tuple[str, ...]


def verify(
    where: Repo | Path,
    *,
    ref: str = "main",
    signers: bytes | None = None,
    pinned_root: str | None = None,
    ledger: Path | None = None,
    since: Earlier | Head | None = None,
) -> VerifyReport:
    """Checks approvals, trees, roots, and the ledger where there is one; UsageError without any source of trust."""
    if signers is None and pinned_root is None:
        raise UsageError("Nothing says whom to trust.", "add --signers FILE, or --root COMMIT")
    if pinned_root is not None and not is_id(pinned_root):
        raise UsageError("A pinned root is a full commit id.", "give all 40 hex digits")
    ready()
    repo = where if isinstance(where, Repo) else Repo.open_bare(where)
    repo.forget()
    earlier = Earlier(ledger=since) if isinstance(since, Head) else since or Earlier()
    return _Verification(repo, branch_ref(ref), signers, pinned_root).report(ledger, earlier)


def recorded_root(ledger: Path) -> str | None:
    """The first root that a ledger recorded: what this machine may pin; None when it recorded none."""
    with Ledger.open(ledger, read_only=True) as opened:
        roots = opened.state.roots
        return roots[0].commit if roots else None


@dataclass(frozen=True, slots=True)
class _TakenBack:
    """Why revocations void a merge, or what is to be said of those that came too late."""

    void: str = ""
    late: str = ""


class _Verification:
    """One pass over one ref; collects what is wrong."""

    def __init__(self, repo: Repo, ref: str, signers: bytes | None, pinned: str | None) -> None:
        self._repo = repo
        self._ref = ref
        self._signers = signers
        self._pinned = pinned
        self._why: list[str] = []
        self._merges: list[MergeCheck] = []
        self._proven: dict[str, Proven] = {}
        self._tip: str | None = None
        self._approvals: str | None = None
        self._line: tuple[str, ...] = ()
        self._added: dict[str, int] = {}
        self._root: str | None = None

    def report(self, ledger: Path | None, since: Earlier) -> VerifyReport:
        try:
            self._walk()
            self._passes(since)
        except HoldpointError as error:
            self._why.append(error.message)
        check = self._ledger(ledger, since.ledger) if ledger is not None else None
        if since.ledger is not None and ledger is None:
            self._why += self._not_among_heads(since.ledger)
        fine = not self._why and all(one.ok for one in self._merges) and (check is None or check.ok)
        return VerifyReport(
            ok=fine, ref=self._ref, tip=self._tip, approvals=self._approvals, root=self._root,
            merges=tuple(self._merges), ledger=check, why=tuple(dict.fromkeys(self._why)),
        )  # fmt: skip

    def _walk(self) -> None:
        trusted = read_signers(self._signers) if self._signers is not None else None
        if isinstance(trusted, str):
            self._why.append(trusted)
            trusted = None
        self._tip = self._repo.tip(self._ref)
        if self._tip is None:
            self._why.append(f"there is no branch {self._ref.removeprefix('refs/heads/')}")
            return
        self._append_only()
        shelf = sort_files(self._repo.read_branch(BRANCH))
        self._why += [f"{path} does not belong on {BRANCH}" for path in shelf.strays]
        chain = read_roots(self._repo, shelf.roots, self._ref)
        self._why += chain.faults
        if not chain.roots:
            self._why.append("there is no signed root to start from")
            return
        self._trust(trusted, chain)
        self._commits(self._tip, shelf, chain)

    def _passes(self, since: Earlier) -> None:
        """Whether the branches only grew since an earlier verification."""
        for seen, now, name in ((since.tip, self._tip, self._ref), (since.approvals, self._approvals, BRANCH)):
            if seen is None:
                continue
            try:
                grew = now is not None and self._repo.is_ancestor(seen, now)
            except HoldpointError:
                grew = False  # the commit is not even there
            if not grew:
                self._why.append(f"{name} does not go on from {seen[:12]}, where it was seen before")

    def _not_among_heads(self, since: Head) -> Iterator[str]:
        """Without a ledger only the entries that somebody signed can be compared."""
        heads = {said.ledger.index: said.ledger for proven in self._proven.values() for said in proven.predicates}
        if since.index not in heads:
            yield f"no approval names ledger entry {since.index}, and there is no ledger to look for it"
        elif heads[since.index] != since:
            yield f"ledger entry {since.index} is not the one seen before: the history was rewritten"

    def _trust(self, trusted: Signers | None, chain: RootChain) -> None:
        self._root = chain.roots[0].statement.commit
        if trusted is not None:
            fault = anchored(trusted, chain)
            if fault:
                self._why.append(fault)
        if self._pinned is not None and self._pinned not in {root.statement.commit for root in chain.roots}:
            self._why.append(f"the pinned root {self._pinned[:12]} is not among the signed roots")

    def _append_only(self) -> None:
        """Whether the approvals branch only ever grew: a file changed or removed by a later commit is tampering."""
        at = self._approvals = self._repo.tip(BRANCH)
        line: list[str] = []
        while at is not None:
            line.append(at)
            parents = self._repo.parents(at)
            if len(parents) > 1:
                self._why.append(f"{BRANCH} has a merge at {at[:12]}; it may only be added to")
            for parent in parents[:1]:
                for path in self._repo.lost_paths(parent, at):
                    self._why.append(f"{path} was changed or removed on {BRANCH} by {at[:12]}")
            at = parents[0] if parents else None
        self._line = tuple(reversed(line))

    def _published(self, path: str) -> int:
        """Which commit of the approvals branch added a file, counted from its first."""
        if not self._added:
            before: str | None = None
            for number, commit in enumerate(self._line):
                there = self._repo.files(commit)
                known = self._repo.files(before) if before else {}
                self._added |= {name: number for name in there if name not in known}
                before = commit
        return self._added.get(path, -1)

    def _commits(self, tip: str, shelf: Shelf, chain: RootChain) -> None:
        first = chain.roots[0].statement
        line = self._repo.first_parents(tip, first.commit)
        if line is None:
            self._why.append(f"the root {first.commit[:12]} is not on the first-parent line of {self._ref}")
            return
        self._repo.manifest(first.commit)  # every object of the root is read, and so proven
        roots = {root.statement.commit: root.statement for root in chain.roots}
        for missing in sorted(set(roots) - {first.commit, *line}):
            self._why.append(f"the root {missing[:12]} is not on the first-parent line of {self._ref}")
        in_force, after = first, 0
        for commit in reversed(line):
            place = Place(commit, self._ref, chain.repository, in_force, commit in roots, after)
            self._merges.append(self._commit(place, shelf))
            in_force = roots.get(commit, in_force)
            if commit in self._proven:
                after = max(said.ledger.index for said in self._proven[commit].predicates)
        for merge in sorted(set(shelf.merges) - set(line)):
            self._why.append(f"the approved merge {merge[:12]} is not on {self._ref}")
        for commit in sorted(set(shelf.bypasses) - set(line)):
            self._why.append(f"the declared bypass {commit[:12]} is not on {self._ref}")

    def _commit(self, place: Place, shelf: Shelf) -> MergeCheck:
        try:
            found = self._judged(place, shelf)
        except HoldpointError as error:
            found = error.message
        match found:
            case str():
                return MergeCheck(merge=place.commit, ok=False, why=found)
            case Bypass(reason=reason, signers=signers):
                why = f"DECLARED BYPASS by {', '.join(signers)}, not approved: {reason}"
                return MergeCheck(merge=place.commit, ok=True, why=why, bypass=True)
            case MergeCheck():
                return found
            case _:
                assert_never(found)

    def _judged(self, place: Place, shelf: Shelf) -> MergeCheck | Bypass | str:
        files = shelf.merges.get(place.commit)
        if files is None and place.is_root:
            return self._root_fault(place.commit) or MergeCheck(merge=place.commit, ok=True, why="a signed root")
        if files is None:
            declared = shelf.bypasses.get(place.commit)
            if declared is None:
                return f"no approval of it is on {BRANCH}"
            return proven_bypass(self._repo, place.commit, self._ref, place.repository, place.root, declared)
        proven = prove_merge(self._repo, place, files)
        if isinstance(proven, str):
            return proven
        taken_back = self._revoked(place, proven, shelf.revocations.get(place.commit, {}))
        if taken_back.void:
            return taken_back.void
        self._proven[place.commit] = proven
        return MergeCheck(merge=place.commit, ok=True, why=f"approved{taken_back.late}", proposal=proven.proposal)

    def _revoked(self, place: Place, proven: Proven, files: Mapping[str, bytes]) -> "_TakenBack":
        """What revocations mean for a landed merge; one that came after it changes nothing."""
        if not files:
            return _TakenBack()
        revoked = revoked_approvals(files, place.commit, place.repository, place.root.reviewers)
        if isinstance(revoked, str):
            return _TakenBack(void=revoked)
        late = ""
        for said, statement in zip(proven.predicates, proven.statements, strict=True):
            if statement not in revoked:
                continue
            taken = self._published(f"revocations/{place.commit}/{revoked[statement]}")
            landed = self._published(f"merges/{place.commit}/statement-{said.reviewer}.json")
            if taken <= landed:
                return _TakenBack(void=f"{said.reviewer} revoked that approval before it landed")
            late = (
                f"; {said.reviewer} revoked it after it had landed, which changes nothing: a revert is a new proposal"
            )
        return _TakenBack(late=late)

    def _root_fault(self, commit: str) -> str:
        parents = self._repo.parents(commit)
        if len(parents) != 1 or set(self._repo.changed_paths(parents[0], commit)) != {CONFIG_NAME}:
            return f"it is a signed root, and changes more than {CONFIG_NAME}"
        config_at(self._repo, commit)
        self._repo.manifest(commit)
        return ""

    # -- the ledger

    def _ledger(self, path: Path, since: Head | None) -> LedgerCheck:
        check = check_ledger(path, since)
        if not check.ok:
            return check
        try:
            on_ref = {one.merge for one in self._merges}
            with Ledger.open(path, read_only=True) as opened:
                faults = tuple(contradictions(opened, self._ref, self._proven, on_ref))
        except HoldpointError as error:
            faults = (error.message,)
        return check.model_copy(update={"ok": not faults, "why": "; ".join(faults)})
