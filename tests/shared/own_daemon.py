"""A Docker daemon of a test's own: its places, its processes, its end; the machine's daemon is left alone."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from harness.container.daemon import Daemon


@contextlib.contextmanager
def own_daemon(*options: str) -> Iterator[Daemon]:
    """Places for a daemon that shares nothing with the machine's; whoever started it there, it is killed at the end."""
    # Unix sockets have short names.
    root = Path("/tmp", f"hp-{os.getpid()}-{time.monotonic_ns() % 10**9}")
    root.mkdir()
    # In memory: an image's ten thousand files come and go in seconds less.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g,mode=700", "holdpoint-test", str(root)], check=False)
    made = Daemon(
        socket=f"{root}/d.sock",
        pidfile=f"{root}/d.pid",
        exec_root=f"{root}/x",
        log=f"{root}/log",
        lock=f"{root}/lock",
        containerd=f"{root}/c.sock",
        options=(
            f"--data-root={root}/data",
            "--containerd-namespace=holdpoint-test",
            "--containerd-plugins-namespace=holdpoint-test-plugins",
            *options,
        ),
    )
    try:
        yield made
    finally:
        kill_all(made, keep=())
        places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in reversed([one for one in places if Path(one).is_relative_to(root)]):
            subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(root, ignore_errors=True)


def processes(daemon: Daemon) -> dict[str, list[int]]:
    """Live processes of this daemon, by command: everything whose command line names its own folder."""
    root = str(Path(daemon.socket).parent)
    found: dict[str, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_text().split("\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        name = Path(words[0]).name
        if state != "Z" and name.startswith(("dockerd", "containerd")) and any(root in word for word in words):
            found.setdefault(name, []).append(int(entry.name))
    return found


def kill_all(daemon: Daemon, keep: tuple[str, ...]) -> None:
    """SIGKILL to the daemon and its helpers, but for the commands to keep; waits for their ends."""
    pids = [pid for name, some in processes(daemon).items() if name not in keep for pid in some]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while any(pid in some for some in processes(daemon).values() for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.02)
