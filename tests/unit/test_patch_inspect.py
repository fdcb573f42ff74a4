"""Parsing, round trip, encodings and what counts as news; here in-process, so only with harmless text."""

import pytest

from harness.patch.inspect import FileReport, inspect_file
from harness.policy.rules import RULES


def report(after: str, before: str | None = None) -> FileReport:
    return inspect_file("m.py", before, after, RULES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1",
        "x = 1\r\ny = 2\r\n",
        "\ufeffx = 1\n",
        "if x:\n\ty = 1\n",
        "# -*- coding: utf-8 -*-\nx = 'é'\n",
        "# -*- coding: ascii -*-\nx = 1\n",
        "x = 1 \\\n    + 2\n",
        "x = f'{1!r:>{2}}'\n",
        "match x:\n    case {'a': [1, *_]}:\n        pass\n",
        "try:\n    pass\nexcept* ValueError:\n    pass\n",
        "x=" + "+".join(["1"] * 60) + "\n",
        "ñ = 1\n",
    ],
)
def test_legal_text_has_no_fault(text: str) -> None:
    assert report(text) == FileReport(path="m.py", imports=(), imported_before=())


@pytest.mark.parametrize(
    ("text", "fault", "line"),
    [
        ("x = (\n", "parse", 1),
        ("def f():\nreturn 1\n", "parse", 2),
        ("\n\nreturn 1\n", "parse", 3),
        ("def f(x, x): pass\n", "parse", 1),
        ("print 'x'\n", "parse", 1),
        ("x = 1\n\u2028", "parse", 2),
        ("x = " + "9" * 5000 + "\n", "parse", 1),
        ("x = " + "(" * 300 + ")" * 300, "parse", 1),
        ("# -*- coding: latin-1 -*-\nx = 'é'\n", "encoding", 1),
        ("#!/usr/bin/python\n# vim: set fileencoding=utf-7 :\nx = 1\n", "encoding", 1),
        ("# coding: no-such-thing\n", "encoding", 1),
        ("\ufeff# coding: latin-1\n", "encoding", 1),
        ("\x0cx = 1\n", "round-trip", 0),
        ("x = 1\ry = 2\r", "round-trip", 0),
    ],
)
def test_faults(text: str, fault: str, line: int) -> None:
    found = report(text)
    assert (found.fault, found.line) == (fault, line)
    assert found.why
    assert found.hits == ()


def test_a_fault_of_the_base_excuses_the_round_trip_but_no_syntax_error() -> None:
    assert report("\x0cx = 2\n", before="\x0cx = 1\n").fault == ""
    assert report("x = (\n", before="x = ((\n").fault == "parse"


def test_what_the_base_has_is_no_news() -> None:
    base = "import os\n\n\ndef stop():\n    os._exit(1)\n"
    assert report(base + "\n\ny = 2\n", base).hits == ()
    moved = "import os as system\n\nz = 3\n\n\ndef halt(code):\n    system._exit(code)\n"
    assert report(moved, base).hits == ()


def test_one_more_of_the_same_is_news() -> None:
    base = "import os\n\n\ndef stop():\n    os._exit(1)\n"
    after = base + "\n\nos._exit(0)\n"
    assert {(hit.rule, hit.line) for hit in report(after, base).hits} == {("process-exit", 8)}


def test_a_base_that_does_not_parse_excuses_nothing() -> None:
    assert report("import os\nos._exit(0)\n", before="import os\nos._exit(0)\n(").hits


def test_imports_are_listed() -> None:
    found = report("import a.b as c\nfrom d import e, f\nfrom . import g\nfrom .h import i\n", "import z\n")
    assert [(i.module, i.names, i.line) for i in found.imports] == [
        ("a.b", (), 1),
        ("d", ("d.e", "d.f"), 2),
        (".", (".g",), 3),
        (".h", (".h.i",), 4),
    ]
    assert found.imported_before == ("z",)
