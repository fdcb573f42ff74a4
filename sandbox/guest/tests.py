"""Runs the base's tests in a child process and relays what it reports; it judges nothing, the host does.

Two processes. The supervisor never imports code of the target; it owns stdout, the clock and the exit
status. The child is forked from it with pytest already imported, and has only two pipes: events and
output. Everything the child says is relayed as hearsay (`c` lines); what the supervisor itself saw are `s`
lines. Each line starts with a word that the host sends after the fork, so the child does not know it: a
line written past the supervisor shows itself.

Not a boundary against code that forges events inside the child; that needs an oracle outside of it.
"""

import base64
import ctypes
import importlib
import importlib.util
import json
import os
import selectors
import signal
import sys
import time
import types
from pathlib import Path

import pytest

LONGEST_LINE = 512 * 1024
MOST_EVENTS = 48 * 1024 * 1024
MOST_OUTPUT = 64 * 1024 * 1024
LOOK = 0.05  # seconds between looks at the mounts
MOUNTS = ("/work", "/tmp")
SITES = ("/opt/holdpoint/target", "/opt/holdpoint/site")
TAIL = 64 * 1024
CHUNK = 65536
PIECE = 24 * 1024  # bytes of artifacts in a line
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


def main(header):
    root = Path(header.get("root", "/judge"))
    prctl(PR_SET_DUMPABLE, 0)  # the child, of the same uid, may not read our memory or open our descriptors
    events, output, go = os.pipe(), os.pipe(), os.pipe()
    artifacts = beside("artifacts") if header.get("artifacts") else None
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        be_child(header, root, events, output, go)
    for unused in (events[1], output[1], go[0]):
        os.close(unused)
    tell(b"", "s", {"e": "ready"})
    word = sys.stdin.buffer.readline(200).strip()
    supervisor = Supervisor(child, word, events[0], output[0], time.monotonic() + header.get("timeout", 60.0))
    supervisor.most_output = header.get("output", MOST_OUTPUT)
    if artifacts:
        supervisor.pieces = artifacts.packed(MOUNTS[0], header["artifacts"])
    os.write(go[1], b"g")
    supervisor.run()
    return 0


def beside(name):
    """A module of our own, loaded by its place before any code of the target runs."""
    spec = importlib.util.spec_from_file_location(f"holdpoint_guest_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def within(name):
    """A module of our own that has others beside it."""
    package = types.ModuleType("holdpoint_guest")
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules["holdpoint_guest"] = package
    return importlib.import_module(f"holdpoint_guest.{name}")


def tell(word, who, event):
    put(1, word + who.encode() + b" " + json.dumps(event).encode() + b"\n")


def put(fd, data, write=os.write):
    while data:
        data = data[write(fd, data) :]


def prctl(option, value):
    try:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (OSError, AttributeError):
        print("holdpoint guest: prctl is not available", file=sys.stderr)


class Supervisor:
    """Reads both pipes until the child has ended, or its time or a cap is used up."""

    def __init__(self, child, word, events, output, deadline):
        self.child, self.word, self.deadline = child, word, deadline
        self.events, self.output = events, output
        self.line, self.tail = bytearray(), bytearray()
        self.seen, self.printed = 0, 0
        self.stopped, self.status = "", None
        self.most_output, self.looked, self.hit = MOST_OUTPUT, 0.0, set()
        self.pieces = ()
        self.selector = selectors.DefaultSelector()
        for fd in (events, output):
            os.set_blocking(fd, False)
            self.selector.register(fd, selectors.EVENT_READ)
        self.selector.register(0, selectors.EVENT_READ)

    def run(self):
        while self.reading() and self.status is None and not self.stopped:
            self.pump(0.05)
            self.look_at_mounts()
            self.reap(os.WNOHANG)
            if time.monotonic() > self.deadline:
                self.stopped = "timeout"
        if not self.reading() and self.status is None:
            self.wait_a_little()
        self.looked = 0.0
        self.look_at_mounts()
        kill_group(self.child)
        self.reap(0)
        while not self.stopped and self.reading() and self.pump(0):
            continue  # what was written before the end counts; nobody is waited for
        if self.line:
            self.relay(bytes(self.line))
        text = bytes(self.tail).decode("utf-8", "replace")
        tell(self.word, "s", {"e": "output", "text": text, "bytes": self.printed})
        self.tell_artifacts()
        hit = sorted(self.hit | counted())
        tell(self.word, "s", {"e": "end", "status": self.status, "stopped": self.stopped, "hit": hit})

    def tell_artifacts(self):
        """In lines of our own, after the last of the child's; nobody waits for them for long."""
        for data in self.pieces if not self.stopped else ():
            for start in range(0, len(data), PIECE):
                text = base64.b64encode(data[start : start + PIECE]).decode()
                tell(self.word, "s", {"e": "artifacts", "data": text})
            if time.monotonic() > self.deadline:
                return

    def reading(self):
        return any(key.fd != 0 for key in self.selector.get_map().values())

    def look_at_mounts(self):
        """A full mount is what a failing test stumbled over, perhaps; it is only told."""
        now = time.monotonic()
        if now - self.looked < LOOK:
            return
        self.looked = now
        for mount in MOUNTS:
            found = os.statvfs(mount)
            if found.f_files and not found.f_ffree:
                self.hit.add(f"files {mount}")
            if not found.f_bavail:
                self.hit.add(f"space {mount}")

    def wait_a_little(self):
        """Both pipes are closed, so the child is ending; unless it closed them itself and lingers."""
        until = min(self.deadline, time.monotonic() + 5)
        while self.status is None and time.monotonic() < until:
            time.sleep(0.002)
            self.reap(os.WNOHANG)
        if self.status is None:
            self.stopped = "lingered"

    def reap(self, flags):
        if self.status is None:
            pid, status = os.waitpid(self.child, flags)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)

    def pump(self, timeout):
        """One round of reading; whether anything was read."""
        busy = False
        for key, _ in self.selector.select(timeout):
            try:
                data = os.read(key.fd, CHUNK)
            except BlockingIOError:
                continue
            if not data:
                self.selector.unregister(key.fd)
                if key.fd == 0:
                    self.stopped = self.stopped or "abandoned"  # nobody listens any more: the host is gone
                continue
            if key.fd == 0:
                continue  # it has no more to say
            busy = True
            if key.fd == self.output:
                self.keep(data)
            else:
                self.split(data)
        return busy

    def keep(self, data):
        self.printed += len(data)
        self.tail += data
        del self.tail[:-TAIL]
        if self.printed > self.most_output:
            self.stopped = "output"

    def split(self, data):
        self.seen += len(data)
        self.line += data
        *lines, rest = self.line.split(b"\n")
        self.line = rest
        for line in lines:
            self.relay(bytes(line))
        if self.seen > MOST_EVENTS or len(rest) > LONGEST_LINE:
            self.stopped = "events"

    def relay(self, line):
        put(1, self.word + b"c " + line + b"\n")


def counted():
    """Limits that the container's own control group counted hits of, where the kernel shows it."""
    found = set()
    for name, word, what in (
        ("memory/memory.oom_control", "oom_kill", "memory"),
        ("memory.events", "oom_kill", "memory"),
        ("pids/pids.events", "max", "processes"),
        ("pids.events", "max", "processes"),
    ):
        try:
            text = Path("/sys/fs/cgroup", name).read_text(encoding="ascii")
        except (OSError, ValueError):
            continue
        if any(line.split()[0] == word and line.split()[-1] != "0" for line in text.splitlines() if line):
            found.add(what)
    return found


def kill_group(child):
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def be_child(header, root, events, output, go):
    """Waits until the supervisor has its word, runs pytest, reports, and ends without atexit handlers."""
    status = 70
    try:
        os.setsid()
        prctl(PR_SET_DUMPABLE, 1)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.read(go[0], 1) != b"g":
            os._exit(71)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (output[1], 1), (output[1], 2)):
            os.dup2(source, target)
        for used in (null, events[0], output[0], output[1], go[0], go[1]):
            if used > 2:
                os.close(used)
        os.set_inheritable(events[1], False)
        status = run_pytest(header, root, events[1])
    except BaseException as error:
        print(f"holdpoint guest: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def run_pytest(header, root, pipe, finish=int, write=put, dumps=json.dumps):
    # Bound above, before any code of the target ran.
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    os.chdir(root)
    reporter = beside("reporter")
    config = reporter.config_of(root)
    arguments = ["-p", "no:cacheprovider", f"--rootdir={root}", "--color=no", "--tb=short"]
    arguments += ["-c", str(config)] if config else []
    arguments += [str(root / path) for path in header["tests"]]
    within("scope").prefer(header.get("packages", ()), header.get("roots", ()), SITES)
    plugins = [reporter.Reporter(pipe)]
    if "record" in header:  # the base only
        say = plugins[0].say_all
        plugins.append(within("calls").Calls(header["record"]["packages"], header["record"]["tests"], say))
    status = finish(pytest.main(arguments, plugins=plugins))
    write(pipe, dumps({"e": "finished", "exit": status}).encode() + b"\n")
    return status
