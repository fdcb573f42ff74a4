"""The target's own git set against its reviewers: each trick on the whole way from approval to verification."""

import os
from pathlib import Path

import pytest
from attacks import checked, wrong
from gate_stage import REASON, Stage, git

from harness.errors import UsageError
from harness.gate.approvals import BRANCH
from harness.ledger.events import ProposeAccepted
from harness.records import Decided, Landed, NotDecided, NotLanded
from harness.repo import Repo


@pytest.fixture
def trap(stage: Stage, tmp_path: Path) -> Path:
    """A program that leaves its mark here when git is made to run it."""
    mark = tmp_path / "mark"
    mark.mkdir()
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\ntouch "{mark}/$(basename "$0")-$$"\ncat\nexit 0\n')
    program.chmod(0o755)
    return mark


def lands_untouched(stage: Stage, mark: Path | None = None) -> str:
    """A proposal goes all the way in this target, as a new process opens it; nothing of the target's ran."""
    again = stage.reopened()
    number, run = again.waiting(edits={"src/pkg/a.py": b"value = 7\n"})
    assert isinstance(again.desk().approve(number, (run.tree or "")[:8], REASON), Decided)
    outcome = again.desk().merge(number)
    assert isinstance(outcome, Landed), outcome
    assert again.repo.read(again.tip(), "src/pkg/a.py") == b"value = 7\n"
    report = checked(again, again.bare(stage.root.parent / "clone.git"))
    assert report.ok, report
    if mark is not None:
        assert list(mark.iterdir()) == []
    return run.merge or ""


def test_configuration_that_names_programs(stage: Stage, trap: Path) -> None:
    program = trap.parent / "program"
    git(stage.root, "config", "core.fsmonitor", str(program))
    git(stage.root, "status", check=False)
    assert [path.unlink() for path in trap.iterdir()], "the control: plain git runs it"
    for key in ("core.pager", "core.editor", "core.sshCommand", "gpg.ssh.program", "gpg.program", "diff.external"):
        git(stage.root, "config", key, str(program))
    git(stage.root, "config", "commit.gpgSign", "true")
    git(stage.root, "config", "merge.evil.driver", str(program))
    lands_untouched(stage, trap)


def test_configuration_that_names_trusted_signers(stage: Stage, tmp_path: Path) -> None:
    mine = tmp_path / "signers"
    mine.write_text('* namespaces="git" ' + (stage.keys["mallory"].with_suffix(".pub")).read_text())
    git(stage.root, "config", "gpg.ssh.allowedSignersFile", str(mine))
    git(stage.root, "config", "gpg.format", "ssh")
    lands_untouched(stage)
    number, run = stage.waiting(edits={"src/pkg/b.py": b"other = 9\n"})
    outcome = stage.desk("mallory").approve(number, (run.tree or "")[:8], REASON)
    assert isinstance(outcome, NotDecided)
    assert "mallory is not a reviewer" in outcome.why


def test_attributes(stage: Stage, trap: Path) -> None:
    """In the tree and in info/: drivers, filters, and "binary" so that nothing is shown."""
    (stage.root / ".git/info").mkdir(exist_ok=True)
    (stage.root / ".git/info/attributes").write_text("* merge=evil filter=evil diff=evil -diff binary\n")
    for part in ("merge.evil.driver", "filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv"):
        git(stage.root, "config", part, str(trap.parent / "program"))
    again = stage.reopened()
    number, _ = again.waiting(edits={"src/pkg/a.py": b"value = 3\n", ".gitattributes": b"* -diff\n"})
    assert "+value = 3" in again.desk().sheet(number).diff
    assert list(trap.iterdir()) == []


def test_hooks(stage: Stage, trap: Path) -> None:
    hooks = stage.root / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("reference-transaction", "post-index-change", "post-checkout", "update", "pre-commit", "post-merge"):
        (hooks / name).write_text((trap.parent / "program").read_text())
        (hooks / name).chmod(0o755)
    git(stage.root, "update-ref", "refs/heads/control", "main")
    assert [path.unlink() for path in trap.iterdir()], "the control: plain git runs it"
    lands_untouched(stage, trap)


def test_replace_refs(stage: Stage) -> None:
    """An evil tested merge is shown as another commit by plain git; the gate reads what is there."""
    number, run = stage.waiting(edits={"src/pkg/a.py": b"evil = 1\n"})
    git(stage.root, "replace", run.merge or "", run.tip)
    assert git(stage.root, "show", f"{run.merge}:src/pkg/a.py") == "value = 0", "the control"
    again = stage.reopened()
    assert "+evil = 1" in again.desk().sheet(number).diff
    git(stage.root, "replace", "-d", run.merge or "")
    evil = git(stage.root, "commit-tree", "-m", "x", "-p", run.tip, f"{run.merge}^{{tree}}")
    git(stage.root, "update-ref", "refs/heads/main", evil)
    git(stage.root, "replace", evil, run.tip)
    assert "no approval of it" in wrong(checked(again, again.bare(stage.root.parent / "clone.git")))
    bare = stage.root.parent / "clone.git"
    git(bare, "fetch", "-q", str(stage.root), "+refs/replace/*:refs/replace/*")
    assert "no approval of it" in wrong(checked(again, bare))


def test_grafts(stage: Stage) -> None:
    """A graft that hides an unapproved commit from plain git's history."""
    stage.landed()
    good = stage.tip()
    evil = git(stage.root, "commit-tree", "-m", "x", "-p", good, f"{good}^{{tree}}")
    later = git(stage.root, "commit-tree", "-m", "y", "-p", evil, f"{good}^{{tree}}")
    git(stage.root, "update-ref", "refs/heads/main", later)
    bare = stage.bare(stage.root.parent / "clone.git")
    (bare / "info").mkdir(exist_ok=True)
    (bare / "info/grafts").write_text(f"{later} {good}\n")
    assert evil not in git(bare, "rev-list", "main"), "the control"
    assert evil in {one.merge for one in checked(stage, bare).merges if not one.ok}


def test_submodules_in_configuration(stage: Stage, trap: Path) -> None:
    git(stage.root, "config", "submodule.recurse", "true")
    git(stage.root, "config", "submodule.x.url", "ext::" + str(trap.parent / "program"))
    git(stage.root, "config", "submodule.x.update", "!" + str(trap.parent / "program"))
    git(stage.root, "config", "protocol.ext.allow", "always")
    lands_untouched(stage, trap)


def test_a_symlinked_git_folder(stage: Stage, tmp_path: Path) -> None:
    """The target's own `.git` may be a link; state and refs are then those of where it leads."""
    elsewhere = tmp_path / "elsewhere.git"
    (stage.root / ".git").rename(elsewhere)
    (stage.root / ".git").symlink_to(elsewhere)
    repo = Repo.find(stage.root)
    assert repo.common_dir == elsewhere
    assert repo.tip("main") is not None
    with pytest.raises(UsageError):
        repo.commit_edits(
            repo.tip("main"), {".git/hooks/x": b"x"}, message="x", author="x", branch=None, at=stage.clock()
        )


@pytest.mark.parametrize("name", [".git", ".GIT", ".Git", "git~1", ".g\u200cit"])
def test_a_case_tricked_git_folder(stage: Stage, name: str) -> None:
    """A tree made by plumbing that would write into git's own folder: approved by mistake, it still does not land."""
    number = stage.propose()
    view = stage.ledger.state.proposals[number]
    assert view.candidate is not None
    tip = stage.tip()
    blob = git(stage.root, "rev-parse", f"{tip}:src/pkg/a.py")
    inner = git(stage.root, "mktree", stdin=f"100755 blob {blob}\tpre-commit\n")
    top = git(stage.root, "ls-tree", tip)
    tree = git(stage.root, "mktree", stdin=f"{top}\n040000 tree {inner}\t{name}\n")
    commit = git(stage.root, "commit-tree", "-m", "x", "-p", tip, tree)
    candidate = view.candidate.model_copy(update={"commit": commit, "tree": tree})
    stage.ledger.append(ProposeAccepted(id=number, candidate=candidate, findings=()), stage.clock())
    run = stage.run(number)
    decided = stage.desk().approve(number, (run.tree or "")[:8], REASON)
    outcome = stage.desk().merge(number) if isinstance(decided, Decided) else decided
    assert isinstance(outcome, NotLanded | NotDecided), outcome
    assert "git" in outcome.why.lower()
    assert stage.tip() == tip
    assert not (stage.root / ".git/pre-commit").exists()


@pytest.mark.parametrize("name", ["-rf", "--upload-pack=x", "-"])
def test_a_branch_name_that_begins_with_a_dash(stage: Stage, name: str) -> None:
    (stage.root / ".git/refs/heads" / name).write_text(stage.tip() + "\n")
    with pytest.raises(UsageError, match="branch"):
        checked(stage, stage.root, ref=name)
    with pytest.raises(UsageError):
        stage.repo.land(name, stage.tip(), stage.tip())
    lands_untouched(stage)


def test_a_symbolic_ref_in_the_place_of_the_protected_one(stage: Stage) -> None:
    number, _ = stage.waiting()
    stage.approve(number)
    git(stage.root, "update-ref", "refs/heads/other", "main")
    git(stage.root, "checkout", "-q", "--detach")
    git(stage.root, "symbolic-ref", "refs/heads/main", "refs/heads/other")
    with pytest.raises(UsageError, match="is a symbolic ref to refs/heads/other"):
        stage.desk().merge(number)


def test_the_environment_of_a_hook(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Holdpoint may itself run inside a git hook, whose variables point elsewhere."""
    other = Repo.init(tmp_path / "other")
    for name, value in (
        ("GIT_DIR", str(other.git_dir)), ("GIT_WORK_TREE", str(tmp_path)), ("GIT_INDEX_FILE", str(tmp_path / "i")),
        ("GIT_OBJECT_DIRECTORY", str(tmp_path / "o")), ("GIT_CONFIG_PARAMETERS", "'core.pager=touch x'"),
        ("GIT_NAMESPACE", "evil"), ("GIT_REPLACE_REF_BASE", "refs/evil/"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    for key in list(os.environ):
        assert key != "GIT_TRACE"
    again = stage.reopened()
    number, run = again.waiting(edits={"src/pkg/a.py": b"value = 8\n"})
    again.approve(number)
    assert isinstance(again.desk().merge(number), Landed)
    assert again.tip() == run.merge


def test_an_approvals_branch_that_is_checked_out_and_changed(stage: Stage) -> None:
    """Landing stops before it would publish into somebody's changed work tree, and is finished later."""
    number, _ = stage.waiting()
    stage.approve(number)
    tree = stage.root.parent / "wt"
    git(stage.root, "worktree", "add", "-q", str(tree), BRANCH)
    file = next(path for path in tree.rglob("*.json"))
    file.write_text("{}")
    with pytest.raises(Exception, match="checked out with changes"):
        stage.desk().merge(number)
    git(tree, "checkout", "-q", ".")
    again = stage.reopened()
    again.desk().merge(number)
    assert again.ledger.state.proposals[number].state == "merged"
    assert checked(again, again.bare(stage.root.parent / "clone.git")).ok
