"""Tricks on what a person is shown of a change: hidden lines, other content, other parents, kinds and modes."""

from typing import Final

from harness.doctor.git.pairs import EVIL, armed, hidden, probe
from harness.doctor.probe import Probe
from harness.doctor.stage import Stage, Trick


def _shown(name: str, tries: str, attributes: bytes, arm: Trick = lambda _: "") -> Probe:
    """Attributes that are to hide a change from the reviewer."""

    def pair(stage: Stage) -> tuple[str, str]:
        arm(stage)
        marked = stage.commit({".gitattributes": attributes})
        return marked, stage.commit({"src/a.py": EVIL}, marked)

    def attack(stage: Stage) -> str:
        return hidden(stage.repo().diff(*pair(stage)), "our difference lacks the line")

    def control(stage: Stage) -> str:
        marked, changed = pair(stage)
        stage.git("checkout", "-q", "--detach", changed)
        return hidden(stage.git("diff", marked, changed), "git's difference lacks the line")

    return probe(name, tries, "plain `git diff` there", attack, control, "the line is shown")


def _exported(stage: Stage) -> str:
    changed = stage.commit({".gitattributes": b"src/a.py export-ignore\n", "src/a.py": EVIL})
    files = stage.repo().read_matching(changed, ("src/**",))
    return "" if files.get("src/a.py") == EVIL else "the file was left out"


def _archived(stage: Stage) -> str:
    changed = stage.commit({".gitattributes": b"src/a.py export-ignore\n", "src/a.py": EVIL})
    return "the file was left out" if "os.system" not in stage.git("archive", changed) else ""


def _replaced(stage: Stage) -> tuple[str, str]:
    evil, good = stage.commit({"src/a.py": EVIL}), stage.commit({"src/a.py": b"good\n"})
    stage.git("replace", evil, good)
    return evil, good


def _read_replaced(stage: Stage) -> str:
    evil, _ = _replaced(stage)
    repo = stage.repo()
    if repo.read(evil, "src/a.py") != EVIL:
        return "another content was read"
    return hidden(repo.diff(stage.tip, evil), "the difference shows another content")


def _show_replaced(stage: Stage) -> str:
    evil, _ = _replaced(stage)
    return "another content was shown" if stage.git("show", f"{evil}:src/a.py") == "good" else ""


def _grafted(stage: Stage) -> tuple[str, str]:
    child, stranger = stage.commit({"src/a.py": EVIL}), stage.commit({"z": b"z"})
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
        (stage.root / name).write_bytes(EVIL)


def _ours_assumed(stage: Stage) -> str:
    _assumed(stage)
    return "" if stage.repo().dirty() == ("src/a.py", "src/b.py") else "the changed files count as clean"


def _git_assumed(stage: Stage) -> str:
    _assumed(stage)
    return "" if stage.git("status", "--porcelain") else "the changed files count as clean"


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
        armed(("diff.evil.textconv", "true"), ("diff.evil.cachetextconv", "false")),
    ),
    probe(
        "export_ignore", "leave a file out of what is tested", "plain `git archive`", _exported, _archived, "it is read"
    ),
    probe(
        "replace", "show other content by a replace ref", "plain `git show`", _read_replaced, _show_replaced, "not read"
    ),
    probe("grafts", "give a commit other parents", "plain `git rev-list`", _ours_grafted, _git_grafted, "not believed"),
    probe(
        "assume_unchanged",
        "make changed files count as clean",
        "plain `git status`",
        _ours_assumed,
        _git_assumed,
        "both are named",
    ),
    probe("submodule", "hide that a submodule moves", "plain `git diff`", _ours_bumped, _git_bumped, "it is shown"),
    probe(
        "mode",
        "make a file executable without a changed line",
        "plain `git diff --numstat`",
        _ours_mode,
        _git_mode,
        "it is shown, and the digest differs",
    ),
    probe(
        "kind",
        "put a link in a file's place",
        "the file read from a plain checkout",
        _ours_kind,
        _git_kind,
        "it is shown, and not read",
    ),
)
