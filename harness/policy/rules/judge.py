"""Rules about what judges: ending its process, looking into it, changing it. Pure tables and searches."""

import ast
import re
from collections.abc import Iterator

from harness.patch.names import Source
from harness.patch.resolve import prefixes
from harness.policy.rule import Names, Rule, Seen, words
from harness.text import visible_line

_MUTATORS = words(
    "append extend insert remove pop popitem clear update setdefault __setitem__ __delitem__ sort reverse add discard"
)
_STATE = words(
    "sys.meta_path sys.path_hooks sys.path_importer_cache sys.setswitchinterval sys.setrecursionlimit site zipimport"
)
_STATE_WRITES = words("sys.path builtins sys.argv sys.warnoptions")
_COMPARISONS = words("__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __contains__ __instancecheck__ __subclasscheck__")
_TEST_WORDS = re.compile(
    r"pytest|conftest|junitxml|\btest_[a-z*]|\btests?/|unittest|sitecustomize|usercustomize|site-packages"
    r"|dist-info|PYTHON(STARTUP|PATH|HOME)|__pycache__|\.pyc\b",
    re.IGNORECASE,
)


def _system_exit(source: Source) -> Iterator[Seen]:
    """SystemExit and KeyboardInterrupt anywhere but in an `except` clause."""
    caught = {
        id(inner)
        for node in source.nodes
        if isinstance(node, ast.ExceptHandler) and node.type is not None
        for inner in ast.walk(node.type)
    }
    for node in source.nodes:
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in caught:
            for name in source.resolve(node) & {"builtins.SystemExit", "builtins.KeyboardInterrupt"}:
                yield node.lineno, name, f"uses `{name.removeprefix('builtins.')}`"


def _state(source: Source) -> Iterator[Seen]:
    """sys.modules (but reading one's own entry), the import system, and writes to what every module shares."""
    own = {
        id(node.value)
        for node in source.nodes
        if isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.slice, ast.Name)
        and node.slice.id == "__name__"
    }
    for node in source.nodes:
        if isinstance(node, ast.expr) and id(node) not in own:
            if "sys.modules" in source.resolve(node):
                yield node.lineno, "sys.modules", "uses `sys.modules`"
            if isinstance(node, ast.Name) and node.id == "__builtins__":
                yield node.lineno, "__builtins__", "uses `__builtins__`"
    for use in source.uses:
        roots = set(prefixes(use.name))
        root = next(iter(roots & _STATE_WRITES), None)
        mutates = use.how in ("store", "del") or use.name.rpartition(".")[2] in _MUTATORS
        if root and mutates and use.how != "import":
            yield use.line, f"{use.name}=", f"changes `{use.name}`"


def _foreign(names: frozenset[str]) -> list[str]:
    """Names that come from another package than the file's own (those start with a dot)."""
    return sorted(name for name in names if not name.startswith(".") and name not in ("builtins.object",))


def _patched(source: Source) -> Iterator[Seen]:
    """Assignment to, or deletion of, an attribute or item of something imported; setattr and its like on it."""
    for use in source.uses:
        if use.how in ("store", "del") and not use.name.startswith("."):
            yield use.line, f"{use.name}=", f"changes `{visible_line(use.name, 80)}`"
    for call in source.calls:
        setters = {
            name
            for name in call.names
            if name in ("builtins.setattr", "builtins.delattr")
            or name.endswith((".__setattr__", ".__delattr__", ".__dict__.update", ".__dict__.__setitem__"))
        }
        if not setters:
            continue
        target = call.node.args[0] if call.node.args else None
        changed = _foreign(source.resolve(target)) if target is not None else []
        changed += [s.rpartition(".__dict__")[0] for s in setters if ".__dict__." in s and not s.startswith(".")]
        for name in changed:
            yield call.node.lineno, f"{name}=", f"changes an attribute of `{visible_line(name, 80)}`"


def _test_words(source: Source) -> Iterator[Seen]:
    for text in source.texts:
        found = _TEST_WORDS.search(text.value)
        if found:
            yield text.line, f"text {found[0].lower()}", f"holds the text `{visible_line(text.value, 60)}`"


def _always(source: Source) -> Iterator[Seen]:
    """Comparison methods whose every answer is True, as methods or as lambdas."""
    for node in source.nodes:
        name, says_yes, line = "", False, 0
        if isinstance(node, ast.FunctionDef) and node.name in _COMPARISONS:
            returns = [inner for inner in ast.walk(node) if isinstance(inner, ast.Return)]
            says_yes = bool(returns) and all(_is_true(each.value) for each in returns)
            name, line = node.name, node.lineno
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            target = node.targets[0]
            name, line = target.id if isinstance(target, ast.Name) else getattr(target, "attr", ""), node.lineno
            says_yes = name in _COMPARISONS and _is_true(node.value.body)
        if says_yes:
            yield line, f"always {name}", f"defines `{name}` so that it is always true"


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value) and node.value is not Ellipsis


JUDGE: tuple[Rule, ...] = (
    Rule(
        "process-exit",
        "critical",
        "which ends or signals the process that runs the tests",
        "return a value or raise an ordinary exception",
        names=Names(
            modules=words("signal faulthandler"),
            uses=words("os._exit os.abort os.kill os.killpg sys.exit builtins.exit builtins.quit _thread.exit"),
            attributes=words("_exit raise_signal pthread_kill interrupt_main killpg"),
        ),
        look=_system_exit,
        valid=(
            "def quit_early(x):\n    return x\n",
            "try:\n    run = 1\nexcept SystemExit:\n    run = 0\n",
            "class Door:\n    def exit(self):\n        return self.exit_code\n",
            "import os\nname = os.path.join('a', 'b')\n",
        ),
        invalid=(
            "import os\nos._exit(0)\n",
            "from os import _exit as e\ne(0)\n",
            "import os as o\nf = o._exit\nf(0)\n",
            "import sys\nsys.exit()\n",
            "raise SystemExit(0)\n",
            "exit()\n",
            "import os\ngetattr(os, '_ex' + 'it')(0)\n",
            "import logging\nlogging.os.abort()\n",
            "import signal\nsignal.raise_signal(9)\n",
            "from os import *\n_exit(0)\n",
            "def f(o, p='tixe_'[::-1]):\n    return getattr(o, p)\n",
            "import os\ndef f(x=os):\n    x.kill(1, 9)\n",
        ),
    ),
    Rule(
        "exit-hook",
        "high",
        "which runs after the tests have been judged",
        "clean up with a context manager or try/finally",
        names=Names(
            modules=words("atexit"), uses=words("threading._register_atexit"), attributes=words("_register_atexit")
        ),
        valid=("from contextlib import closing\n", "def atexit(x):\n    return x\n"),
        invalid=("import atexit\natexit.register(print)\n", "from atexit import register\n"),
    ),
    Rule(
        "introspection",
        "critical",
        "which looks into callers, frames or the heap",
        "pass what is needed as an argument",
        names=Names(
            uses=words(
                "sys._getframe sys._current_frames sys._current_exceptions sys.settrace sys.setprofile sys.gettrace "
                "sys.getprofile sys.addaudithook sys.call_tracing sys.last_traceback sys.monitoring "
                "threading.settrace threading.setprofile inspect.stack inspect.currentframe inspect.getouterframes "
                "inspect.getinnerframes inspect.trace inspect.getframeinfo inspect.getclosurevars inspect.getsource "
                "inspect.getsourcelines traceback.walk_stack traceback.walk_tb traceback.extract_stack "
                "traceback.extract_tb linecache gc.get_objects gc.get_referrers gc.get_referents gc.callbacks "
                "tracemalloc"
            ),
            attributes=words(
                "_getframe f_back f_locals f_globals f_builtins f_code tb_frame tb_next gi_frame cr_frame ag_frame "
                "__traceback__ cell_contents __closure__ __globals__ __code__ __subclasses__ get_objects get_referrers "
                "co_consts co_filename"
            ),
        ),
        valid=(
            "import inspect\nsig = inspect.signature(print)\n",
            "def f(frame):\n    return frame.back\n",
            "import gc\ngc.collect()\n",
            "import traceback\ntext = traceback.format_exc()\n",
        ),
        invalid=(
            "import sys\nx = sys._getframe(1).f_locals\n",
            "from inspect import currentframe as c\n",
            "import gc\nfor o in gc.get_objects():\n    print(o)\n",
            "def f(e):\n    return e.__traceback__.tb_frame\n",
            "def f(g):\n    return g.gi_frame\n",
            "def f(x):\n    return getattr(x, '__clo' 'sure__')\n",
            "def f(x):\n    return ().__class__.__base__.__subclasses__()\n",
        ),
    ),
    Rule(
        "interpreter-state",
        "critical",
        "which every module of the process shares",
        "change only what your own package defines",
        names=Names(uses=_STATE, modules=words("site zipimport")),
        look=_state,
        valid=(
            "import sys\nme = sys.modules[__name__]\n",
            "import sys\nprint(sys.path, sys.version)\n",
            "import builtins\nraw = builtins.open\n",
        ),
        invalid=(
            "import sys\nsys.modules['json'] = None\n",
            "import sys\nsys.modules[__name__] = object()\n",
            "import sys\nquick = 'json' in sys.modules\n",
            "from sys import modules as m\nm.pop('json')\n",
            "import sys\nsys.meta_path.insert(0, None)\n",
            "import sys\nsys.path.insert(0, 'x')\n",
            "import builtins\nbuiltins.open = print\n",
            "__builtins__['open'] = print\n",
            "import logging\nlogging.sys.modules.clear()\n",
        ),
    ),
    Rule(
        "monkeypatch",
        "high",
        "which belongs to another package",
        "wrap it in a function or subclass of your own",
        look=_patched,
        valid=(
            "from . import settings\nsettings.depth = 3\n",
            "class A:\n    pass\nA.name = 'a'\nsetattr(A, 'size', 1)\n",
            "from decimal import getcontext\ngetcontext().prec = 9\n",
            "class P:\n    def __init__(self):\n        object.__setattr__(self, 'x', 1)\n",
        ),
        invalid=(
            "import time\ntime.time = lambda: 0\n",
            "import random as r\nclass R(r.Random):\n    pass\nr.Random = R\n",
            "import time\nfor n in ('a',):\n    setattr(time, n, None)\n",
            "from json import JSONDecoder\nJSONDecoder.decode = None\n",
            "from json import JSONDecoder\ntype.__setattr__(JSONDecoder, 'decode', None)\n",
            "import json\njson.__dict__['loads'] = None\n",
            "import json\nvars(json).update(loads=None)\n",
            "import json\ndel json.loads\n",
            "import sys\nsys.stdout = None\n",
        ),
    ),
    Rule(
        "test-machinery",
        "critical",
        "which belongs to what runs the tests",
        "source that neither knows nor cares whether it is tested",
        names=Names(modules=words("pytest _pytest pluggy unittest doctest nose coverage hypothesis iniconfig")),
        look=_test_words,
        valid=(
            '"""Run pytest to test this."""\n',
            "def attest(x):\n    return 'latest'\n",
            "# pytest\nx = 'contest'\n",
        ),
        invalid=(
            "import pytest\n",
            "from _pytest.reports import TestReport\n",
            "def f():\n    import unittest.mock as m\n    return m\n",
            "import os\nx = os.environ.get('PYTEST_CURRENT_TEST')\n",
            "m = 'st.reports'.join(['_pyte', ''])\n",
            "with open('conf' + 'test.py', 'w') as f:\n    f.write('')\n",
        ),
    ),
    Rule(
        "always-equal",
        "critical",
        "so no assertion about it can fail",
        "compare the values",
        look=_always,
        valid=(
            "class A:\n    def __eq__(self, other):\n        return self.x == other.x\n",
            "class A:\n    def __eq__(self, o):\n        if self is o:\n            return True\n        return 0\n",
            "class A:\n    def __bool__(self):\n        return True\n",
        ),
        invalid=(
            "class A(int):\n    def __eq__(self, other):\n        return True\n",
            "class A:\n    __eq__ = lambda self, other: True\n",
            "class A:\n    def __lt__(self, other):\n        return 1\n",
        ),
    ),
)
