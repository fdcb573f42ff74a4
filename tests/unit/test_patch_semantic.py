"""What a patch means: definitions, signatures, exceptions, calls with aliases followed, reach, what is not known."""

from collections.abc import Iterator

import pytest

from harness.limited import Limited
from harness.patch.semantic_diff import compare
from harness.policy.inspector import meaning, open_inspector
from harness.records import FileEdit, Semantic, SemanticChange

BODY = "    total = 0\n    for item in items:\n        total += item.size * item.count\n    return total\n"


def edit(before: str | None, after: str | None, path: str = "src/a.py") -> FileEdit:
    return FileEdit(path=path, before=before, after=after)


def of(before: str | None, after: str | None, path: str = "src/a.py", declared: tuple[str, ...] = ()) -> Semantic:
    return compare([edit(before, after, path)], declared)


def told(found: Semantic) -> list[tuple[str, str, str, str]]:
    return [(one.kind, one.name, one.before, one.after) for one in found.changes]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "def f(a, *, b=1): pass\n", ("added", "f", "", "(a, *, b=…)")),
        ("def f(a): pass\n", "", ("removed", "f", "(a)", "")),
        (f"def f(items):\n{BODY}", f"def g(items):\n{BODY}", ("renamed", "g", "src/a.py:f", "src/a.py:g")),
        ("def f(a): pass\n", "def f(a, b): pass\n", ("signature", "f", "(a)", "(a, b)")),
        ("def f(a): pass\n", "async def f(a): pass\n", ("signature", "f", "(a)", "async (a)")),
        ("def f(a) -> int: pass\n", "def f(a) -> str: pass\n", ("signature", "f", "(a) -> int", "(a) -> str")),
        ("def f(a=1): pass\n", "def f(a=True): pass\n", ("defaults", "f", "a=1", "a=True")),
        ("@x\ndef f(): pass\n", "@x\n@y(1)\ndef f(): pass\n", ("decorators", "f", "x", "x, y(1)")),
        ("class A(B): pass\n", "class A(B, C): pass\n", ("bases", "A", "B", "B, C")),
        ("def f():\n    raise ValueError('a')\n", "def f():\n    pass\n", ("raises", "f", "ValueError", "")),
        (
            "def f():\n    try:\n        g()\n    except KeyError:\n        h()\n",
            "def f():\n    try:\n        g()\n    except Exception:\n        pass\n",
            ("excepts", "f", "KeyError", "Exception, swallowed"),
        ),
        ("def f(x):\n    return g(x)\n", "def f(x):\n    return True\n", ("returns", "f", "g(x)", "True")),
        ("def f(x):\n    g(x)\n", "def f(x):\n    pass\n", ("calls", "f", "g", "")),
        (
            "import os as q\nfrom subprocess import run as r\ndef f(): pass\n",
            "import os as q\nfrom subprocess import run as r\ndef f():\n    q.remove('x')\n    z = r\n    z(['ls'])\n",
            ("calls", "f", "", "os.remove, subprocess.run"),
        ),
        ("x = 1\n", "import subprocess\nsubprocess.run(['a'])\n", ("calls", "<module>", "", "subprocess.run")),
        (
            "class A:\n    def m(self): pass\n",
            "class A:\n    def m(self, a): pass\n",
            ("signature", "A.m", "(self)", "(self, a)"),
        ),
    ],
)  # fmt: skip
def test_each_kind_of_change_is_told(before: str, after: str, expected: tuple[str, str, str, str]) -> None:
    assert expected in told(of(before, after))


def test_what_is_spelled_otherwise_but_means_the_same_is_no_change() -> None:
    before = "import os\ndef f(a, b = 1):\n    '''Doc.'''\n    return os.path.join(a, str(b))\n"
    after = "from os import path as p\ndef f(a, b=1):\n    '''Another.'''\n    return p.join(a, str(b))\n"
    assert [one.kind for one in of(before, after).changes if one.kind != "returns"] == []
    assert of(before, before) == Semantic(files=1)


def test_a_function_that_moved_to_another_file_is_moved() -> None:
    found = compare([edit(f"def f(items):\n{BODY}", ""), edit("", f"def f(items):\n{BODY}", "src/b.py")])
    assert [(one.kind, one.before, one.after) for one in found.changes] == [("moved", "src/a.py:f", "src/b.py:f")]


@pytest.mark.parametrize(
    ("line", "kind", "name"),
    [
        ("import subprocess as s; s.run('x')", "process", "subprocess.run"),
        ("import socket; socket.create_connection(('h', 1))", "network", "socket.create_connection"),
        ("open('x', 'w')", "filesystem", "builtins.open"),
        ("p.write_text('x')", "filesystem", "….write_text"),
        ("eval('1')", "eval", "builtins.eval"),
        ("__import__('os')", "eval", "builtins.__import__"),
        ("import ctypes; ctypes.CDLL('x')", "ctypes", "ctypes.CDLL"),
        ("from pickle import loads as l; l(b'')", "pickle", "pickle.loads"),
        ("import sys; sys._getframe(1)", "introspection", "sys._getframe"),
        ("f.__globals__", "introspection", "….__globals__"),
        ("import pytest; pytest.skip('x')", "test configuration", "pytest.skip"),
        ("import logging; logging.os.system('x')", "process", "os.system"),
    ],
)
def test_new_reach_is_told_with_its_line(line: str, kind: str, name: str) -> None:
    found = of("x = 1\n", f"x = 1\n{line}\n")
    assert (kind, name, 2, False) in [(one.kind, one.name, one.line, one.declared) for one in found.capabilities]
    back = of(f"x = 1\n{line}\n", "x = 1\n")
    assert (kind, name, True) in [(one.kind, one.name, one.gone) for one in back.capabilities]


def test_what_people_allow_is_marked_and_what_judges_is_told() -> None:
    found = of("", "import shutil\nshutil.copy('a', 'b')\n", declared=("shutil",))
    assert {one.declared for one in found.capabilities} == {True}
    (judge,) = of("", "[pytest]\n", "pytest.ini").capabilities
    assert (judge.kind, judge.path) == ("test configuration", "pytest.ini")


def test_what_cannot_be_followed_is_said() -> None:
    found = of("def f(t, n): pass\n", "def f(t, n):\n    t[n]()\n    g = lambda: 0\n    n()()\n    (lambda: 1)()\n")
    assert len(found.unresolved) == 4
    assert all("nobody can say" in one for one in found.unresolved)
    assert of("def f(): pass\n", "def f(): pass\ndef g():\n    f()\n    '.'.join(())\n").unresolved == ()


def test_a_flood_is_counted_and_not_told_whole() -> None:
    found = of("", "".join(f"def f{number}(): pass\n" for number in range(500)))
    assert len(found.changes) == 300
    assert found.more == 200


@pytest.fixture(scope="module")
def child() -> Iterator[Limited]:
    with open_inspector() as opened:
        yield opened


@pytest.mark.parametrize(
    "bomb",
    ["(" * 3000, "x = " + "-" * 100_000 + "1", "x = " + "+".join(["1"] * 60_000), "a." * 50_000 + "b", "\0", "def (",
     "".join(f"a{n} = a{n - 1}, a{n - 1}\n" for n in range(1, 3000)), "x = '\\N{" + "A" * 10_000 + "}'"],
)  # fmt: skip
def test_a_bomb_is_a_fault_of_its_file_alone(child: Limited, bomb: str) -> None:
    found = meaning([edit("x = 1\n", bomb), edit("", "def fine(): pass\n", "src/b.py")], (), child)
    assert SemanticChange(path="src/b.py", line=1, name="fine", kind="added", after="()") in found.changes
    assert found.files + len(found.faults) == 2
