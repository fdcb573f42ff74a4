"""Targets that try to run code, or to show a reviewer something else, through git: each with its positive control."""

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.errors import IntegrityError, UsageError
from harness.repo import Merged, Moved, Repo

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BASE: dict[str, bytes | None] = {
    "src/a.py": b"one = 1\ntwo = 2\nthree = 3\n",
    "src/b.py": b"b = 1\n",
    ".gitattributes": b"*.py merge=evil filter=evil diff=evil ident\n",
}
HOOKS = (
    "reference-transaction",
    "post-index-change",
    "post-checkout",
    "pre-commit",
    "post-merge",
    "update",
    "post-rewrite",
)


def git(where: Path, *args: str, check: bool = True) -> str:
    base = {"HOME": str(where), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    name = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    ran = subprocess.run(["git", *args], cwd=where, env=base | name, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 or not check, ran.stderr
    return ran.stdout.strip()


def commit(repo: Repo, base: str | None, edits: dict[str, bytes | None], branch: str | None = None) -> str:
    return repo.commit_edits(base, edits, message="change", author="agent:x", branch=branch, at=AT)[0]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "target")
    first = commit(made, None, BASE)
    assert isinstance(made.land("main", first, None), Moved)
    return made


def root_of(repo: Repo) -> Path:
    assert repo.root is not None
    return repo.root


def tip_of(repo: Repo) -> str:
    tip = repo.tip("main")
    assert tip is not None
    return tip


@pytest.fixture
def trap(repo: Repo, tmp_path: Path) -> Callable[[], tuple[str, ...]]:
    """Every setting of the target that makes git run a program now writes its name; returns the names written."""
    log = tmp_path / "ran"
    log.mkdir()
    spring = tmp_path / "spring"
    spring.write_text(f'#!/bin/sh\ntouch "{log}/$1"\ncase "$1" in clean|smudge|textconv) cat ${{2:-}};; esac\nexit 0\n')
    spring.chmod(0o755)
    root = root_of(repo)
    for key in (
        "merge.evil.driver", "filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "diff.evil.command",
        "diff.external", "core.fsmonitor", "core.sshCommand", "core.pager",
        "core.editor", "core.askPass", "credential.helper", "core.gitProxy", "core.alternateRefsCommand",
        "uploadpack.packObjectsHook", "remote.origin.uploadpack", "remote.origin.receivepack",
    ):  # fmt: skip
        git(root, "config", key, f"{spring} {key.rpartition('.')[2]}")
    alone = tmp_path / "program"  # these two are started without a shell, so without arguments of ours
    alone.write_text(f"#!/bin/sh\nexec {spring} program\n")
    alone.chmod(0o755)
    for key in ("gpg.program", "gpg.ssh.program"):
        git(root, "config", key, str(alone))
    git(root, "config", "commit.gpgSign", "true")
    git(root, "config", "filter.evil.required", "true")
    git(root, "config", "remote.origin.url", f"ext::{spring} ext")
    git(root, "config", "protocol.ext.allow", "always")
    hooks = root / ".git" / "evil-hooks"
    for folder in (hooks, root / ".git" / "hooks"):
        folder.mkdir(exist_ok=True)
        for hook in HOOKS:
            (folder / hook).write_text(f"#!/bin/sh\nexec {spring} hook-{hook}\n")
            (folder / hook).chmod(0o755)
    git(root, "config", "core.hooksPath", str(hooks))

    def sprung() -> tuple[str, ...]:
        names = tuple(sorted(path.name for path in log.iterdir()))
        for name in names:
            (log / name).unlink()
        return names

    return sprung


def test_the_trap_springs_for_plain_git(repo: Repo, trap: Callable[[], tuple[str, ...]]) -> None:
    """The control: without it the next test proves nothing."""
    root, tip = root_of(repo), tip_of(repo)
    ours = commit(repo, tip, {"src/a.py": b"one = 1\ntwo = 2\nthree = 33\n"})
    theirs = commit(repo, tip, {"src/a.py": b"one = 11\ntwo = 2\nthree = 3\n"})
    trap()
    git(root, "merge-tree", "--write-tree", ours, theirs, check=False)
    git(root, "diff", ours, theirs, check=False)
    git(root, "log", "-p", "--no-ext-diff", "-1", ours, check=False)
    git(root, "update-ref", "refs/heads/x", ours)
    git(root, "checkout", "-q", "x", check=False)
    (root / "src/b.py").write_text("b = 2\n")
    git(root, "commit", "-aqm", "x", check=False)
    sprung = trap()
    for name in (
        "driver",
        "clean",
        "smudge",
        "textconv",
        "command",
        "fsmonitor",
        "program",
        "hook-pre-commit",
        "hook-reference-transaction",
    ):
        assert name in sprung, (name, sprung)


def test_nothing_that_the_target_configures_ever_runs(repo: Repo, trap: Callable[[], tuple[str, ...]]) -> None:
    root, tip = root_of(repo), tip_of(repo)
    trap()
    repo = Repo.find(root)
    ours = commit(repo, tip, {"src/a.py": b"one = 1\ntwo = 2\nthree = 33\n"}, "holdpoint/P00001")
    theirs = commit(repo, tip, {"src/a.py": b"one = 11\ntwo = 2\nthree = 3\n"}, "holdpoint/P00002")
    made = repo.merge(ours, theirs, message="m", at=AT)
    assert isinstance(made, Merged)
    assert repo.read(made.commit, "src/a.py") == b"one = 11\ntwo = 2\nthree = 33\n"
    os.utime(root / "src/b.py")  # stat-dirty: plain git would now run the clean filter
    assert repo.dirty() == ()
    assert b"+two" not in repo.diff(tip, made.commit)
    assert isinstance(repo.land("main", ours, tip), Moved)
    assert isinstance(repo.land("main", made.commit, ours), Moved)
    git_status = Repo.find(root).dirty()
    assert git_status == ()
    git_free = repo.append_branch("holdpoint/approvals", {"a": b"1"}, "m", AT)
    repo.repair("main", tip, made.commit)
    Repo.clone(root, root.parent / "copy.git", bare=True)
    Repo.clone(root, root.parent / "copy")
    assert git_free
    assert trap() == ()


def test_a_missing_object_is_not_fetched_from_a_promised_place(repo: Repo, trap: Callable[[], tuple[str, ...]]) -> None:
    root, tip = root_of(repo), tip_of(repo)
    for key, value in (
        ("extensions.partialClone", "origin"),
        ("core.repositoryFormatVersion", "1"),
        ("remote.origin.promisor", "true"),
    ):
        git(root, "config", key, value)
    blob = repo.files(tip)["src/b.py"].blob
    (repo.common_dir / "objects" / blob[:2] / blob[2:]).unlink()
    git(root, "cat-file", "blob", blob, check=False)
    assert "ext" in trap()  # the control
    with pytest.raises(IntegrityError):
        Repo.find(root).read(tip, "src/b.py")
    assert trap() == ()


def test_the_work_tree_is_where_git_found_it_not_where_the_configuration_points(repo: Repo, tmp_path: Path) -> None:
    root, tip = root_of(repo), tip_of(repo)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    git(root, "config", "core.worktree", str(elsewhere))
    new = commit(repo, tip, {"src/a.py": b"new\n"})
    fresh = Repo.find(root)
    fresh.land("main", new, tip)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "attributes", [b"* -diff\n", b"* binary\n", b"* export-ignore -text\n", b"* diff=evil\n", b"* linguist-generated\n"]
)
def test_committed_attributes_hide_nothing_from_the_reviewer(repo: Repo, attributes: bytes) -> None:
    tip = tip_of(repo)
    marked = commit(repo, tip, {".gitattributes": attributes})
    changed = commit(repo, marked, {"src/a.py": b"import os\nos.system('x')\n"})
    assert b"+os.system('x')\n" in repo.diff(marked, changed)
    assert b"Binary files" not in repo.diff(marked, changed)
    assert repo.changed_paths(marked, changed) == ("src/a.py",)


def test_bytes_that_make_git_call_a_file_binary_are_shown(repo: Repo) -> None:
    tip = tip_of(repo)
    changed = commit(repo, tip, {"src/a.py": b"one = 1\nevil()\n\0\0\0"})
    assert b"+evil()\n" in repo.diff(tip, changed)


def test_a_replace_ref_does_not_change_what_is_read(repo: Repo) -> None:
    root, tip = root_of(repo), tip_of(repo)
    evil = commit(repo, tip, {"src/a.py": b"evil\n"})
    good = commit(repo, tip, {"src/a.py": b"good\n"})
    git(root, "replace", evil, good)
    assert git(root, "show", f"{evil}:src/a.py") == "good"  # the control
    fresh = Repo.find(root)
    assert fresh.read(evil, "src/a.py") == b"evil\n"
    assert b"+evil\n" in fresh.diff(tip, evil)
    assert fresh.tree_of(evil) != fresh.tree_of(good)
    made = fresh.merge(tip, evil, message="m", at=AT)
    assert isinstance(made, Merged)
    assert fresh.read(made.commit, "src/a.py") == b"evil\n"


def test_grafts_do_not_change_ancestry(repo: Repo) -> None:
    root, tip = root_of(repo), tip_of(repo)
    child = commit(repo, tip, {"src/a.py": b"x\n"})
    stranger = commit(repo, None, {"z": b"z"})
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/grafts").write_text(f"{child} {stranger}\n")
    assert stranger in git(root, "rev-list", child)  # the control
    fresh = Repo.find(root)
    assert not fresh.is_ancestor(stranger, child)
    assert fresh.is_ancestor(tip, child)
    assert fresh.parents(child) == (tip,)


def test_mode_and_kind_changes_are_shown(repo: Repo) -> None:
    root, tip = root_of(repo), tip_of(repo)
    (root / "src/a.py").chmod(0o755)
    (root / "src/b.py").unlink()
    (root / "src/b.py").symlink_to("/etc/passwd")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "modes")
    text = repo.diff(tip, tip_of(repo))
    assert b"new mode 100755" in text
    assert b"new file mode 120000" in text
    assert b"+/etc/passwd" in text


def test_a_symlink_in_the_tree_leads_nothing_out_of_the_work_tree(repo: Repo, tmp_path: Path) -> None:
    """A link that appears where a directory was, between two landings, must not be followed."""
    root, tip = root_of(repo), tip_of(repo)
    outside = tmp_path / "outside"
    outside.mkdir()
    new = commit(repo, tip, {"src/sub/c.py": b"c\n"})
    (root / "src/sub").symlink_to(outside)
    repo.land("main", new, tip)
    assert list(outside.iterdir()) == []


def test_trees_with_git_s_own_directory_in_them_do_not_land(repo: Repo) -> None:
    """A proposal branch made by hand may hold `.GIT/hooks`; plumbing writes such a tree, landing must not."""
    root, tip = root_of(repo), tip_of(repo)
    blob = repo.files(tip)["src/a.py"].blob
    inner = subprocess.run(
        ["git", "mktree"],
        cwd=root,
        input=f"100755 blob {blob}\tpre-commit\n",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    tree = subprocess.run(
        ["git", "mktree"], cwd=root, input=f"040000 tree {inner}\t.GIT\n", capture_output=True, text=True, check=True
    ).stdout.strip()
    new = git(root, "commit-tree", "-m", "x", "-p", tip, tree)
    outcome = repo.land("main", new, tip)
    assert not isinstance(outcome, Moved)
    assert tip_of(repo) == tip
    assert not (root / ".git/pre-commit").exists()


@pytest.mark.parametrize("name", ["-d", "--all", "--upload-pack=touch x", "refs/heads/-x", "a b", "HEAD", "x\ny"])
def test_a_name_is_never_an_option(repo: Repo, name: str) -> None:
    with pytest.raises(UsageError):
        repo.tip(name)
    with pytest.raises(UsageError):
        repo.resolve(name if name != "HEAD" else "--help")
    with pytest.raises(UsageError):
        repo.land(name, tip_of(repo), None)
    for oid in (name, "HEAD", "abc", tip_of(repo).upper()):
        with pytest.raises(UsageError):
            repo.commit(oid)
        with pytest.raises(UsageError):
            repo.diff(tip_of(repo), oid)


def test_a_branch_of_dashes_made_by_plumbing_is_read_and_never_moved(repo: Repo) -> None:
    root, tip = root_of(repo), tip_of(repo)
    (root / ".git/refs/heads/-rf").write_text(tip + "\n")
    new = commit(repo, tip, {"src/a.py": b"x\n"})
    assert repo.resolve("-rf") == tip
    with pytest.raises(UsageError):
        repo.land("-rf", new, tip)
    assert (root / ".git/refs/heads/-rf").read_text() == tip + "\n"
