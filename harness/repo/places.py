"""Finds a repository on disk and gives the harness a git directory of its own beside it; runs nothing."""

import configparser
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import EnvironmentFault, UsageError
from harness.repo.door import gitpython
from harness.scratch import Scratch

_ENVIRONMENT = threading.Lock()
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tbare = {bare}\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository's parts are; `root` is None when it has no work tree."""

    root: Path | None
    git_dir: Path
    common_dir: Path
    sharing: dict[str, str]


def locate(path: Path, *, search: bool) -> Place:
    """The repository at (or, with `search`, at or above) a path; UsageError in words when there is none."""
    gitpython()
    from git import Repo as GitRepo
    from git.exc import InvalidGitRepositoryError, NoSuchPathError, WorkTreeRepositoryUnsupported

    try:
        with _no_git_environment():
            found = GitRepo(path.absolute(), search_parent_directories=search, expand_vars=False)
    except NoSuchPathError:
        raise UsageError(f"{path} does not exist.", "name an existing folder") from None
    except (InvalidGitRepositoryError, WorkTreeRepositoryUnsupported):
        step = "git init" if path.is_dir() else "name a repository"
        raise UsageError(f"{path} is not in a git repository.", step) from None
    except (configparser.Error, OSError, ValueError) as error:
        raise UsageError(f"The repository at {path} cannot be read: {type(error).__name__}.", "git status") from error
    with found:
        git_dir = Path(found.git_dir).resolve()
        common = _common_dir(git_dir)
        root = None if found.bare or found.working_tree_dir is None else Path(found.working_tree_dir)
        settings = _settings(found)
    if settings.get("objectformat", "sha1") != "sha1" or settings.get("refstorage", "files") != "files":
        raise UsageError(
            f"{common} uses an object or ref format that holdpoint does not read yet.", "git clone it as sha1"
        )
    shared = settings.get("sharedrepository", "")
    sharing = {"core.sharedRepository": shared} if shared.isalnum() else {}
    return Place(root, git_dir, common, sharing)


@contextmanager
def _no_git_environment() -> Iterator[None]:
    """We may run inside a git hook, whose variables name other places; GitPython asks them before the path."""
    with _ENVIRONMENT:
        hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("GIT_")}
        try:
            yield
        finally:
            os.environ.update(hidden)


def _common_dir(git_dir: Path) -> Path:
    """Where a linked work tree's git directory says that refs and objects are; the environment is not asked."""
    try:
        shared = os.fsdecode((git_dir / "commondir").read_bytes()).rstrip("\r\n")
    except OSError:
        return git_dir
    return (git_dir / shared).resolve()


def _settings(found: object) -> dict[str, str]:
    """The few settings that decide how objects and refs are stored, read as data."""
    out: dict[str, str] = {}
    reader = found.config_reader("repository")  # type: ignore[attr-defined]  # GitPython's Repo, imported lazily
    for section, key in (
        ("extensions", "objectformat"),
        ("extensions", "refstorage"),
        ("core", "sharedrepository"),
    ):
        with suppress(configparser.Error, ValueError):
            value = str(reader.get_value(section, key, ""))
            if value:
                out[key] = value.lower()
    return out


def make_repository(path: Path, branch: str, *, bare: bool) -> None:
    """An empty repository at a path; what `git init` does, without templates and without asking the environment."""
    git_dir = path if bare else path / ".git"
    if git_dir.joinpath("HEAD").exists():
        raise UsageError(f"{path} is a git repository already.", "name another folder")
    _fill(git_dir, branch, bare=bare)


def make_scratch(common_dir: Path) -> tuple[Path, Scratch | None]:
    """An empty bare git directory: in the state directory if there is one, else a temporary folder."""
    state = common_dir / "holdpoint"
    if state.is_dir() and os.access(state, os.W_OK):
        return _fill(state / "scratch.git", "none", bare=True), None
    folder = Scratch()
    return _fill(folder.path, "none", bare=True), folder


def _fill(git_dir: Path, branch: str, *, bare: bool) -> Path:
    config = _CONFIG.format(bare=str(bare).lower())
    try:
        for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
            (git_dir / folder).mkdir(parents=True, exist_ok=True)
        for name, text in (("config", config), ("HEAD", f"ref: refs/heads/{branch}\n")):
            file = git_dir / name
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"{git_dir} cannot be written: {error.strerror}.", "check owner and free space"
        ) from error
    return git_dir
