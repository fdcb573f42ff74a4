"""The oracle lane on a small target in real containers: what is verified, what is not, and what is told about it."""

import dataclasses
import json
from collections.abc import Iterator, Mapping

import pytest

from harness.container import Engine, ensure_sandbox_image, judge_image
from harness.judgement import unverified
from harness.policy import load_policy
from harness.repo import matches
from harness.target import SandboxSection, TargetConfig, TargetSection
from harness.trial.forged import failing
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.lanes import LanesRun, OracleBase, oracle_base, run_lanes
from harness.trial.shipping import shipment
from harness.trial.tests import TestRun, run_tests, unusable
from harness.trial.verdict import conclude
from harness.trial.workshop import Workshop

pytestmark = pytest.mark.engine

CALC = """\
import time

def now():
    return time.time()

class Odd(ValueError):
    pass

def halve(number):
    if number % 2:
        raise Odd(number)
    return number // 2

def doubled(items):
    for item in items:
        yield 2 * item

def apply(function, *items, **named):
    return [function(item, **named) for item in items]

class Counter:
    def __init__(self, start=0):
        self.count = start
    def add(self):
        self.count += 1
        return self
    def __eq__(self, other):
        return isinstance(other, Counter) and self.count == other.count
"""
TESTS = """\
import pathlib
import pytest
import calc

def test_halve():
    assert calc.halve(4) == 2

def test_odd():
    with pytest.raises(calc.Odd, match="3"):
        calc.halve(3)

def test_iterators():
    assert list(calc.doubled([1, 2, 3])) == [2, 4, 6]

def test_callbacks():
    assert calc.apply(lambda item, more: item + more, 1, 2, more=10) == [11, 12]

def test_objects():
    assert calc.Counter(1).add() == calc.Counter(2)

def test_words():
    assert pathlib.Path(calc.__file__).with_name("words.txt").read_text().split() == ["one", "two"]

def test_stand_in(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 5.0)
    assert calc.now() == 5.0

@pytest.mark.skip(reason="not yet")
def test_later():
    assert False
"""
INSIDE = """\
import os
import pathlib
import calc

def test_source():
    assert "halve" in pathlib.Path(calc.__file__).read_text()
    assert calc.Counter(2).add().count == 3

def test_clock(monkeypatch):
    monkeypatch.setattr("time.time", os.getpid)  # a function of the process, which does not cross
    assert calc.now() == os.getpid()

def test_reachable():
    assert calc.halve(2) == 1
"""
BASE = {
    "src/calc/__init__.py": CALC.encode(),
    "src/calc/words.txt": b"one two",
    "tests/test_calc.py": TESTS.encode(),
    "tests/test_inside.py": INSIDE.encode(),
}
ORACLE = "tests/test_calc.py::test_"
CLOCK, SOURCE = "tests/test_inside.py::test_clock", "tests/test_inside.py::test_source"


@dataclasses.dataclass
class Bench:
    """One base with its oracle; `ask` runs a candidate's text of src/calc/__init__.py."""

    inputs: TrialInputs
    shop: Workshop
    native: TestRun
    base: OracleBase

    def ask(self, text: str, **data: bytes) -> LanesRun:
        merge = {**BASE, "src/calc/__init__.py": text.encode()}
        merge |= {f"src/calc/{name}.txt": value for name, value in data.items()}
        asked = dataclasses.replace(self.inputs, merge_commit="merge", read=reading({"base": BASE, "merge": merge}))
        return run_lanes(self.shop, asked, self.native, self.base)


def reading(trees: Mapping[str, Mapping[str, bytes]]):  # type: ignore[no-untyped-def]
    return lambda commit, patterns: {p: d for p, d in trees[commit].items() if matches(p, patterns)}


def bench_on(engine: Engine, sandbox: SandboxSection) -> Iterator[Bench]:
    image = ensure_sandbox_image(engine, print)
    source = ("src/calc",)
    inputs = TrialInputs(
        base_commit="base",
        merge_commit="base",
        config=TargetConfig(target=TargetSection(source=source, tests=("tests",)), sandbox=sandbox),
        image=image,
        judge=judge_image(
            engine, image, {p: d for p, d in BASE.items() if not matches(p, source)}, scope_links(source)
        ),
        run_id="contract-oracle",
        read=reading({"base": BASE}),
        arch=engine.info.arch,
    )
    native = run_tests(engine, inputs, "baseline")
    assert unusable(native) == ""
    with Workshop(engine, inputs, shipment(inputs)) as shop:
        yield Bench(inputs, shop, native, oracle_base(shop, inputs, native))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected


@pytest.fixture(scope="module")
def bench(engine: Engine) -> Iterator[Bench]:
    yield from bench_on(engine, SandboxSection(timeout=10.0))


def test_the_base_fixes_the_lanes(bench: Bench) -> None:
    assert bench.base.why == ""
    assert {name for name in bench.native.report.ids if name not in bench.base.outcomes} == {
        CLOCK,
        SOURCE,
    }
    assert bench.base.outcomes[f"{ORACLE}later"][0] == "skipped"


def test_the_candidate_never_lies_beside_the_tests_and_no_test_beside_the_candidate(bench: Bench) -> None:
    assert bench.shop.goods.packages == ("calc",)
    assert bench.shop.goods.roots == ("/work/src",)
    assert bench.shop.goods.around == {}


def test_a_refactoring_is_verified_and_says_what_is_not(bench: Bench) -> None:
    tested = bench.ask(CALC.replace("number // 2", "number >> 1"))
    result = tested.result
    assert (result.passed, result.expected, result.failed, result.verified) == (10, 10, (), 8)
    assert result.unverified == (CLOCK,)
    assert result.corroborated == (SOURCE,)
    assert result.decided >= 1  # Counter's own __eq__
    assert tested.alarms == ()
    verdict, reasons = conclude((), result, ())
    assert verdict == "pass"
    assert "1 of 10 tests are unverified" in reasons[1]


def test_the_policy_says_whether_one_more_person_signs(bench: Bench) -> None:
    result = bench.ask(CALC).result
    default, strict = (load_policy(name, lambda _: None)[0] for name in ("default", "strict"))
    assert unverified(default, result) == ()
    (finding,) = unverified(strict, result)
    assert finding.rule in strict.second_reviewer_on
    assert CLOCK in finding.message


def test_the_base_says_why_a_test_does_not_cross_and_why_it_is_not_corroborated(bench: Bench) -> None:
    assert " == " in bench.base.whys[CLOCK]
    assert "FileNotFoundError" in bench.base.whys[SOURCE]
    assert bench.base.untold[CLOCK] == "the base answers otherwise outside of the test"
    assert set(bench.base.testimonies) >= {SOURCE}


def test_an_answer_that_is_right_only_beside_the_tests_corroborates_nothing(bench: Bench) -> None:
    """It passes in the candidate's process; a fresh worker, which has no pytest, hears the wrong answer."""
    tested = bench.ask(
        CALC.replace("self.count += 1", "self.count += 1 if 'pytest' in __import__('sys').modules else 2")
    )
    assert SOURCE not in tested.result.corroborated
    assert SOURCE in (*tested.result.unverified, *tested.result.failed)


FORGER = """
import sys
if "pytest" in sys.modules:
    import _pytest.runner
    real = _pytest.runner.CallInfo.from_call.__func__
    def from_call(cls, func, when, reraise=None):
        return real(cls, func if when != "call" else lambda: forge(func), when, reraise)
    def forge(func):
        try:
            func()
        except BaseException:
            pass
    _pytest.runner.CallInfo.from_call = classmethod(from_call)
"""


def test_an_outcome_forged_in_the_candidates_process_shows_itself_by_a_twin_that_passes(bench: Bench) -> None:
    assert bench.base.must_fail >= {CLOCK, SOURCE}
    tested = bench.ask(CALC.replace("return time.time()", "return 6.0") + FORGER)
    assert {CLOCK, SOURCE} <= set(tested.result.failed)
    assert (tested.result.corroborated, tested.result.unverified) == ((), ())
    assert tested.alarms[0].kind == "forged outcome"


WAITING = """
import threading
from concurrent.futures import ThreadPoolExecutor
import calc

def test_waits():
    done = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(done.wait)
        assert calc.halve(4) == 2
        done.set()

def test_ends():
    assert calc.halve(6) == 3

def test_is_not_asked_about():
    assert calc.halve(8) == 4
"""


def test_a_twin_that_never_ends_is_left_out_and_the_others_are_not(bench: Bench) -> None:
    tree = {**BASE, "tests/test_waiting.py": WAITING.encode()}
    sandbox = bench.inputs.config.sandbox.model_copy(update={"timeout": 4.0})
    config = bench.inputs.config.model_copy(update={"sandbox": sandbox})
    inputs = dataclasses.replace(bench.inputs, config=config, read=reading({"base": tree}))
    waits, ends = "tests/test_waiting.py::test_waits", "tests/test_waiting.py::test_ends"
    assert failing(bench.shop, inputs, (waits, ends), seconds=1.0) == {ends}


def test_a_test_that_reads_data_of_the_scope_is_verified_until_a_candidate_changes_some(bench: Bench) -> None:
    words = f"{ORACLE}words"
    assert bench.base.with_data == (words,)
    assert bench.ask(CALC).result.unverified == (CLOCK,)
    changed = bench.ask(CALC, words=b"one  two")
    assert (changed.result.failed, changed.result.missing) == ((), ())
    assert changed.result.verified == 7
    assert words in changed.result.unverified
    assert bench.ask(CALC, words=b"three").result.failed == (words,)
    added = bench.ask(CALC, more=b"x")
    assert words in added.result.unverified


def test_a_bug_fails_by_name_in_the_oracle_with_a_log(bench: Bench) -> None:
    tested = bench.ask(CALC.replace("2 * item", "3 * item"))
    assert tested.result.failed == (f"{ORACLE}iterators",)
    assert b"[3, 6, 9]" in tested.log


def test_the_order_is_drawn_anew_and_recorded(bench: Bench) -> None:
    found = [json.loads(bench.ask(CALC).blobs[0]) for _ in range(2)]
    assert found[0]["seed"] != found[1]["seed"]
    assert sorted(found[0]["files"]) == ["tests/test_calc.py", "tests/test_inside.py"]
    assert found[0]["lines"] > 10
    assert found[0]["first"][0].startswith('J {"q":1,"op":"import"')


# What an in-process harness may be told by the code that it judges; wrong results throughout.
WRONG = CALC.replace("return number // 2", "return 7")
FORGERIES = {
    "equal to all": (
        "class Same(int):\n    __eq__ = lambda self, other: True\n    __hash__ = int.__hash__\n"
        + CALC.replace("return number // 2", "return Same(7)")
    ),
    "ends politely": WRONG.replace("return 7", "raise SystemExit(0)"),
    "ends at once": WRONG.replace("return 7", "__import__('os')._exit(0)"),
    "skips": WRONG.replace("return 7", "import unittest\n    raise unittest.SkipTest('no')"),
    "patches pytest": WRONG
    + "import pytest\npytest.raises = None\nimport builtins\nbuiltins.AssertionError = ValueError\n",
    "walks the stack": WRONG + "import gc, types\nfor one in gc.get_objects():\n"
    "    if isinstance(one, types.FunctionType) and one.__name__.startswith('test_'):\n"
    "        one.__code__ = (lambda: None).__code__\n",
}


QUIET = """\
def quiet(function, item, named):
    try:
        function(object(), **named)
    except TypeError:
        pass
    return function(item, **named)
"""
COUNTING = """\
seen = []
def halve(number, _before=halve):
    seen.append(number)
    return _before(number) + len(seen) - 1
"""


@pytest.mark.parametrize("name", FORGERIES)
def test_a_wrong_result_is_no_pass_whatever_comes_with_it(bench: Bench, name: str) -> None:
    tested = bench.ask(FORGERIES[name])
    assert conclude((), tested.result, ())[0] == "fail"
    bad = {*tested.result.failed, *tested.result.missing, *tested.result.skipped}
    assert f"{ORACLE}halve" in bad


def test_a_swallowed_exception_of_a_test_is_an_alarm(bench: Bench) -> None:
    text = CALC.replace("[function(item, **named) for", "[quiet(function, item, named) for")
    tested = bench.ask(text + QUIET)
    assert tested.result.failed == ()
    assert [alarm.kind for alarm in tested.alarms] == ["exception swallowed"]
    assert f"{ORACLE}callbacks" in tested.alarms[0].detail


def test_a_test_passes_in_one_lane_only(bench: Bench) -> None:
    """The candidate knows where it is: that helps it nowhere, and is told."""
    tested = bench.ask(CALC.replace("number // 2", "number // 2 if 'pytest' in __import__('sys').modules else 7"))
    assert f"{ORACLE}halve" in tested.result.failed
    assert any(alarm.kind == "lanes disagree" and "not through the oracle" in alarm.detail for alarm in tested.alarms)


def test_a_worker_for_each_test(engine: Engine) -> None:
    for bench in bench_on(engine, SandboxSection(timeout=10.0, worker="test")):
        assert f"{ORACLE}odd" in bench.base.outcomes
        # Wrong from the second call of a process on: no test sees it, where each has its own.
        assert bench.ask(CALC + COUNTING).result.failed == ()
