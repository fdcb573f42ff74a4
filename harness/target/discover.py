"""Source and tests by convention, from a list of tracked paths; pure, opens no file."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from pydantic_core import PydanticCustomError

from harness.errors import UsageError
from harness.target.values import clean_path, inside

_TEST_FOLDERS = ("tests", "test")
_NOT_SOURCE_FOLDERS = frozenset(
    {"tests", "test", "testing", "docs", "doc", "examples", "example", "bench", "benchmarks", "benchmark",
     "scripts", "script", "tools", "ci", "build", "dist", "site", "vendor", "node_modules"}
)  # fmt: skip
_NOT_SOURCE_MODULES = frozenset(
    {
        "setup",
        "conftest",
        "noxfile",
        "tasks",
        "fabfile",
        "sitecustomize",
        "usercustomize",
        "versioneer",
        "conf",
    }
)
_BY_HAND = "write holdpoint.toml by hand ([target] source and tests), or arrange the files as src/PACKAGE and tests/"


def discover(files: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(source, tests) from tracked paths.

    Source: src/PACKAGE, else top-level packages and modules. Tests: tests/, test/, top-level test_*.py.
    UsageError when one of them is missing or when the only tests lie inside the source.
    """
    python = sorted(path for path in map(PurePosixPath, filter(_usable, files)) if path.suffix == ".py")
    if not python:
        raise UsageError("no tracked Python file was found.", "git add the program and its tests, then try again")
    tests, source = _tests(python), _source(python)
    if not source:
        raise UsageError("no source was found: no src/PACKAGE, top-level package or module is tracked.", _BY_HAND)
    if not tests:
        within = sorted({_test_folder(path) for path in python if _test_folder(path)})
        if within:
            raise UsageError(
                f"the only tests are inside the source ({within[0]}), where a proposal could edit them.",
                _BY_HAND,
            )
        raise UsageError("no tests were found: no tests/, test/ or test_*.py is tracked.", _BY_HAND)
    return tuple(source), tuple(tests)


def _usable(path: str) -> bool:
    """Names that the configuration could not hold are no convention's source."""
    try:
        return clean_path(path) == path
    except PydanticCustomError:
        return False


def _is_test_file(path: PurePosixPath) -> bool:
    return path.stem.startswith("test_") or path.stem.endswith("_test")


def _tests(python: list[PurePosixPath]) -> list[str]:
    folders = {path.parts[0] for path in python if len(path.parts) > 1 and path.parts[0] in _TEST_FOLDERS}
    return sorted(folders) + [str(path) for path in python if len(path.parts) == 1 and _is_test_file(path)]


def _test_folder(path: PurePosixPath) -> str:
    for folder in path.parents:
        if folder.name in _TEST_FOLDERS:
            return str(folder)
    return str(path) if _is_test_file(path) else ""


def _source(python: list[PurePosixPath]) -> list[str]:
    below_src = {PurePosixPath(*path.parts[:2]) for path in python if path.parts[0] == "src" and len(path.parts) > 1}
    found = [path for path in below_src if path.suffix != ".py" or _is_source_module(path)]
    if not found:
        found = [path.parent for path in python if path.name == "__init__.py" and _is_source_package(path.parent)]
        found += [path for path in python if len(path.parts) == 1 and _is_source_module(path)]
    return sorted(str(path) for path in found if not any(inside(str(path), folder) for folder in _TEST_FOLDERS))


def _is_source_package(folder: PurePosixPath) -> bool:
    return len(folder.parts) == 1 and folder.name not in _NOT_SOURCE_FOLDERS


def _is_source_module(path: PurePosixPath) -> bool:
    return path.stem not in _NOT_SOURCE_MODULES and not _is_test_file(path)
