"""Starts a Docker daemon that outlives us, also over the leftovers of one that was killed; stops none, ever.

The daemon gets no bridge and no firewall rules: guests have no network, so the machine's stays as it is.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.container.api import SOCKET, NoEngineFault, listening
from harness.container.engine import Engine
from harness.container.lease import start_time
from harness.errors import EnvironmentFault
from harness.records import Record

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PATIENCE = 60.0  # seconds for a daemon to answer
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_NO_NETWORK = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
# Its session leader is the shell, which ends at once. The daemon holds none of our descriptors: make, for one, waits
# for everyone who holds its pipe.
_DETACH = 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'


class Daemon(Record):
    """Where one daemon keeps its things. The defaults are the machine's; tests run one of their own elsewhere."""

    socket: str = SOCKET
    pidfile: str = "/var/run/docker.pid"
    exec_root: str = "/var/run/docker"
    log: str = "/var/log/holdpoint-dockerd.log"
    lock: str = "/run/holdpoint-dockerd.lock"
    containerd: str = "/run/containerd/containerd.sock"
    options: tuple[str, ...] = ()


MACHINE = Daemon()


def start(daemon: Daemon, environ: Mapping[str, str], report: Callable[[str], None]) -> Engine:
    """A connection to the daemon, started if it is not running; `EnvironmentFault` carries its own last words."""
    with _only_one(daemon.lock):
        pid = _living(Path(daemon.pidfile), "dockerd")
        if pid is None:
            clear_leftovers(daemon)
            report("starting dockerd")
            pid = _launch(daemon, environ)
        return await_answer(daemon, environ, pid)


def clear_leftovers(daemon: Daemon) -> None:
    """Removes what a killed daemon left and a new one would trust: pid files of the dead, sockets without listener."""
    # The kernel may have given the number to another process: dockerd would refuse to start, or wait for a containerd
    # that is none.
    for pidfile, name in (
        (Path(daemon.pidfile), "dockerd"),
        (Path(daemon.exec_root, "containerd/containerd.pid"), "containerd"),
    ):
        if _living(pidfile, name) is None:
            pidfile.unlink(missing_ok=True)
    # dockerd takes any file at the machine's containerd socket for a running containerd.
    for path in (daemon.containerd, f"{daemon.exec_root}/containerd/containerd.sock", daemon.socket):
        if Path(path).is_socket() and not listening(path):
            Path(path).unlink(missing_ok=True)


def await_answer(daemon: Daemon, environ: Mapping[str, str], pid: int | None) -> Engine:
    """A connection as soon as the daemon answers; `pid`, if known, is watched meanwhile."""
    until = time.monotonic() + _PATIENCE
    look = f"read {daemon.log}, or start Docker yourself"
    while True:
        try:
            return Engine.connect(environ)
        except NoEngineFault as fault:
            if pid is not None and not start_time(pid):
                # The distribution's own start-up may have been faster than ours.
                pid = _living(Path(daemon.pidfile), "dockerd")
                if pid is None:
                    raise EnvironmentFault(f"dockerd ended: {_last_words(daemon)}.", look) from fault
            if time.monotonic() > until:
                raise EnvironmentFault(f"dockerd gave no answer within {_PATIENCE:.0f} s.", look) from fault
        time.sleep(0.1)


def command(daemon: Daemon) -> tuple[str, ...]:
    """What starts the daemon; `EnvironmentFault` where it is not installed."""
    program = shutil.which("dockerd", path=PATH)
    if program is None:
        raise EnvironmentFault("dockerd is not installed.", "apt-get install --no-install-recommends docker.io")
    places = ("--host", f"unix://{daemon.socket}", "--pidfile", daemon.pidfile, "--exec-root", daemon.exec_root)
    return (program, *places, *_NO_NETWORK, *daemon.options)


def _launch(daemon: Daemon, environ: Mapping[str, str]) -> int:
    proxies = {name: environ[name] for p in _PROXIES for name in (p, p.lower()) if name in environ}
    done = subprocess.run(
        ["sh", "-c", _DETACH, "sh", daemon.log, *command(daemon)],
        env={"PATH": PATH, "HOME": "/root", **proxies},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        check=True,
    )
    return int(done.stdout)


def _living(pidfile: Path, name: str) -> int | None:
    """The number in a pid file, if a process of that name, not a zombie, has it."""
    try:
        pid = int(pidfile.read_text())
        command = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if command == name and start_time(pid) else None


def _last_words(daemon: Daemon) -> str:
    try:
        lines = [line for line in Path(daemon.log).read_text(errors="replace").splitlines() if line.strip()]
    except OSError as error:
        return f"its log cannot be read ({error.strerror})"
    grave = [
        line for line in lines[-50:] if "failed to start" in line or "level=fatal" in line or "level=error" in line
    ]
    return (grave or lines or ["it wrote nothing"])[-1].strip().rstrip(".")


@contextlib.contextmanager
def _only_one(path: str) -> Iterator[None]:
    """Two harnesses that find no engine at the same time start one."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
