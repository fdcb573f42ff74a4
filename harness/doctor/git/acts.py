"""Tricks on what happens meanwhile: programs that the target names, files written where none should be."""

import os
from pathlib import Path
from typing import Final

from harness.doctor.git.pairs import armed, probe
from harness.doctor.probe import Probe
from harness.doctor.stage import AT, Stage, Trick
from harness.errors import HoldpointError
from harness.repo import Moved


def _all_of_ours(stage: Stage) -> str:
    """Everything the harness does to a target: look, commit, compare, merge, land, look again."""
    repo = stage.repo()
    repo.dirty()
    ours = stage.commit({"src/a.py": b"one = 11\ntwo = 2\nthree = 3\n"}, branch="holdpoint/P00001")
    theirs = stage.commit({"src/a.py": b"one = 1\ntwo = 2\nthree = 33\n"}, branch="holdpoint/P00002")
    repo.diff(ours, theirs)
    repo.merge(ours, theirs, message="m", at=AT)
    landed = repo.land("main", ours, stage.tip)
    os.utime(stage.root / "src/b.py")
    repo.dirty()
    return stage.ran() or ("" if isinstance(landed, Moved) else "the branch could not be moved")


def _runs(name: str, tries: str, arm: Trick, *command: str) -> Probe:
    """A program in the target's configuration: run by plain git's command, never by anything of ours."""

    def attack(stage: Stage) -> str:
        arm(stage)
        return _all_of_ours(stage)

    def control(stage: Stage) -> str:
        arm(stage)
        stage.commit({"src/a.py": b"one = 11\ntwo = 2\nthree = 3\n"}, branch="ours")
        stage.commit({"src/a.py": b"one = 1\ntwo = 2\nthree = 33\n"}, branch="theirs")
        stage.ran()
        stage.git(*command)
        return stage.ran()

    return probe(name, tries, f"plain `git {' '.join(command[:2])}` there", attack, control, "nothing was run")


def _elsewhere(stage: Stage) -> Path:
    other = stage.folder / "elsewhere"
    other.mkdir()
    stage.git("config", "core.worktree", str(other))
    return other


def _ours_elsewhere(stage: Stage) -> str:
    other = _elsewhere(stage)
    stage.repo().land("main", stage.commit({"src/a.py": b"new\n"}), stage.tip)
    return "files were written elsewhere" if any(other.iterdir()) else ""


def _git_elsewhere(stage: Stage) -> str:
    other = _elsewhere(stage)
    stage.git("checkout", "-f", "main")
    return "files were written elsewhere" if any(other.iterdir()) else ""


def _tree_with(stage: Stage, line: str, name: str) -> str:
    inner = stage.git("mktree", stdin=line)
    kept = stage.git("ls-tree", stage.tip)
    tree = stage.git("mktree", stdin=f"{kept}\n040000 tree {inner}\t{name}\n")
    return stage.git("commit-tree", "-m", "x", "-p", stage.tip, tree)


def _hook_in_tree(stage: Stage) -> str:
    blob = stage.repo().files(stage.tip)["src/a.py"].blob
    return _tree_with(stage, f"100755 blob {blob}\tpre-commit\n", ".GIT")


def _ours_cased(stage: Stage) -> str:
    landed = stage.repo().land("main", _hook_in_tree(stage), stage.tip)
    if isinstance(landed, Moved) or (stage.root / ".GIT" / "pre-commit").exists():
        return "a tree with .GIT in it landed"
    try:
        stage.commit({".GIT/hooks/pre-commit": b"x"})
    except HoldpointError:
        return ""
    return "a path below .GIT was committed"


def _git_cased(stage: Stage) -> str:
    made = _hook_in_tree(stage)
    stage.git("update-ref", "refs/heads/main", made)
    return "the branch was moved to it" if ".GIT/pre-commit" in stage.git("ls-tree", "-r", "main") else ""


def _linked_git(stage: Stage) -> Path:
    """A folder whose `.git` is a link to a repository that runs a program when it is looked at."""
    armed(("core.fsmonitor", "%"))(stage)
    other = stage.folder / "checkout"
    other.mkdir()
    (other / ".git").symlink_to(stage.root / ".git")
    return other


def _ours_linked(stage: Stage) -> str:
    stage.repo(_linked_git(stage)).dirty()
    return stage.ran()


def _git_linked(stage: Stage) -> str:
    stage.git("status", where=_linked_git(stage))
    return stage.ran()


PROBES: Final[tuple[Probe, ...]] = (
    _runs("fsmonitor", "run a program by core.fsmonitor", armed(("core.fsmonitor", "%")), "status"),
    _runs(
        "signing_program",
        "run a program by gpg.ssh.program",
        armed(("gpg.format", "ssh"), ("gpg.ssh.program", "%"), ("commit.gpgSign", "true"), ("user.signingKey", "key")),
        "commit",
        "--allow-empty",
        "-m",
        "x",
    ),
    _runs(
        "hooks",
        "run a program by hooks",
        armed(hooks=("reference-transaction", "post-checkout", "post-index-change", "pre-commit")),
        "commit",
        "--allow-empty",
        "-m",
        "x",
    ),
    _runs(
        "filter",
        "run a program by a clean or smudge filter",
        armed(("filter.evil.smudge", "%"), ("filter.evil.clean", "%"), attributes="*.py filter=evil\n"),
        "checkout",
        "ours",
    ),
    _runs(
        "external_diff",
        "run a program by diff.external",
        armed(("diff.external", "%")),
        "diff",
        "ours",
        "theirs",
    ),
    _runs(
        "merge_driver",
        "run a program by a merge driver",
        armed(("merge.evil.driver", "%"), attributes="*.py merge=evil\n"),
        "merge-tree",
        "--write-tree",
        "ours",
        "theirs",
    ),
    probe(
        "worktree",
        "have files written elsewhere",
        "plain `git checkout`",
        _ours_elsewhere,
        _git_elsewhere,
        "nothing is written there",
    ),
    probe(
        "case",
        "plant git's own folder by its name in capitals",
        "plain `git update-ref`",
        _ours_cased,
        _git_cased,
        "refused",
    ),
    probe(
        "linked_folder",
        "run a program by a `.git` that is a link",
        "plain `git status` there",
        _ours_linked,
        _git_linked,
        "nothing was run",
    ),
)
