"""Candidates that use up one limit each: ended within it, and the verdict's reasons name it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.data import data_dir
from harness.evidence import EvidenceStore
from tests.end_to_end.conftest import SOURCE, TEST, Target

pytestmark = pytest.mark.engine

LIMIT = 12.0  # seconds; enough for what meets another limit first, on a busy machine too
SLACK = 2.0  # seconds that may be added to a limit
# No syntax rule blocks: these must be held by the sandbox alone.
OPEN_POLICY = (data_dir("policies") / "default.toml").read_text().replace("blocks = true", "blocks = false")
CONFIG = (
    '[target]\nsource = ["src/calc"]\ntests = ["tests"]\n'
    f'[sandbox]\ntimeout = "{LIMIT:.0f}s"\nmemory = "192MiB"\npids = 40\noutput = "1MiB"\n'
    '[policy]\nuse = "open.toml"\n'
)


class Act(NamedTuple):
    """What a candidate does when it is imported, what the verdict must say, and how soon (seconds of the trial)."""

    code: str
    words: str
    within: float = LIMIT


ACTS = {
    # Past pytest's own capture, straight into the pipe: the supervisor cuts it off at once.
    "10 GB of output": Act(
        "import os\npipe = max([1, *(int(n) for n in os.listdir('/proc/self/fd') if 'pipe' in _link(n))])\n"
        "for _ in range(10_000):\n    os.write(pipe, b'x' * 1_000_000)\n",
        "output limit 1 MiB",
        1.0,
    ),
    "10 GB into what pytest captures": Act(
        "import sys\nfor _ in range(10_000):\n    print('x' * 1_000_000)\n", "/tmp is full (size limit 64 MiB)"
    ),
    "1,000,000 files": Act(
        "import os\nfor number in range(1_000_000):\n    os.close(os.open(f'/work/{number}', os.O_CREAT))\n",
        "/work is full (limit of 65536 files)",
    ),
    "a daemon that ignores every signal": Act(
        "import os, signal, time\n"
        "def stay():\n"
        "    for number in range(1, 65):\n"
        "        try:\n            signal.signal(number, signal.SIG_IGN)\n"
        "        except (OSError, ValueError):\n            pass\n"
        "    while True:\n        time.sleep(1)\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        stay()\n    os._exit(0)\n"
        "stay()\n",
        f"time limit {LIMIT:.0f} s",
    ),
    "out of memory": Act("hog = []\nwhile True:\n    hog.append(bytearray(1_000_000))\n", "memory limit 192 MiB"),
    # The parent lives on and every test passes: exit status 0, and the engine's OOMKilled.
    "out of memory in a child": Act(
        "import os\nchild = os.fork()\nif child == 0:\n"
        "    try:\n        hog = [bytearray(1_000_000) for _ in range(1_000)]\n    finally:\n        os._exit(0)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9\n",
        "memory limit 192 MiB",
    ),
    "a fork bomb": Act(
        "import os, time\nfor _ in range(1_000):\n    if os.fork() == 0:\n        time.sleep(60)\n",
        "no more processes (limit 40)",
    ),
}
LINK = """
def _link(n):
    import os
    try:
        return os.readlink(f'/proc/self/fd/{n}')
    except OSError:
        return ''


"""


@pytest.fixture
def limited(repository: Callable[..., Path], tmp_path: Path) -> Target:
    """The ten-line target under small limits."""
    files = {"src/calc/__init__.py": SOURCE, "tests/test_calc.py": TEST, "holdpoint.toml": CONFIG}
    target = Target(repository({**files, "open.toml": OPEN_POLICY}), tmp_path / "key")
    answer = target("init")
    assert answer.code == 0, answer
    return target


def test_each_limit_ends_its_trial_and_is_named(limited: Target, tmp_path: Path) -> None:
    acts = {
        limited.proposed(tmp_path / name.replace(" ", "-"), f"{SOURCE}\n{LINK}{act.code}", name): (name, act)
        for name, act in ACTS.items()
    }
    answer = limited("run", "--all")
    assert answer.code == 1, answer
    store = EvidenceStore(limited.root / ".git/holdpoint/evidence")
    assert {run["proposal"] for run in answer.json["runs"]} == set(acts)
    for run in answer.json["runs"]:
        name, act = acts[run["proposal"]]
        assert run["verdict"] == "fail", (name, run)
        assert any(act.words in reason for reason in run["reasons"]), (name, run["reasons"])
        # Through the oracle first, then once more in its own process, which is the one that knows every limit.
        _, trial = store.evidence(run["evidence"]).trials
        assert trial.state.seconds < act.within + SLACK, (name, trial.state)
        if name == "out of memory in a child":
            assert (trial.state.exit_code, trial.state.oom_killed) == (0, True)
