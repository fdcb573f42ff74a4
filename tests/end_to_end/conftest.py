"""A ten-line target in a real repository, the real command in a child process, a real terminal for approvals."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "harness.cli"]
SOURCE = '"""Sums."""\n\n\ndef add(a, b):\n    """The sum."""\n    return a + b\n'
TEST = (
    "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    "\n\ndef test_zero():\n    assert add(0, 0) == 0\n"
)
# What `init` would write, but for the replay: its questions have tests of their own, and cost seconds a run.
CONFIG = '[target]\nsource = ["src/calc"]\ntests = ["tests"]\n[sandbox]\nreplay = 0\n'
ENVIRONMENT: dict[str, str] = {**os.environ, "HOLDPOINT_USER": "launcher", "NO_COLOR": "1"}
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)  # a hundred calls that compile everything anew take minutes


@dataclass(frozen=True)
class Answer:
    """What one call of the command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Target:
    """A target repository and the command on it."""

    root: Path
    key: Path

    def __call__(self, *arguments: str | Path, json: bool = True, timeout: float = 120) -> Answer:
        argv = [*COMMAND, *(["--json"] if json else []), "--repo", str(self.root), *map(str, arguments)]
        ran = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Answer(ran.returncode, ran.stdout, ran.stderr)

    def git(self, *arguments: str) -> str:
        return git(self.root, *arguments)

    def overlay(self, folder: Path, source: str, path: str = "src/calc/__init__.py") -> Path:
        """A folder whose one file is laid over the target's source."""
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        return folder

    def proposed(self, folder: Path, source: str, title: str = "a change") -> str:
        """The id of an accepted proposal with this source."""
        answer = self("propose", "--overlay", self.overlay(folder, source), "--title", title)
        assert answer.code == 0, answer
        return str(answer.json["proposal"])

    def approved(self, proposal: str, reason: str = "I read all of it, and it is the same sum.") -> tuple[int, str]:
        """Approves at a real terminal."""
        tree = self("show", proposal).json["tree"]
        return at_terminal(["approve", proposal], self.steps(proposal, tree[:8], reason), self.root)

    def steps(self, proposal: str, digits: str, reason: str) -> list[tuple[str, str]]:
        """What `holdpoint approve` asks of a person, in its order, and answers."""
        hunks = [("Enter when you have read it", "\r")] * self("diff", proposal).json["diff"].count("\n@@ ")
        findings = self("show", proposal).json["findings"]
        grave = [("Type ack", "ack\r") for one in findings if one["severity"] in ("high", "critical")]
        last = [("first verdict", "4\r"), ("Which would it be", "1\r"), ("eight hex digits", f"{digits}\r")]
        return [*hunks, *grave, *last, ("Why may this land", f"{reason}\r")]


def git(root: Path, *arguments: str) -> str:
    """Plain git, as a person would use it."""
    ran = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def at_terminal(
    arguments: Sequence[str], steps: Sequence[tuple[str, str]], root: Path, timeout: float = 60
) -> tuple[int, str]:
    """Runs the command on a pseudo-terminal; each step waits for a text and then types."""
    pid, terminal = pty.fork()
    if pid == 0:
        argv = [*COMMAND, "--repo", str(root), *arguments]
        os.execve(argv[0], argv, {**ENVIRONMENT, "TERM": "xterm-256color", "LINES": "40", "COLUMNS": "120"})
    shown, seen, waiting, until = b"", 0, list(steps), time.monotonic() + timeout
    while time.monotonic() < until:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        if waiting and (place := shown.find(waiting[0][0].encode(), seen)) >= 0:
            seen = place + len(waiting[0][0])
            os.write(terminal, waiting.pop(0)[1].encode())
    else:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., Path]:
    """Makes a committed repository from a mapping of files."""

    def make(files: dict[str, str], name: str = "target") -> Path:
        root = tmp_path / name
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
        git(root, "config", "user.name", "someone")
        git(root, "config", "user.email", "someone@example.invalid")
        git(root, "add", ".")
        git(root, "commit", "-q", "-m", "start")
        return root

    return make


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where targets of one content keep what their base's tests gave: it is named by all that it depends on."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def target(lone_target: Target, results: Path) -> Target:
    """The ten-line target, initialised, with one reviewer and her key; no replay. Its base is measured once for all."""
    (lone_target.root / ".git/holdpoint/cache").symlink_to(results)
    return lone_target


@pytest.fixture
def lone_target(repository: Callable[..., Path]) -> Target:
    """The same, with results of its own."""
    return initialised(
        repository({"src/calc/__init__.py": SOURCE, "tests/test_calc.py": TEST, "holdpoint.toml": CONFIG})
    )


@pytest.fixture
def plain_target(repository: Callable[..., Path]) -> Target:
    """The same, configured by `init` alone."""
    return initialised(repository({"src/calc/__init__.py": SOURCE, "tests/test_calc.py": TEST}))


def initialised(root: Path) -> Target:
    """One reviewer, ana, whose key lies beside the repository."""
    made = Target(root, root.parent / "ana.key")
    answer = made("init", "--reviewer", "ana", "--generate-key", made.key)
    assert answer.code == 0, answer
    return made
