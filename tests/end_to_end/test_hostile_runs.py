"""Candidates that exit, hang, fork and flood: a verdict other than pass, within the limits, and nothing left behind."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.container import Engine
from harness.container.lease import orphans
from harness.data import data_dir
from harness.evidence import EvidenceStore
from harness.scratch import PREFIX, sweep
from tests.end_to_end.conftest import SOURCE, TEST, Target, git

pytestmark = [pytest.mark.engine, pytest.mark.slow]

LIMIT = 8  # seconds of a trial
SLACK = 2.0  # seconds that may be added to it

# No syntax rule blocks: these must be held by the sandbox alone.
OPEN_POLICY = (data_dir("policies") / "default.toml").read_text().replace("blocks = true", "blocks = false")

ACTS = {
    "exits": "import os\nos._exit(0)\n",
    "loops": "while True:\n    pass\n",
    "forks": "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n",
    "prints": "while True:\n    print('x' * 1_000_000)\n",
    "fills": "x = []\nwhile True:\n    x.append(bytearray(10_000_000))\n",
    "raises": "raise SystemExit(0)\n",
    "daemon": (
        "import os, signal, sys, time\n"
        "if os.fork() == 0:\n    os.setsid()\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    while True:\n        time.sleep(1)\nos._exit(0)\n"
    ),
}


@pytest.fixture
def open_target(repository: Callable[..., Path], tmp_path: Path) -> Target:
    """A target with short limits whose policy has no syntax rules."""
    config = (
        '[target]\nsource = ["src/calc"]\ntests = ["tests"]\n'
        f'[sandbox]\ntimeout = "{LIMIT}s"\nmemory = "256MiB"\npids = 40\nreplay = 0\n[policy]\nuse = "open.toml"\n'
    )
    files = {
        "src/calc/__init__.py": SOURCE,
        "tests/test_calc.py": TEST,
        "holdpoint.toml": config,
        "open.toml": OPEN_POLICY,
    }
    root = repository(files)
    target = Target(root, tmp_path / "key")
    answer = target("init")
    assert answer.code == 0, answer
    return target


def strays() -> tuple[set[str], set[str]]:
    """Containers and scratch folders whose process is gone, and our other temporary files; neighbours run their own."""
    with Engine.connect() as engine:
        containers = set(orphans(engine))
    folder = Path(tempfile.gettempdir())
    others = {path.name for path in folder.glob("holdpoint*") if not path.name.startswith(PREFIX)}
    return containers, {*others, *sweep(folder, dry=True)}


def test_every_act_is_no_pass_and_leaves_nothing(open_target: Target, tmp_path: Path) -> None:
    before = strays()
    acts = {
        open_target.proposed(tmp_path / name, SOURCE + "\n\n" + source, name): name for name, source in ACTS.items()
    }
    answer = open_target("run", "--all", timeout=300)
    assert answer.code == 1, answer
    assert {run["proposal"] for run in answer.json["runs"]} == set(acts)
    store = EvidenceStore(open_target.root / ".git/holdpoint/evidence")
    for run in answer.json["runs"]:
        name = acts[run["proposal"]]
        assert run["verdict"] in ("fail", "error"), (name, run)
        assert run["tests"]["passed"] == 0, (name, run)
        trials = store.evidence(run["evidence"]).trials
        assert trials
        for trial in trials:
            assert trial.state.seconds < LIMIT + SLACK, f"{name} was not stopped within the limits: {trial.state}"
    containers, files = strays()
    assert containers <= before[0]
    assert files <= before[1]
    assert git(open_target.root, "status", "--porcelain") == ""
