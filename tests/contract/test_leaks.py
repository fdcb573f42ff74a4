"""Trials in a row leave memory, descriptors, processes, cgroups, mounts and disk where they were."""

import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.container import ContainerSpec, Engine, ImageRef, Limits, profile_for
from harness.container.profile import MIB

pytestmark = pytest.mark.engine

RUN = "test-leaks"
CODE = (
    "import os, sys, time\n"
    "sys.stdin.read()\n"
    "if os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\n"
    "open('/work/file', 'w').write('x' * 100_000)\n"
    "print('y' * 10_000)\n"
)


def test_forty_trials_leave_everything_where_it_was(engine: Engine, image: ImageRef) -> None:
    leave_nothing(engine, image, 40)


@pytest.mark.soak
def test_five_hundred_trials_leave_everything_where_it_was(engine: Engine, image: ImageRef) -> None:
    leave_nothing(engine, image, 500)


def leave_nothing(engine: Engine, image: ImageRef, count: int) -> None:
    """Own things must be back exactly; the daemon's within a bound far below one for each trial."""
    for _ in range(5):
        trial(engine, image)
    before, memory = ours(engine), resident()
    daemon = daemons()
    names = [trial(engine, image) for _ in range(count)]
    gc.collect()
    settles(lambda: ours(engine) == before, lambda: f"{before} → {ours(engine)}")
    assert resident() - memory < 8 * MIB
    settles(lambda: traces(names) == [], lambda: f"left of ended containers: {traces(names)[:5]}")
    bound = max(10, count // 10)
    settles(
        lambda: all(grown <= bound for grown in growth(daemon, daemons())),
        lambda: f"the daemon's descriptors and threads: {daemon} → {daemons()}",
    )


def trial(engine: Engine, image: ImageRef) -> str:
    """One container that leaves a daemon, a file and output behind; its full id."""
    spec = ContainerSpec(
        image=image.id,
        argv=(image.python, "-I", "-B", "-c", CODE),
        profile=profile_for(Limits(timeout=20, memory=64 * MIB, pids=16, work=16 * MIB)),
        run_id=RUN,
        role="test",
    )
    with engine.start(spec) as session:
        session.send(b"z" * 10_000)
        done = session.finish()
        assert done.state.exit_code == 0, done
        return session.container


def ours(engine: Engine) -> dict[str, int]:
    """Counts of what this process holds, and of its containers."""
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "children": len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()),
        "containers": len(engine.labelled(f"holdpoint={RUN}")),
    }


def resident() -> int:
    """This process's memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def traces(names: list[str]) -> list[str]:
    """What the kernel, or the daemon's folders where we may look, still know of these containers."""
    wanted = set(names)
    found = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob("*/docker/*")]
    found += [str(path) for path in Path("/sys/fs/cgroup/system.slice").glob("docker-*")]
    for folder in ("/var/lib/docker/containers", "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby"):
        if os.access(folder, os.R_OK):
            found += [str(path) for path in Path(folder).iterdir()]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text().replace("\0", " "))  # the shims
        except OSError:
            continue  # it has just ended
    return [text for text in found if any(name in text for name in wanted)]


def daemons() -> dict[str, tuple[int, int]]:
    """Descriptors and threads of each daemon that we may look at."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = (path / "comm").read_text().strip()
            if name in ("dockerd", "containerd"):
                found[f"{name} {path.name}"] = (
                    len(list((path / "fd").iterdir())),
                    len(list((path / "task").iterdir())),
                )
        except OSError:
            continue
    return found


def growth(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> list[int]:
    both = before.keys() & after.keys()
    return [new - old for name in both for old, new in zip(before[name], after[name], strict=True)]


def settles(good: Callable[[], bool], words: Callable[[], str], seconds: float = 10.0) -> None:
    """The engine answers a removal a moment before the last trace has gone, and neighbours come and go."""
    until = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < until, words()
        time.sleep(0.1)
