"""Runs hostile source on given arguments and returns what came out; it knows no expected value and decides nothing.

Line protocol: `{"id": n, "body": {"type": "run", "function", "sources", "args", "trace"}}` is answered by
`{"id": n, "body": {"type": "ran", "outcomes": [...]}}`. An outcome is `{"end", "outputs", "lines"}`. The list may be
shorter than `sources` (time is up: ask again for the rest) but never empty. Each source gets a forked child of its own.
"""

import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

STEPS = 6_000  # lines one call may run: the limit that a mutant's endless loop meets, and the same on every machine
CPU = 0.25  # seconds a child; what runs no lines (10 ** 10 ** 9) ends here
WALL = 4.0  # seconds a child; only what sleeps ends here
MEMORY = 256 * 2**20
OUTPUT = 64 * 2**10
SHARE = 3.0  # seconds after which the answer to one message is sent, finished or not
DEPTH = 12
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36


def encode(value: Any, depth: int = DEPTH) -> Any:
    """A JSON form that keeps exact types: a subclass, or what is nested too deeply, is opaque and equals nothing."""
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return {"float": repr(value)}
    if depth and kind in (list, tuple, set, frozenset):
        items = [encode(item, depth - 1) for item in value]
        if kind is list:
            return items
        return {kind.__name__: items if kind is tuple else sorted(items, key=json.dumps)}
    if depth and kind is dict:
        pairs = [[encode(key, depth - 1), encode(item, depth - 1)] for key, item in value.items()]
        return {"dict": sorted(pairs, key=json.dumps)}
    return {"opaque": kind.__name__}


def decode(value: Any) -> Any:
    """The Python value that `encode` was given."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "dict":
        return {decode(key): decode(item) for key, item in inner}
    if kind == "float":
        return float(inner)
    return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](decode(item) for item in inner)


class OutOfSteps(BaseException):
    """One call ran more lines than it may."""


class Steps:
    """Counts the lines of each call and, when asked, remembers which ones of the source ran."""

    def __init__(self, remember: bool) -> None:
        self.left, self.lines, self.remember = 0, set[int](), remember

    def __call__(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        if event == "line":
            self.left -= 1
            if self.left < 0:
                if not self.remember:
                    os._exit(3)  # one call that never ends is a failed test already; the rest is not worth running
                raise OutOfSteps
            if self.remember and frame.f_code.co_filename == "<source>":
                self.lines.add(frame.f_lineno)
        return self


def call(function: Callable[..., Any], args: Any, steps: Steps) -> Any:
    steps.left, steps.lines = STEPS, set()
    values = decode(args)
    try:
        sys.settrace(steps)
        try:
            value = function(*values)
        finally:
            sys.settrace(None)
        return encode(value)
    except BaseException as error:  # SystemExit and the like are one more wrong output
        return {"raise": type(error).__name__}


def child(code: CodeType, job: dict[str, Any], out: int) -> None:
    """Never returns."""
    os.setsid()
    signal.setitimer(signal.ITIMER_PROF, CPU)  # its default action ends the process, inside C code too
    for limit, value in (
        (resource.RLIMIT_CPU, 1),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.dup2(out, 3)
    os.closerange(4, 256)
    steps = Steps(job["trace"])
    outputs, lines = [], []
    try:
        namespace: dict[str, Any] = {"__name__": "source"}
        steps.left = STEPS
        sys.settrace(steps)
        exec(code, namespace)
        sys.settrace(None)
        function = namespace[job["function"]]
        for args in job["args"]:
            outputs.append(call(function, args, steps))
            lines.append(sorted(steps.lines))
        text = json.dumps({"end": "done", "outputs": outputs, "lines": lines if job["trace"] else []})
    except BaseException as error:  # whatever the source did to us, its outcome is a failure
        text = json.dumps({"end": f"failed: {type(error).__name__}", "outputs": [], "lines": []})
    data = text.encode()
    while data:
        data = data[os.write(3, data) :]
    os._exit(0)


def collect(read: int) -> tuple[bytes, str]:
    """What the child wrote, and why reading stopped: `end`, `wall` or `output`."""
    data, deadline = b"", time.monotonic() + WALL
    while True:
        ready, _, _ = select.select([read], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return data, "wall"
        chunk = os.read(read, 65536)
        if not chunk:
            return data, "end"
        data += chunk
        if len(data) > OUTPUT:
            return data, "output"


def sweep() -> None:
    """Kills whatever a child left behind: as their subreaper we are the parent of all of them."""
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(entry.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it ended meanwhile
            if parent == os.getpid():
                os.kill(int(entry.parent.name), signal.SIGKILL)
        time.sleep(0.001)


def run(source: str, job: dict[str, Any]) -> dict[str, Any]:
    """One source in one child; `end` is `done` only when every call was made."""
    try:
        code = compile(source, "<source>", "exec")  # runs none of it, and is cheaper here than in each child
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        return {"end": f"failed: {type(error).__name__}", "outputs": [], "lines": []}
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            child(code, job, write)
        finally:
            os._exit(4)
    os.close(write)
    data, why = collect(read)
    os.close(read)
    if why != "end":
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    sweep()
    if why == "end" and status == 0:
        try:
            return dict(json.loads(data))
        except (ValueError, TypeError, RecursionError):
            return {"end": "forged", "outputs": [], "lines": []}
    if why == "end":
        why = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
    return {"end": why, "outputs": [], "lines": []}


def answer(job: dict[str, Any]) -> dict[str, Any]:
    started, outcomes = time.monotonic(), []
    for source in job["sources"]:
        outcomes.append(run(source, job))
        if time.monotonic() - started > SHARE:
            break
    return {"type": "ran", "outcomes": outcomes}


def main() -> None:
    warnings.simplefilter("ignore", SyntaxWarning)
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no child may read this process through /proc
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    gc.disable()
    gc.freeze()  # children touch fewer pages
    while line := sys.stdin.buffer.readline():
        message = json.loads(line)
        sys.stdout.write(json.dumps({"id": message["id"], "body": answer(message["body"])}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
