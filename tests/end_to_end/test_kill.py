"""Harnesses killed with SIGKILL at chosen and random moments: the next one goes on, and in the end nothing is left."""

import fcntl
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.container import Engine
from harness.container.images import left_layers
from harness.ledger.store import check_ledger
from tests.end_to_end.conftest import ENVIRONMENT, SOURCE, TEST, Target, git
from tests.shared.killer import OF_CAMPAIGNS, POINTS

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parents[2]
AGENT = '''"""Proposes a comment for each seed."""

import json
import sys

for line in sys.stdin:
    asked = json.loads(line)
    path, text = sorted(asked["body"]["files"].items())[0]
    edit = {"path": path, "content": f"{text}# {asked['body']['seed']}\\n"}
    body = {"type": "proposal", "title": "a comment", "rationale": "", "edits": [edit]}
    print(json.dumps({"id": asked["id"], "body": body}), flush=True)
'''
CONFIG = (
    '[target]\nsource = ["src/calc"]\ntests = ["tests"]\n[sandbox]\ntimeout = "20s"\nreplay = 30\n'
    '[agent]\nmodule = "proposer"\nships = ["agent"]\n'
)
PLAN = '[campaign]\nname = "comments"\nproposals = 3\ngeneration = 3\n'


@dataclass
class Series:
    """One target, one warm process, and what was done so far."""

    target: Target
    process: "subprocess.Popen[str]"
    folder: Path
    chance: random.Random
    kills: int = 0
    made: int = 0
    names: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)

    def tell(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def act(self, *argv: str, **how: Any) -> int:
        """Runs one command in a forked child, killed as told; its exit status, -9 when it was killed."""
        argv = ("--json", "--repo", str(self.target.root), *argv)
        answer = self.tell({"argv": argv, "log": str(self.folder / "log"), **how})
        self.owners.add(answer["owner"])
        self.kills += answer["status"] == -9
        status: int = answer["status"]
        words = (self.folder / "log").read_text(errors="replace")
        assert status in (0, 1, -9), f"{argv} {how}: {status}\n{words}"
        return status

    def propose(self, **how: Any) -> int:
        """A new text each time, right and wrong in turn."""
        self.made += 1
        right = self.made % 2 == 0
        source = SOURCE.replace("a + b", f"a + b + {self.made} - {self.made if right else 0}")
        overlay = self.target.overlay(self.folder / f"overlay-{self.made}", source)
        return self.act("propose", "--overlay", str(overlay), "--title", "right" if right else "wrong", **how)

    def broken_off(self, **how: Any) -> int:
        """One command, killed as told; the same commands go on with the same work."""
        turn = self.chance.random()
        if turn < 0.2:
            return self.propose(**how)
        if turn < 0.35:
            return self.act("campaign", "run", str(self.folder / "plan.toml"), **how)
        which = ("--all",) if turn < 0.5 else (self.chance.choice(self.names), "--again")
        return self.act("run", *which, **how)


@pytest.fixture
def series(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Series]:
    root = tmp_path / "target"
    files = {"src/calc/__init__.py": SOURCE, "tests/test_calc.py": TEST, "agent/proposer.py": AGENT}
    for path, text in {**files, "holdpoint.toml": CONFIG}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git(tmp_path, "init", "-q", "-b", "main", str(root))
    git(root, "add", ".")
    git(root, "-c", "user.name=x", "-c", "user.email=x@example.invalid", "commit", "-q", "-m", "start")
    target = Target(root, tmp_path / "key")
    answer = target("init", "--reviewer", "ana", "--generate-key", target.key)
    assert answer.code == 0, answer
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "tmp").mkdir()
    environment = {**ENVIRONMENT, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/shared/killer.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with process:
        yield Series(target, process, tmp_path, random.Random(1))
        process.kill()


def test_twenty_kills_leave_nothing_and_the_work_goes_on(series: Series) -> None:
    kill_until(series, 20, list(POINTS))
    finish(series)


@pytest.mark.soak
def test_five_hundred_kills_leave_nothing_and_the_work_goes_on(series: Series) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")  # shown when it fails
    series.chance.seed(seed)
    began = time.monotonic()
    while series.kills < 500:
        kill_until(series, min(500, series.kills + 50), list(POINTS))
        finish(series)
        print(f"{series.kills} kills after {time.monotonic() - began:.0f} s", flush=True)  # seen with -s


def kill_until(series: Series, kills: int, chosen: list[str]) -> None:
    """Chosen points first, then any point at any of its visits, or any moment."""
    while len(series.names) < 2:
        series.propose()
        series.names.append(f"P{len(series.names) + 1:05}")
        series.act("run", "--all")  # what is done once for an engine and a base is done
    for point in chosen:
        run = ("run", series.chance.choice(series.names), "--again")
        argv = ("campaign", "run", str(series.folder / "plan.toml")) if point in OF_CAMPAIGNS else run
        assert series.act(*argv, point=point) == -9, f"never came to {point}"
    tries = 0
    while series.kills < kills:
        tries += 1
        assert tries < 5 * kills, "the kills do not come"
        if series.chance.random() < 0.5:
            series.broken_off(point=series.chance.choice(list(POINTS)), nth=series.chance.randint(1, 6))
        else:
            series.broken_off(delay=series.chance.uniform(0.0, 2.0))


def finish(series: Series) -> None:
    """The same commands, left in peace: every proposal gets its right verdict, and nothing of the killed is left."""
    series.act("run", "--all")
    assert series.act("campaign", "run", str(series.folder / "plan.toml")) == 0
    status = series.target("status")
    assert status.code == 0, status
    for row in status.json["proposals"]:
        if row["proposal"] not in series.done:
            answer = series.target("show", row["proposal"])
            assert answer.code == 0, answer
            proposal = answer.json
            expected = {"right": "waiting", "wrong": "failed", "a comment": "failed"}.get(proposal["title"], "waiting")
            assert proposal["state"] == expected, proposal
            series.done.append(row["proposal"])
    assert series.done
    nothing_left(series)


def nothing_left(series: Series) -> None:
    until = time.monotonic() + 10
    while series.tell({"orphans": True})["orphans"]:  # wardens look again for some seconds
        assert time.monotonic() < until, series.tell({"orphans": True})
        time.sleep(0.2)
    with Engine.connect() as engine:
        assert [kept for kept in engine.labelled("holdpoint") if kept.owner in series.owners] == []
        assert left_layers(engine, time.time() + 3600) == ()
    state = series.target.root / ".git/holdpoint"
    assert list((series.folder / "tmp").iterdir()) == []
    git_dir = series.target.root / ".git"
    suspects = ("holdpoint-scratch-*", "*.lock", "tmp_*", "incoming*")
    left = {path for pattern in suspects for path in git_dir.rglob(pattern)} - {git_dir / "holdpoint-landing.lock"}
    assert left == set()
    with (state / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert git(series.target.root, "status", "--porcelain") == ""
    assert git(series.target.root, "fsck", "--no-progress", "--no-dangling") == ""
    checked = check_ledger(state / "ledger.sqlite")
    assert checked.ok, checked
    assert series.target("verify").json["ledger"]["ok"] is True
