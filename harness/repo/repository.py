"""The target repository as the harness sees it: records in and out, every change by compare-and-swap."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import EnvironmentFault, RefusedError, UsageError
from harness.repo import trees
from harness.repo.door import fault
from harness.repo.history import History
from harness.repo.landing import (
    Dirty,
    Moved,
    Stale,
    checked_out,
    landing_lock,
    move_branch,
    refuse_symbolic,
    repair_branch,
)
from harness.repo.names import ZERO, branch_ref, checked_id
from harness.repo.objects import Fresh
from harness.repo.places import locate, make_repository
from harness.text import visible, visible_line


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge commit and its tree, in the target's object store, named by no ref."""

    commit: str
    tree: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """The two sides change the same lines of these paths."""

    paths: tuple[str, ...]


class Repo(History):
    """One git repository; what is written to it runs no filter, hook or driver that it names."""

    @classmethod
    def find(cls, path: Path) -> "Repo":
        """The repository that holds the path, looked for upwards; UsageError when there is none."""
        return cls(locate(path, search=True))

    @classmethod
    def open_bare(cls, path: Path) -> "Repo":
        """The repository at exactly this path, bare or not; nothing is written to it."""
        return cls(locate(path, search=False))

    @classmethod
    def init(cls, path: Path, *, branch: str = "main", bare: bool = False) -> "Repo":
        """A new, empty repository at the path (made if missing)."""
        branch_ref(branch)
        make_repository(path, branch, bare=bare)
        return cls(locate(path, search=False))

    @classmethod
    def clone(cls, source: Path, dest: Path, *, bare: bool = False) -> "Repo":
        """A copy of a local repository with its branches and tags; over git's own transport, no links into it."""
        if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
            raise UsageError(f"{dest} exists and is not empty.", "name another folder")
        origin = cls(locate(source, search=False))
        head = origin.head_branch()
        made = cls.init(dest, branch=head or "main", bare=bare)
        args = (
            "fetch", "-q", "--update-head-ok", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-gc",
            "--end-of-options", str(origin.git_dir), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*",
        )  # fmt: skip
        made._receive(args, head)  # noqa: SLF001 - of our own class
        return made

    def _receive(self, fetch: tuple[str, ...], head: str | None) -> None:
        ran = self._refs.run(*fetch, env={"GIT_ALLOW_PROTOCOL": "file"})
        if ran.status != 0:
            raise fault(fetch, ran)
        tip = self.tip(head) if head else None
        if head is None or tip is None:
            return
        with landing_lock(self.common_dir) as held:
            for tree in checked_out(self._refs, self.common_dir, branch_ref(head)):
                objection = tree.move(None, tip, held)
                if objection:
                    raise EnvironmentFault(
                        f"{tree.root} could not be filled: {objection}", "check the disk's free space"
                    )

    def dirty(self) -> tuple[str, ...]:
        """Tracked paths whose staged or checked-out content differs from HEAD; none in a bare repository."""
        if self.root is None:
            return ()
        branch = self.head_branch()
        here = [
            tree
            for tree in (checked_out(self._refs, self.common_dir, f"refs/heads/{branch}") if branch else ())
            if tree.git_dir.resolve() == self.git_dir.resolve()
        ]
        return here[0].changes(self.tip(branch)) if here and branch else ()

    def commit_edits(
        self,
        base: str | None,
        edits: Mapping[str, bytes | None],
        *,
        message: str,
        author: str,
        branch: str | None,
        at: datetime,
    ) -> tuple[str, str]:
        """(commit, tree) of a base with files written (bytes) or removed (None); same inputs, same ids.

        With `branch`, creates it there; UsageError if it exists elsewhere, or for a path git may not hold.
        """
        ref = branch_ref(branch) if branch is not None else None
        tree, fresh = trees.edited(self._objects, self.tree_of(base) if base else None, edits)
        commit = _commit_object(tree, (base,) if base else (), author, at, message)
        self._objects.write([*fresh, commit])
        if ref is not None:
            self._create(ref, commit.oid)
        return commit.oid, tree

    def _create(self, ref: str, commit: str) -> None:
        ran = self._refs.run(
            "update-ref", "--create-reflog", "-m", "holdpoint: proposal", "--no-deref", ref, commit, ZERO
        )
        if ran.status != 0 and self.tip(ref) != commit:
            raise UsageError(
                f"{ref} cannot be created: {visible_line(ran.err.strip(), 200)}",
                "delete or rename the branch in the way (git branch -m)",
            )

    def merge(self, tip: str, proposal: str, *, message: str, at: datetime) -> Merged | Conflict:
        """The merge commit of two commits, made without merge driver or attribute; no ref names it yet."""
        args = (
            "merge-tree",
            "--write-tree",
            "-z",
            "--name-only",
            "--no-messages",
            checked_id(tip),
            checked_id(proposal),
        )
        ran = self._objects.door.run(*args)
        if ran.status == 1:
            paths = ran.out.split(b"\0")[1:]
            return Conflict(tuple(trees.text_path(path) for path in paths if path))
        if ran.status != 0:
            if "unrelated histories" in ran.err:
                raise UsageError("The proposal and the protected branch share no history.", "propose it again")
            raise fault(args, ran)
        tree = checked_id(ran.out.rstrip(b"\0\n").decode("ascii", "replace"))
        commit = _commit_object(tree, (tip, proposal), "holdpoint", at, message)
        self._objects.write([commit])
        return Merged(commit.oid, tree)

    def land(self, ref: str, new: str, old: str | None, *, reason: str = "holdpoint: land") -> Moved | Stale | Dirty:
        """Moves a branch from `old` (None: it does not exist yet) to `new`, its work trees with it."""
        name = branch_ref(ref)
        self.tree_of(new)
        refuse_symbolic(self._refs, name)
        tip = self.tip(name)
        if tip != old:
            return Stale(name, tip)
        return move_branch(self._refs, self.common_dir, name, checked_id(new), old, reason)

    def repair(self, ref: str, new: str, old: str) -> tuple[str, ...]:
        """After a crash inside `land` that left the branch at `old`: work trees go back; names those left."""
        name = branch_ref(ref)
        return repair_branch(self._refs, self.common_dir, name, old, new) if self.tip(name) == old else ()

    def append_branch(self, branch: str, files: Mapping[str, bytes], message: str, at: datetime) -> str:
        """Adds files to a branch in one commit; RefusedError when one that is there would change."""
        for _ in range(5):
            tip = self.tip(branch)
            new = dict(files)
            for path in files:
                there = self.read(tip, path) if tip else None
                if there == files[path]:
                    del new[path]
                elif there is not None:
                    raise RefusedError(f"{path!r} on {branch} exists with other content and is never rewritten.")
            if tip is not None and not new:
                return tip
            commit, _ = self.commit_edits(tip, new, message=message, author="holdpoint", branch=None, at=at)
            match self.land(branch, commit, tip, reason="holdpoint: append"):
                case Moved():
                    return commit
                case Stale():
                    continue
                case Dirty(work_tree=where):
                    raise RefusedError(f"{branch} is checked out with changes in {where}.", f"git -C {where} status")
        raise EnvironmentFault(f"{branch} kept moving while it was being added to.", "try again")

    def read_branch(self, branch: str, patterns: tuple[str, ...] = ("**",)) -> dict[str, bytes]:
        """The plain files on a branch that the patterns name; empty when it does not exist."""
        tip = self.tip(branch)
        return self.read_matching(tip, patterns) if tip else {}


def _commit_object(tree: str, parents: tuple[str, ...], author: str, at: datetime, message: str) -> Fresh:
    stamp = f"{int(at.astimezone(UTC).timestamp())} +0000"
    name = " ".join(re.sub(r"[<>\x00-\x1f\x7f]", " ", visible(author)).split()) or "unknown"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [
        f"author {name} <{_mail(name)}> {stamp}",
        f"committer holdpoint <holdpoint@localhost> {stamp}",
        "",
    ]
    text = visible(message).strip("\n")
    return Fresh("commit", "\n".join([*lines, text, ""]).encode())


def _mail(name: str) -> str:
    return (re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "unknown") + "@localhost"
