"""What tests put in the place of standard names reaches the worker, and is no way back into the oracle."""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))
from oracle_pair import Seen, session

CANDIDATE = """
import os, platform, subprocess, sys, time
from platform import machine
def system(): return platform.system()
def bound(): return machine()
def where(): return sys.platform, sys.implementation.name
def confstr():
    try: return os.confstr("CS_GNU_LIBC_VERSION")
    except AttributeError: return "missing"
def run(*words): return subprocess.run(list(words), capture_output=True).returncode
def now(): return time.time()
def typed(): return sys.stdin.read()
def said(text): print(text)
def optional():
    try: import made_up
    except ImportError: return None
    return made_up.answer()
def read(path):
    with open(path) as file: return file.read()
def calls(function, *args):
    try: return function(*args)
    except BaseException as error: return type(error).__name__
def keeps(): os.sep = "|"
def sep(): return os.sep
def variable(): return os.environ.get("KIND")
"""
HEAD = (
    "import io, os, platform, subprocess, sys, time, types\n"
    "from unittest import mock\nimport pytest, candidate as c\n"
    "REAL = platform.system(), sys.platform, c.confstr()\n"
)
TESTS = {
    "function": """
def test_it(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Plan 9")
    assert c.system() == "Plan 9"
    monkeypatch.undo()
    assert c.system() == REAL[0] == platform.system()
def test_bound_before(monkeypatch):
    before = c.bound()
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    assert c.bound() == before
""",
    "values": """
def test_it(monkeypatch):
    monkeypatch.setattr(sys, "platform", "ios")
    monkeypatch.setattr(sys.implementation, "name", "rustpython")
    assert c.where() == ("ios", "rustpython")
    monkeypatch.undo()
    assert c.where()[0] == REAL[1]
""",
    "deleted": """
def test_it(monkeypatch):
    monkeypatch.delattr(os, "confstr")
    assert c.confstr() == "missing"
    monkeypatch.undo()
    assert c.confstr() == REAL[2] != "missing"
""",
    "mock": """
def test_it():
    with mock.patch("subprocess.run", return_value=subprocess.CompletedProcess([], 7)) as run:
        assert c.run("ls") == 7
    run.assert_called_once_with(["ls"], capture_output=True)
""",
    "assignment": """
def test_it():
    real, time.time = time.time, lambda: 5.0
    try: assert c.now() == 5.0
    finally: time.time = real
    assert c.now() > 5.0
""",
    "streams": """
def test_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("typed"))
    assert c.typed() == "typed"
def test_print():
    with mock.patch("builtins.print") as say:
        c.said("hello")
    say.assert_called_once_with("hello")
""",
    "modules": """
def test_it(monkeypatch):
    assert c.optional() is None
    made = types.ModuleType("made_up")
    made.answer = lambda: 42
    monkeypatch.setitem(sys.modules, "made_up", made)
    assert c.optional() == 42
    made.answer = lambda: 43
    assert c.optional() == 43
    monkeypatch.setitem(sys.modules, "made_up", None)
    assert c.optional() is None
""",
    "file": """
def test_it():
    with mock.patch("builtins.open", mock.mock_open(read_data="text")):
        assert c.read("/no/such/file") == "text"
""",
    "environment": """
def test_it(monkeypatch):
    monkeypatch.setattr(os, "environ", {"KIND": "other"})
    assert c.variable() == "other"
""",
    "stays": """
def test_it(monkeypatch):
    monkeypatch.setattr(os, "sep", "!")
    assert c.sep() == "!"
    c.keeps()
    monkeypatch.undo()
    assert (os.sep, c.sep()) == ("/", "|")
""",
    "container": """
def test_it(monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", [1])
    c.where()
    assert sys.warnoptions == [1]
""",
    "never": """
@pytest.mark.parametrize("name", ["stdout", "stderr", "path", "meta_path", "excepthook"])
def test_it(monkeypatch, name):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data))
    for inner in ("builtins.eval", "runpy.run_path", "operator.attrgetter"):
        monkeypatch.setattr(inner, lambda text: None)
    monkeypatch.setattr(sys, name, [] if "path" in name else io.StringIO())
    import xml.dom.minidom
    c.where()
""",
}


def told(seen: Seen) -> list[list[object]]:
    return [frame["a"] for who, frame in seen.frames if who == "oracle" and frame.get("op") == "patch"]


@pytest.fixture(scope="module")
def benign(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    files = {f"test_{name}.py": HEAD + text for name, text in TESTS.items()}
    return session(tmp_path_factory.mktemp("benign"), CANDIDATE, files)


@pytest.mark.parametrize("case", sorted(TESTS))
def test_the_candidate_sees_what_the_tests_replaced(benign: Seen, case: str) -> None:
    ended = {name: how for name, how in benign.outcomes.items() if name.startswith(f"test_{case}.py")}
    assert ended
    assert set(ended.values()) == {"passed"}, benign.logs


def test_only_what_tests_replaced_is_told(benign: Seen) -> None:
    """Not what pytest changes by itself, and not what reaches descriptors."""
    names = {f"{owner}.{name}" for owner, name, *_ in told(benign)}
    assert names >= {"platform.system", "sys.platform", "sys.implementation.name", "sys.modules.made_up", "os.sep"}
    assert not names & {"os.write", "sys.stdout", "sys.stderr", "sys.path", "sys.excepthook", "os.environ"}
    assert not names & {"builtins.eval", "runpy.run_path", "operator.attrgetter"}
    assert {name.rpartition(".")[0] for name in names} <= {
        *("builtins", "os", "platform", "subprocess", "sys", "sys.implementation", "sys.modules", "time"),
    }


SPIES = """
import builtins, os, pickle, subprocess
from unittest import mock
import candidate as c
def spy(owner, name):
    real, calls = getattr(owner, name), []
    def went(*args, **kwargs):
        calls.append(args)
        return real(*args, **kwargs)
    return mock.patch.object(owner, name, went)
"""
PATHS = """
import pathlib, subprocess, pickle, builtins, os
HERE = {here!r}
def attack():
    {attack}
    return 1
"""
ATTACKS = {
    "starts a process": ("subprocess, 'run'", "subprocess.run(['touch', HERE + '/forged'])"),
    "unpickles": ("pickle, 'loads'", "pickle.loads(b'cos\\nsystem\\n(S\"true\"\\ntR.')"),
    "writes a file": ("builtins, 'open'", "open(HERE + '/forged', 'w')"),
    "writes memory": ("builtins, 'open'", "open('/proc/self/mem', 'r+b')"),
    "reads the tests": ("builtins, 'open'", "open('test_0.py').read()"),
    "reads memory": ("builtins, 'open'", "open('/proc/self/maps').read()"),
    "system": ("os, 'system'", "os.system('touch ' + HERE + '/forged')"),
}


@pytest.fixture(scope="module")
def outside() -> Iterator[Path]:
    """A folder that is not below the one for temporary files."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="holdpoint-") as name:
        assert not name.startswith(tempfile.gettempdir())
        yield Path(name)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, outside: Path) -> Seen:
    candidates, tests = {}, {}
    for number, (place, attack) in enumerate(ATTACKS.values()):
        swallowed = f"try: {attack}\n    except BaseException: pass"
        name = f"test_{number}.py"
        candidates[name] = PATHS.format(here=str(outside), attack=swallowed)
        tests[name] = f"{SPIES}def test_it():\n    with spy({place}): assert c.attack() == 1\n"
    return session(tmp_path_factory.mktemp("attacked"), candidates, tests)


@pytest.mark.parametrize("kind", list(ATTACKS))
def test_a_spy_is_no_way_into_the_oracle(attacked: Seen, outside: Path, kind: str) -> None:
    """The test's stand-in goes on to the real function; the worker may call it as it likes, and hide that it failed."""
    name = f"test_{list(ATTACKS).index(kind)}.py::test_it"
    assert attacked.outcomes[name] == "failed"
    assert "may not do this for the worker" in attacked.logs[name]
    assert not (outside / "forged").exists()


def test_a_stand_in_may_write_where_temporary_files_are(tmp_path: Path) -> None:
    tests = HEAD + (
        "def test_it(tmp_path):\n    def note(path):\n        with open(path, 'w') as file: file.write('x')\n"
        "    assert c.calls(note, str(tmp_path / 'note')) is None\n    assert (tmp_path / 'note').read_text() == 'x'\n"
    )
    assert session(tmp_path, CANDIDATE, {"test_it.py": tests}).outcomes == {"test_it": "passed"}


@pytest.mark.parametrize("lie", ['"v":5', '"x":["E",90,["g","builtins","AssertionError"],[],[],null,[]]', '"f":"no"'])
def test_a_worker_has_nothing_to_say_to_a_patch(tmp_path: Path, lie: str) -> None:
    """An answer to it would be one that the test did not ask for: here the exception that it waits for."""
    waiting, asked = [0], [0]

    def meddle(_: str, line: bytes) -> bytes:
        frame = json.loads(line)
        if "r" in frame:
            asked[0] += 1
            if frame.get("v", 1) is None and not waiting[0]:
                waiting[0] = 1
                return b'{"r":%d,%s}\n' % (frame["r"], lie.encode())
        return line

    tests = HEAD.replace("c.confstr()", "0") + (
        "def test_it(monkeypatch):\n    monkeypatch.setattr(sys, 'platform', 'ios')\n"
        "    try: c.system()\n    except Exception: pass\n"
    )
    seen = session(tmp_path, CANDIDATE, {"test_it.py": tests}, meddle)
    assert waiting[0] == 1
    assert seen.outcomes == {"test_it": "failed"}
    assert seen.tallies["test_it"]["fault"] >= 1


@pytest.mark.parametrize("answer", ["KEPT", "5", "Other()", "1 / 0"])
def test_a_worker_cannot_pass_something_else_off_as_a_bare_object(tmp_path: Path, answer: str) -> None:
    candidate = (
        "import sys\nclass Stored: pass\nclass Other: pass\nKEPT = Stored()\ndef kept(): return KEPT\n"
        f"sys.modules['holdpoint_guest.operations'].OPERATIONS['bare'] = lambda *_: {answer}\n"
    )
    tests = (
        "import candidate as c\nfrom candidate import Stored\ndef test_it():\n    kept = c.kept()\n"
        "    made = object.__new__(Stored)\n    made.text = 'x'\n"
    )
    seen = session(tmp_path, candidate, {"test_it.py": tests})
    assert seen.outcomes == {"test_it": "failed"}
    assert seen.tallies["test_it"]["fault"] >= 1
