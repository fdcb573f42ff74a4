"""The wheel works away from the checkout: the command, its data folders and its parsing child."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a wheel of this checkout was installed into, without its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    wheel = ["wheel", *offline, "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run([*pip, *wheel], check=True, cwd=folder)
    (built,) = folder.glob("holdpoint-*.whl")
    subprocess.run([*pip, "install", *offline, "--target", str(folder / "site"), str(built)], check=True, cwd=folder)
    return folder / "site"


def python(site: Path, *arguments: str, cwd: Path) -> str:
    """The installed copy's answer; the checkout is not on the path."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    code = f"import sys; sys.path = [p for p in sys.path if p != {str(ROOT)!r}]; "
    argv = [sys.executable, "-c", code + arguments[0], *arguments[1:]]
    return subprocess.run(argv, check=True, capture_output=True, text=True, cwd=cwd, env=environment).stdout


def test_the_data_folders_ship(installed: Path, tmp_path: Path) -> None:
    names = ("sandbox", "policies", "proposals", "examples", "corpus")
    code = f"from harness.data import data_dir; print(*[data_dir(n) for n in {names}])"
    folders = [Path(name) for name in python(installed, code, cwd=tmp_path).split()]
    assert all(installed in folder.parents for folder in folders)
    sandbox, policies, proposals, examples, corpus = folders
    assert (sandbox / "guest" / "entry.py").is_file()
    assert (policies / "default.toml").is_file()
    assert (proposals / "schema.json").is_file()
    assert (examples / "tinker" / "holdpoint.toml").is_file()
    assert (corpus / "ledgerkit" / "tests" / "test_money.py").is_file()
    code = "from harness.integrity.corpus import Corpus; print(len(Corpus.shipped().changes()))"
    assert int(python(installed, code, cwd=tmp_path)) > 100


def test_the_command_and_its_parsing_child_work(installed: Path, tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['holdpoint', '--help']; from harness.cli import main; main()"
    assert "Exit codes" in python(installed, code, cwd=tmp_path)
    code = (
        "from harness.policy import imported_names, open_inspector\n"
        "with open_inspector() as child: print(sorted(imported_names({'a.py': b'import os'}, child)))"
    )
    assert "os" in python(installed, code, cwd=tmp_path)
