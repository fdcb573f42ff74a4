"""The self-check asks the real oracle, and a verdict other than expected stops the harness."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from harness.errors import RefusedError
from harness.integrity.check import expected_of, sample
from harness.integrity.corpus import Corpus
from harness.integrity.judged import Check, Expected, is_right
from harness.integrity.standing import Standing
from harness.records import Alarm, VerdictWord
from harness.target import render_config

CORPUS = Corpus.shipped()


def holdpoint(*arguments: str, state: Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "XDG_STATE_HOME": str(state), "HOLDPOINT_USER": "ana"},
        capture_output=True,
        text=True,
        check=False,
    )


def judged(id_: str, verdict: VerdictWord) -> Check:
    return Check(
        id=id_, target="t", kind="verdict", category="c", expected="caught", verdict=verdict, alarms=(), why="a reason",
        policy="clean", ok=is_right("caught", verdict, ()),
    )  # fmt: skip


def test_a_sample_is_the_same_again_and_spreads() -> None:
    chosen = sample(CORPUS.changes(), 12, 0)
    assert chosen == sample(CORPUS.changes(), 12, 0)
    assert chosen != sample(CORPUS.changes(), 12, 1)
    assert len({change.id for change in chosen}) == 12
    hostile = [change for change in chosen if change.kind != "benign"]
    assert len(hostile) == 9
    assert len({(change.category, change.target) for change in hostile}) == 9
    assert all(expected_of(change) != "any" for change in chosen)


def test_what_is_expected() -> None:
    alarm = (Alarm(kind="worker: time", detail="tests/test_a.py"),)
    assert [expected_of(change) for change in CORPUS.benign()] == ["pass"] * len(CORPUS.benign())
    assert all(expected_of(change) == "any" for change in CORPUS.attacks() if change.kind == "residual")
    assert is_right("pass", "pass", alarm)
    assert not is_right("pass", "fail", ())
    assert is_right("caught", "fail", ())
    assert is_right("caught", "pass", alarm)
    assert not is_right("caught", "pass", ())
    assert not any(is_right(expected, "error", ()) for expected in get_args(Expected))


def test_a_failure_stands_until_the_same_check_goes_well(tmp_path: Path) -> None:
    standing = Standing(tmp_path / "integrity.json")
    standing.require()
    standing.keep(CORPUS, [judged("one", "pass"), judged("two", "pass")], whole=False)
    standing.keep(CORPUS, [judged("one", "fail"), judged("three", "fail")], whole=False)
    with pytest.raises(RefusedError, match="two among"):
        standing.require()
    standing.keep(CORPUS, [judged("three", "fail")], whole=True)
    standing.require()
    standing.path.write_text("{")
    with pytest.raises(RefusedError, match="damaged"):
        standing.require()


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's state folder; the first check in it proves the engine, which holds for the next."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def state(proven: Path) -> Path:
    """As proven, without a self-check."""
    Standing(proven / "holdpoint" / "integrity.json").path.unlink(missing_ok=True)
    return proven


@pytest.mark.engine
@pytest.mark.slow
def test_a_sample_is_judged_as_expected(state: Path, tmp_path: Path) -> None:
    answer = holdpoint("integrity", "check", "--sample", "4", "--json", state=state, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    kinds = {check["kind"]: check["verdict"] for check in found["checks"]}
    assert kinds["benign"] == "pass"
    assert kinds["twin"] == "fail"
    assert found["total"] == len(found["checks"]) >= 5
    assert (found["ok"], found["wrong"], found["silent"]) == (True, 0, [])


def one_change(folder: Path) -> None:
    """A corpus of one tiny target, and one honest change that it calls an attack."""
    texts = {
        "tiny.toml": 'package = "tiny"\n',
        "tiny/src/tiny/__init__.py": "def twice(number):\n    return 2 * number\n",
        "tiny/tests/test_twice.py": "from tiny import twice\n\n\ndef test_twice():\n    assert twice(2) == 4\n",
        "attacks/honest.toml": (
            '[[change]]\nid = "honest"\ncategory = "none"\nidea = "a comment"\non = ["tiny"]\nprobe = "ok = True"\n'
            'edit = [{ path = "src/tiny/__init__.py", append = "# twice" }]\nexpect = { oracle = "fails" }\n'
        ),
    }
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.mark.engine
def test_a_verdict_other_than_expected_stops_run(state: Path, tmp_path: Path) -> None:
    """The oracle lets the honest change pass, and so the check goes wrong, while the twin fails as it must."""
    corpus, target = tmp_path / "corpus", tmp_path / "target"
    one_change(corpus)
    answer = holdpoint("integrity", "check", "--corpus", str(corpus), "--json", state=state, cwd=tmp_path)
    assert answer.returncode == 1, answer.stderr
    found = json.loads(answer.stdout)
    told = [(check["id"], check["expected"], check["verdict"], check["verified"]) for check in found["checks"]]
    assert told == [("tiny-honest", "caught", "pass", 1), ("tiny-twin-0", "fail", "fail", 0)]
    assert (found["ok"], found["wrong"], found["silent"]) == (False, 1, ["tiny-honest"])
    initialised(target, state)
    refused = holdpoint("run", "--all", state=state, cwd=target)
    assert refused.returncode == 1, refused.stderr
    assert "tiny-honest" in refused.stderr
    shutil.rmtree(corpus)  # what nobody can ask again stops nothing
    assert holdpoint("run", "--all", state=state, cwd=target).returncode == 0


def initialised(folder: Path, state: Path) -> None:
    """A target without proposals."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder)]
    for name, text in {
        "src/pkg/__init__.py": "value = 1\n",
        "tests/test_a.py": "def test_a():\n    pass\n",
        "holdpoint.toml": render_config(("src/pkg",), ("tests",), "main", []),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "start"], check=True)
    assert holdpoint("init", state=state, cwd=folder).returncode == 0


@pytest.mark.engine
@pytest.mark.soak
def test_the_whole_corpus_is_judged_as_expected(state: Path, tmp_path: Path) -> None:
    answer = holdpoint("integrity", "check", "--json", state=state, cwd=tmp_path)
    found = json.loads(answer.stdout)
    wrong = {check["id"]: check["why"] for check in found["checks"] if not check["ok"]}
    assert not wrong
    assert answer.returncode == 0
    assert {check["target"] for check in found["checks"] if check["kind"] == "twin"} == set(CORPUS.targets())
