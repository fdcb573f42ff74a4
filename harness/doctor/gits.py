"""Probes of tricks by way of git: real repositories in scratch folders, read by `harness.repo` and by plain git.

What is tried is everything that the harness does to a target; the controls are the git commands a person would use.
"""

import os
from pathlib import Path
from typing import Final

from harness.doctor.bench import Bench
from harness.doctor.probe import Act, Blocked, Fired, Outcome, Probe
from harness.doctor.stage import AT, Stage, Trick, staged
from harness.errors import HoldpointError
from harness.repo import Moved

_EVIL: Final = b"import os\nos.system('x')\n"


def _act(trick: Trick, otherwise: str) -> Act:
    def act(_: Bench) -> Outcome:
        with staged() as stage:
            said = trick(stage)
        return Fired(detail=said) if said else Blocked(detail=otherwise)

    return act


def _hidden(diff: bytes | str, why: str) -> str:
    text = diff if isinstance(diff, str) else diff.decode("utf-8", "replace")
    return "" if "+os.system" in text else why


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


def _program(*configured: tuple[str, str], attributes: str = "", hooks: tuple[str, ...] = ()) -> Trick:
    """Arms the target: settings (`%` is the program), attributes for all work trees, hooks."""

    def arm(stage: Stage) -> str:
        for key, value in configured:
            stage.git("config", key, value.replace("%", str(stage.program)))
        if attributes:
            (stage.root / ".git" / "info").mkdir(exist_ok=True)
            (stage.root / ".git" / "info" / "attributes").write_text(attributes)
        for hook in hooks:
            (stage.root / ".git" / "hooks").mkdir(exist_ok=True)
            (stage.root / ".git" / "hooks" / hook).symlink_to(stage.program)
        stage.ran()
        return ""

    return arm


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

    return _probe(name, tries, f"plain `git {' '.join(command[:2])}` there", attack, control, "nothing was run")


def _probe(name: str, tries: str, control_is: str, attack: Trick, control: Trick, otherwise: str) -> Probe:
    return Probe(
        id=f"git.{name}",
        group="git",
        threat="git",
        tries=tries,
        control_is=control_is,
        attack=_act(attack, otherwise),
        control=_act(control, "plain git was not fooled"),
    )


def _shown(name: str, tries: str, attributes: bytes, arm: Trick = lambda _: "") -> Probe:
    """Attributes that are to hide a change from the reviewer."""

    def pair(stage: Stage) -> tuple[str, str]:
        arm(stage)
        marked = stage.commit({".gitattributes": attributes})
        return marked, stage.commit({"src/a.py": _EVIL}, marked)

    def attack(stage: Stage) -> str:
        return _hidden(stage.repo().diff(*pair(stage)), "our difference lacks the line")

    def control(stage: Stage) -> str:
        marked, changed = pair(stage)
        stage.git("checkout", "-q", "--detach", changed)
        return _hidden(stage.git("diff", marked, changed), "git's difference lacks the line")

    return _probe(name, tries, "plain `git diff` there", attack, control, "the line is shown")


def _exported(stage: Stage) -> str:
    changed = stage.commit({".gitattributes": b"src/a.py export-ignore\n", "src/a.py": _EVIL})
    files = stage.repo().read_matching(changed, ("src/**",))
    return "" if files.get("src/a.py") == _EVIL else "the file was left out"


def _archived(stage: Stage) -> str:
    changed = stage.commit({".gitattributes": b"src/a.py export-ignore\n", "src/a.py": _EVIL})
    return "the file was left out" if "os.system" not in stage.git("archive", changed) else ""


def _replaced(stage: Stage) -> tuple[str, str]:
    evil, good = stage.commit({"src/a.py": _EVIL}), stage.commit({"src/a.py": b"good\n"})
    stage.git("replace", evil, good)
    return evil, good


def _read_replaced(stage: Stage) -> str:
    evil, _ = _replaced(stage)
    repo = stage.repo()
    if repo.read(evil, "src/a.py") != _EVIL:
        return "another content was read"
    return _hidden(repo.diff(stage.tip, evil), "the difference shows another content")


def _show_replaced(stage: Stage) -> str:
    evil, _ = _replaced(stage)
    return "another content was shown" if stage.git("show", f"{evil}:src/a.py") == "good" else ""


def _grafted(stage: Stage) -> tuple[str, str]:
    child, stranger = stage.commit({"src/a.py": _EVIL}), stage.commit({"z": b"z"})
    (stage.root / ".git" / "info").mkdir(exist_ok=True)
    (stage.root / ".git" / "info" / "grafts").write_text(f"{child} {stranger}\n")
    return child, stranger


def _ours_grafted(stage: Stage) -> str:
    child, _ = _grafted(stage)
    return "another parent was believed" if stage.repo().parents(child) != (stage.tip,) else ""


def _git_grafted(stage: Stage) -> str:
    child, stranger = _grafted(stage)
    return "another parent was believed" if stranger in stage.git("rev-list", child) else ""


def _assumed(stage: Stage) -> None:
    stage.git("update-index", "--assume-unchanged", "src/a.py")
    stage.git("update-index", "--skip-worktree", "src/b.py")
    for name in ("src/a.py", "src/b.py"):
        (stage.root / name).write_bytes(_EVIL)


def _ours_assumed(stage: Stage) -> str:
    _assumed(stage)
    return "" if stage.repo().dirty() == ("src/a.py", "src/b.py") else "the changed files count as clean"


def _git_assumed(stage: Stage) -> str:
    _assumed(stage)
    return "" if stage.git("status", "--porcelain") else "the changed files count as clean"


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
    _program(("core.fsmonitor", "%"))(stage)
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


def _bumped(stage: Stage) -> tuple[str, str]:
    """A submodule that moves to another commit, which the target's configuration tells git to leave out."""
    modules = b'[submodule "lib"]\n\tpath = lib\n\turl = ./lib\n\tignore = all\n'
    first = stage.commit({".gitmodules": modules})
    kept = stage.git("ls-tree", first)
    made = []
    for oid in ("1" * 40, "2" * 40):
        tree = stage.git("mktree", "--missing", stdin=f"{kept}\n160000 commit {oid}\tlib\n")
        made.append(stage.git("commit-tree", "-m", "x", "-p", first, tree))
    stage.git("checkout", "-q", "--detach", first)
    stage.git("config", "diff.ignoreSubmodules", "all")
    return made[0], made[1]


def _ours_bumped(stage: Stage) -> str:
    before, after = _bumped(stage)
    repo = stage.repo()
    seen = b"2" * 40 in repo.diff(before, after) and repo.changed_paths(before, after) == ("lib",)
    return "" if seen else "the submodule's change is not shown"


def _git_bumped(stage: Stage) -> str:
    return "" if "2" * 40 in stage.git("diff", *_bumped(stage)) else "the submodule's change is not shown"


def _changed_kind(stage: Stage, *, link: bool) -> str:
    path = stage.root / "src" / "b.py"
    if link:
        path.unlink()
        path.symlink_to(stage.folder / "program")
    else:
        path.chmod(0o755)
    stage.git("commit", "-qam", "kinds")
    return stage.git("rev-parse", "HEAD")


def _ours_mode(stage: Stage) -> str:
    changed = _changed_kind(stage, link=False)
    repo = stage.repo()
    shown = b"new mode 100755" in repo.diff(stage.tip, changed) and repo.changed_paths(stage.tip, changed)
    same = repo.manifest_digest(repo.tree_of(stage.tip)) == repo.manifest_digest(repo.tree_of(changed))
    return "" if shown and not same else "the change of mode is not shown"


def _git_mode(stage: Stage) -> str:
    counted = stage.git("diff", "--numstat", stage.tip, _changed_kind(stage, link=False))
    return "no changed line is counted" if counted.split()[:2] == ["0", "0"] else ""


def _ours_kind(stage: Stage) -> str:
    changed = _changed_kind(stage, link=True)
    repo = stage.repo()
    if "src/b.py" in repo.read_matching(changed, ("src/**",)):
        return "the link was read as a file"
    return "" if b"new file mode 120000" in repo.diff(stage.tip, changed) else "the change of kind is not shown"


def _git_kind(stage: Stage) -> str:
    stage.git("checkout", "-q", "--detach", _changed_kind(stage, link=True))
    read = (stage.root / "src" / "b.py").read_text()
    return "a file outside of the tree was read" if "touch" in read else ""


PROBES: Final[tuple[Probe, ...]] = (
    _shown("attributes", "hide a change by a committed `-diff` attribute", b"* -diff\n"),
    _shown(
        "textconv",
        "show a converted text instead of the change",
        b"*.py diff=evil\n",
        _program(("diff.evil.textconv", "true"), ("diff.evil.cachetextconv", "false")),
    ),
    _probe(
        "export_ignore", "leave a file out of what is tested", "plain `git archive`", _exported, _archived, "it is read"
    ),
    _probe(
        "replace", "show other content by a replace ref", "plain `git show`", _read_replaced, _show_replaced, "not read"
    ),
    _probe(
        "grafts", "give a commit other parents", "plain `git rev-list`", _ours_grafted, _git_grafted, "not believed"
    ),
    _runs("fsmonitor", "run a program by core.fsmonitor", _program(("core.fsmonitor", "%")), "status"),
    _runs(
        "signing_program",
        "run a program by gpg.ssh.program",
        _program(
            ("gpg.format", "ssh"), ("gpg.ssh.program", "%"), ("commit.gpgSign", "true"), ("user.signingKey", "key")
        ),
        "commit",
        "--allow-empty",
        "-m",
        "x",
    ),
    _runs(
        "hooks",
        "run a program by hooks",
        _program(hooks=("reference-transaction", "post-checkout", "post-index-change", "pre-commit")),
        "commit",
        "--allow-empty",
        "-m",
        "x",
    ),
    _runs(
        "filter",
        "run a program by a clean or smudge filter",
        _program(("filter.evil.smudge", "%"), ("filter.evil.clean", "%"), attributes="*.py filter=evil\n"),
        "checkout",
        "ours",
    ),
    _runs(
        "external_diff",
        "run a program by diff.external",
        _program(("diff.external", "%")),
        "diff",
        "ours",
        "theirs",
    ),
    _runs(
        "merge_driver",
        "run a program by a merge driver",
        _program(("merge.evil.driver", "%"), attributes="*.py merge=evil\n"),
        "merge-tree",
        "--write-tree",
        "ours",
        "theirs",
    ),
    _probe(
        "assume_unchanged",
        "make changed files count as clean",
        "plain `git status`",
        _ours_assumed,
        _git_assumed,
        "both are named",
    ),
    _probe(
        "worktree",
        "have files written elsewhere",
        "plain `git checkout`",
        _ours_elsewhere,
        _git_elsewhere,
        "nothing is written there",
    ),
    _probe(
        "case",
        "plant git's own folder by its name in capitals",
        "plain `git update-ref`",
        _ours_cased,
        _git_cased,
        "refused",
    ),
    _probe(
        "linked_folder",
        "run a program by a `.git` that is a link",
        "plain `git status` there",
        _ours_linked,
        _git_linked,
        "nothing was run",
    ),
    _probe("submodule", "hide that a submodule moves", "plain `git diff`", _ours_bumped, _git_bumped, "it is shown"),
    _probe(
        "mode",
        "make a file executable without a changed line",
        "plain `git diff --numstat`",
        _ours_mode,
        _git_mode,
        "it is shown, and the digest differs",
    ),
    _probe(
        "kind",
        "put a link in a file's place",
        "the file read from a plain checkout",
        _ours_kind,
        _git_kind,
        "it is shown, and not read",
    ),
)
