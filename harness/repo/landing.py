"""Moves a branch by compare-and-swap, and with it every work tree that has it checked out; never one alone.

A work tree must be clean, index and files by content (no stat cache, assume-unchanged or skip-worktree bit is
believed). Filters that the target defines are switched off, so no program of its configuration runs; a file
that needs one therefore counts as a local change, and landing is refused rather than done half.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import EnvironmentFault, UsageError
from harness.repo.door import Door, Talk, fault
from harness.repo.names import ZERO, is_id
from harness.scratch import Scratch
from harness.text import visible_line

_UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG")
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@dataclass(frozen=True, slots=True)
class Moved:
    """The branch names the new commit, and so do the work trees that have it checked out."""

    ref: str
    new: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The branch is not where it was expected; nothing moved. `actual` is None when it does not exist."""

    ref: str
    actual: str | None


@dataclass(frozen=True, slots=True)
class Dirty:
    """A work tree that has the branch checked out holds something else; nothing moved."""

    ref: str
    work_tree: str
    paths: tuple[str, ...]


class WorkTree:
    """One work tree, main or linked, and the door to its index and files."""

    def __init__(self, root: Path, git_dir: Path, common_dir: Path, neutral: dict[str, str]) -> None:
        self.root = root
        self.git_dir = git_dir
        self.door = Door(
            git_dir, common_dir / "objects", work_tree=root, common_dir=common_dir,
            shallow=common_dir / "shallow", config=neutral,
        )  # fmt: skip

    def changes(self, commit: str | None) -> tuple[str, ...]:
        """Tracked paths unlike the commit, in index or files; unfinished merges and rebases too."""
        against = commit or EMPTY_TREE
        found = {name for name in _UNFINISHED if (self.git_dir / name).exists()}
        found |= set(_paths(self.door.ok("diff-index", "--cached", "--name-only", "-z", "--no-ext-diff", against)))
        if commit is not None:
            found |= set(self._file_changes(commit))
        return tuple(sorted(found))

    def _file_changes(self, commit: str) -> tuple[str, ...]:
        # An index made this moment knows no times and no flags, so git compares every file by content.
        with Scratch(self.git_dir) as folder:
            own = {"GIT_INDEX_FILE": str(folder.path / "index")}
            self.door.ok("read-tree", commit, env=own)
            self.door.run("update-index", "-q", "--refresh", env=own)
            return _paths(self.door.ok("diff-files", "--name-only", "-z", "--ignore-submodules=all", env=own))

    def move(self, old: str | None, new: str, held: int) -> str:
        """Brings index and files from one commit to another; returns git's objection, empty when done."""
        # Contents were compared already; the times in the index (of a copied or touched tree) must not object.
        self.door.run("update-index", "-q", "--refresh", held=held)
        ran = self.door.run("read-tree", "-m", "-u", old or EMPTY_TREE, new, held=held)
        if ran.status == 0:
            return ""
        return visible_line(ran.err.strip() or f"exit {ran.status}", 300)

    def repair(self, old: str, new: str, held: int) -> bool:
        """After a crash inside `move`: back to `old`, touching only files that are the new commit's."""
        self._unlock()
        in_old, in_new = (self._tracked(commit) for commit in (old, new))
        left = {path for path in in_new - in_old if os.path.lexists(self.root / path)}
        odd = set(self.changes(old))
        if not odd and not left:
            return True
        if not self.changes(new):
            return not self.move(new, old, held)
        # Stopped while files were written: the index is still old, some files are new already.
        raw = self.door.ok("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
        if not odd <= set(_paths(raw)):
            return False
        return self._restore(old, new, odd | left)

    def _restore(self, old: str, new: str, odd: set[str]) -> bool:
        with Scratch(self.git_dir) as folder:
            own = {"GIT_INDEX_FILE": str(folder.path / "index")}
            self.door.ok("read-tree", new, env=own)
            self.door.run("update-index", "-q", "--refresh", env=own)
            unlike_new = set(_paths(self.door.ok("diff-files", "--name-only", "-z", env=own)))
        in_old, in_new = (self._tracked(commit) for commit in (old, new))
        for path in odd:
            if os.path.lexists(self.root / path) and (path in unlike_new or path not in in_new):
                return False  # neither the old nor the new content: a person's work, left alone
        for path in odd - in_old:
            (self.root / path).unlink(missing_ok=True)
        self.door.ok("read-tree", "--reset", old)
        back = [os.fsencode(path) for path in sorted(odd & in_old)]
        if back:
            self.door.ok("checkout-index", "-f", "-z", "--stdin", stdin=b"\0".join(back) + b"\0")
        return not self.changes(old)

    def _tracked(self, commit: str) -> set[str]:
        return set(_paths(self.door.ok("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)))

    def _unlock(self) -> None:
        """Removes the index lock of a git process that was killed: one that no living process holds open."""
        lock = self.git_dir / "index.lock"
        for _ in range(20):
            if not lock.exists():
                return
            time.sleep(0.05)
        if _held_open(lock):
            raise EnvironmentFault(f"Another git process holds {lock}.", "wait for it to end, then try again")
        lock.unlink(missing_ok=True)


def _held_open(path: Path) -> bool:
    target = str(path.resolve())
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(link.readlink()) == target:
                return True
    return False


def _paths(raw: bytes) -> tuple[str, ...]:
    return tuple(os.fsdecode(path) for path in raw.split(b"\0") if path)


def neutral_filters(door: Door) -> dict[str, str]:
    """Configuration under which every filter that the target's configuration defines does nothing."""
    ran = door.run("config", "--list", "--name-only", "-z", "--includes")
    out: dict[str, str] = {}
    for key in _paths(ran.out):
        section, _, rest = key.partition(".")
        if section == "filter" and "." in rest:
            name = rest.rpartition(".")[0]
            out |= {f"filter.{name}.{part}": "" for part in ("clean", "smudge", "process")}
            out[f"filter.{name}.required"] = "false"
    return out


def checked_out(door: Door, common_dir: Path, ref: str) -> tuple[WorkTree, ...]:
    """The work trees whose HEAD is this branch; EnvironmentFault when one of them cannot be reached."""
    found = []
    neutral: dict[str, str] | None = None
    for number, block in enumerate(_blocks(door.ok("worktree", "list", "--porcelain", "-z"))):
        if block.get("branch") != ref or "bare" in block or "prunable" in block:
            continue
        root = Path(block["worktree"])
        git_dir = common_dir if number == 0 else _linked_git_dir(root, common_dir)
        if git_dir is None or not root.is_dir():
            raise EnvironmentFault(
                f"{ref} is checked out in {visible_line(str(root))}, which cannot be reached.",
                "git worktree prune, or make the folder reachable",
            )
        neutral = neutral_filters(door) if neutral is None else neutral
        found.append(WorkTree(root, git_dir, common_dir, neutral))
    return tuple(found)


def _blocks(raw: bytes) -> Iterator[dict[str, str]]:
    for block in raw.split(b"\0\0"):
        lines = [os.fsdecode(line) for line in block.split(b"\0") if line]
        if lines:
            yield {key: value for key, _, value in (line.partition(" ") for line in lines)}


def _linked_git_dir(root: Path, common_dir: Path) -> Path | None:
    """The git directory of a linked work tree, believed only when it belongs to this repository."""
    try:
        text = (root / ".git").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    git_dir = (root / text.removeprefix("gitdir: ").rstrip("\r\n")).resolve()
    return git_dir if git_dir.parent == (common_dir / "worktrees").resolve() else None


@contextmanager
def landing_lock(common_dir: Path) -> Iterator[int]:
    """Held while a branch moves, by us and by the git processes that move it: these may outlive a killed harness."""
    descriptor = os.open(common_dir / "holdpoint-landing.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int) -> None:
    for _ in range(400):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return
    raise EnvironmentFault("A branch of this repository is being moved by another process.", "wait, then try again")


@contextmanager
def _transaction(door: Door, ref: str, old: str, new: str, reason: str, held: int) -> Iterator["_Transaction"]:
    transaction = _Transaction(
        door.talk("update-ref", "--create-reflog", "-m", reason, "--stdin", held=held), ref, old, new
    )
    try:
        yield transaction
    finally:
        transaction.end()


class _Transaction:
    """The ref, locked and known to be at `old` before any file is touched; git aborts it if we die."""

    def __init__(self, talk: Talk, ref: str, old: str, new: str) -> None:
        self._talk = talk
        self.words = ""
        self._open = True
        self._talk.ask("start")
        self._talk.say("option no-deref")
        self._talk.say(f"update {ref} {new} {old}")
        self.prepared = self._talk.ask("prepare") == b"prepare: ok\n"

    def commit(self) -> bool:
        return self._talk.ask("commit") == b"commit: ok\n"

    def end(self) -> None:
        if self._open:
            self._open = False
            self.words = self._talk.end()


def move_branch(
    door: Door, common_dir: Path, ref: str, new: str, old: str | None, reason: str
) -> Moved | Stale | Dirty:
    """`ref`: old → new with its work trees, only if it is at `old` (None: absent)."""
    with landing_lock(common_dir) as held:
        tip = _tip(door, ref)
        if tip != old:
            return Stale(ref, tip)  # said before the work trees are looked at: they went with it
        trees = checked_out(door, common_dir, ref)
        for tree in trees:
            dirty = tree.changes(old)
            if dirty:
                return Dirty(ref, str(tree.root), dirty)
        with _transaction(door, ref, old or ZERO, new, reason, held) as transaction:
            if not transaction.prepared:
                transaction.end()
                if "but expected" in transaction.words or "already exists" in transaction.words:
                    return Stale(ref, _actual(transaction.words))
                raise EnvironmentFault(
                    f"git would not move {ref}: {visible_line(transaction.words.strip(), 300)}",
                    "if no git process runs, remove the stale .lock file it names",
                )
            return _move(trees, transaction, ref, old, new, held)


def _tip(door: Door, ref: str) -> str | None:
    ran = door.run("show-ref", "--verify", "--hash", "--end-of-options", ref)
    found = ran.out.decode("ascii", "replace").strip()
    return found if ran.status == 0 and is_id(found) else None


def _move(
    trees: tuple[WorkTree, ...], transaction: _Transaction, ref: str, old: str | None, new: str, held: int
) -> Moved | Dirty:
    """Files first, then the ref, whose lock is held already: a stop in between is seen and undone by `repair`."""
    moved: list[WorkTree] = []
    for tree in trees:
        objection = tree.move(old, new, held)
        if objection:
            _undo(moved, old, new, held)
            return Dirty(ref, str(tree.root), (objection,))
        moved.append(tree)
    if not transaction.commit():
        _undo(moved, old, new, held)
        transaction.end()
        raise EnvironmentFault(
            f"git could not write {ref}: {visible_line(transaction.words.strip(), 300)}",
            "check the disk's free space, then merge again",
        )
    return Moved(ref, new)


def _actual(words: str) -> str | None:
    _, _, rest = words.partition("is at ")
    return rest[:40] if len(rest) >= 40 else None


def _undo(trees: list[WorkTree], old: str | None, new: str, held: int) -> None:
    for tree in trees:
        ran = tree.door.run("read-tree", "-m", "-u", new, old or EMPTY_TREE, held=held)
        if ran.status != 0:
            raise fault(("read-tree",), ran)


def repair_branch(door: Door, common_dir: Path, ref: str, old: str, new: str) -> tuple[str, ...]:
    """After a crash: work trees of a branch still at `old` go back to it; returns those that could not."""
    with landing_lock(common_dir) as held:
        return tuple(str(tree.root) for tree in checked_out(door, common_dir, ref) if not tree.repair(old, new, held))


def refuse_symbolic(door: Door, ref: str) -> None:
    """UsageError when the branch is only another name for a second branch."""
    target = door.run("symbolic-ref", "-q", ref)
    if target.status == 0:
        named = visible_line(target.out.decode("utf-8", "backslashreplace").strip(), 120)
        raise UsageError(f"{ref} is a symbolic ref to {named}.", "protect the branch itself, not its other name")
