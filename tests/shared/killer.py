"""A warm process that runs holdpoint commands in forked children and kills them where, or when, it is told to.

Run as a program: one JSON question a line on stdin, one JSON answer a line on stdout. The points are wrapped in the
child only; the harness knows nothing of them. Orphans of killed children come to this process, which counts them.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from harness.cli.app import FILES, build
from harness.cli.shell import run
from harness.container.lease import owner
from harness.repo.door import gitpython

PR_SET_CHILD_SUBREAPER = 36

# Where a child may be killed: module, attribute, and when: before it does something, after it, at its first result, or
# a tenth of a second into it.
POINTS: dict[str, tuple[str, str, str]] = {
    "container created": ("docker", "APIClient.create_container_from_config", "after"),
    "container started": ("docker", "APIClient.start", "after"),
    "while sending": ("harness.container.wire", "Wire._offer", "after"),
    "guest at work": ("harness.container.session", "Session.read_line", "soon"),
    "collecting": ("harness.container.session", "Session._collect", "before"),
    "removing": ("harness.container.engine", "Engine.remove", "before"),
    "image being built": ("docker", "APIClient.build", "first"),
    "image built": ("harness.container.image_store", "ImageStore.build", "after"),
    "scratch made": ("harness.scratch", "_made", "after"),
    "file written": ("pathlib", "Path.replace", "before"),
    "evidence stored": ("harness.evidence", "EvidenceStore.put_evidence", "after"),
    "entry inserted": ("harness.ledger.database", "Database.insert", "after"),
    "entry committed": ("harness.ledger.store", "Ledger.append", "after"),
    "after git": ("harness.repo.door", "Door.run", "after"),
    "generation over": ("harness.campaign.loop", "Campaign._generation", "after"),
}
OF_CAMPAIGNS = ("generation over",)  # a run of one proposal never comes there


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it cannot come to this")


def arm(point: str, nth: int) -> None:
    """Wraps the point's function so that its `nth` call is the last thing that happens here."""
    name, attribute, when = POINTS[point]
    place: Any = importlib.import_module(name)
    *outer, last = attribute.split(".")
    for part in outer:
        place = getattr(place, part)
    original: Callable[..., Any] = getattr(place, last)
    calls = 0

    def wrapped(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < nth:
            return original(*args, **named)
        if when == "before":
            die()
        if when == "soon":
            threading.Timer(0.1, die).start()
            return original(*args, **named)
        result = original(*args, **named)
        if when == "first":
            return dying(result)
        die()

    setattr(place, last, wrapped)
    if point.startswith("image"):
        rebuild()


def dying(events: Iterator[Any]) -> Iterator[Any]:
    yield next(events)
    die()


def rebuild() -> None:
    """The engine seems to have no judge image, so that it builds one; the layers it has make that quick."""
    from harness.container.image_store import ImageStore

    known = ImageStore.used
    ImageStore.used = lambda self, tag: None if "/judge:" in tag else known(self, tag)  # type: ignore[method-assign]


def child(question: dict[str, Any], tell: int) -> NoReturn:
    os.write(tell, owner().encode())
    os.close(tell)
    log = os.open(question["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    code = 99
    try:
        if question.get("point"):
            arm(question["point"], question.get("nth", 1))
        code = run(build, question["argv"])
    finally:
        sys.stdout.flush()
        os._exit(code)


def ask(question: dict[str, Any]) -> dict[str, Any]:
    """Forks, waits (with `delay`, kills after so many seconds), and says how the child ended and who it was."""
    hear, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(hear)
        child(question, tell)
    os.close(tell)
    began = time.monotonic()
    name = os.read(hear, 200).decode()
    os.close(hear)
    delay = question.get("delay")
    status: int | None = None
    while status is None:
        found, raw = os.waitpid(-1, os.WNOHANG)
        if found == pid:
            status = os.waitstatus_to_exitcode(raw)
        elif delay is not None and time.monotonic() - began > delay:
            os.kill(pid, signal.SIGKILL)
            delay = None
        elif not found:
            time.sleep(0.002)
    return {"status": status, "owner": name, "seconds": round(time.monotonic() - began, 3)}


def orphans() -> list[str]:
    """The command lines of children that came to us and still live."""
    while True:
        try:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                break
        except ChildProcessError:
            break
    mine = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:200] for pid in mine]


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for name in set(FILES.values()):
        importlib.import_module(f"harness.cli.{name}")
    gitpython()
    for line in sys.stdin:
        question = json.loads(line)
        answer = {"orphans": orphans()} if question.get("orphans") else ask(question)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
