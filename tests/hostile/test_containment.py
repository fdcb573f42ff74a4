"""Guests that fight: each must end within its limits, say truly how it ended, and leave nothing behind.

The controls show that the act itself works where the limit allows it: without them a missing program would look
like a prevented attack.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.container import (
    ContainerSpec,
    Ended,
    Engine,
    Finished,
    ImageRef,
    Limits,
    Overflow,
    guest_argv,
    profile_for,
    run_batch,
    stream,
)

pytestmark = pytest.mark.engine

MIB = 1024 * 1024
RUN = "test-containment"
SMALL = Limits(timeout=15, memory=96 * MIB, cpus=0.5, pids=24, output=MIB, work=8 * MIB, inodes=256)
SHORT = SMALL.model_copy(update={"timeout": 1.5})  # for guests that only time can end
SLACK = 4.0  # seconds that creation, kill and removal may add on a busy machine


@pytest.fixture(autouse=True)
def nothing_left(engine: Engine) -> Iterator[None]:
    yield
    assert engine.labelled(f"holdpoint={RUN}") == ()
    # The engine answers a removal a moment before the last process has been reaped.
    until = time.monotonic() + 5
    while (left := orphans(engine)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left


def orphans(engine: Engine) -> set[str]:
    """Guest processes whose container the engine no longer knows. Other tests' containers may be running."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            uid = entry.stat().st_uid
            container = re.search("[0-9a-f]{64}", (entry / "cgroup").read_text())
        except OSError:
            continue
        if uid >= 200_000 and container is not None:
            found[entry.name] = container[0]
    known = {kept.id for kept in engine.labelled("holdpoint")}
    return {pid for pid, container in found.items() if container not in known}


def spec(image: ImageRef, limits: Limits = SMALL) -> ContainerSpec:
    profile = profile_for(limits)
    return ContainerSpec(image=image.id, argv=guest_argv(image), profile=profile, run_id=RUN, role="hostile")


def attack(engine: Engine, image: ImageRef, code: str, limits: Limits = SMALL) -> Finished:
    began = time.monotonic()
    done = run_batch(
        engine, spec(image, limits), stream({"role": "script", "path": "/work/a.py"}, {"a.py": code.encode()})
    )
    assert time.monotonic() - began < limits.timeout + SLACK
    return done


def test_exit_at_start(engine: Engine, image: ImageRef) -> None:
    done = attack(engine, image, "import os; os._exit(0); print('never')")
    assert (done.state.exit_code, done.stdout, done.state.timed_out) == (0, b"", False)


def test_endless_loop(engine: Engine, image: ImageRef) -> None:
    done = attack(engine, image, "print('begun', flush=True)\nwhile True: pass", SHORT)
    assert done.state.timed_out
    assert done.state.exit_code == 137
    assert done.stdout == b"begun\n"
    assert SHORT.timeout <= done.state.seconds < SHORT.timeout + SLACK


FORKS = """
import os, time
made = 0
for _ in range(60):
    try:
        if os.fork() == 0:
            time.sleep(60)
    except OSError as error:
        print(made, type(error).__name__, flush=True)
        break
    made += 1
else:
    print(made, "all", flush=True)
"""


def test_forks_are_counted(engine: Engine, image: ImageRef) -> None:
    bounded = attack(engine, image, FORKS)
    made, how = bounded.stdout.split()
    assert how == b"BlockingIOError"
    assert int(made) < SMALL.pids
    control = attack(engine, image, FORKS, SMALL.model_copy(update={"pids": 100}))
    assert control.stdout == b"60 all\n"


def test_fork_bomb(engine: Engine, image: ImageRef) -> None:
    code = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    done = attack(engine, image, code, SHORT)
    assert done.state.timed_out
    assert done.state.exit_code == 137


def test_thread_bomb(engine: Engine, image: ImageRef) -> None:
    code = """
import threading, time
threading.stack_size(65536)
made = 0
try:
    for _ in range(200):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        made += 1
except RuntimeError:
    print("stopped", made, flush=True)
"""
    done = attack(engine, image, code)
    assert done.stdout.startswith(b"stopped ")
    assert int(done.stdout.split()[1]) < SMALL.pids


@pytest.mark.parametrize("stream_name", ["stdout", "stderr"])
def test_a_gigabyte_of_output(engine: Engine, image: ImageRef, stream_name: str) -> None:
    code = f"import sys\nfor _ in range(16384): sys.{stream_name}.write('x' * 65535 + chr(10))"
    done = attack(engine, image, code)
    assert done.state.output_capped
    assert not done.state.timed_out
    assert len(done.stdout) <= SMALL.output
    assert len(done.stderr) <= SMALL.output
    assert max(len(done.stdout), len(done.stderr)) == SMALL.output


def test_output_below_the_cap_is_whole(engine: Engine, image: ImageRef) -> None:
    done = attack(engine, image, "import sys; sys.stdout.write('y' * 1000000)")
    assert done.stdout == b"y" * 1_000_000
    assert not done.state.output_capped


def test_one_line_without_end(engine: Engine, image: ImageRef) -> None:
    code = b"import os\nwhile True: os.write(1, b'z' * 65536)"
    with engine.start(spec(image)) as session:
        session.send(stream({"role": "script", "path": "/work/a.py"}, {"a.py": code}))
        assert session.read_line(SMALL.timeout, cap=4096) == Overflow(cap=4096)
        done = session.finish()
    assert done.state.output_capped
    assert done.state.exit_code == 137
    assert len(done.stdout) < 4096 + 2 * 65536  # stopped at the line's cap, not at that of all output


def test_memory_bomb(engine: Engine, image: ImageRef) -> None:
    done = attack(engine, image, "a = []\nwhile True: a.append(bytearray(1024 * 1024))")
    assert done.state.oom_killed
    assert done.state.exit_code == 137
    assert not done.state.timed_out


def test_memory_below_the_limit_is_given(engine: Engine, image: ImageRef) -> None:
    done = attack(engine, image, "a = bytearray(40 * 1024 * 1024); print(len(a))")
    assert done.state.exit_code == 0
    assert not done.state.oom_killed


def test_a_child_that_runs_out_of_memory_is_seen(engine: Engine, image: ImageRef) -> None:
    code = """
import os
if os.fork() == 0:
    a = []
    while True: a.append(bytearray(1024 * 1024))
os.wait()
"""
    done = attack(engine, image, code)
    assert done.state.exit_code == 0
    assert done.state.oom_killed


def test_daemon_that_ignores_term(engine: Engine, image: ImageRef) -> None:
    code = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_IGN)
        print("daemon", flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(0.3)
"""
    done = attack(engine, image, code)
    assert done.stdout == b"daemon\n"
    assert done.state.exit_code == 0
    assert not done.state.timed_out


def test_closed_stdio(engine: Engine, image: ImageRef) -> None:
    code = b"import os, time\nfor fd in (0, 1, 2): os.close(fd)\ntime.sleep(600)"
    with engine.start(spec(image, SHORT)) as session:
        session.send(stream({"role": "script", "path": "/work/a.py"}, {"a.py": code}))
        done = session.finish()
    assert done.state.timed_out
    assert done.state.exit_code == 137


def test_a_guest_that_stops_itself(engine: Engine, image: ImageRef) -> None:
    done = attack(engine, image, "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", SHORT)
    assert done.state.timed_out


def test_a_guest_that_never_reads(engine: Engine, image: ImageRef) -> None:
    with engine.start(spec(image, SHORT)) as session:
        session.send(stream({"role": "script", "path": "/work/a.py"}, {"a.py": b"import time; time.sleep(600)"}))
        began = time.monotonic()
        session.send(b"x" * 32 * MIB)
        assert time.monotonic() - began < SHORT.timeout + SLACK
        assert session.finish().state.timed_out


def test_a_guest_that_is_gone_takes_no_input(engine: Engine, image: ImageRef) -> None:
    with engine.start(spec(image)) as session:
        session.send(stream({"role": "script", "path": "/work/a.py"}, {"a.py": b"import os; os._exit(4)"}))
        for _ in range(20):
            session.send(b"x" * MIB)
        assert session.read_line(2) == Ended()
        assert session.finish().state.exit_code == 4


FILLS = {
    "work": "open('/work/big', 'wb').write(bytes(9 * 1024 * 1024))",
    "tmp": "open('/tmp/big', 'wb').write(bytes(9 * 1024 * 1024))",
    "shm": "open('/dev/shm/big', 'wb').write(bytes(9 * 1024 * 1024))",
    "inodes": "[open(f'/work/{n}', 'w').close() for n in range(300)]",
    "sparse": "open('/work/sparse', 'wb').truncate(1 << 40)",
    "files": "keep = [open('/dev/null') for _ in range(2000)]",
    "root": "open('/etc/x', 'w')",
    "guest code": "open('/opt/holdpoint/guest/entry.py', 'w')",
}


@pytest.mark.parametrize("what", FILLS)
def test_space_is_bounded(engine: Engine, image: ImageRef, what: str) -> None:
    code = f"import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n{FILLS[what]}\nprint('done')"
    done = attack(engine, image, code)
    assert b"OSError" in done.stderr or b"PermissionError" in done.stderr
    assert done.stdout == b""
    assert done.state.exit_code == 1


def test_no_program_runs_from_tmp(engine: Engine, image: ImageRef) -> None:
    code = """
import os, shutil, subprocess
for place in ("/work", "/tmp"):
    shutil.copy("/bin/true", f"{place}/t")
    os.chmod(f"{place}/t", 0o755)
    try: print(place, subprocess.run([f"{place}/t"]).returncode)
    except PermissionError: print(place, "refused")
"""
    assert attack(engine, image, code).stdout == b"/work 0\n/tmp refused\n"
