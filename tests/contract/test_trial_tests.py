"""The test lane on a ten-line target in real containers: what is a pass, and everything that is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from harness.container import Engine, ImageRef, ensure_sandbox_image, judge_image
from harness.records import TestsResult, VerdictWord, sha256
from harness.repo import matches
from harness.target import SandboxSection, TargetConfig, TargetSection
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.tests import TestRun, judge, run_tests, unusable
from harness.trial.verdict import conclude

pytestmark = pytest.mark.engine

GOOD = "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return add(a, a)\n"
TESTS = """\
import sys
import unittest
import pytest
from calc import add, double

def test_add():
    assert add(1, 2) == 3

@pytest.mark.parametrize("text", ["a::b]", "\\x1b[31m", "é"])
def test_hostile_ids(text):
    assert add(text, "!") == text + "!"

class Doubles(unittest.TestCase):
    def test_double(self):
        self.assertEqual(double(4), 8)

@pytest.mark.skip(reason="not yet")
def test_later():
    assert False

@pytest.mark.xfail
def test_known_bug():
    assert add(1, 1) == 3
"""
BASE = {
    "src/calc/__init__.py": GOOD.encode(),
    "tests/test_calc.py": TESTS.encode(),
    "tests/conftest.py": b"import calc\n",
    "pyproject.toml": b'[tool.pytest.ini_options]\naddopts = "-ra --strict-markers"\n',
}


class Seen(NamedTuple):
    verdict: VerdictWord
    result: TestsResult
    run: TestRun


@dataclass
class Lane:
    """The lane on one base; candidates are texts of src/calc/__init__.py."""

    engine: Engine
    image: ImageRef
    judge: ImageRef
    base: Mapping[str, bytes]
    source: tuple[str, ...] = ("src/calc",)

    def inputs(self, files: Mapping[str, bytes], timeout: float = 10.0, **limits: int) -> TrialInputs:
        trees = {"base": self.base, "merge": files}
        return TrialInputs(
            base_commit="base",
            merge_commit="merge",
            config=TargetConfig(
                target=TargetSection(source=self.source, tests=("tests",)),
                sandbox=SandboxSection(timeout=timeout, **limits),
            ),
            image=self.image,
            judge=self.judge,
            run_id="contract-trial",
            read=lambda commit, patterns: {p: d for p, d in trees[commit].items() if matches(p, patterns)},
        )

    def ask(self, text: str, timeout: float = 10.0, **limits: int) -> Seen:
        files = {**self.base, "src/calc/__init__.py": text.encode()}
        run = run_tests(self.engine, self.inputs(files, timeout, **limits), "candidate")
        result = judge(self.baseline, run)
        return Seen(conclude((), result, ())[0], result, run)

    baseline: TestRun = None  # type: ignore[assignment]  # filled by the fixture


def lane_on(engine: Engine, base: Mapping[str, bytes], source: tuple[str, ...]) -> Lane:
    image = ensure_sandbox_image(engine, print)
    kept = {path: data for path, data in base.items() if not matches(path, source)}
    return Lane(engine, image, judge_image(engine, image, kept, scope_links(source)), base, source)


@pytest.fixture(scope="module")
def lane(engine: Engine) -> Lane:
    made = lane_on(engine, BASE, ("src/calc",))
    made.baseline = run_tests(engine, made.inputs(BASE), "baseline")
    assert unusable(made.baseline) == ""
    return made


def test_baseline_is_reported_in_full(lane: Lane) -> None:
    report = lane.baseline.report
    assert report.problems == ()
    assert report.ids[0] == "tests/test_calc.py::test_add"
    assert sorted(report.outcomes) == ["passed"] * 5 + ["skipped", "xfailed"]
    assert lane.baseline.trial.state.exit_code == 0
    assert lane.baseline.trial.arm == "baseline"


def test_a_refactoring_passes(lane: Lane) -> None:
    seen = lane.ask(GOOD.replace("add(a, a)", "2 * a"))
    assert seen.verdict == "pass"
    assert (seen.result.passed, seen.result.expected) == (5, 5)
    assert len(seen.run.blobs) == 3
    assert seen.run.trial.stdout == sha256(seen.run.blobs[0])


def test_a_bug_fails_by_name_with_a_log(lane: Lane) -> None:
    seen = lane.ask(GOOD.replace("a + b", "a - b"))
    assert seen.verdict == "fail"
    assert "tests/test_calc.py::test_add" in seen.result.failed
    assert b"assert -1 == 3" in seen.run.log


NOT_PASSING = {
    "exits at import": "import os\nos._exit(0)\n",
    "exits in a test": GOOD.replace("return a + b", "__import__('os')._exit(0)"),
    "exits politely": "import sys\nsys.exit(0)\n",
    "ends pytest with success": GOOD + "import pytest\npytest.exit('done', returncode=0)\n",
    "exits behind our back": "import os, threading, time\n" + GOOD.replace(
        "return a + b", "threading.Thread(target=os._exit, args=(0,)).start()\n    time.sleep(60)"
    ),
    "is no Python": "def add(:\n",
    "lacks a name": "def add(a, b):\n    return a + b\n",
    "skips": GOOD.replace("return a + b", "import unittest\n    raise unittest.SkipTest('no')"),
    "skips the module": "import unittest\nraise unittest.SkipTest('no')\n",
    "marks as expected failure": GOOD.replace("return a + b", "import pytest\n    pytest.xfail('known')"),
    "mends an expected failure": GOOD.replace("a + b", "3 if a == b == 1 else a + b"),
    "drops tests": (
        "import gc, pluggy\nclass Evil:\n    def pytest_collection_modifyitems(self, items):\n        del items[0]\n"
        "[o.register(Evil()) for o in gc.get_objects() if isinstance(o, pluggy.PluginManager)]\n" + GOOD
    ),
    "replaces test bodies": (
        GOOD.replace("a + b", "a - b") + "import gc, pluggy\nclass Evil:\n"
        "    def pytest_runtest_setup(self, item):\n        item.obj = lambda **_: None\n"
        "[o.register(Evil()) for o in gc.get_objects() if isinstance(o, pluggy.PluginManager)]\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_PASSING)
def test_not_a_pass(lane: Lane, name: str) -> None:
    seen = lane.ask(NOT_PASSING[name])
    assert seen.verdict == "fail", seen.result
    assert seen.result.failed or seen.result.missing or seen.result.skipped


INTO_EVERY_PIPE = """
import os
for fd in range(3, 30):
    try:
        {what}
    except OSError:
        pass
"""
FORGED = """
import json, os
def forge(fd):
    ids = ["tests/test_calc.py::test_add"]
    lines = [{"e": "collected", "ids": ids}, {"e": "start", "count": 1}]
    phase = {"e": "phase", "n": 0, "outcome": "passed", "wasxfail": False}
    lines += [{**phase, "when": when} for when in ("setup", "call", "teardown")]
    lines += [{"e": "finished", "exit": 0}]
    for line in lines:
        text = json.dumps(line).encode()
        os.write(fd, b"c " + text + b"\\n" + text + b"\\n")
    os.write(fd, b's {"e": "end", "status": 0, "stopped": ""}\\n')
"""


@pytest.mark.parametrize("where", ["1", "2", "os.open('/proc/1/fd/1', os.O_WRONLY)"])
def test_events_forged_outside_the_pipe_do_not_count(lane: Lane, where: str) -> None:
    wrong = GOOD.replace("a + b", "a - b")
    seen = lane.ask(wrong + FORGED + f"try:\n    forge({where})\nexcept OSError:\n    pass\n")
    assert seen.verdict == "fail"
    assert "tests/test_calc.py::test_add" in seen.result.failed + seen.result.missing


def test_a_second_report_of_a_test_ends_the_reading(lane: Lane) -> None:
    """The pipe is within reach of that process: what it adds there does not fit the order of events."""
    line = '{"e": "phase", "n": 0, "when": "setup", "outcome": "passed", "wasxfail": false}\\n'
    seen = lane.ask(GOOD + INTO_EVERY_PIPE.format(what=f"os.write(fd, b'{line}')"))
    assert seen.verdict == "fail"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("while True: pass\n", "out of time"),
        ("import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nwhile True: pass\n", "out of time"),
    ],
)
def test_endless_loops_end_within_the_limit(lane: Lane, text: str, word: str) -> None:
    seen = lane.ask(GOOD + text, timeout=3.0)
    assert seen.verdict == "fail"
    assert any(word in problem for problem in seen.run.report.problems)
    assert seen.run.trial.state.seconds < 8


@pytest.mark.parametrize(
    "text",
    [
        "import os\nfor _ in range(1024):\n    os.write(1, b'x' * 2**20)\n",
        INTO_EVERY_PIPE.format(what="[os.write(fd, b'x' * 2**20) for _ in range(1024)]"),
        "import sys\nfor _ in range(1024): sys.__stdout__.write('x' * 2**20)\n",
    ],
)
def test_a_gigabyte_of_output_is_no_pass_and_is_not_kept(lane: Lane, text: str) -> None:
    seen = lane.ask(GOOD + text)
    assert seen.verdict == "fail"
    assert len(seen.run.stdout) < 70 * 2**20
    assert len(seen.run.log) < 2**20


def test_a_memory_bomb_is_no_pass(lane: Lane) -> None:
    seen = lane.ask(GOOD + "x = bytearray(2**31)\nx[:] = b'1' * len(x)\n", memory=128 * 2**20)
    assert seen.verdict == "fail"


def test_a_fork_bomb_is_no_pass(lane: Lane) -> None:
    seen = lane.ask(
        GOOD + "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n", timeout=3.0
    )
    assert seen.verdict == "fail"
    assert seen.run.trial.state.seconds < 15


def test_tests_that_fail_at_the_base_are_named_and_none_is_an_error(engine: Engine) -> None:
    broken = lane_on(engine, {**BASE, "src/calc/__init__.py": GOOD.replace("a + b", "a").encode()}, ("src/calc",))
    why = unusable(run_tests(engine, broken.inputs(BASE), "baseline"))
    assert why.startswith("5 tests fail at the base: tests/test_calc.py::test_add")
    empty = lane_on(engine, {**BASE, "tests/test_calc.py": b""}, ("src/calc",))
    assert "exit status 5" in unusable(run_tests(engine, empty.inputs(BASE), "baseline"))


def test_a_flat_layout_without_configuration_works(engine: Engine) -> None:
    base = {
        "calc.py": GOOD.encode(),
        "tests/test_calc.py": b"import calc\ndef test_add(): assert calc.add(1, 2) == 3\n",
    }
    lane = lane_on(engine, base, ("calc.py",))
    run = run_tests(engine, lane.inputs(base), "baseline")
    assert (run.report.outcomes, run.report.problems) == (("passed",), ())
