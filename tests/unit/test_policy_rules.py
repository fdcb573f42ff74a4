"""Each rule against its own cases, and against ways of hiding that belong to no single rule."""

import pytest

from harness.patch.inspect import inspect_file
from harness.policy.rule import Rule
from harness.policy.rules import RULES


def cases(kind: str) -> list[object]:
    return [
        pytest.param(rule, text, id=f"{rule.id}-{number}")
        for rule in RULES
        for number, text in enumerate(getattr(rule, kind))
    ]


def test_ids_are_unique_and_every_rule_has_cases() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.valid and rule.invalid and rule.allowed and rule.because for rule in RULES)


@pytest.mark.parametrize(("rule", "text"), cases("valid"))
def test_valid(rule: Rule, text: str) -> None:
    report = inspect_file("m.py", None, text, [rule])
    assert (report.fault, report.hits) == ("", ())


@pytest.mark.parametrize(("rule", "text"), cases("invalid"))
def test_invalid(rule: Rule, text: str) -> None:
    report = inspect_file("m.py", None, text, [rule])
    assert report.fault == ""
    assert report.hits
    lines = text.count("\n")
    for hit in report.hits:
        assert hit.rule == rule.id
        assert 1 <= hit.line <= lines
        assert "; allowed: " in hit.message


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("process-exit", "import os\n(os if 1 else 0)._exit(0)\n"),
        ("process-exit", "import os\n(x := os)._exit(0)\n"),
        ("process-exit", "import os\na, b = os, 1\na._exit(0)\n"),
        ("process-exit", "import os\na = b = c = os\nc.abort()\n"),
        ("process-exit", "import os\nos.__dict__['abort']()\n"),
        ("process-exit", "import os\nvars(os)['ab' + 'ort']()\n"),
        ("process-exit", "import os\nos.__getattribute__('abort')()\n"),
        ("process-exit", "import os\nobject.__getattribute__(os, 'abort')()\n"),
        ("process-exit", "import posix\nposix.abort()\n"),
        ("process-exit", "from os import abort as \u1d43\n\u1d43()\n"),
        ("process-exit", "import \u1d52s\nos.abort()\n"),
        ("process-exit", "import operator, os\noperator.attrgetter('abort')(os)()\n"),
        ("process-exit", "__import__('os').abort()\n"),
        ("process-exit", "import sys\nsys.modules['os'].abort()\n"),
        ("process-exit", "import sys\nsys.modules.get('o' 's').abort()\n"),
        ("process-exit", "from importlib import import_module as i\ni('os').abort()\n"),
        ("process-exit", "def f(x):\n    getattr(x, ''.join(map(chr, [95, 101, 120, 105, 116])))(0)\n"),
        ("process-exit", "import base64\ndef f(x):\n    getattr(x, base64.b64decode('X2V4aXQ=').decode())(0)\n"),
        ("process-exit", "def f(x):\n    getattr(x, bytes([95, 101, 120, 105, 116]).decode())(0)\n"),
        ("process-exit", "def f(x):\n    getattr(x, f'_{\"ex\"}it')(0)\n"),
        ("process-exit", "def f(x):\n    getattr(x, '_%s' % 'exit')(0)\n"),
        ("process-exit", "def f(x):\n    getattr(x, '_{}'.format('exit'))(0)\n"),
        ("process-exit", "class A(SystemExit):\n    pass\n"),
        ("process-exit", "def f(error=SystemExit):\n    raise error\n"),
        ("process-exit", "import logging as l\nl.os.path.os.abort()\n"),
        ("dynamic-code", "globals()['__builtins__']['exec']('1')\n"),
        ("dynamic-code", "globals()['exec' ]('1')\n"),
        ("dynamic-code", "def f():\n    exec = 1\nexec('1')\n"),
        ("dynamic-code", "exec('1')\nfrom re import compile as exec\n"),
        ("dynamic-code", "from re import compile as exec\ndel exec\nexec('1')\n"),
        ("dynamic-code", "e\u1d4dec = 1\n\u1d49xec('1')\n"),
        ("dynamic-code", "class A(type('B', (), {})):\n    pass\n"),
        ("interpreter-state", "from logging import sys as s\ns.modules\n"),
        ("interpreter-state", "import operator, logging\nm = operator.attrgetter('modules')(logging.sys)\n"),
        ("borrowed-module", "import operator, logging\nm = operator.attrgetter('modules')(logging.sys)\n"),
        ("test-machinery", "m = 'netsetyp'[::-1].replace('nets', 'pytest')\n"),
        ("test-machinery", "import codecs\nm = codecs.decode('clgrfg', 'rot13')\n"),
        ("test-machinery", "m = bytes.fromhex('707974657374')\n"),
    ],
)  # fmt: skip
def test_hiding_does_not_help(rule: str, text: str) -> None:
    report = inspect_file("m.py", None, text, RULES)
    assert report.fault == ""
    assert rule in {hit.rule for hit in report.hits}


def test_a_name_with_endless_meanings_is_refused_not_followed() -> None:
    text = "import os\n" + "".join(f"a = a.x{number} if a else os\n" for number in range(200))
    report = inspect_file("m.py", None, text, RULES)
    assert report.fault == "parse"
    assert "too many things" in report.why
