"""What tests do with a package works through the oracle: one session of a suite that has one of everything."""

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))
from oracle_pair import Seen, relay, session, shapes

FILES = Path(__file__).parents[1] / "shared" / "oracle"
CANDIDATE = (FILES / "candidate.py").read_text()
CROSSING = (FILES / "crossing.py").read_text()
NAMES = [node.name for node in ast.parse(CROSSING).body if isinstance(node, ast.FunctionDef)]


@pytest.fixture(scope="module")
def base_shapes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return shapes(tmp_path_factory.mktemp("base"), CANDIDATE)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, base_shapes: Any) -> Seen:
    folder = tmp_path_factory.mktemp("crossing")
    return session(folder, CANDIDATE, {"test_it.py": CROSSING}, shapes=base_shapes, seed=5)


@pytest.mark.parametrize("name", NAMES)
def test_crosses(seen: Seen, name: str) -> None:
    found = {test: how for test, how in seen.outcomes.items() if test.partition("[")[0] == name}
    assert found, seen.printed
    assert set(found.values()) == {"passed"}, {
        test: seen.logs.get(test) for test, how in found.items() if how != "passed"
    }


def test_the_oracle_never_imports_the_candidate(seen: Seen) -> None:
    assert seen.ended
    assert [frame["op"] for who, frame in seen.frames[:1]] == ["import"]


def test_reload(tmp_path: Path) -> None:
    """In a session of its own: classes imported before are others afterwards."""
    test = (
        "import importlib\nimport candidate\ndef test_reload():\n    candidate.LIMIT = 99\n"
        "    assert candidate.LIMIT == 99\n    importlib.reload(candidate)\n    assert candidate.LIMIT == 10\n"
    )
    found = session(tmp_path, CANDIDATE, {"test_it.py": test})
    assert found.outcomes == {"test_reload": "passed"}, found.logs


def test_the_candidate_sees_no_test_runner(tmp_path: Path) -> None:
    test = (
        "import candidate\ndef test_plain(caplog, capsys, recwarn):\n    assert candidate.surroundings() == {\n"
        "        'streams': True, 'kinds': ['TextIOWrapper'] * 3, 'numbers': [0, 1, 2], 'always': False,\n"
        "        'hook': 'warnings', 'handlers': 0, 'level': 30}\n"
    )
    found = session(tmp_path, CANDIDATE, {"test_it.py": test})
    assert found.outcomes == {"test_plain": "passed"}, found.logs


def test_what_the_candidate_decides_is_counted(seen: Seen) -> None:
    operators = seen.tallies["test_operators"]
    assert operators["decided:eq"] >= 4
    assert operators["decided:bool"] == 1
    assert not any(word.startswith("decided") for word in seen.tallies.get("test_enums", ()))
    assert not any(word.startswith("decided") for word in seen.tallies.get("test_records", ()))


def test_changed_arguments_are_counted(seen: Seen) -> None:
    assert seen.tallies["test_arguments_by_reference"]["mutated"] >= 2
    assert "mutated" not in seen.tallies.get("test_callbacks", {})


def test_order_follows_the_seed(tmp_path: Path) -> None:
    tests = {"test_it.py": "".join(f"def test_{n}(): pass\n" for n in range(12))}
    orders = []
    for number, seed in enumerate((1, 1, 2)):
        (tmp_path / str(number)).mkdir()
        orders.append(list(session(tmp_path / str(number), "", tests, seed=seed).outcomes))
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_each_file_has_a_fresh_worker(tmp_path: Path) -> None:
    candidate = "seen = []\ndef visit():\n    seen.append(1)\n    return len(seen)\n"
    text = "import candidate\ndef test_first(): assert candidate.visit() == 1\n"
    seen = session(tmp_path, candidate, {"test_a.py": text, "test_b.py": text})
    assert seen.outcomes == {"test_a.py::test_first": "passed", "test_b.py::test_first": "passed"}


def test_a_fresh_worker_for_each_test(tmp_path: Path) -> None:
    candidate = "seen = []\ndef visit():\n    seen.append(1)\n    return len(seen)\n"
    text = (
        "import candidate\ndef test_a(): assert candidate.visit() == 1\ndef test_b(): assert candidate.visit() == 1\n"
    )
    ids = {f"test_it.py::test_{letter}": text for letter in "ab"}
    (tmp_path / "judge").mkdir()
    header: dict[str, Any] = {
        "v": 1,
        "packages": ["candidate"],
        "files": list(ids),
        "tests": ["test_it.py"],
        "fresh": "test",
    }
    (tmp_path / "judge" / "test_it.py").write_text(text)
    (tmp_path / "candidate.py").write_text(candidate)
    worker = {"v": 1, "packages": ["candidate"], "root": str(tmp_path), "roots": [str(tmp_path)]}
    header |= {"root": str(tmp_path / "judge"), "roots": []}
    seen = relay(header, dict.fromkeys(ids, worker), lambda _, line: line)
    assert seen.outcomes == {"test_a": "passed", "test_b": "passed"}
