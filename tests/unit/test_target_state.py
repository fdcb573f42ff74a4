"""The state directory and its lock, with real processes that wait, die and are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import EnvironmentFault
from harness.target import StateDir

HOLD = """
import sys, time
from pathlib import Path
from harness.target import StateDir
with StateDir(Path(sys.argv[1])).lock("holdpoint run --all"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(common: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(common)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_paths_lie_below_the_common_directory(tmp_path: Path):
    state = StateDir(tmp_path)
    assert state.root == tmp_path / "holdpoint"
    assert {state.ledger.name, state.evidence.name, state.scratch.name, state.local.name} == {
        "ledger.sqlite", "evidence", "scratch.git", "local.json",
    }  # fmt: skip
    assert not state.exists()
    state.create()
    state.create()
    assert state.root.stat().st_mode & 0o077 == 0
    assert not state.exists(), "a directory without a ledger is no initialised target"
    state.ledger.touch()
    assert state.exists()


def test_a_second_harness_is_told_who_holds_the_lock(tmp_path: Path):
    process = holder(tmp_path)
    try:
        with pytest.raises(EnvironmentFault) as caught, StateDir(tmp_path).lock("holdpoint merge"):
            pytest.fail("the lock was given twice")
        assert str(process.pid) in caught.value.message
        assert "holdpoint run --all" in caught.value.message
        assert caught.value.next_step
    finally:
        process.kill()
        process.communicate()


def test_kill_9_frees_the_lock_and_what_the_dead_left_is_overwritten(tmp_path: Path):
    process = holder(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with StateDir(tmp_path).lock("holdpoint merge"):
        text = (tmp_path / "holdpoint" / "lock").read_text()
        assert str(os.getpid()) in text
        assert str(process.pid) not in text or process.pid == os.getpid()


def test_the_lock_is_free_after_use_and_after_an_error(tmp_path: Path):
    state = StateDir(tmp_path)
    with pytest.raises(KeyError), state.lock("one"):
        raise KeyError
    with state.lock("two"), pytest.raises(EnvironmentFault, match="two"), state.lock("three"):
        pytest.fail("the lock was given twice within one process")
    with state.lock("four"):
        pass


def test_a_holder_with_a_hostile_or_torn_name_is_shown_safely(tmp_path: Path):
    state = StateDir(tmp_path)
    with state.lock("\x1b]0;owned\x07"), pytest.raises(EnvironmentFault) as caught, state.lock("b"):
        pass
    assert caught.value.message.isprintable()
    with state.lock("a"):
        (state.root / "lock").write_text("{torn")
        with pytest.raises(EnvironmentFault, match="just started"), state.lock("b"):
            pass


def test_a_place_that_cannot_hold_state_is_a_clear_fault(tmp_path: Path):
    (tmp_path / "holdpoint").write_text("a file")
    for act in (StateDir(tmp_path).create, StateDir(tmp_path).lock("x").__enter__):
        with pytest.raises(EnvironmentFault, match="state directory"):
            act()
