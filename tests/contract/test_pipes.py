"""Pipes past the engine, in real containers: who may open them talks faster, all else is as by the stream."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.container import (
    ContainerSpec,
    Ended,
    Engine,
    ImageRef,
    Limits,
    Line,
    Overflow,
    Session,
    Silence,
    guest_argv,
    profile_for,
    stream,
)
from harness.container.pipes import is_of, offered, opened

pytestmark = pytest.mark.engine

MIB = 1024 * 1024
RUN = f"contract-pipes-{os.getpid()}"
LIMITS = Limits(timeout=20, memory=128 * MIB, pids=32, output=8 * MIB, work=16 * MIB, inodes=512)
ECHO = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)"
COPY = "import os\nwhile data := os.read(0, 65536):\n    while data: data = data[os.write(1, data):]"
WAYS = pytest.mark.parametrize("talks", [True, False], ids=["pipes", "stream"])


@pytest.fixture(autouse=True)
def nothing_left(engine: Engine) -> Iterator[None]:
    yield
    assert engine.labelled(f"holdpoint={RUN}") == ()


def spec(image: ImageRef, limits: Limits = LIMITS, *, talks: bool) -> ContainerSpec:
    profile = profile_for(limits)
    return ContainerSpec(image=image.id, argv=guest_argv(image), profile=profile, run_id=RUN, role="test", talks=talks)


def started(engine: Engine, image: ImageRef, code: str, limits: Limits = LIMITS, *, talks: bool) -> Session:
    """A script in a container; with pipes, they have been taken."""
    session = engine.start(spec(image, limits, talks=talks))
    session.send(stream({"role": "script", "path": "/work/main.py"}, {"main.py": code.encode()}))
    assert (session._wire._pipes is not None) == talks
    return session


@WAYS
def test_dialogue(engine: Engine, image: ImageRef, talks: bool) -> None:
    with started(engine, image, ECHO, talks=talks) as session:
        for word in ("one", "two"):
            session.send(word.encode() + b"\n")
            assert session.read_line(5) == Line(data=word.upper().encode())
        assert session.read_line(0.1) == Silence(seconds=0.1)
        session.close_stdin()
        assert session.read_line(5) == Ended()
        done = session.finish()
    assert (done.state.exit_code, done.state.timed_out) == (0, False)


@WAYS
def test_what_is_left_unread_and_what_is_said_aside_is_kept(engine: Engine, image: ImageRef, talks: bool) -> None:
    code = "import sys; print('a\\nrest', end='', flush=True); print('aside', file=sys.stderr); sys.exit(5)"
    with started(engine, image, code, talks=talks) as session:
        assert session.read_line(5) == Line(data=b"a")
        done = session.finish()
    assert (done.state.exit_code, done.stdout, done.stderr) == (5, b"rest", b"aside\n")


@WAYS
def test_much_input_and_much_output_at_once(engine: Engine, image: ImageRef, talks: bool) -> None:
    text = os.urandom(6 * MIB)
    with started(engine, image, COPY, talks=talks) as session:
        time.sleep(0.3)  # until the entry has handed over: it might read ahead
        session.send(text)
        assert session.finish().stdout == text


@WAYS
def test_a_flood_and_a_long_line_end_the_container(engine: Engine, image: ImageRef, talks: bool) -> None:
    flood = "import os\nwhile True: os.write(1, b'x' * 65536)"
    with started(engine, image, flood, talks=talks) as session:
        assert session.read_line(10, cap=MIB) == Overflow(cap=MIB)
        done = session.finish()
    assert (done.state.output_capped, done.state.exit_code) == (True, 137)
    assert len(done.stdout) <= LIMITS.output


@WAYS
def test_who_does_not_read_holds_up_nobody_past_the_limit(engine: Engine, image: ImageRef, talks: bool) -> None:
    limits = LIMITS.model_copy(update={"timeout": 1.5})
    with started(engine, image, "import time; time.sleep(60)", limits, talks=talks) as session:
        session.send(b"x" * MIB)
        assert session.read_line(5) == Silence(seconds=5)
        assert session.finish().state.timed_out


@WAYS
def test_who_closes_its_output_and_stays_is_ended_by_the_limit(engine: Engine, image: ImageRef, talks: bool) -> None:
    limits = LIMITS.model_copy(update={"timeout": 1.5})
    with started(engine, image, "import os, time; os.close(1); time.sleep(60)", limits, talks=talks) as session:
        assert session.read_line(5) == Silence(seconds=5)
        assert session.finish().state.timed_out


@WAYS
def test_a_child_that_keeps_the_output_open_ends_with_the_container(
    engine: Engine, image: ImageRef, talks: bool
) -> None:
    code = "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(60)\nprint('left', flush=True)"
    with started(engine, image, code, talks=talks) as session:
        assert session.read_line(5) == Line(data=b"left")
        assert session.read_line(5) == Ended()


@WAYS
def test_small_buffers_lose_nothing(engine: Engine, image: ImageRef, talks: bool) -> None:
    """A guest may make the pipe of its input as small as it likes."""
    code = "import fcntl\ntry: fcntl.fcntl(0, 1031, 4096)\nexcept OSError: pass\n" + COPY
    text = b"".join(b"%d\n" % number for number in range(100_000))
    with started(engine, image, code, talks=talks) as session:
        time.sleep(0.3)
        session.send(text)
        assert session.finish().stdout == text


@WAYS
def test_the_end_of_the_harness_is_the_end_of_the_guests_input(engine: Engine, image: ImageRef, talks: bool) -> None:
    code = "import sys; sys.stdin.read(); print('alone', file=sys.stderr); sys.exit(5)"
    session = started(engine, image, code, talks=talks)
    session._wire.close()  # as the kernel does it for a process that is killed
    try:
        assert engine.await_exit(session.container, 5.0)
        assert engine.state(session.container)["ExitCode"] == 5
    finally:
        session.close()


def test_no_descriptor_is_left(engine: Engine, image: ImageRef) -> None:
    held = []
    for end in (Session.close, Session.kill, Session.finish, Session.close):
        with started(engine, image, ECHO, talks=True) as session:
            end(session)
        held.append(len(list(Path("/proc/self/fd").iterdir())))
    assert len(set(held[1:])) == 1, held  # the first may have opened a connection that is kept


def test_one_that_nobody_needed_or_that_died_waiting_ends_quietly(engine: Engine, image: ImageRef) -> None:
    with engine.start(spec(image, talks=True)) as unused:
        done = unused.finish()
    assert (done.state.exit_code, done.stderr) == (0, b"")
    for act in (Engine.kill, Engine.remove):
        with engine.start(spec(image, talks=True)) as killed:
            act(engine, killed.container)
            killed.send(b"too late")
            assert killed.read_line(5) == Ended()


NOBODY = """
import os, sys
from harness.container import ContainerSpec, Engine, ImageRef, Limits, Line, guest_argv, profile_for, stream
image = ImageRef(tag="", id=sys.argv[1], python=sys.argv[2])
with Engine.connect() as engine:
    with engine.start(ContainerSpec(image=image.id, argv=guest_argv(image), profile=profile_for(Limits()),
                                    run_id=sys.argv[3], role="test", talks=True)) as session:
        os.setgroups([os.stat("/var/run/docker.sock").st_gid]); os.setegid(65534); os.seteuid(65534)
        session.send(stream({"role": "script", "path": "/work/main.py"}, {"main.py": sys.argv[4].encode()}))
        session.send(b"word\\n")
        assert session.read_line(20) == Line(data=b"WORD")
        assert session._wire._pipes is None
        session.close_stdin()
        assert session.finish().state.exit_code == 0
print("by the stream")
"""


def test_whoever_may_not_look_into_the_guest_goes_on_by_the_stream(engine: Engine, image: ImageRef) -> None:
    """A user of the engine who is not root: held connections work on, processes of others are out of reach."""
    command = [sys.executable, "-c", NOBODY, image.id, image.python, RUN, ECHO]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "by the stream\n", done.stderr


def test_only_pipes_of_that_container_are_opened(engine: Engine, image: ImageRef) -> None:
    code = "import os, time\nmade = os.pipe()\nplain = os.open('x', os.O_RDWR | os.O_CREAT)\n"
    code += "print(*made, plain, flush=True)\ntime.sleep(60)"
    with started(engine, image, code, talks=True) as session:
        told = session.read_line(5)
        assert isinstance(told, Line)
        out, into, plain = map(int, told.data.split())
        pid = int(engine.state(session.container)["Pid"])
        assert is_of(pid, session.container)
        made = opened(session.container, pid, (into, out))
        assert made is not None
        made.close()
        made.close()
        assert opened(session.container, pid, (plain, out)) is None
        assert opened(session.container, pid, (into, plain)) is None
        assert opened(session.container, pid, (900, 901)) is None
        assert opened("0" * 64, pid, (into, out)) is None
        theirs, ours = os.pipe()
        try:
            assert opened(session.container, os.getpid(), (ours, theirs)) is None
        finally:
            os.close(theirs)
            os.close(ours)
    assert not is_of(pid, session.container)
    assert not is_of(0, "")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[3,4]",
        b'{"pipes":[3]}',
        b'{"pipes":[0,1]}',
        b'{"pipes":[3,4000]}',
        b'{"pipes":["3","4"]}',
        b'{"pipes":[true,4]}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_offer(line: bytes) -> None:
    assert offered(line) is None


def test_an_offer() -> None:
    assert offered(b'{"pipes": [4, 5]}') == (4, 5)
