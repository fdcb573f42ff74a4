"""Set-up of the engine: a daemon of our own, elsewhere, is killed in every way and made to answer again.

The machine's daemon is only ever asked; nothing here stops it.
"""

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from own_daemon import kill_all, own_daemon, processes

from harness.container import Engine, NoEngineFault, ensure_engine
from harness.container.daemon import Daemon, clear_leftovers
from harness.errors import EnvironmentFault

pytestmark = pytest.mark.engine


def silent(_: str) -> None:
    """Reports nothing."""


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """Places for a daemon that shares nothing with the machine's, which is killed at the end."""
    with own_daemon() as made:
        yield made


def environ(daemon: Daemon) -> dict[str, str]:
    return {"DOCKER_HOST": f"unix://{daemon.socket}"}


def ensure(daemon: Daemon, report: Callable[[str], None] = silent) -> str:
    return ensure_engine(report, environ(daemon), daemon).id


def test_a_reachable_engine_is_used_at_once() -> None:
    said: list[str] = []
    began = time.monotonic()
    info = ensure_engine(said.append)
    assert time.monotonic() - began < 2
    assert info.id
    assert info.version
    assert said == []


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="only root starts a daemon")
@pytest.mark.slow
def test_a_daemon_is_started_and_survives_every_way_to_be_killed(daemon: Daemon) -> None:
    said: list[str] = []
    first = ensure(daemon, said.append)
    assert said == ["starting dockerd"]
    assert ensure(daemon, said.append) == first
    assert said == ["starting dockerd"]
    running = processes(daemon)
    assert len(running["dockerd"]) == 1

    # Everything at once, as a machine that is torn down does it.
    container = run_something(daemon)
    kill_all(daemon, keep=())
    assert ensure(daemon) == first
    assert not runs(daemon, container)
    assert runs(daemon, run_something(daemon))

    # The daemon alone: its containerd and the containers live on.
    kill_all(daemon, keep=("containerd", "containerd-shim-runc-v2"))
    assert ensure(daemon) == first
    assert runs(daemon, run_something(daemon))

    # Everything again, and the kernel has given the numbers to other processes since.
    kill_all(daemon, keep=())
    Path(daemon.pidfile).write_text(str(os.getpid()))
    Path(daemon.exec_root, "containerd/containerd.pid").write_text(str(os.getpid()))
    assert ensure(daemon) == first
    assert len(processes(daemon)["dockerd"]) == 1


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="only root starts a daemon")
def test_the_daemon_outlives_its_caller_and_holds_nothing_of_it(daemon: Daemon) -> None:
    program = (
        "import sys; from harness.container import ensure_engine; from harness.container.daemon import Daemon\n"
        "d = Daemon.model_validate_json(sys.argv[1]); h = {'DOCKER_HOST': 'unix://' + d.socket}\n"
        "print(ensure_engine(lambda text: None, h, d).id)"
    )
    reading, extra = os.pipe()
    os.set_inheritable(extra, True)
    callers = [
        subprocess.Popen(
            [sys.executable, "-c", program, daemon.model_dump_json()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            pass_fds=(extra,),
            text=True,
        )
        for _ in range(2)
    ]
    os.close(extra)
    # communicate() returns only when nobody holds the pipe any more. Two callers at once start one daemon.
    answers = [caller.communicate(timeout=90)[0] for caller in callers]
    assert [caller.returncode for caller in callers] == [0, 0], answers
    assert answers[0] == answers[1]
    assert select.select([reading], [], [], 5)[0], "the daemon holds a descriptor of its caller"
    assert os.read(reading, 1) == b""
    os.close(reading)
    time.sleep(0.2)
    assert len(processes(daemon)["dockerd"]) == 1
    pid = processes(daemon)["dockerd"][0]
    assert os.getsid(pid) != os.getsid(0)
    with Engine.connect(environ(daemon)) as engine:
        assert engine.info.id == answers[0].strip()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="only root starts a daemon")
def test_a_daemon_that_cannot_start_says_why(daemon: Daemon) -> None:
    broken = daemon.model_copy(update={"options": (*daemon.options, "--storage-driver=nosuchdriver")})
    with pytest.raises(
        EnvironmentFault, match=r"dockerd ended: failed to start daemon: .*driver not supported"
    ) as caught:
        ensure(broken)
    assert daemon.log in caught.value.next_step


def test_an_engine_that_the_user_names_is_the_users_to_start(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(EnvironmentFault, match=r"DOCKER_HOST is unix:///.*/none\.sock"):
        ensure_engine(said.append, {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert said == []


def test_leftovers_go_and_the_living_stay(tmp_path: Path, daemon: Daemon) -> None:
    dead = Path(daemon.containerd)
    subprocess.run(
        [sys.executable, "-c", "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", str(dead)],
        check=True,
    )
    assert dead.is_socket()
    Path(daemon.exec_root, "containerd").mkdir(parents=True)
    for name in (daemon.pidfile, f"{daemon.exec_root}/containerd/containerd.pid"):
        Path(name).write_text("4194300")
    clear_leftovers(daemon)
    assert not dead.exists()
    assert not Path(daemon.pidfile).exists()
    assert not Path(daemon.exec_root, "containerd/containerd.pid").exists()
    machine = Daemon()
    clear_leftovers(machine)
    assert Path(machine.pidfile).exists()
    assert Path(machine.socket).is_socket()


def test_faults_of_connecting_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NoEngineFault, match="no container engine answers at"):
        Engine.connect({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    with pytest.raises(NoEngineFault, match="no usable answer"):
        Engine.connect({"DOCKER_HOST": "nonsense://x"})


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
def test_a_user_without_permission_is_told_so() -> None:
    done = as_nobody("from harness.container import ensure_engine; ensure_engine(print)")
    assert "this user may not talk to the container engine" in done
    assert "add the user to the group docker" in done


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
def test_a_user_who_may_not_start_docker_is_told_what_to_type() -> None:
    done = as_nobody(
        "from harness.container import ensure_engine; from harness.container.daemon import Daemon\n"
        "d = Daemon(socket='/tmp/no-engine-here.sock'); ensure_engine(print, {'DOCKER_HOST': 'unix://' + d.socket}, d)"
    )
    assert "sudo systemctl start docker" in done


def as_nobody(code: str) -> str:
    """The error that a harness under an unprivileged user raises; its imports are done before it drops root."""
    program = """
import os, sys
import harness.container.daemon, harness.container.ensure, docker, encodings.idna
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from harness.errors import EnvironmentFault
try:
    exec(sys.argv[1])
except EnvironmentFault as fault:
    print(fault)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, code],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def docker(daemon: Daemon, *command: str) -> str:
    """Docker's own command line, so that the engine code under test is not its own witness."""
    done = subprocess.run(
        ["docker", "--host", f"unix://{daemon.socket}", *command], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def run_something(daemon: Daemon) -> str:
    """A container that sleeps; its image is the machine's own `sleep` with the libraries it names."""
    if not docker(daemon, "images", "-q", "t:1"):
        sleep = str(shutil.which("sleep"))
        named = subprocess.run(["ldd", sleep], capture_output=True, text=True, check=True).stdout
        needed = [word.lstrip("/") for word in [sleep, *named.split()] if word.startswith("/")]
        rootfs = f"{Path(daemon.socket).parent}/rootfs.tar"
        subprocess.run(["tar", "-chf", rootfs, "-C", "/", *needed], check=True)
        docker(daemon, "import", rootfs, "t:1")
    return docker(daemon, "run", "-d", "--network=none", "t:1", str(shutil.which("sleep")), "600")


def runs(daemon: Daemon, container: str) -> bool:
    return docker(daemon, "inspect", "-f", "{{.State.Running}}", container) == "true"
