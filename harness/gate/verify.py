"""Proves, for anyone and offline, that every merge on a protected ref was approved; needs git, ssh-keygen and trust.

Trust comes from a signers file or a pinned root commit, never from the repository itself. Damage of any kind is an
answer in words, not an exception.
"""

from collections.abc import Iterator
from pathlib import Path

from harness.errors import HoldpointError, UsageError
from harness.gate.approvals import BRANCH, Shelf, sort_files
from harness.gate.proof import Place, Proven, prove_merge
from harness.gate.root import RootChain, config_at, read_roots
from harness.gate.signers import Signers, anchored, read_signers
from harness.gate.signing import ready
from harness.ledger import Head, Ledger, LedgerCheck, check_ledger
from harness.ledger.events import DecisionMade, MergeLanded
from harness.records import Record
from harness.repo import Repo, branch_ref, is_id
from harness.target import CONFIG_NAME


class MergeCheck(Record):
    """One commit of the protected ref's first-parent line after the first root."""

    merge: str
    ok: bool
    why: str
    proposal: str | None = None


class VerifyReport(Record):
    """What verification found; `why` is what concerns no single merge."""

    ok: bool
    ref: str
    tip: str | None
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
    since: Head | None = None,
) -> VerifyReport:
    """Checks approvals, trees, roots, and the ledger where there is one; UsageError without any source of trust."""
    if signers is None and pinned_root is None:
        raise UsageError("Nothing says whom to trust.", "add --signers FILE, or --root COMMIT")
    if pinned_root is not None and not is_id(pinned_root):
        raise UsageError("A pinned root is a full commit id.", "give all 40 hex digits")
    ready()
    repo = where if isinstance(where, Repo) else Repo.open_bare(where)
    repo.forget()
    return _Verification(repo, branch_ref(ref), signers, pinned_root).report(ledger, since)


def recorded_root(ledger: Path) -> str | None:
    """The first root that a ledger recorded: what this machine may pin; None when it recorded none."""
    with Ledger.open(ledger, read_only=True) as opened:
        roots = opened.state.roots
        return roots[0].commit if roots else None


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
        self._root: str | None = None

    def report(self, ledger: Path | None, since: Head | None) -> VerifyReport:
        try:
            self._walk()
        except HoldpointError as error:
            self._why.append(error.message)
        check = self._ledger(ledger, since) if ledger is not None else None
        if since is not None and ledger is None:
            self._why.append("an earlier ledger head was given, and there is no ledger to look for it")
        fine = not self._why and all(one.ok for one in self._merges) and (check is None or check.ok)
        return VerifyReport(
            ok=fine, ref=self._ref, tip=self._tip, root=self._root, merges=tuple(self._merges), ledger=check,
            why=tuple(dict.fromkeys(self._why)),
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
        at = self._repo.tip(BRANCH)
        while at is not None:
            parents = self._repo.parents(at)
            if len(parents) > 1:
                self._why.append(f"{BRANCH} has a merge at {at[:12]}; it may only be added to")
            for parent in parents[:1]:
                for path in self._repo.lost_paths(parent, at):
                    self._why.append(f"{path} was changed or removed on {BRANCH} by {at[:12]}")
            at = parents[0] if parents else None

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
        in_force = first
        for commit in reversed(line):
            place = Place(commit, self._ref, chain.repository, in_force, commit in roots)
            self._merges.append(self._commit(place, shelf))
            in_force = roots.get(commit, in_force)
        for merge in sorted(set(shelf.merges) - set(line)):
            self._why.append(f"the approved merge {merge[:12]} is not on {self._ref}")

    def _commit(self, place: Place, shelf: Shelf) -> MergeCheck:
        files = shelf.merges.get(place.commit)
        try:
            if files is not None:
                proven = prove_merge(self._repo, place, files)
            elif place.is_root:
                proven = self._root_fault(place.commit) or Proven("", (), ())
            else:
                proven = "no approval of it is on holdpoint/approvals"
        except HoldpointError as error:
            proven = error.message
        if isinstance(proven, str):
            return MergeCheck(merge=place.commit, ok=False, why=proven)
        if files is not None:
            self._proven[place.commit] = proven
        why = "approved" if files is not None else "a signed root"
        return MergeCheck(merge=place.commit, ok=True, why=why, proposal=proven.proposal or None)

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
            faults = tuple(self._contradictions(path))
        except HoldpointError as error:
            faults = (error.message,)
        return check.model_copy(update={"ok": not faults, "why": "; ".join(faults)})

    def _contradictions(self, path: Path) -> Iterator[str]:
        """Where ledger and repository tell different stories about what landed and who decided."""
        with Ledger.open(path, read_only=True) as opened:
            landed: dict[str, MergeLanded] = {}
            decided: set[str] = set()
            for entry in opened.entries():
                if isinstance(entry.event, MergeLanded) and entry.event.ref == self._ref:
                    landed[entry.event.new] = entry.event
                if isinstance(entry.event, DecisionMade) and entry.event.decision.decision == "approve":
                    decided.add(entry.event.decision.statement or "")
            for merge, proven in self._proven.items():
                yield from self._merge_contradictions(opened, merge, proven, landed, decided)
        on_ref = {one.merge for one in self._merges}
        for merge in landed:
            if merge not in on_ref:
                yield f"the ledger says that {merge[:12]} landed, and it is not on {self._ref}"

    def _merge_contradictions(
        self, opened: Ledger, merge: str, proven: Proven, landed: dict[str, MergeLanded], decided: set[str]
    ) -> Iterator[str]:
        event = landed.get(merge)
        if event is None:
            yield f"the ledger does not know that {merge[:12]} landed (holdpoint merge completes what was interrupted)"
        elif set(event.statements) != set(proven.statements):
            yield f"the ledger has other approvals for {merge[:12]} than {BRANCH}"
        if not set(proven.statements) <= decided:
            yield f"the ledger does not have every decision behind {merge[:12]}"
        for said in proven.predicates:
            if not opened.contains(said.ledger):
                yield f"the ledger does not pass through entry {said.ledger.index}, which {said.reviewer} signed"
