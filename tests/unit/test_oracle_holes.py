"""Candidates that try to look right through the oracle: one lie each, and the test that has to fail or to say so."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))
from oracle_pair import Seen, session, shapes

BASE = """
import collections, contextlib, dataclasses, enum
class Error(Exception): pass
@dataclasses.dataclass
class Point:
    x: int
class Size(enum.IntEnum):
    SMALL = 1
Pair = collections.namedtuple("Pair", "left right")
class Words(list): pass
class Plain: pass
def point(): return Point(1)
def size(): return Size.SMALL
def pair(): return Pair(1, 2)
def words(): return Words([1])
def plain(): return Plain()
def text(): return "right"
def number(): return 5
def items(): return [1, 2]
def fails(): raise Error("no")
def call(function): return function()
def total(values): return sum(values)
@contextlib.contextmanager
def managed():
    yield
def ticks():
    yield from range(3)
"""
TESTS = """
import math, pytest, candidate as c
def test_point(): assert c.point() == c.Point(1)
def test_point_is_one(): assert c.point().x == 1
def test_size(): assert c.size() == 1
def test_pair(): assert c.pair() == (1, 2)
def test_words(): assert c.words() == [1]
def test_plain(): assert c.plain() != c.plain()
def test_text(): assert c.text() == "right"
def test_number(): assert c.number() == 5
def test_items(): assert c.items() == [1, 2]
def test_fails():
    with pytest.raises(c.Error, match="no"): c.fails()
def test_fails_not_otherwise():
    with pytest.raises(ValueError): c.fails()
def test_call():
    def check(): assert False, "born in the test"
    with pytest.raises(AssertionError): c.call(check)
def test_checks_inside():
    def check(): assert 1 == 2
    c.call(check)
def test_total():
    values = [1, 2]
    assert c.total(values) == 3
    assert values == [1, 2]
def test_managed():
    with c.managed(): assert c.number() == 5
def test_ticks(): assert list(c.ticks()) == [0, 1, 2]
"""
ALWAYS = "    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    __hash__ = None\n"
LIES = {
    "equal dataclass": ("class Point(Point):\n" + ALWAYS + "def point(): return Point(7)", "test_point_is_one"),
    "equal text": ("class Text(str):\n" + ALWAYS + "def text(): return Text('wrong')", "test_text"),
    "equal number": ("class Number(int):\n" + ALWAYS + "def number(): return Number(6)", "test_number"),
    "equal list": ("class List(list):\n" + ALWAYS + "def items(): return List()", "test_items"),
    "equal to everything": ("class Any:\n" + ALWAYS + "def number(): return Any()", "test_number"),
    "enum member": ("class Size(int):\n" + ALWAYS + "def size(): return Size(3)", "test_size"),
    "namedtuple": ("class Pair(tuple):\n" + ALWAYS + "def pair(): return Pair((9, 9))", "test_pair"),
    "list subclass": ("class Words(list):\n" + ALWAYS + "def words(): return Words([2])", "test_words"),
    "swallowed": (
        ("def call(function):\n    try: return function()\n    except BaseException: pass"),
        "test_checks_inside",
    ),
    "argument": ("def total(values):\n    values.clear()\n    return 3", "test_total"),
    "suppressor": (
        (
            "class managed:\n    def __enter__(self): return self\n    def __exit__(self, *_): return True\n"
            "def number(): return 6"
        ),
        "test_managed",
    ),
    "other exception": ("def fails(): raise type('Error', (Exception,), {})('no')", "test_fails"),
    "class pretends": (
        (
            "class Fake(Exception):\n    __class__ = property(lambda self: Error)\n"
            "    __module__ = 'candidate'\nFake.__name__ = Fake.__qualname__ = 'Error'\n"
            "def fails(): raise Fake('no')"
        ),
        "test_fails",
    ),
    "instancecheck": (
        (
            "class Meta(type):\n    def __instancecheck__(cls, value): return True\n"
            "    def __subclasscheck__(cls, value): return True\n"
            "class Fake(Exception, metaclass=Meta): pass\n_old = Error\nError = Fake\ndef fails(): raise _old('no')"
        ),
        "test_fails",
    ),
    "short generator": ("def ticks():\n    yield 0", "test_ticks"),
    "exit": ("import os\ndef number(): os._exit(0)", "test_number"),
    "exit exception": ("def number(): raise SystemExit(0)", "test_number"),
    "skip": ("import unittest\ndef number(): raise unittest.SkipTest('x')", "test_number"),
    "nan": ("def number(): return float('nan')", "test_number"),
    "deep": ("def items():\n    v = []\n    for _ in range(5000): v = [v]\n    return v", "test_items"),
    "huge": ("def number(): return 1 << 4_000_000", "test_number"),
    "closes the pipe": ("import os\ndef number():\n    os.closerange(3, 99)\n    return 5", "test_number"),
    "writes to the pipe": (
        (
            'import os\ndef number():\n    for fd in range(3, 20):\n        try: os.write(fd, b\'{"r":1,"v":5}\\n\')\n'
            "        except OSError: pass\n    return 6"
        ),
        "test_number",
    ),
    "patches the codec": (
        (
            "import sys\ndef number():\n    wire = sys.modules['holdpoint_guest.wire']\n"
            "    wire.Encoder.__call__ = lambda *_: ['zz']\n    return 6"
        ),
        "test_number",
    ),
}


@pytest.fixture(scope="module")
def base_shapes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return shapes(tmp_path_factory.mktemp("base"), BASE)


def file_of(lie: str) -> str:
    return f"test_{lie.replace(' ', '_')}.py"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, base_shapes: Any) -> Seen:
    """All candidates in one session, a worker each."""
    candidates = {"test_it.py": BASE} | {file_of(lie): BASE + text + "\n" for lie, (text, _) in LIES.items()}
    tests = dict.fromkeys(candidates, TESTS)
    return session(tmp_path_factory.mktemp("lies"), candidates, tests, shapes=base_shapes)


def test_the_base_passes(seen: Seen) -> None:
    bad = {name for name, how in seen.outcomes.items() if "::" not in name and how != "passed"}
    assert bad == {"test_fails_not_otherwise", "test_checks_inside"}, seen.logs
    assert seen.ended


@pytest.mark.parametrize("lie", LIES)
def test_lie_does_not_pass(seen: Seen, lie: str) -> None:
    victim = f"{file_of(lie)}::{LIES[lie][1]}"
    assert seen.outcomes.get(victim, "missing") != "passed", seen.tallies.get(victim)


@pytest.mark.parametrize(
    ("lie", "test", "word"),
    [
        ("swallowed", "test_checks_inside", "swallowed:AssertionError"),
        ("suppressor", "test_managed", "exit"),
        ("equal to everything", "test_number", "opaque"),
        ("equal text", "test_text", "opaque"),
        ("argument", "test_total", "mutated"),
        ("deep", "test_items", "fault"),
        ("enum member", "", "shape:candidate.Size"),
        ("equal dataclass", "", "shape:candidate.Point"),
    ],
)
def test_lie_is_counted(seen: Seen, lie: str, test: str, word: str) -> None:
    assert seen.tallies[f"{file_of(lie)}::{test}"][word] >= 1
    assert word not in seen.tallies.get(test or "test_it.py::", {})


REACH = [
    "function.__globals__",
    "function.__code__",
    "function.__builtins__",
    "thing.__class__",
    "thing._secret",
    "thing.__reduce__",
    "generator.gi_frame",
    "generator.gi_code",
]


def reaching(reach: str) -> str:
    owner, _, name = reach.partition(".")
    return (
        "import holdpoint_guest.mirror as m\n"
        "def ask(function, thing, generator):\n"
        f"    return m.ask('get', {owner}, {name!r})\n"
        f"def method(function, thing, generator):\n"
        f"    return m.ask('m', {owner}, {name!r})\n"
    )


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    tests = (
        "import candidate as c\nSECRET = 'SECRET'\nclass Thing:\n    _secret = SECRET\n    def m(self): pass\n"
        "def numbers(): yield SECRET\n"
        "def test_ask(): c.ask(lambda: 1, Thing(), numbers())\n"
        "def test_method(): c.method(lambda: 1, Thing(), numbers())\n"
    )
    candidates = {f"test_{number}.py": reaching(reach) for number, reach in enumerate(REACH)}
    return session(tmp_path_factory.mktemp("reach"), candidates, dict.fromkeys(candidates, tests))


@pytest.mark.parametrize(("number", "reach"), list(enumerate(REACH)))
def test_the_worker_reaches_nothing_inside_of_the_oracle(reached: Seen, number: int, reach: str) -> None:
    for test in ("test_ask", "test_method"):
        assert reached.outcomes[f"test_{number}.py::{test}"] == "failed", f"the oracle answered {reach}"
    assert "SECRET" not in "".join(str(frame) for who, frame in reached.frames if who == "oracle")
