"""The repository's promises, on real git repositories: same inputs same ids, compare-and-swap, work trees follow."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.errors import IntegrityError, RefusedError, UsageError
from harness.repo import Conflict, Dirty, Merged, Moved, Repo, Stale
from harness.repo.landing import landing_lock

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BASE: dict[str, bytes | None] = {
    "src/pkg/a.py": b"one = 1\ntwo = 2\nthree = 3\n",
    "src/pkg/b.py": b"print('b')\n",
    "tests/test_a.py": b"def test(): pass\n",
    "holdpoint.toml": b"[target]\n",
}


def git(where: Path, *args: str, check: bool = True, **env: str) -> str:
    """The reference: a plain git process, free of this machine's configuration."""
    base = {"HOME": str(where), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    name = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    ran = subprocess.run(["git", *args], cwd=where, env=base | name | env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 or not check, ran.stderr
    return ran.stdout.strip()


def commit(repo: Repo, base: str | None, edits: dict[str, bytes | None], branch: str | None = None) -> str:
    return repo.commit_edits(base, edits, message="change", author="agent:tinker", branch=branch, at=AT)[0]


def merged(repo: Repo, tip: str, proposal: str) -> Merged:
    made = repo.merge(tip, proposal, message="merge", at=AT)
    assert isinstance(made, Merged)
    return made


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "target")
    first = commit(made, None, BASE)
    assert made.land("main", first, None) == Moved("refs/heads/main", first)
    return made


def root_of(repo: Repo) -> Path:
    assert repo.root is not None
    return repo.root


def tip_of(repo: Repo) -> str:
    tip = repo.tip("main")
    assert tip is not None
    return tip


# -- finding


def test_a_folder_without_a_repository_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not in a git repository") as caught:
        Repo.find(tmp_path)
    assert caught.value.next_step == "git init"
    with pytest.raises(UsageError, match="does not exist"):
        Repo.find(tmp_path / "nowhere")


def test_the_repository_is_found_from_a_folder_within_and_from_a_linked_work_tree(repo: Repo, tmp_path: Path) -> None:
    git(root_of(repo), "worktree", "add", "-q", "../linked", "-b", "other")
    within = Repo.find(root_of(repo) / "src" / "pkg")
    linked = Repo.find(tmp_path / "linked")
    assert (within.root, within.common_dir) == (repo.root, repo.common_dir)
    assert (linked.root, linked.common_dir) == (tmp_path / "linked", repo.common_dir)
    assert linked.current_branch() == "other"


def test_a_callers_git_environment_changes_nothing(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Repo.init(root_of(repo).parent / "elsewhere")
    for name, value in {
        "GIT_INDEX_FILE": "/dev/null/x", "GIT_OBJECT_DIRECTORY": str(elsewhere.common_dir / "objects"),
        "GIT_NAMESPACE": "n", "GIT_CONFIG_PARAMETERS": "'core.bare=true'", "GIT_TRACE": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_DIR", str(elsewhere.git_dir))
    monkeypatch.setenv("GIT_COMMON_DIR", str(elsewhere.git_dir))
    monkeypatch.setenv("GIT_WORK_TREE", str(elsewhere.root))
    repo = Repo.find(root_of(repo) / "src")
    new = commit(repo, tip_of(repo), {"src/pkg/a.py": b"x\n"})
    assert isinstance(repo.land("main", new, tip_of(repo)), Moved)
    assert (root_of(repo) / "src/pkg/a.py").read_bytes() == b"x\n"


def test_a_machine_without_git_says_so(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from harness.repo import Repo\n"
        "try: Repo.find(Path('.'))\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent,
        env={"PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stdout.startswith("EnvironmentFault git is missing"), ran
    assert "Traceback" not in ran.stderr


# -- reading


def test_a_branch_wins_over_a_tag_of_its_name_and_over_odd_names(repo: Repo) -> None:
    tip = tip_of(repo)
    other = commit(repo, tip, {"src/pkg/a.py": b"tagged\n"})
    git(root_of(repo), "tag", "main", other)
    assert repo.resolve("main") == tip
    assert repo.resolve(tip) == tip
    assert repo.resolve("HEAD") == tip
    for name in ("--all", "-x", "nothing", "main:holdpoint.toml", "", "main..main"):
        with pytest.raises(UsageError):
            repo.resolve(name)


def test_files_read_and_patterns(repo: Repo) -> None:
    tip = tip_of(repo)
    assert set(repo.files(tip)) == set(BASE)
    assert repo.files(tip)["src/pkg/b.py"].size == len(b"print('b')\n")
    assert repo.read(tip, "src/pkg/b.py") == b"print('b')\n"
    assert repo.read(tip, "src/pkg") is None
    assert repo.read(tip, "src/pkg/b.py/x") is None
    assert set(repo.read_matching(tip, ("src",))) == {"src/pkg/a.py", "src/pkg/b.py"}
    assert set(repo.read_matching(tip, ("**/test_*.py", "holdpoint.toml"))) == {"tests/test_a.py", "holdpoint.toml"}
    assert set(repo.read_matching(tip, ("src/*.py", "sr"))) == set()


def test_a_damaged_object_is_found_on_reading(repo: Repo) -> None:
    tip = tip_of(repo)
    blob = repo.files(tip)["src/pkg/b.py"].blob
    victim = repo.files(tip)["src/pkg/a.py"].blob
    store = repo.common_dir / "objects"
    path = store / victim[:2] / victim[2:]
    path.chmod(0o644)
    shutil.copyfile(store / blob[:2] / blob[2:], path)  # valid zlib, valid header, other content
    fresh = Repo.find(root_of(repo))
    with pytest.raises(IntegrityError, match=victim):
        fresh.read(tip, "src/pkg/a.py")
    with pytest.raises(IntegrityError):
        fresh.manifest(fresh.tree_of(tip))
    path.write_bytes(b"garbage")
    with pytest.raises(IntegrityError, match="missing or unreadable"):
        Repo.find(root_of(repo)).read(tip, "src/pkg/a.py")
    assert fresh.read(tip, "src/pkg/b.py") == b"print('b')\n"  # the reader survives its process's death


def test_the_manifest_names_mode_content_and_path(repo: Repo) -> None:
    root = root_of(repo)
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("run.sh")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "more")
    rows = repo.manifest(repo.tree_of(tip_of(repo))).split(b"\0")[:-1]
    assert [row.split(b" ")[0] for row in rows if row.endswith((b" link", b" run.sh"))] == [b"120000", b"100755"]
    assert rows == sorted(rows, key=lambda row: row.split(b" ", 2)[2])
    assert len(rows) == len(BASE) + 2


def test_threads_may_read_at_the_same_time(repo: Repo) -> None:
    commits = [commit(repo, tip_of(repo), {"src/pkg/a.py": b"%d\n" % number}) for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda oid: (repo.files(oid), repo.read(oid, "src/pkg/a.py")), commits * 4))
    assert [data for _, data in found] == [b"%d\n" % number for number in range(12)] * 4


# -- committing


def test_the_same_edits_give_the_same_ids_as_git_itself(repo: Repo) -> None:
    tip = tip_of(repo)
    edits: dict[str, bytes | None] = {
        "src/pkg/a.py": b"one = 2\n", "src/new/deep/c.py": b"", "src/pkg/b.py": None, "z.txt": "ü\n".encode(),
    }  # fmt: skip
    first = repo.commit_edits(tip, edits, message="m", author="agent:x", branch="holdpoint/P00001", at=AT)
    again = repo.commit_edits(tip, edits, message="m", author="agent:x", branch="holdpoint/P00001", at=AT)
    assert first == again
    root = root_of(repo)
    git(root, "worktree", "add", "-q", "--detach", "../check", tip)
    there = root.parent / "check"
    for path, data in edits.items():
        file = there / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink() if data is None else file.write_bytes(data)
    git(there, "add", "-A")
    assert git(there, "write-tree") == first[1]
    assert git(root, "rev-parse", "holdpoint/P00001") == first[0]
    assert git(root, "fsck", "--full", "--strict") == ""


def test_removing_every_file_leaves_the_empty_tree_and_the_exec_bit_stays(repo: Repo) -> None:
    root = root_of(repo)
    (root / "src/pkg/a.py").chmod(0o755)
    git(root, "commit", "-qam", "exec")
    tip = tip_of(repo)
    kept = commit(repo, tip, {"src/pkg/a.py": b"new\n"})
    assert repo.files(kept)["src/pkg/a.py"].mode == "100755"
    gone = commit(repo, tip, dict.fromkeys(BASE))
    assert repo.tree_of(gone) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.mark.parametrize(
    "path",
    ["../x", "/x", "a//b", "./a", ".git/config", "a/.GIT/hooks/pre-commit", ".g\u200cit/config", "git~1/x", ".git ./x",
     ".git::$INDEX_ALLOCATION/x", "-x", "a/-b", "a\nb", "a\\b", "", "x" * 500],
)  # fmt: skip
def test_a_path_that_git_may_not_hold_is_refused(repo: Repo, path: str) -> None:
    with pytest.raises(UsageError):
        commit(repo, tip_of(repo), {path: b"x"})


def test_edits_through_files_links_and_directories_are_refused(repo: Repo) -> None:
    root = root_of(repo)
    (root / "link").symlink_to("/etc")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "link")
    tip = tip_of(repo)
    for path in ("link", "link/passwd", "src/pkg/a.py/x", "src/pkg"):
        with pytest.raises(UsageError):
            commit(repo, tip, {path: b"x"})
    with pytest.raises(UsageError, match="no such file"):
        commit(repo, tip, {"nowhere.py": None})


def test_a_branch_in_the_way_is_an_error_and_keeps_its_commit(repo: Repo) -> None:
    tip = tip_of(repo)
    first = commit(repo, tip, {"src/pkg/a.py": b"1\n"}, "holdpoint/P00001")
    with pytest.raises(UsageError, match="cannot be created"):
        commit(repo, tip, {"src/pkg/a.py": b"2\n"}, "holdpoint/P00001")
    assert repo.tip("holdpoint/P00001") == first
    for name in ("-d", "a..b", "a.lock", "HEAD", "x y", "a/../b", "@{1}", ".a", "a/", "é\x07"):
        with pytest.raises(UsageError):
            commit(repo, tip, {"src/pkg/a.py": b"3\n"}, name)


def test_hostile_words_reach_the_commit_as_visible_text(repo: Repo) -> None:
    oid, _ = repo.commit_edits(
        tip_of(repo),
        {"a.txt": b"x"},
        message="t\x1b]52;c;x\x07\0\n\nb",
        author="a <x>\nparent 0\x1b[2J",
        branch=None,
        at=AT,
    )
    raw = git(root_of(repo), "cat-file", "commit", oid)
    assert "\x1b" not in raw
    assert "\0" not in raw
    assert len(repo.parents(oid)) == 1


# -- merging and landing


def test_a_merge_is_git_s_own_tree_and_needs_no_ref(repo: Repo) -> None:
    tip = tip_of(repo)
    ours = commit(repo, tip, {"src/pkg/a.py": b"one = 1\ntwo = 2\nthree = 33\n"})
    theirs = commit(repo, tip, {"src/pkg/a.py": b"one = 11\ntwo = 2\nthree = 3\n"})
    made = merged(repo, ours, theirs)
    assert repo.read(made.commit, "src/pkg/a.py") == b"one = 11\ntwo = 2\nthree = 33\n"
    assert repo.parents(made.commit) == (ours, theirs)
    assert merged(repo, ours, theirs) == made
    assert git(root_of(repo), "cat-file", "-t", made.tree) == "tree"
    clash = commit(repo, tip, {"src/pkg/a.py": b"one = 12\ntwo = 2\nthree = 3\n"})
    assert repo.merge(theirs, clash, message="m", at=AT) == Conflict(("src/pkg/a.py",))


def test_landing_moves_ref_index_and_files_together(repo: Repo) -> None:
    tip = tip_of(repo)
    proposal = commit(repo, tip, {"src/pkg/a.py": b"new\n", "src/pkg/b.py": None, "src/n/c.py": b"c\n"})
    made = merged(repo, tip, proposal)
    (root_of(repo) / "untracked.txt").write_text("mine")
    assert repo.land("main", made.commit, tip) == Moved("refs/heads/main", made.commit)
    root = root_of(repo)
    assert git(root, "status", "--porcelain") == "?? untracked.txt"
    assert (root / "src/n/c.py").read_bytes() == b"c\n"
    assert not (root / "src/pkg/b.py").exists()
    assert repo.land("main", made.commit, tip) == Stale("refs/heads/main", made.commit)
    assert "holdpoint" in git(root, "reflog", "-1")


def test_a_copied_and_touched_work_tree_is_still_clean(repo: Repo, tmp_path: Path) -> None:
    shutil.copytree(root_of(repo), tmp_path / "copy")
    copy = Repo.find(tmp_path / "copy")
    os.utime(tmp_path / "copy/src/pkg/a.py", (1, 1))
    tip = tip_of(copy)
    made = merged(copy, tip, commit(copy, tip, {"src/pkg/a.py": b"new\n"}))
    assert isinstance(copy.land("main", made.commit, tip), Moved)
    assert (tmp_path / "copy/src/pkg/a.py").read_bytes() == b"new\n"


def test_a_stale_base_moves_nothing(repo: Repo) -> None:
    tip = tip_of(repo)
    made = merged(repo, tip, commit(repo, tip, {"src/pkg/a.py": b"new\n"}))
    (root_of(repo) / "holdpoint.toml").write_text("# meanwhile\n")
    git(root_of(repo), "commit", "-qam", "meanwhile")
    now = tip_of(repo)
    assert repo.land("main", made.commit, tip) == Stale("refs/heads/main", now)
    assert tip_of(repo) == now
    assert git(root_of(repo), "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "how",
    [
        "file",
        "staged",
        "assume-unchanged",
        "skip-worktree",
        "same-size-and-time",
        "untracked-in-the-way",
        "unfinished-merge",
    ],
)
def test_a_work_tree_that_is_not_clean_is_left_alone(repo: Repo, how: str) -> None:
    root, tip = root_of(repo), tip_of(repo)
    made = merged(repo, tip, commit(repo, tip, {"src/pkg/a.py": b"new\n", "fresh.py": b"f\n"}))
    victim = root / "src/pkg/a.py"
    before = victim.stat()
    match how:
        case "untracked-in-the-way":
            (root / "fresh.py").write_text("mine")
        case "unfinished-merge":
            (root / ".git/MERGE_HEAD").write_text(tip + "\n")
        case "staged":
            victim.write_text("mine")
            git(root, "add", "src/pkg/a.py")
            victim.write_bytes(BASE["src/pkg/a.py"] or b"")
        case "same-size-and-time":
            victim.write_bytes((BASE["src/pkg/a.py"] or b"").replace(b"1", b"7"))
            os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
        case _:
            if how != "file":
                git(root, "update-index", f"--{how}", "src/pkg/a.py")
            victim.write_text("mine")
    seen = victim.read_bytes()
    outcome = repo.land("main", made.commit, tip)
    assert isinstance(outcome, Dirty), outcome
    assert tip_of(repo) == tip
    assert victim.read_bytes() == seen
    if how not in ("untracked-in-the-way",):
        assert repo.dirty()


def test_a_linked_work_tree_follows_and_blocks_like_the_main_one(repo: Repo) -> None:
    root, tip = root_of(repo), tip_of(repo)
    git(root, "switch", "-q", "-c", "side")
    git(root, "worktree", "add", "-q", "../linked", "main")
    linked = root.parent / "linked"
    made = merged(repo, tip, commit(repo, tip, {"src/pkg/a.py": b"new\n"}))
    (linked / "src/pkg/b.py").write_text("mine")
    assert isinstance(repo.land("main", made.commit, tip), Dirty)
    git(linked, "checkout", "-q", "src/pkg/b.py")
    assert isinstance(repo.land("main", made.commit, tip), Moved)
    assert git(linked, "status", "--porcelain") == ""
    assert (linked / "src/pkg/a.py").read_bytes() == b"new\n"
    assert (root / "src/pkg/a.py").read_bytes() == BASE["src/pkg/a.py"]
    shutil.rmtree(linked)
    more = merged(repo, made.commit, commit(repo, made.commit, {"src/pkg/a.py": b"newer\n"}))
    assert isinstance(repo.land("main", more.commit, made.commit), Moved)  # a deleted work tree holds nothing


def test_a_bare_repository_lands_and_serves_linked_work_trees(repo: Repo, tmp_path: Path) -> None:
    bare = Repo.clone(root_of(repo), tmp_path / "b.git", bare=True)
    assert bare.root is None
    assert bare.dirty() == ()
    tip = tip_of(bare)
    git(tmp_path / "b.git", "worktree", "add", "-q", "../wt", "main")
    made = merged(bare, tip, commit(bare, tip, {"src/pkg/a.py": b"new\n"}))
    assert isinstance(bare.land("main", made.commit, tip), Moved)
    assert (tmp_path / "wt/src/pkg/a.py").read_bytes() == b"new\n"


def test_a_symbolic_branch_is_refused(repo: Repo) -> None:
    tip = tip_of(repo)
    git(root_of(repo), "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    new = commit(repo, tip, {"src/pkg/a.py": b"new\n"})
    with pytest.raises(UsageError, match="symbolic ref"):
        repo.land("alias", new, tip)


# -- crashes


def test_work_trees_go_back_after_a_crash_before_the_ref_moved(repo: Repo) -> None:
    """Killed between the files and the ref: index and files are new, the branch is old."""
    root, tip = root_of(repo), tip_of(repo)
    new = commit(repo, tip, {"src/pkg/a.py": b"new\n", "src/pkg/b.py": None, "n.py": b"n\n"})
    git(root, "read-tree", "-m", "-u", tip, new)
    assert repo.dirty()
    assert repo.repair("main", new, tip) == ()
    assert git(root, "status", "--porcelain") == ""
    assert (root / "src/pkg/b.py").exists()


def test_work_trees_go_back_after_a_crash_while_files_were_written(repo: Repo) -> None:
    root, tip = root_of(repo), tip_of(repo)
    new = commit(repo, tip, {"src/pkg/a.py": b"new\n", "src/pkg/b.py": None, "n.py": b"n\n", "tests/test_a.py": b"t\n"})
    (root / "src/pkg/a.py").write_bytes(b"new\n")
    (root / "src/pkg/b.py").unlink()
    (root / "n.py").write_bytes(b"n\n")
    (root / ".git/index.lock").write_bytes(b"half")
    assert repo.repair("main", new, tip) == ()
    assert git(root, "status", "--porcelain") == ""
    assert isinstance(repo.land("main", new, tip), Moved)


@pytest.mark.parametrize("path", ["src/pkg/a.py", "src/pkg/b.py", "tests/test_a.py"])
def test_repair_leaves_a_persons_work_alone(repo: Repo, path: str) -> None:
    root, tip = root_of(repo), tip_of(repo)
    new = commit(repo, tip, {"src/pkg/a.py": b"new\n", "src/pkg/b.py": None})
    (root / "src/pkg/a.py").write_bytes(b"new\n")
    (root / path).write_bytes(b"mine\n")
    assert repo.repair("main", new, tip) == (str(root),)
    assert (root / path).read_bytes() == b"mine\n"


def test_a_harness_killed_while_it_holds_the_ref_leaves_no_lock(repo: Repo) -> None:
    tip = tip_of(repo)
    new = commit(repo, tip, {"src/pkg/a.py": b"new\n"})
    (repo.common_dir / "holdpoint").mkdir()  # a target's scratch directory is there; else the killed child leaves one
    pid = os.fork()
    if pid == 0:
        mine = Repo.find(root_of(repo))
        with landing_lock(mine.common_dir) as held:
            talk = mine._refs.talk("update-ref", "--stdin", held=held)
            talk.ask("start")
            talk.say(f"update refs/heads/main {new} {tip}")
            talk.ask("prepare")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert isinstance(repo.land("main", new, tip), Moved)  # waits for the orphan to see the end of its input


# -- the approvals branch


def test_a_branch_is_added_to_and_never_rewritten(repo: Repo) -> None:
    first = repo.append_branch("holdpoint/approvals", {"merges/a/s.json": b"{}"}, "one", AT)
    second = repo.append_branch("holdpoint/approvals", {"merges/b/s.json": b"[]"}, "two", AT)
    assert repo.parents(second) == (first,)
    assert repo.append_branch("holdpoint/approvals", {"merges/a/s.json": b"{}"}, "again", AT) == second
    with pytest.raises(RefusedError, match="never rewritten"):
        repo.append_branch("holdpoint/approvals", {"merges/a/s.json": b"other"}, "x", AT)
    assert repo.read_branch("holdpoint/approvals") == {"merges/a/s.json": b"{}", "merges/b/s.json": b"[]"}
    assert repo.read_branch("holdpoint/none") == {}
    bare = Repo.clone(root_of(repo), root_of(repo).parent / "c.git", bare=True)
    assert bare.read_branch("holdpoint/approvals") == repo.read_branch("holdpoint/approvals")


def test_a_clone_is_whole_clean_and_apart(repo: Repo, tmp_path: Path) -> None:
    copy = Repo.clone(root_of(repo), tmp_path / "copy")
    assert git(tmp_path / "copy", "status", "--porcelain") == ""
    assert tip_of(copy) == tip_of(repo)
    shutil.rmtree(root_of(repo))
    assert set(Repo.find(tmp_path / "copy").files(tip_of(copy))) == set(BASE)
    with pytest.raises(UsageError, match="not empty"):
        Repo.clone(tmp_path / "copy", tmp_path / "copy")
