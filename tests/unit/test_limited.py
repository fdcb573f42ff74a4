"""The bounded child: answers, every way of ending badly, and nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import EnvironmentFault
from harness.limited import Answered, Crashed, Limited, TimedOut

ENTRIES = """
import os, resource, signal, sys, time

def reverse(data): return data[::-1]
def segfault(data): os.kill(os.getpid(), signal.SIGSEGV)
def leave(data): os._exit(3)
def silent(data): os._exit(0)
def fails(data): raise ValueError("no: " + data.decode())
def exits(data): raise SystemExit(0)
def hog(data): return bytes(4 << 30)
def spin(data):
    while True: pass
def sleep(data): time.sleep(60)
def flood(data): return b"x" * (2 << 20)
def deep(data):
    def down(n): return 0 if n == 0 else 1 + down(n - 1)
    return str(down(int(data))).encode()
def descriptors(data): return ",".join(sorted(os.listdir("/proc/self/fd"))).encode()
def environment(data): return repr(sorted(os.environ)).encode()
def where(data): return repr(sys.path).encode()
def writes(data):
    with open(data.decode(), "w") as file:
        file.write("x")
    return b"written"
def pid(data):
    time.sleep(float(data))
    return str(os.getpid()).encode()
"""
Ask = Callable[..., Limited]


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Opens a bounded child on one of the functions above, and closes all of them afterwards."""
    (tmp_path / "holdpoint_entries.py").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    opened: list[Limited] = []

    def make(function: str, **limits: float) -> Limited:
        opened.append(Limited(f"holdpoint_entries:{function}", **limits))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_answers_again_and_again(limited: Ask) -> None:
    child = limited("reverse")
    assert child.ask(b"abc") == Answered(answer=b"cba")
    assert child.ask(b"") == Answered(answer=b"")
    big = os.urandom(3 << 20)
    assert child.ask(big) == Answered(answer=big[::-1])


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("segfault", "signal SIGSEGV"),
        ("leave", "exit status 3"),
        ("silent", "exit status 0"),
        ("fails", "ValueError: no: x"),
        ("exits", "exit status 0"),
        ("hog", "MemoryError"),
    ],
)
def test_a_bad_end_is_a_result(limited: Ask, function: str, why: str) -> None:
    child = limited(function)
    for _ in range(2):
        outcome = child.ask(b"x")
        assert isinstance(outcome, Crashed)
        assert why in outcome.why


def test_time_is_bounded(limited: Ask) -> None:
    assert limited("spin", cpu_s=1, wall_s=10).ask(b"") == TimedOut(seconds=1.0)
    assert limited("sleep", wall_s=0.3).ask(b"") == TimedOut(seconds=0.3)


def test_output_is_bounded(limited: Ask) -> None:
    outcome = limited("flood", output=1 << 20).ask(b"")
    assert outcome == Crashed(why="an answer of more than 1048576 bytes")


def test_deep_recursion_is_allowed_and_endless_recursion_is_a_result(limited: Ask) -> None:
    child = limited("deep")
    assert child.ask(b"15000") == Answered(answer=b"15000")
    outcome = child.ask(b"1000000")
    assert isinstance(outcome, Crashed)
    assert "RecursionError" in outcome.why


def test_the_child_gets_nothing_of_ours(limited: Ask) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        seen = limited("descriptors").ask(b"")
        assert isinstance(seen, Answered)
        assert str(max(reading, writing)) not in seen.answer.decode().split(",")[:3]
        assert len(seen.answer.split(b",")) <= 8
    finally:
        os.close(reading)
        os.close(writing)
    environment = limited("environment").ask(b"")
    assert isinstance(environment, Answered)
    assert b"PATH" not in environment.answer
    assert b"HOME" not in environment.answer


def test_the_child_writes_no_file(limited: Ask, tmp_path: Path) -> None:
    outcome = limited("writes").ask(str(tmp_path / "file").encode())
    assert isinstance(outcome, Crashed)
    assert (tmp_path / "file").read_bytes() == b""


def test_standard_library_comes_first(limited: Ask, tmp_path: Path) -> None:
    (tmp_path / "struct.py").write_text("raise SystemExit")
    seen = limited("where").ask(b"")
    assert isinstance(seen, Answered)
    assert seen.answer.decode().index(str(Path(os.__file__).parent)) < seen.answer.decode().index(str(tmp_path))


def test_threads_take_turns(limited: Ask) -> None:
    child = limited("reverse")
    child.ask(b"warm")
    got: dict[int, bytes] = {}

    def work(number: int) -> None:
        outcome = child.ask(f"{number:03}".encode())
        assert isinstance(outcome, Answered)
        got[number] = outcome.answer

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {number: f"{number:03}".encode()[::-1] for number in range(20)}


def test_a_killed_server_is_said_and_replaced(limited: Ask) -> None:
    child = limited("reverse")
    child.ask(b"warm")
    assert child._server is not None
    os.kill(child._server.pid, signal.SIGKILL)
    assert child.ask(b"abc") == Crashed(why="the server process was killed")
    assert child.ask(b"abc") == Answered(answer=b"cba")


def test_an_entry_that_is_not_there_is_an_environment_fault() -> None:
    with Limited("harness.no_such_module:f") as child, pytest.raises(EnvironmentFault, match="no_such_module"):
        child.ask(b"")


def test_nothing_stays_when_the_harness_is_killed(tmp_path: Path) -> None:
    (tmp_path / "holdpoint_entries.py").write_text(ENTRIES)
    program = (
        f"import sys; sys.path[:0] = [{str(Path(__file__).parents[2])!r}, {str(tmp_path)!r}]\n"
        "from harness.limited import Limited\n"
        "child = Limited('holdpoint_entries:pid'); print(child.ask(b'0').answer.decode(), flush=True)\n"
        "print(child._server.pid, flush=True); child.ask(b'30')\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        harness.stdout.readline()
        server = int(harness.stdout.readline())
        children = Path(f"/proc/{server}/task/{server}/children")
        assert _within(5, lambda: bool(children.read_text().split()))
        job = int(children.read_text().split()[0])
        harness.kill()
    assert _within(5, lambda: _gone(server) and _gone(job))


def _within(seconds: float, true: Callable[[], bool]) -> bool:
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        if true():
            return True
        time.sleep(0.02)
    return False


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
