"""What a repository holds: commits, trees, files and differences, each object proven on reading; changes nothing."""

import os
import re
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.errors import IntegrityError, UsageError
from harness.repo import trees
from harness.repo.door import Door, fault
from harness.repo.names import branch_ref, checked_id, is_id, matches
from harness.repo.objects import DIRECTORY, GITLINK, LINK, Objects
from harness.repo.places import Place, make_scratch
from harness.repo.trees import TreeEntry
from harness.scratch import Scratch
from harness.text import visible_line

_DIFF = (
    "--text",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--no-color",
    "--full-index",
    "--no-indent-heuristic",
)
_STAMP = re.compile(r"(\d{1,12}) [+-]\d{4}$")


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit object says; author and time are claims of whoever made it."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: str
    at: datetime
    message: str


class History:
    """One git repository, read free of its configuration, attributes and hooks."""

    def __init__(self, place: Place) -> None:
        self.root = place.root
        self.git_dir = place.git_dir
        self.common_dir = place.common_dir
        scratch, temporary = make_scratch(place.common_dir)
        store = place.common_dir / "objects"
        shallow = place.common_dir / "shallow"
        self._objects = Objects(Door(scratch, store, shallow=shallow, config=place.sharing))
        self._refs = Door(
            place.git_dir, store, work_tree=place.root, common_dir=place.common_dir, shallow=shallow,
            config=place.sharing,
        )  # fmt: skip
        self._files: dict[str, dict[str, TreeEntry]] = {}
        # Held processes and the scratch folder go with the object, also when nobody closes it.
        weakref.finalize(self, _let_go, self._objects.door, self._refs, temporary)

    def close(self) -> None:
        """Ends the held git processes."""
        self._objects.door.close()
        self._refs.close()

    def resolve(self, rev: str) -> str:
        """The commit that a branch, an id or another revision names; a branch wins over a tag."""
        if not is_id(rev):
            tip = self._tip_or_none(rev)
            if tip is not None:
                return tip
        ran = self._refs.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
        found = ran.out.decode("ascii", "replace").strip()
        if ran.status != 0 or not is_id(found):
            raise UsageError(f"{visible_line(rev, 80)!r} names no commit in {self.common_dir}.", "git log --all")
        return found

    def _tip_or_none(self, rev: str) -> str | None:
        try:
            return self.tip(rev)
        except UsageError:
            return None

    def tip(self, branch: str) -> str | None:
        """The commit of exactly this branch, None when there is no such branch."""
        ref = branch_ref(branch)
        ran = self._refs.run("show-ref", "--verify", "--hash", "--end-of-options", ref)
        found = ran.out.decode("ascii", "replace").strip()
        return found if ran.status == 0 and is_id(found) else None

    def branch_exists(self, branch: str) -> bool:
        """Whether the branch exists."""
        return self.tip(branch) is not None

    def branches(self, prefix: str = "") -> dict[str, str]:
        """Short name → commit of every branch whose name begins with the prefix (whole parts of it)."""
        raw = self._refs.ok("for-each-ref", "--format=%(objectname) %(refname)", f"refs/heads/{prefix}".rstrip("/"))
        rows = (line.split(" ", 1) for line in raw.decode("utf-8", "surrogateescape").splitlines())
        return {name.removeprefix("refs/heads/"): oid for oid, name in rows}

    def head_branch(self) -> str | None:
        """The branch that HEAD names, None when it is detached."""
        ran = self._refs.run("symbolic-ref", "-q", "HEAD")
        name = ran.out.decode("utf-8", "surrogateescape").strip()
        return name.removeprefix("refs/heads/") if ran.status == 0 and name.startswith("refs/heads/") else None

    def current_branch(self) -> str:
        """The branch that HEAD names; UsageError when HEAD names a commit instead."""
        name = self.head_branch()
        if name is None:
            raise UsageError("No branch is checked out here (HEAD is detached).", "git switch main")
        return name

    def commit(self, oid: str) -> Commit:
        """A commit object, its bytes proven against its id."""
        return _parse_commit(oid, self._objects.get(checked_id(oid), "commit"))

    def tree_of(self, commit: str) -> str:
        """The tree of a commit."""
        return self.commit(commit).tree

    def parents(self, commit: str) -> tuple[str, ...]:
        """The parents of a commit, first parent first."""
        return self.commit(commit).parents

    def first_parents(self, tip: str, stop: str) -> tuple[str, ...] | None:
        """Commits from `tip` back along first parents, without `stop`; None when `stop` is never met."""
        found: list[str] = []
        at = tip
        while at != stop:
            found.append(at)
            parents = self.commit(at).parents
            if not parents:
                return None
            at = parents[0]
        return tuple(found)

    def files(self, tree_ish: str) -> Mapping[str, TreeEntry]:
        """Every file of a commit or tree by path (links and submodules too, told apart by mode)."""
        tree = self._tree(tree_ish)
        known = self._files.get(tree)
        if known is None:
            known = {
                (path := trees.text_path(raw)): TreeEntry(item.mode.decode(), item.oid, path, self._size(item.oid))
                for raw, item in self._objects.walk(tree)
            }
            for old in tuple(self._files)[: max(0, len(self._files) - 7)]:
                self._files.pop(old, None)
            self._files[tree] = known
        return known

    def _size(self, oid: str) -> int:
        return self._objects.door.object_size(oid) or 0

    def _tree(self, tree_ish: str) -> str:
        found = self._objects.door.read_object(checked_id(tree_ish))
        return self.tree_of(tree_ish) if found is not None and found[0] == "commit" else tree_ish

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's bytes at a commit or tree; None when there is no plain file there (a link is not one)."""
        item = self._objects.find(self._tree(commit), os.fsencode(path))
        if item is None or item.mode in (DIRECTORY, LINK, GITLINK):
            return None
        return self._objects.get(item.oid, "blob")

    def read_matching(self, commit: str, patterns: tuple[str, ...]) -> dict[str, bytes]:
        """The plain files that the patterns name (exact path, directory, or glob with `*` and `**`)."""
        chosen = (
            (trees.text_path(path), item)
            for path, item in self._objects.walk(self._tree(commit))
            if item.mode not in (LINK, GITLINK)
        )
        return {path: self._objects.get(item.oid, "blob") for path, item in chosen if matches(path, patterns)}

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether the first commit is the second or one of its ancestors."""
        args = ("merge-base", "--is-ancestor", checked_id(ancestor), checked_id(descendant))
        ran = self._objects.door.run(*args)
        if ran.status not in (0, 1):
            raise fault(args, ran)
        return ran.status == 0

    def merge_base(self, a: str, b: str) -> str | None:
        """The best common ancestor of two commits, None when they share no history."""
        args = ("merge-base", "--end-of-options", checked_id(a), checked_id(b))
        ran = self._objects.door.run(*args)
        if ran.status not in (0, 1):
            raise fault(args, ran)
        found = ran.out.decode("ascii", "replace").strip()
        return found if is_id(found) else None

    def changed_paths(self, a: str, b: str) -> tuple[str, ...]:
        """Paths whose content, mode or kind differs between two commits or trees."""
        raw = self._objects.door.ok(
            "diff-tree",
            "-r",
            "-z",
            "--name-only",
            "--no-renames",
            "--end-of-options",
            checked_id(a),
            checked_id(b),
        )
        return tuple(trees.text_path(path) for path in raw.split(b"\0") if path)

    def lost_paths(self, old: str, new: str) -> tuple[str, ...]:
        """Paths of the old commit or tree that the new one lacks or has otherwise (added ones do not count)."""
        return tuple(map(trees.text_path, trees.lost(self._objects, self._tree(old), self._tree(new))))

    def diff(self, a: str, b: str) -> bytes:
        """The unified difference of two commits or trees; nothing in the target can hide a line of it."""
        return self._objects.door.ok("diff-tree", "-r", "-p", *_DIFF, "--end-of-options", checked_id(a), checked_id(b))

    def manifest(self, tree: str) -> bytes:
        """`MODE SHA256 PATH NUL` rows of a tree, sorted by path; every object is read and hashed again."""
        return trees.manifest(self._objects, self._tree(tree))

    def manifest_digest(self, tree: str) -> str:
        """`sha256:` digest of the manifest."""
        return trees.manifest_digest(self._objects, self._tree(tree))

    def forget(self) -> None:
        """Drops what was read before, so that a verification reads the disk as it is now."""
        self._files.clear()
        self._objects.forget()


def _let_go(objects: Door, refs: Door, temporary: Scratch | None) -> None:
    objects.close()
    refs.close()
    if temporary is not None:
        temporary.close()


def _parse_commit(oid: str, data: bytes) -> Commit:
    head, _, message = data.partition(b"\n\n")
    tree, parents, author, at = "", [], "", 0
    for line in head.split(b"\n"):
        key, _, value = line.decode("utf-8", "replace").partition(" ")
        if key == "tree" and not tree:
            tree = value
        elif key == "parent":
            parents.append(value)
        elif key == "author" and not author:
            author = value.rpartition(" <")[0]
        elif key == "committer":
            stamp = _STAMP.search(value)
            at = int(stamp[1]) if stamp else 0
    if not is_id(tree) or not all(map(is_id, parents)):
        raise IntegrityError(f"The commit {oid} is malformed.", "git fsck --full")
    when = datetime.fromtimestamp(min(at, 253402300799), UTC)
    return Commit(oid, tree, tuple(parents), author, when, message.decode("utf-8", "backslashreplace"))
