"""What one test may cost the oracle: time in which nothing happens, messages, and nothing at all when it is skipped."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))
from oracle_pair import session

CANDIDATE = """
def call(function): return function()
def one(): return 1
def steps(): return map(abs, range(1000))
"""
NEXT = "def test_next(): assert c.one() == 1\n"


def test_a_test_that_waits_for_what_cannot_come_is_ended_and_the_next_one_runs(tmp_path: Path) -> None:
    tests = f"import threading, candidate as c\ndef test_waits(): c.call(lambda: threading.Event().wait())\n{NEXT}"
    seen = session(tmp_path, CANDIDATE, {"test_it.py": tests}, patience=0.3)
    assert seen.outcomes == {"test_waits": "failed", "test_next": "passed"}
    assert "for what cannot come" in seen.logs["test_waits"]
    assert seen.tallies["test_waits"]["fault"] >= 1


def test_nobody_is_hurried_who_goes_on_talking(tmp_path: Path) -> None:
    talks = "    for _ in range(30):\n        c.one()\n        time.sleep(0.05)\n"
    tests = f"import time, candidate as c\ndef test_talks():\n{talks}{NEXT}"
    seen = session(tmp_path, CANDIDATE, {"test_it.py": tests}, patience=0.5)
    assert seen.outcomes == {"test_talks": "passed", "test_next": "passed"}


@pytest.mark.parametrize("most", [50, 500])
def test_messages_of_one_test_are_counted(tmp_path: Path, most: int) -> None:
    tests = f"import candidate as c\ndef test_many():\n    for _ in range(200): c.one()\n{NEXT}"
    seen = session(tmp_path, CANDIDATE, {"test_it.py": tests}, most=most)
    assert seen.outcomes == {"test_many": "passed" if most > 200 else "failed", "test_next": "passed"}
    assert most > 200 or "more than 50 messages" in seen.logs["test_many"]


def test_what_the_host_skips_is_collected_and_not_run(tmp_path: Path) -> None:
    tests = f"import candidate as c\ndef test_no(): assert c.one() == 2\n{NEXT}"
    seen = session(tmp_path, CANDIDATE, {"test_it.py": tests}, skip=["test_it.py::test_no"])
    assert seen.outcomes == {"test_next": "passed"}
    assert "1 passed, 1 skipped" in seen.printed


def test_a_long_loop_over_an_iterator_is_read_ahead(tmp_path: Path) -> None:
    tests = "import candidate as c\ndef test_loop(): assert sum(1 for _ in c.steps()) == 1000\n"
    seen = session(tmp_path, CANDIDATE, {"test_it.py": tests})
    assert seen.outcomes == {"test_loop": "passed"}
    assert len(seen.frames) < 2 * 500
