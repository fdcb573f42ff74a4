"""Must-fail twins: each claimed test fails wherever the base's passes, keeps its id, and shows forged comparisons."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

import libcst
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.patch.twins import NoTwin, Twin, twin_of

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = """
import json, pathlib
found = {}
def pytest_runtest_logreport(report):
    found.setdefault(report.nodeid, []).append(report.outcome)
def pytest_sessionfinish():
    pathlib.Path("outcomes.json").write_text(json.dumps(found))
"""
PASSING = [
    "assert value == 3",
    "assert 3 == value",
    "assert value == -(-3)",
    "assert value != 4",
    "assert value < 4 and value",
    "assert 2 < value < 4",
    "assert value",
    "assert not value == 4, 'message'",
    "assert(value in (3, 4))",
    "assert value is not None",
    "assert text == 'abc'",
    "assert text == 'ab' 'c'",
    "assert text.encode() == b'abc'",
    "assert [value, text] == [3, 'abc']",
    "assert {'a': value} == {'a': 3}",
    "assert {value} == {3}",
    "assert (value, text) == (3, 'abc')",
    "assert () == ()",
    "assert (value > 1) == True",
    "assert value / 2 == 1.5",
    "assert value / 2 == pytest.approx(1.5)",
    "assert value == value",
    "assert (lambda: value)() == 3",
    "assert value == 3; assert text",
    "with pytest.raises(ZeroDivisionError):\n        value / 0",
    "with pytest.raises(ZeroDivisionError) as e, open('f.txt', 'w'):\n        1 / 0\n    assert 'zero' in str(e.value)",
    "with pytest.raises(SystemExit):\n        raise SystemExit",
    "with pytest.raises(KeyboardInterrupt):\n        raise KeyboardInterrupt",
    "pytest.raises(ValueError, int, text)",
    "pytest.raises(ValueError, lambda: int(text))",
    "for one in (1, 2):\n        assert one < value",
    "for one in []:\n        assert one < value",
    "for one in (1, 2):\n        if one > 1: break\n        assert one < value",
    "if value > 7:\n        assert False",
    "try:\n        assert value == 3\n    finally:\n        pass",
    "try:\n        assert value == 4\n    except AssertionError:\n        pass",
    "while value < 3:\n        assert value",
    "import contextlib\n    with contextlib.suppress(AssertionError):\n        assert value == 4",
    "import warnings\n    with warnings.catch_warnings():\n        assert value == 3",
    "print(value)",
    "print(value)\n    return",
    "assert_equal(text, text)",
    "if text:\n        print('early')\n    assert value == 3",
    "def inner():\n        assert value == 4\n        return 4\n    assert inner",
    "if value == 3:\n        return\n    assert value == 4",
]  # fmt: skip
METHODS = [
    "assertEqual(3, value)",
    "assertEqual(value, 3)",
    "assertEqual([value], [3])",
    "assertCountEqual([value, 1], [1, 3])",
    "assertListEqual([value], expected)",
    "assertDictEqual({}, {})",
    "assertSetEqual({value}, {3})",
    "assertTupleEqual((value,), (3,))",
    "assertSequenceEqual([value], (3,), 'message')",
    "assertMultiLineEqual('a', 'a')",
    "assertNotEqual(value, 4)",
    "assertTrue(value)",
    "assertFalse(0)",
    "assertIs(value, value)",
    "assertIsNone(None)",
    "assertIsNotNone(value)",
    "assertIn(value, [3])",
    "assertNotIn(value, [4])",
    "assertIsInstance(value, int)",
    "assertGreater(value, 2)",
    "assertGreaterEqual(value, 3)",
    "assertLess(value, 4)",
    "assertLessEqual(value, 3)",
    "assertAlmostEqual(value, 3.0)",
    "assertRegex('abc', 'b')",
    "assertRaises(ValueError, int, 'x')",
    "assertRaisesRegex(ValueError, 'invalid', int, 'x')",
]


def outcomes(folder: Path, files: Mapping[str, str], *more: str) -> dict[str, bool]:
    """Which tests of these files passed altogether, by node id; pytest runs natively."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"outcomes_plugin.py": PLUGIN, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "outcomes_plugin", "-p", "no:cacheprovider", *more]
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{folder / 'src'}", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120, check=False)
    found = json.loads((folder / "outcomes.json").read_text())
    return {node: set(each) == {"passed"} for node, each in found.items()}


def made(text: str, turn: int = 0) -> Twin:
    twin = twin_of(text, turn)
    assert isinstance(twin, Twin)
    return twin


def test_every_form_of_assertion_is_made_wrong(tmp_path: Path) -> None:
    plain = "import pytest\nvalue, text = 3, 'abc'\ndef assert_equal(one, other):\n    assert one == other\n"
    for number, body in enumerate(PASSING):
        plain += f"def test_{number}():\n    {body}\n"
    methods = "import unittest\nvalue, expected = 3, [3]\nclass Forms(unittest.TestCase):\n"
    for number, body in enumerate(METHODS):
        methods += f"    def test_{number}(self):\n        self.{body}\n"
    methods += "    def test_with(self):\n        with self.assertRaises(ValueError):\n            int('x')\n"
    base = {"test_plain.py": plain, "test_methods.py": methods}
    assert all(outcomes(tmp_path / "base", base).values())

    twins = {name: made(text) for name, text in base.items()}
    after = outcomes(tmp_path / "twin", {name: twin.text for name, twin in twins.items()})
    claimed = {f"{name}::{test}" for name, twin in twins.items() for test in twin.tests}
    passed = {node for node, ok in after.items() if ok}
    assert passed == set(after) - claimed
    # An early return keeps the one test of which nobody can say that its twin must fail.
    assert passed == {f"test_plain.py::test_{len(PASSING) - 1}"}
    assert set(twins["test_methods.py"].tests) == {
        f"Forms::test_{number}" for number in [*range(len(METHODS)), "with"]
    }  # fmt: skip
    assert twins["test_methods.py"].weak == ()


@pytest.mark.parametrize("turn", [0, 1])
def test_a_whole_suite_fails_and_keeps_its_ids(tmp_path: Path, turn: int) -> None:
    suite = ROOT / "tests/hostile/verdict/ledgerkit"
    base = {
        str(path.relative_to(suite)): path.read_text()
        for folder in ("src", "tests")
        for path in (suite / folder).rglob("*.py")
    }
    before = outcomes(tmp_path / "base", base, "tests")
    assert len(before) == 35
    assert all(before.values())
    tests = {name: made(text, turn).text for name, text in base.items() if Path(name).name.startswith("test_")}
    after = outcomes(tmp_path / "twin", {**base, **tests}, "tests")
    assert after == dict.fromkeys(before, False)


FORGED = """
class Equal(int):
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
    __hash__ = int.__hash__
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
def total():
    return Equal(7)
def refuse():
    return None
"""


def test_a_twin_passes_for_what_forges_comparisons_or_never_raises(tmp_path: Path) -> None:
    text = (
        "import pytest\nfrom shop import total, refuse\n"
        "def test_equal():\n    assert total() == 3\n"
        "def test_less():\n    assert total() < 3\n"
        "def test_raises():\n    with pytest.raises(ValueError):\n        refuse()\n"
    )
    after = outcomes(tmp_path, {"shop.py": FORGED, "test_shop.py": made(text).text})
    assert all(after.values())


def test_turns_reach_every_sure_assertion() -> None:
    text = "def test_a():\n    assert f(1) == 1\n    assert f(2) == 2\n    assert f(3) == 3\n"
    assert made(text).turns == 3
    found = {made(text, turn).text for turn in range(5)}
    assert found == {text.replace(f"== {number}", f"== {number + 1}") for number in (1, 2, 3)}


def test_parameters_and_marks_stay() -> None:
    head = "@pytest.mark.parametrize('a, b', [(1, 2), ('x', None)], ids=['one', 'two'])\n"
    text = f"{head}def test_a(a, b):\n    assert f(a) == b\n"
    assert made(text).text.startswith(head)


@pytest.mark.parametrize(
    "text",
    [
        "def helper():\n    assert 1\n",
        "x = 1\n",
        "",
        "def test_a(:\n",
        "@pytest.mark.xfail\ndef test_a():\n    assert f()\n",
        "class TestA:\n    @pytest.fixture\n    def test_data(self):\n        assert 1\n",
        "def test_a():\n    yield 1\n    assert f()\n",
        "(" * 5000,
    ],
)
def test_what_has_no_twin_says_why(text: str) -> None:
    twin = twin_of(text)
    assert isinstance(twin, NoTwin)
    assert twin.why


NAMES = st.sampled_from(["f(1)", "x", "x.y", "[1]", "'a'", "1", "-2", "(1, 2)", "{}", "{1}", "None", "True", "b'q'"])
BRACKETED = st.one_of(
    NAMES,
    st.tuples(NAMES, st.sampled_from(["==", "!=", "<", ">=", "in", "not in", "is", "is not"]), NAMES).map(" ".join),
    NAMES.map("not {}".format),
    st.tuples(NAMES, NAMES).map(" or ".join),
    NAMES.map("(lambda: {})()".format),
)
CLAIMS = st.one_of(BRACKETED, NAMES.map("{} if x else y".format))  # libcst cannot parse `assert(a if b else c)`
STATEMENTS = st.recursive(
    st.one_of(CLAIMS.map("assert {}".format), BRACKETED.map("assert({})".format), st.just("pass"), st.just("return")),
    lambda inner: st.tuples(
        st.sampled_from(
            ["with a: {}", "with pytest.raises(E): {}", "for i in (1,): {}", "if c: {}", "try: {}\n{pad}finally: pass"]
        ),
        inner.filter(lambda text: ":" not in text),
    ).map(lambda pair: pair[0].replace("{}", pair[1])),
    max_leaves=3,
)


@given(st.lists(st.lists(STATEMENTS, min_size=1, max_size=4), min_size=1, max_size=4), st.integers(0, 5))
def test_a_twin_parses_and_differs(bodies: list[list[str]], turn: int) -> None:
    text = ""
    for number, body in enumerate(bodies):
        lines = "\n".join(f"    {line}".replace("{pad}", "    ") for line in body)
        text += f"def test_{number}():\n{lines}\n"
    twin = twin_of(text, turn)
    if isinstance(twin, NoTwin):
        assert all("return" in line for line in map("".join, bodies))
        return
    assert twin.text != text
    assert libcst.parse_module(twin.text).code == twin.text
    with warnings.catch_warnings(action="ignore"):
        compile(twin.text, "twin", "exec")
    assert [line for line in twin.text.splitlines() if line.startswith("def ")] == [
        line for line in text.splitlines() if line.startswith("def ")
    ]
    assert set(twin.weak) <= set(twin.tests)


def test_only_the_tests_that_are_asked_for_are_made_wrong() -> None:
    text = "def test_a():\n    assert 1 == 1\n\n\nclass TestB:\n    def test_b(self):\n        assert 2 == 2\n"
    twin = twin_of(text, only={"TestB::test_b"})
    assert isinstance(twin, Twin)
    assert twin.tests == ("TestB::test_b",)
    assert "assert 1 == 1" in twin.text
    assert "assert 2 == 2" not in twin.text
    assert isinstance(twin_of(text, only=()), NoTwin)
