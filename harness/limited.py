"""Runs a pure function on hostile bytes in a bounded child process; a crash is a result, never our crash.

A warm server process imports the function once and forks a child for each question. The server is its own
program (`-I`, no descriptors of ours, next to no environment), so nothing of the harness is within a child's reach.
It reads files and writes nothing; only the function named at the start is ever called.
"""

import contextlib
import gc
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn, Self

from harness.errors import EnvironmentFault
from harness.records import Record

_STACK = 128 << 20  # bytes: deep but legal syntax needs more than the usual 8 MiB
_DEPTH = 20_000  # Python frames
_START = 60.0  # seconds a cold machine may take to import the function
_GRACE = 5.0  # seconds the server has, beyond the child's own limit, to say that the child was killed
_LOADER = ("LD_LIBRARY_PATH",)  # without it some builds of Python do not start; nothing else is passed on
_LENGTH = struct.Struct(">Q")
_ANSWERED, _CRASHED, _TIMED_OUT = b"A", b"C", b"T"
# `-I` drops PYTHONPATH and the working directory. The package is found where *this* copy lives; that folder
# then leaves the path again, so that nothing beside the package can take a library's name.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); import harness.limited as limited; "
    "sys.path.pop(0); limited.serve(sys.argv[2])"
)


class Answered(Record):
    """The function returned these bytes."""

    answer: bytes


class Crashed(Record):
    """The child ended without an answer: a signal, an exception, no memory, or too long an answer."""

    why: str


class TimedOut(Record):
    """The child used up its time (processor or wall clock)."""

    seconds: float


Outcome = Answered | Crashed | TimedOut


class Limits(Record):
    """What one child may use."""

    memory: int
    cpu_s: int
    wall_s: float
    output: int


class Limited:
    """`entry` ("package.module:function", bytes to bytes) behind limits; one question at a time, from any thread."""

    def __init__(
        self,
        entry: str,
        *,
        memory: int = 1 << 30,
        cpu_s: int = 10,
        wall_s: float = 20.0,
        output: int = 8 << 20,
        warm: bytes | None = None,
    ) -> None:
        """Seconds and bytes. `warm` is a question of our own that the server answers once itself, unbounded."""
        self._entry, self._warm = entry, warm
        self._limits = Limits(memory=memory, cpu_s=cpu_s, wall_s=wall_s, output=output)
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = self._spawn()
        self._ready = False

    def ask(self, payload: bytes) -> Outcome:
        """The function's answer to `payload`, or how the child ended. EnvironmentFault if no server can start."""
        with self._lock:
            server = self._started()
            try:
                _write(_pipe(server.stdin), payload)
                reply = _read(_pipe(server.stdout), time.monotonic() + self._limits.wall_s + _GRACE)
            except (BrokenPipeError, ConnectionError, EOFError):
                self._end()
                return Crashed(why="the server process was killed")
            except TimeoutError:
                self._end()
                return TimedOut(seconds=self._limits.wall_s)
        tag, body = reply[:1], reply[1:]
        if tag == _ANSWERED:
            return Answered(answer=body)
        if tag == _TIMED_OUT:
            return TimedOut(seconds=float(body))
        return Crashed(why=body.decode())

    def close(self) -> None:
        """Ends the server; a later `ask` starts another."""
        with self._lock:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        root = str(Path(__file__).resolve().parent.parent)
        path = [str(Path(place).resolve()) for place in sys.path if place and Path(place).is_dir()]
        warm = None if self._warm is None else self._warm.decode("latin-1")
        settings = json.dumps({"entry": self._entry, "path": path, "warm": warm, **self._limits.model_dump()})
        return subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", _BOOT, root, settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={name: os.environ[name] for name in _LOADER if name in os.environ},
            start_new_session=True,  # Ctrl-C is the harness's to answer; the server ends when our pipe closes
        )

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._server is None:
            self._server = self._spawn()
            self._ready = False
        if not self._ready:
            try:
                greeting = _read(_pipe(self._server.stdout), time.monotonic() + _START)
            except (EOFError, TimeoutError):
                greeting = b"it did not start"
            if greeting != b"ready":
                self._end()
                raise EnvironmentFault(
                    f"The bounded parser process failed: {greeting.decode(errors='replace')}.",
                    "reinstall holdpoint",
                )
            self._ready = True
        return self._server

    def _end(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        for pipe in (server.stdin, server.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # unsent bytes to a dead server
                    pipe.close()
        try:
            server.wait(timeout=2)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def serve(settings: str) -> None:
    """The server's main loop, in its own process: greet, then fork a child for each question until EOF."""
    known = json.loads(settings)
    sys.path.extend(place for place in known.pop("path") if place not in sys.path)
    module, _, function = known.pop("entry").partition(":")
    warm = known.pop("warm")
    limits = Limits(**known)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open(0, "rb", buffering=0, closefd=False) as questions, open(1, "wb", closefd=False) as answers:
        try:
            work = getattr(import_module(module), function)
        except (ImportError, AttributeError) as error:
            _write(answers, f"{module}:{function}: {error}".encode())
            return
        if warm is not None:
            work(warm.encode("latin-1"))
        gc.collect()
        gc.freeze()  # children share these pages; a collection in a child would copy them
        _write(answers, b"ready")
        with contextlib.suppress(EOFError, BrokenPipeError):  # the harness is gone: so are we
            while True:
                _write(answers, _fork(work, _read(questions, None), limits))


def _fork(work: Callable[[bytes], bytes], payload: bytes, limits: Limits) -> bytes:
    """One question in a child; the reply is a tag and a body. EOFError when the harness goes away meanwhile."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, payload, limits, writing)
    os.close(writing)
    stop = time.monotonic() + limits.wall_s
    answer = bytearray()
    try:
        while True:
            ready, _, _ = select.select([reading, 0], [], [], max(0.0, stop - time.monotonic()))
            if 0 in ready:  # nobody asks while a question is open, so this is the end of the pipe
                raise EOFError
            if not ready:
                return _TIMED_OUT + str(limits.wall_s).encode()
            chunk = os.read(reading, 1 << 20)
            if not chunk:
                break
            answer += chunk
            if len(answer) > limits.output:
                return _CRASHED + f"an answer of more than {limits.output} bytes".encode()
        return _ended(os.waitpid(child, 0)[1], bytes(answer), limits)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _ended(status: int, answer: bytes, limits: Limits) -> bytes:
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU:
        return _TIMED_OUT + str(float(limits.cpu_s)).encode()
    if code < 0:
        return _CRASHED + f"signal {signal.Signals(-code).name}".encode()
    if code > 0 or not answer:
        return _CRASHED + f"exit status {code}".encode()
    return answer


def _work(work: Callable[[bytes], bytes], payload: bytes, limits: Limits, writing: int) -> NoReturn:
    """The child: takes its limits, answers, and is gone. A timer of the kernel's ends it if the server dies first."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    gc.disable()  # a child is short-lived and bounded; what it builds dies with it
    sys.setrecursionlimit(_DEPTH)
    threading.stack_size(_STACK)

    def answer() -> None:
        try:
            reply = _ANSWERED + work(payload)
        except Exception as error:  # noqa: BLE001 (this is the boundary: whatever was raised is the outcome)
            reply = _CRASHED + f"{type(error).__name__}: {str(error)[:200]}".encode(errors="replace")
        view = memoryview(reply)
        while view:
            view = view[os.write(writing, view) :]

    thread = threading.Thread(target=answer)
    thread.start()
    thread.join()
    os._exit(0)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _write(stream: IO[bytes], body: bytes) -> None:
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def _read(stream: IO[bytes], stop: float | None) -> bytes:
    """One message; EOFError at the end of the pipe, TimeoutError when `stop` (monotonic seconds) passes."""
    (length,) = _LENGTH.unpack(_exactly(stream.fileno(), _LENGTH.size, stop))
    return _exactly(stream.fileno(), length, stop)


def _exactly(descriptor: int, count: int, stop: float | None) -> bytes:
    data = bytearray()
    while len(data) < count:
        wait = None if stop is None else max(0.0, stop - time.monotonic())
        if not select.select([descriptor], [], [], wait)[0]:
            raise TimeoutError
        chunk = os.read(descriptor, min(count - len(data), 1 << 20))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)
