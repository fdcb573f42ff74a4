"""Bad input of every kind ends in one clear error with the next step, and nothing acknowledged is lost."""

import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.container import Engine
from tests.end_to_end.conftest import COMMAND, ENVIRONMENT, SOURCE, TEST, Answer, Target, git

pytestmark = pytest.mark.engine
Make = Callable[..., Path]


def one_error(answer: Answer, code: int, *words: str) -> None:
    """Exactly one sentence on stderr, with a next step, the expected exit code, and nothing on stdout."""
    assert answer.code == code, answer
    errors = [line for line in answer.err.splitlines() if line.startswith("holdpoint:")]
    assert len(errors) == 1, answer.err
    assert "Traceback" not in answer.err
    assert "  next: " in answer.err
    for word in words:
        assert word in answer.err, answer.err


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    one_error(Target(tmp_path, tmp_path)("init"), 2, "git")
    one_error(Target(tmp_path, tmp_path)("queue"), 2, "git")


def test_a_dirty_work_tree_and_a_second_init(repository: Make, tmp_path: Path) -> None:
    root = repository({"src/calc/__init__.py": SOURCE, "tests/test_calc.py": TEST})
    target = Target(root, tmp_path / "key")
    (root / "src/calc/__init__.py").write_text(SOURCE + "\n")
    one_error(target("init"), 2, "uncommitted")
    git(root, "checkout", "-q", ".")
    one_error(target("queue"), 2, "holdpoint init")
    assert target("init").code == 0
    one_error(target("init"), 2, "already")


def test_no_tests_and_an_unknown_key(repository: Make, tmp_path: Path) -> None:
    one_error(Target(repository({"src/calc/__init__.py": SOURCE}), tmp_path)("init"), 2, "test")
    root = repository(
        {
            "src/calc/__init__.py": SOURCE,
            "tests/test_calc.py": TEST,
            "holdpoint.toml": '[target]\nsource = ["src/calc"]\ntests = ["tests"]\n[sandbox]\nmemry = "1GiB"\n',
        },
        "other",
    )
    one_error(Target(root, tmp_path)("init"), 2, "holdpoint.toml", "memry", "memory")


def test_tests_that_fail_at_the_base(repository: Make, tmp_path: Path) -> None:
    root = repository({"src/calc/__init__.py": SOURCE, "tests/test_calc.py": TEST.replace("== 3", "== 4")})
    target = Target(root, tmp_path / "key")
    assert target("init").code == 0
    proposal = target.proposed(tmp_path / "new", SOURCE.replace("a + b", "b + a"))
    one_error(target("run", proposal), 1, "tests/test_calc.py::test_add", "base")


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        (
            "malformed",
            b"--- a/src/calc/__init__.py\n+++ b/src/calc/__init__.py\n@@ -90,1 +90,1 @@\n-x\n+y\n",
            "malformed",
        ),
        ("binary", b"diff --git a/x b/x\nGIT binary patch\nliteral 1\nA\n", "malformed"),
        ("scope", b"--- /dev/null\n+++ b/other.py\n@@ -0,0 +1 @@\n+x = 1\n", "scope"),
        (
            "protected",
            b"--- a/tests/test_calc.py\n+++ b/tests/test_calc.py\n@@ -1,1 +1,1 @@\n-from calc import add\n+add = 1\n",
            "protected",
        ),
        ("climbing", b"--- /dev/null\n+++ b/../../etc/x.py\n@@ -0,0 +1 @@\n+x = 1\n", "malformed"),
    ],
)
def test_patches_that_are_refused_and_recorded(
    target: Target, tmp_path: Path, name: str, data: bytes, rule: str
) -> None:
    diff = tmp_path / f"{name}.diff"
    diff.write_bytes(data)
    answer = target("propose", "--diff", diff, "--title", name)
    assert answer.code == 1, answer
    assert answer.json["status"] == "refused"
    assert any(rule in finding["rule"] and finding["blocking"] for finding in answer.json["findings"]), answer.json
    run = target("run", answer.json["proposal"])
    assert run.code == 1
    assert run.json["verdict"] == "fail"
    assert target("status").json["proposals"][-1]["state"] == "refused"


def test_a_parser_bomb_is_a_refused_proposal(target: Target, tmp_path: Path) -> None:
    bomb = target.overlay(tmp_path / "bomb", "x = " + "(" * 3000 + "\n")
    answer = target("propose", "--overlay", bomb, "--title", "bomb")
    assert answer.code == 1, answer
    assert any(finding["severity"] in ("high", "critical") for finding in answer.json["findings"])


def test_a_second_harness_waits_its_turn(target: Target, tmp_path: Path) -> None:
    proposal = target.proposed(tmp_path / "slow", SOURCE + "\n\nwhile True:\n    pass\n")
    first = started(target, "run", proposal)
    try:
        wait_for(lambda: target("status").json["proposals"][0]["state"] == "running")
        second = target("propose", "--overlay", target.overlay(tmp_path / "x", SOURCE + "\n"), "--title", "x")
        one_error(second, 4, "another holdpoint", str(first.pid))
    finally:
        first.send_signal(signal.SIGINT)
        assert first.wait(30) == 130


def started(target: Target, *arguments: str) -> "subprocess.Popen[bytes]":
    """The command in a process of its own, which hears Ctrl-C even where the tests run in the background."""
    return subprocess.Popen(
        # A shell without job control makes its background jobs ignore Ctrl-C, and that is inherited.
        ["env", "--default-signal=INT", *COMMAND, "--repo", str(target.root), *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Until the condition holds; fails when it never does."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.05)


def began_or_ended(target: Target, number: int, running: "subprocess.Popen[bytes]") -> bool:
    """Whether the run of a proposal is under way, or over already."""
    return target("status").json["proposals"][number]["state"] == "running" or running.poll() is not None


def leftovers(pids: set[int]) -> list[str]:
    """Containers of these processes, by id; other tests have theirs."""
    with Engine.connect() as engine:
        return [kept.id for kept in engine.labelled("holdpoint") if int(kept.owner.split(":")[2]) in pids]


def test_kill_nine_and_ctrl_c_in_the_middle_lose_nothing(target: Target, tmp_path: Path) -> None:
    accepted = [target.proposed(tmp_path / f"p{n}", SOURCE + f"\n\nX = {n}\n") for n in range(2)]
    killed = set()
    for number, sent in enumerate((signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGKILL)):
        running = started(target, "run", "--again", accepted[number % 2])
        killed.add(running.pid)
        wait_for(partial(began_or_ended, target, number % 2, running))
        time.sleep(0.15 * number)
        running.send_signal(sent)
        running.wait(30)
        states = [row["state"] for row in target("status").json["proposals"]]
        assert set(states) <= {"accepted", "running", "waiting"}
    again = target("run", "--all")
    assert again.code == 0, again
    assert [row["state"] for row in target("status").json["proposals"]] == ["waiting", "waiting"]
    assert target("verify").code == 0
    assert leftovers(killed) == [], "the next run reaps what a killed one left"


def test_ctrl_c_ends_several_runs_at_once(target: Target, tmp_path: Path) -> None:
    endless = SOURCE + "\n\nwhile True:\n    pass\n"
    for number in range(2):
        target.proposed(tmp_path / f"e{number}", f"{endless}\nX = {number}\n")
    running = started(target, "run", "--all")
    wait_for(lambda: target("status").json["proposals"][0]["state"] == "running")
    time.sleep(4)
    began = time.monotonic()
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    assert time.monotonic() - began < 30, "the limit of one trial is two minutes"
