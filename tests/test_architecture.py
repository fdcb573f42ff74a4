"""The import rules of README.md's layout: who may import whom, and which module owns which library."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HARNESS = ROOT / "harness"

# From the top down: a part may import what stands below it, and never what stands above or beside it.
LAYERS = (
    "cli",
    "doctor",
    "integrity",
    "tui",
    "campaign",
    "agent",
    "pipeline",
    "tidy",
    "judgement",
    "workspace",
    "gate",
    "trial",
    "evidence",
    "container",
    "repo",
    "ledger",
    "policy",
    "patch",
    "report",
    "assignment",
    "stats",
    "target",
    "limited",
    "scratch",
    "text",
    "data",
    "records",
    "errors",
)

# One owner for each library that reaches outside; nobody else sees its types.
OWNERS = {
    "docker": "container",
    "requests": "container",
    "git": "repo",
    "sqlalchemy": "ledger",
    "sqlite3": "ledger",
    "textual": "tui",
    "typer": "cli",
    "matplotlib": "report",
}

MODULES = sorted(HARNESS.rglob("*.py"))


def part_of(path: Path) -> str:
    """The layer that a module belongs to."""
    relative = path.relative_to(HARNESS)
    return relative.parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[str, int]]:
    """Every absolute module name that a file imports, with its line; relative imports are not used here."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found += [(name.name, node.lineno) for name in names]
            case ast.ImportFrom(module=str(module), level=0, names=names):
                found.append((module, node.lineno))
                if module == "harness":
                    found += [(f"harness.{name.name}", node.lineno) for name in names]
            case ast.ImportFrom(level=level) if level > 0:
                found.append(("RELATIVE", node.lineno))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HARNESS)))
def test_imports_point_down(path: Path) -> None:
    here = part_of(path)
    if here == "__init__":
        assert not [name for name, _ in imports_of(path) if name.startswith("harness.")]
        return
    rank = LAYERS.index(here)
    for name, line in imports_of(path):
        assert name != "RELATIVE", f"{path}:{line}: relative import"
        if not name.startswith("harness."):
            continue
        there = name.split(".")[1]
        if there in ("__version__", here):
            continue
        assert LAYERS.index(there) > rank, f"{path}:{line}: {here} may not import {there}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HARNESS)))
def test_each_library_has_one_owner(path: Path) -> None:
    here = part_of(path)
    for name, line in imports_of(path):
        owner = OWNERS.get(name.split(".")[0])
        assert owner in (None, here), f"{path}:{line}: {name} belongs to {owner}"


def test_only_the_command_line_prints_or_exits() -> None:
    for path in MODULES:
        if part_of(path) == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "sys.exit", "exit", "quit"), f"{path}:{node.lineno}: {called}"


def test_every_module_says_what_it_is_for() -> None:
    for path in MODULES:
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_guest_code_imports_only_the_standard_library_and_pytest() -> None:
    files = sorted((ROOT / "sandbox" / "guest").glob("*.py"))
    siblings = {path.stem for path in files}
    for path in files:
        for name, line in imports_of(path):
            top = name.split(".")[0]
            if top != "RELATIVE":
                assert top in sys.stdlib_module_names or top in ("pytest", "_pytest"), f"{path}:{line}: {name}"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                named = [node.module] if node.module else [name.name for name in node.names]
                assert node.level == 1, f"{path}:{node.lineno}: leaves the guest's folder"
                assert set(named) <= siblings, f"{path}:{node.lineno}: {named}"


def test_the_locked_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    written = [
        line for line in (ROOT / "requirements" / "runtime.in").read_text().splitlines() if line and line[0] != "#"
    ]
    assert sorted(written) == sorted(project["dependencies"])


def test_the_data_folders_hold_no_harness_code() -> None:
    for name in ("sandbox", "policies", "proposals"):
        for path in (ROOT / name).rglob("*.py"):
            if "examples" in path.parts:
                continue
            assert not [found for found, _ in imports_of(path) if found.split(".")[0] == "harness"], path


HEAVY = {"docker", "requests", "numpy", "libcst", "hypothesis", "textual", "matplotlib"}


@pytest.mark.parametrize("command", ["look", "decide", "merge", "verify", "history", "propose", "reviewer", "bypass"])
def test_a_command_that_runs_nothing_starts_without_what_runs_need(command: str) -> None:
    code = f"import sys, harness.cli.{command}, harness.cli.documents; print(*sorted({HEAVY!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_each_stage_of_make_test_is_given_every_file_of_tests() -> None:
    """It names them itself, the longest first: a file that it left out would never run."""
    told = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    stages = [line.split() for line in told.splitlines() if " -m pytest " in line]
    assert len(stages) == 3
    for path in (ROOT / "tests").rglob("test_*.py"):
        place = path.relative_to(ROOT)
        for words in stages:
            assert {str(place), *map(str, place.parents)} & set(words), place
