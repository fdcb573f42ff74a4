"""What a session promises, on a real engine: the profile as the kernel sees it, dialogue, ends, pool, leases."""

import json
import os
import signal
import subprocess
import sys
import threading
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
    Pool,
    Session,
    Silence,
    profile_for,
    reap,
    run_batch,
)
from harness.container.lease import Kept, is_orphan, owner
from harness.container.profile import container_config
from harness.errors import EnvironmentFault

pytestmark = pytest.mark.engine

MIB = 1024 * 1024
RUN = f"contract-container-{os.getpid()}"  # another session may have been killed, and have left some of its own
LIMITS = Limits(timeout=10, memory=128 * MIB, cpus=0.5, pids=32, output=MIB, work=16 * MIB, inodes=512)
ECHO = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)"


@pytest.fixture(autouse=True)
def nothing_left(engine: Engine) -> Iterator[None]:
    yield
    assert engine.labelled(f"holdpoint={RUN}") == ()


def spec(image: ImageRef, code: str, limits: Limits = LIMITS) -> ContainerSpec:
    argv = (image.python, "-I", "-B", "-c", code)
    return ContainerSpec(image=image.id, argv=argv, profile=profile_for(limits), run_id=RUN, role="test")


LOOK = """
import json, os, resource, socket
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
mounts = {line.split()[1]: line.split()[3].split(",") for line in open("/proc/mounts")}
limits = {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in ("CORE", "FSIZE", "NOFILE")}
limits["MSGQUEUE"] = resource.getrlimit(12)
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "status": status, "mounts": mounts, "limits": limits,
    "links": [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line],
    "env": dict(os.environ), "cwd": os.getcwd(),
    "host": socket.gethostname(), "init": open("/proc/1/comm").read().strip(),
    "cgroup": open("/proc/self/cgroup").read(), "shm": os.statvfs("/dev/shm").f_blocks * 4096,
    "writable": [p for p in ("/", "/etc", "/judge", "/opt/holdpoint", "/usr") if os.access(p, os.W_OK)],
}))
"""


@pytest.fixture(scope="module")
def seen(engine: Engine, image: ImageRef) -> dict:
    done = run_batch(engine, spec(image, LOOK), b"")
    assert done.state.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_guest_is_nobody(seen: dict) -> None:
    assert 200_000 <= seen["uid"] < 2_000_000_000
    assert seen["gid"] == seen["uid"]
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(seen["status"][name], 16) == 0
    assert seen["status"]["NoNewPrivs"].strip() == "1"
    assert seen["status"]["Seccomp"].strip() == "2"


def test_guest_writes_nowhere_but_in_its_two_mounts(seen: dict) -> None:
    assert "ro" in seen["mounts"]["/"]
    assert {"rw", "nosuid", "nodev", "size=16384k", "nr_inodes=512"} <= set(seen["mounts"]["/work"])
    assert {"rw", "nosuid", "nodev", "noexec", "size=16384k", "nr_inodes=512"} <= set(seen["mounts"]["/tmp"])
    assert seen["writable"] == []
    assert seen["shm"] == 8 * MIB


def test_guest_is_alone(seen: dict) -> None:
    assert seen["links"] == ["lo"]
    assert seen["init"] in {"docker-init", "tini", "catatonit"}
    assert seen["host"] == "holdpoint"
    assert seen["cwd"] == "/work"
    assert all(line.endswith(":/") for line in seen["cgroup"].split())


def test_guest_has_the_resource_limits(seen: dict) -> None:
    assert seen["limits"] == {"CORE": [1, 1], "FSIZE": [16 * MIB] * 2, "NOFILE": [1024] * 2, "MSGQUEUE": [0, 0]}


def test_guest_environment_holds_nothing_of_the_host(engine: Engine, image: ImageRef, monkeypatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    done = run_batch(engine, spec(image, "import json,os; print(json.dumps(dict(os.environ)))"), b"")
    assert set(json.loads(done.stdout)) == {"PATH", "HOME", "LANG", "HOSTNAME"}


def test_engine_was_asked_for_what_only_it_can_show(engine: Engine, image: ImageRef) -> None:
    with engine.start(spec(image, ECHO)) as session:
        found = engine.settings(session.container)
    host = found["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["Memory"] == host["MemorySwap"] == 128 * MIB
    assert (host["PidsLimit"], host["NanoCpus"]) == (32, 500_000_000)
    assert (host["IpcMode"], host["CgroupnsMode"], host["LogConfig"]["Type"]) == ("private", "private", "none")
    assert (host["Binds"] or [], found["Mounts"], host["Privileged"]) == ([], [], False)
    assert found["Image"] == image.id
    assert found["Config"]["Labels"]["holdpoint"] == RUN
    assert found["Config"]["StopSignal"] == "SIGKILL"


def test_each_container_has_its_own_uid(engine: Engine, image: ImageRef, seen: dict) -> None:
    other = run_batch(engine, spec(image, "import os; print(os.getuid())"), b"")
    assert int(other.stdout) != seen["uid"]


def test_profile_digest_moves_with_every_setting() -> None:
    one = profile_for(LIMITS)
    assert one.digest == profile_for(LIMITS).digest
    others = [
        profile_for(LIMITS.model_copy(update={"pids": 33})),
        profile_for(LIMITS, runtime="runsc"),
        one.model_copy(update={"seccomp": "{}"}),
        profile_for(LIMITS, arch="aarch64"),
        one.model_copy(update={"shm": 1}),
    ]
    assert len({p.digest for p in [one, *others]}) == 6


def test_a_seccomp_list_reaches_the_engine() -> None:
    profile = profile_for(LIMITS).model_copy(update={"seccomp": '{"a":1}'})
    made = container_config(profile, image="i", argv=("x",), uid=1, env={}, labels={})
    assert made["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true", 'seccomp={"a":1}']


def test_dialogue(engine: Engine, image: ImageRef) -> None:
    with engine.start(spec(image, ECHO)) as session:
        for word in ("one", "two"):
            session.send(word.encode() + b"\n")
            assert session.read_line(5) == Line(data=word.upper().encode())
        assert session.read_line(0.1) == Silence(seconds=0.1)
        session.send(b"still there\n")
        assert session.read_line(5) == Line(data=b"STILL THERE")
        session.close_stdin()
        assert session.read_line(5) == Ended()
        done = session.finish()
    assert done.state.exit_code == 0
    assert not done.state.timed_out


def test_lines_that_come_together_are_read_apart(engine: Engine, image: ImageRef) -> None:
    code = r"import sys; sys.stdout.write('a\n\nb\nrest'); sys.stderr.write('aside')"
    with engine.start(spec(image, code)) as session:
        assert [session.read_line(5) for _ in range(4)] == [Line(data=b"a"), Line(data=b""), Line(data=b"b"), Ended()]
        done = session.finish()
    assert (done.stdout, done.stderr) == (b"rest", b"aside")


def test_much_input_and_much_output_at_once(engine: Engine, image: ImageRef) -> None:
    code = "import os\nwhile data := os.read(0, 65536):\n    while data: data = data[os.write(1, data):]"
    text = os.urandom(6 * MIB)
    done = run_batch(engine, spec(image, code, LIMITS.model_copy(update={"output": 8 * MIB})), text)
    assert done.stdout == text


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 15)", 143)])
def test_exit_status(engine: Engine, image: ImageRef, code: str, status: int) -> None:
    assert run_batch(engine, spec(image, code), b"").state.exit_code == status


def test_finish_kill_and_close_may_be_repeated(engine: Engine, image: ImageRef) -> None:
    session = engine.start(spec(image, "import time; time.sleep(600)"))
    first = session.kill()
    assert first.state.exit_code == 137
    assert not first.state.timed_out
    assert session.kill() == session.finish() == first
    session.close()
    session.close()


def test_renew_gives_time_for_the_next_task(engine: Engine, image: ImageRef) -> None:
    with engine.start(spec(image, ECHO, LIMITS.model_copy(update={"timeout": 0.8}))) as session:
        for _ in range(2):
            session.send(b"x\n")
            assert session.read_line(5) == Line(data=b"X")
            time.sleep(0.5)
            session.renew()
        assert session.read_line(5) == Silence(seconds=5)
        assert session.finish().state.timed_out


def test_waiting_ahead_of_need_costs_no_time(engine: Engine, image: ImageRef) -> None:
    with engine.start(spec(image, ECHO, LIMITS.model_copy(update={"timeout": 1.0}))) as session:
        time.sleep(1.1)
        session.send(b"x\n")
        assert session.read_line(5) == Line(data=b"X")


def test_an_exception_removes_the_container(engine: Engine, image: ImageRef) -> None:
    def fail_inside() -> None:
        with engine.start(spec(image, ECHO)) as session:
            assert engine.state(session.container)["Running"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()


def test_an_interrupt_removes_the_container(engine: Engine, image: ImageRef) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.6)
        with pytest.raises(KeyboardInterrupt):
            run_batch(engine, spec(image, "import time; time.sleep(60)"), b"")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_closing_the_connection_removes_what_it_started(engine: Engine, image: ImageRef) -> None:
    with Engine.connect() as other:
        other.start(spec(image, ECHO))
        other.start(spec(image, ECHO))
        assert len(engine.labelled(f"holdpoint={RUN}")) == 2
    assert engine.labelled(f"holdpoint={RUN}") == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": "sha256:" + "0" * 64}, "does not have that image"),
        ({"profile": profile_for(LIMITS, runtime="nothere")}, "no runtime 'nothere'"),
        ({"profile": profile_for(LIMITS.model_copy(update={"cpus": 4096.0}))}, "CPUs"),
    ],
)
def test_what_cannot_start_is_said_and_leaves_nothing(
    engine: Engine, image: ImageRef, change: dict, words: str
) -> None:
    with pytest.raises(EnvironmentFault, match=words) as caught:
        engine.start(spec(image, ECHO).model_copy(update=change))
    assert caught.value.next_step


def test_pool_hands_out_each_container_once(engine: Engine, image: ImageRef) -> None:
    with Pool(engine, spec(image, ECHO), 2) as pool:
        taken: list[Session] = [pool.take() for _ in range(3)]
        assert len({session.container for session in taken}) == 3
        for session in taken:
            session.send(b"x\n")
            assert session.read_line(5) == Line(data=b"X")
            session.close()


def test_pool_replaces_a_container_that_died_waiting(engine: Engine, image: ImageRef) -> None:
    with Pool(engine, spec(image, ECHO), 1) as pool:
        until = time.monotonic() + 10
        while not (waiting := engine.labelled(f"holdpoint={RUN}")) or not waiting[0].running:
            assert time.monotonic() < until
            time.sleep(0.02)
        engine.remove(waiting[0].id)
        with pool.take() as session:
            assert session.container != waiting[0].id
            session.send(b"x\n")
            assert session.read_line(5) == Line(data=b"X")


def test_pool_passes_the_fault_on(engine: Engine, image: ImageRef) -> None:
    broken = spec(image, ECHO).model_copy(update={"image": "sha256:" + "0" * 64})
    with Pool(engine, broken, 2) as pool:
        for _ in range(2):
            with pytest.raises(EnvironmentFault, match="does not have that image"):
                pool.take()


HARNESS = """
import sys, time
from harness.container import ContainerSpec, Engine, Limits, profile_for
engine = Engine.connect()
session = engine.start(ContainerSpec(
    image=sys.argv[1], argv=(sys.argv[2], "-c", "import time; time.sleep(600)"), profile=profile_for(Limits()),
    run_id=sys.argv[3], role="test"))
print(session.container, engine._warden._process.pid, flush=True)
time.sleep(600)
"""


def test_reap_removes_what_a_killed_harness_left_and_nothing_else(engine: Engine, image: ImageRef) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", HARNESS, image.id, image.python, RUN]
    neighbours = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) for _ in range(2)]
    try:
        (dead, warden), (alive, second) = (process.stdout.readline().split() for process in neighbours)
        with engine.start(spec(image, ECHO)) as own:
            os.kill(int(warden), signal.SIGKILL)
            neighbours[0].kill()
            # Not waited for: a zombie is dead too.
            time.sleep(0.2)
            removed = reap(engine)
            assert dead in removed
            assert not {alive, own.container} & set(removed)
            assert {kept.id for kept in engine.labelled(f"holdpoint={RUN}")} == {alive, own.container}
        os.kill(int(second), signal.SIGKILL)
        neighbours[1].kill()
        neighbours[1].wait()
        assert alive in reap(engine)
    finally:
        for process in neighbours:
            process.kill()
            process.wait()
            process.stdout.close()


def test_owner_is_this_process_only() -> None:
    boot, namespace, pid, started = owner().split(":")
    hour, week = 3601.0, 7 * 86401.0

    def orphan(name: str, *, running: bool, age: float) -> bool:
        return is_orphan(Kept(id="x", owner=name, running=running, created=1e9), 1e9 + age)

    assert not orphan(owner(), running=True, age=week)
    assert orphan(f"{boot}:{namespace}:{pid}:{int(started) + 1}", running=True, age=0.0)
    # Another machine's, one in another container, or one before a reboot: only time tells.
    for stranger in (f"other-boot:{namespace}:1:1", f"{boot}:4:{pid}:1"):
        assert not orphan(stranger, running=True, age=hour)
        assert not orphan(stranger, running=False, age=hour - 2)
        assert orphan(stranger, running=False, age=hour)
        assert orphan(stranger, running=True, age=week)
    assert not orphan("", running=False, age=week)
    assert not orphan("nonsense", running=False, age=week)


def test_a_killed_harness_s_containers_go_without_a_next_start(engine: Engine, image: ImageRef) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", HARNESS, image.id, image.python, f"{RUN}-warden"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        container, warden = process.stdout.readline().split()
        with engine.start(spec(image, ECHO)) as own:
            process.kill()
            until = time.monotonic() + 5
            while any(kept.id == container for kept in engine.labelled(f"holdpoint={RUN}-warden")):
                assert time.monotonic() < until
                time.sleep(0.02)
            assert own.read_line(0.2) == Silence(seconds=0.2), "a neighbour's container stays"
            while Path(f"/proc/{warden}").exists():  # it ends by itself a little later
                assert time.monotonic() < until + 10
                time.sleep(0.1)


def test_the_end_of_the_harness_is_the_end_of_the_guests_input(engine: Engine, image: ImageRef) -> None:
    session = engine.start(spec(image, "import sys; sys.stdin.read(); print('alone', file=sys.stderr); sys.exit(5)"))
    session._wire.close()  # as the kernel does it for a process that is killed
    try:
        assert engine.await_exit(session.container, 5.0)
        assert engine.state(session.container)["ExitCode"] == 5
    finally:
        session.close()


def test_closing_the_connection_relieves_the_warden(image: ImageRef) -> None:
    with Engine.connect() as own:
        with own.start(spec(image, ECHO)):
            posted = own._warden._process.pid
            assert Path(f"/proc/{posted}").exists()
        assert own._warden._process.pid == posted
    assert not Path(f"/proc/{posted}").exists()


def test_an_abandoned_engine_ends_what_other_threads_wait_for_and_starts_no_more(image: ImageRef) -> None:
    with Engine.connect() as connected:
        session = connected.start(spec(image, "import time; time.sleep(60)"))
        seen: list[object] = []
        waiting = threading.Thread(target=lambda: seen.append(session.read_line(30)))
        began = time.monotonic()
        waiting.start()
        connected.abandon()
        waiting.join(20)
        assert isinstance(seen[0], Ended)
        assert time.monotonic() - began < 20
        with pytest.raises(EnvironmentFault, match="broken off"):
            connected.start(spec(image, "pass"))
        session.close()
