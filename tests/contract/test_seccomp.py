"""Our seccomp list on a real engine: it is in force, what Python needs works, and what guests must not call is refused.

Each refusal has a control: the same act in the same container without the list.
"""

import json
from collections.abc import Iterator

import pytest

from harness.container import (
    ContainerSpec,
    Engine,
    Finished,
    ImageRef,
    Limits,
    own_list,
    profile_for,
    run_batch,
)

pytestmark = pytest.mark.engine

MIB = 1024 * 1024
RUN = "test-seccomp"
LIMITS = Limits(timeout=60, memory=512 * MIB, pids=64, output=MIB, work=32 * MIB)

WORKS = r"""
import asyncio, ctypes, fcntl, json, mmap, multiprocessing, os, pty, resource, select, shutil, signal, socket, sqlite3
import subprocess, sys, tempfile, threading, time, traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory

def subprocesses():
    assert subprocess.run("echo a | cat", shell=True, capture_output=True).stdout == b"a\n"
    assert subprocess.run([sys.executable, "-c", "print(1)"], start_new_session=True, stdout=-3).returncode == 0
    assert os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)[1] == 0
    try:
        subprocess.run(["sleep", "9"], timeout=0.05)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError

def threads():
    seen = []
    group = [threading.Thread(target=seen.append, args=(n,)) for n in range(20)]
    [one.start() for one in group], [one.join() for one in group]
    assert sorted(seen) == list(range(20))

def pools():
    for method in ("fork", "spawn", "forkserver"):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
            assert list(pool.map(abs, [-1, -2])) == [1, 2]
    shared = shared_memory.SharedMemory(create=True, size=100)
    shared.buf[0] = 7
    shared.close(), shared.unlink()
    queue = multiprocessing.Queue()
    queue.put(1)
    assert queue.get(timeout=5) == 1

def asynchronous():
    async def main():
        process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        assert (await process.communicate(b"x"))[0] == b"x"
        async def answer(reader, writer):
            writer.write(await reader.read(10)), writer.close()
        local = await asyncio.start_unix_server(answer, "/tmp/s")
        for server in (local, await asyncio.start_server(answer, "127.0.0.1", 0)):
            name = server.sockets[0].getsockname()
            opened = asyncio.open_unix_connection(name) if isinstance(name, str) else asyncio.open_connection(*name)
            reader, writer = await opened
            writer.write(b"hello")
            assert await reader.read(10) == b"hello"
            writer.close(), server.close()
        await asyncio.to_thread(time.sleep, 0.01)
    asyncio.run(main())

def database():
    with sqlite3.connect("/work/a.db") as base:
        base.execute("pragma journal_mode=wal")
        base.execute("create table t(x)")
        base.executemany("insert into t values(?)", [(n,) for n in range(100)])
    assert base.execute("select sum(x) from t").fetchone() == (4950,)
    base.close()

def sockets():
    assert socket.getaddrinfo("127.0.0.1", 80)
    for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0))):
        for protocol in (0, socket.IPPROTO_UDP):
            with socket.socket(family, socket.SOCK_DGRAM, protocol) as one:
                one.settimeout(5)
                one.bind(address)
                one.sendto(b"x", one.getsockname())
                assert one.recv(9) == b"x"
        for protocol in (0, socket.IPPROTO_TCP):
            with socket.socket(family, socket.SOCK_STREAM, protocol) as one:
                one.bind(address)
                one.listen()
                with socket.create_connection(one.getsockname()[:2]) as two:
                    two.shutdown(socket.SHUT_WR)
                    assert one.accept()[0].recv(9) == b""
    one, two = socket.socketpair()
    reading, writing = os.pipe()
    socket.send_fds(one, [b"x"], [reading])
    os.write(writing, b"y")
    assert os.read(socket.recv_fds(two, 9, 1)[1][0], 9) == b"y"

def files():
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as plain:
        plain.write(b"x" * 100000), plain.flush(), os.fsync(plain.fileno())
        fcntl.flock(plain, fcntl.LOCK_EX), fcntl.lockf(plain, fcntl.LOCK_EX)
        with mmap.mmap(plain.fileno(), 0) as view:
            view[0:1] = b"y"
            view.flush(), view.resize(4096)
        one = f"{folder}/one"
        open(one, "w").write("text")
        shutil.copy2(one, f"{folder}/two"), shutil.move(f"{folder}/two", f"{folder}/three")
        shutil.copytree(folder, f"{folder}4"), shutil.rmtree(f"{folder}4")
        os.mkfifo(f"{folder}/p"), os.symlink("one", f"{folder}/l"), os.link(one, f"{folder}/h")
        os.utime(one), os.truncate(one, 1), os.chmod(one, 0o600), os.chown(one, -1, -1), os.replace(one, f"{folder}/h")
        assert shutil.disk_usage("/work").total and os.listdir(folder) and os.stat(folder)

def forks_and_signals():
    got = []
    signal.signal(signal.SIGALRM, lambda *_: got.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(0.1)
    assert got == [1]
    child = os.fork()
    if not child:
        time.sleep(9)
    descriptor = os.pidfd_open(child)
    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    assert select.select([descriptor], [], [], 5)[0]
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}), os.kill(os.getpid(), signal.SIGUSR1)
    assert signal.sigtimedwait({signal.SIGUSR1}, 5)

def terminals():
    child, master = pty.fork()
    if not child:
        os.execv("/bin/sh", ["sh", "-c", "test -t 0 && stty size && echo fine"])
    text = b""
    try:
        while data := os.read(master, 999):
            text += data
    except OSError:
        pass
    os.waitpid(child, 0)
    assert b"fine" in text, text

def descriptors():
    descriptor = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(descriptor, True), os.set_inheritable(descriptor, False), os.set_blocking(descriptor, False)
    os.eventfd(0), os.memfd_create("x"), os.getrandom(8), os.dup2(descriptor, 99), os.closerange(90, 100)

def limits():
    os.nice(1), os.sched_setaffinity(0, os.sched_getaffinity(0)), os.getloadavg(), os.uname(), os.getgroups()
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 1000)), resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ctypes.CDLL(None).personality(ctypes.c_ulong(0xFFFFFFFF)) == 0

for act in (subprocesses, threads, pools, asynchronous, database, sockets, files, forks_and_signals, terminals,
            descriptors, limits):
    try:
        act()
    except BaseException:
        print(json.dumps([act.__name__, traceback.format_exc()]), flush=True)
    else:
        print(json.dumps([act.__name__, "fine"]), flush=True)
"""

REFUSED = r'''
import ctypes, json, mmap, os, pty, signal, struct, tempfile

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

def call(number, *arguments):
    """Its errno, or 0; no descriptor or key outlives this container."""
    ctypes.set_errno(0)
    wide = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return 0 if libc.syscall(ctypes.c_long(number), *wide) >= 0 else ctypes.get_errno()

def in_child(act):
    """The errno that the act gives in a process of its own, or minus the signal that ended it."""
    child = os.fork()
    if not child:
        os._exit(act())
    status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)

def old_door():
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
    code = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    return 0 if code() == os.getpid() else 1

def typing(number):
    def act():
        master, slave = pty.openpty()
        os.setsid()
        assert call(16, slave, 0x540E, 0) == 0  # TIOCSCTTY: our own terminal
        return call(16, slave, number, b"x")
    return act

def new_user_space():
    result = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)  # clone, CLONE_NEWUSER | SIGCHLD
    if result == 0:
        os._exit(0)
    return 0 if result > 0 else ctypes.get_errno()

NEW_USER, here = 0x10000000, os.getpid()
buffer = ctypes.create_string_buffer(4096)
vector = struct.pack("QQ", ctypes.addressof(buffer), 8)
event = struct.pack("IIQQQQQ", 1, 112, 0, 0, 0, 0, 1 << 5 | 1 << 6).ljust(112, b"\0")  # of this process, in user mode
acts = {
    "io_uring_setup": lambda: call(425, 1, buffer),
    "io_setup": lambda: call(206, 1, ctypes.create_string_buffer(8)),
    "ptrace": lambda: in_child(lambda: call(101, 0, 0, 0, 0)),
    "process_vm_readv": lambda: call(310, here, vector, 1, vector, 1, 0),
    "process_vm_writev": lambda: call(311, here, vector, 1, vector, 1, 0),
    "kcmp": lambda: call(312, here, here, 1, 0, 0),
    "pidfd_getfd": lambda: call(438, os.pidfd_open(here), 0, 0),
    "AF_NETLINK": lambda: call(41, 16, 3, 0),
    "AF_VSOCK": lambda: call(41, 40, 1, 0),
    "AF_ALG": lambda: call(41, 38, 5, 0),
    "ICMP": lambda: call(41, 2, 2, 1),
    "MPTCP": lambda: call(41, 2, 1, 262),
    "keyctl": lambda: call(250, 0, -3, 1),
    "add_key": lambda: call(248, b"user", b"k", b"v", 1, -2),
    "unshare": lambda: in_child(lambda: call(272, NEW_USER)),
    "clone into a namespace": lambda: in_child(new_user_space),
    "clone3": lambda: in_child(lambda: call(435, struct.pack("QQQQQQQQ", NEW_USER, 0, 0, 0, 17, 0, 0, 0), 64)),
    "bpf": lambda: call(321, 0, struct.pack("IIII", 2, 4, 4, 1).ljust(128, b"\0"), 128),
    "perf_event_open": lambda: call(298, event, 0, -1, -1, 0),
    "userfaultfd": lambda: call(323, 1),
    "name_to_handle_at": lambda: call(303, -100, b"/work", struct.pack("Ii", 64, 0).ljust(80, b"\0"), buffer, 0),
    "fanotify_init": lambda: call(300, 0x200, 0),
    "personality": lambda: in_child(lambda: call(135, 0x0040000)),
    "modify_ldt": lambda: call(154, 0, buffer, 16),
    "mbind": lambda: call(239, 0, 0, 0, 0, 0),
    "msgget": lambda: call(68, 0, 0o600),
    "shmget": lambda: call(29, 0, 4096, 0o600),
    "mknod of a file": lambda: call(133, tempfile.mktemp().encode(), 0o100600, 0),
    "setxattr": lambda: call(188, b"/work", b"user.x", b"v", 1, 0),
    "seccomp": lambda: call(317, 2, 0, ctypes.byref(ctypes.c_uint(0x7FFF0000))),
    "int 0x80": lambda: in_child(old_door),
    "x32": lambda: in_child(lambda: call(0x40000000 | 39)),
    "TIOCSTI": lambda: in_child(typing(0x5412)),
    "TIOCSTI with a high bit": lambda: in_child(typing(0x100005412)),
    "TIOCSETD": lambda: call(16, 0, 0x5423, buffer),
}
for name, act in acts.items():
    print(json.dumps([name, act()]), flush=True)
'''

EPERM, ENOSYS, SIGSYS = 1, 38, 31
# What this kernel may refuse to an unprivileged user, or not have at all, without any list.
MAY_FAIL_ANYWAY = {
    "AF_VSOCK", "AF_ALG", "MPTCP", "unshare", "clone into a namespace", "clone3", "bpf", "perf_event_open",
    "userfaultfd", "fanotify_init", "io_uring_setup", "setxattr", "x32", "TIOCSTI", "TIOCSTI with a high bit",
    "TIOCSETD", "int 0x80", "modify_ldt",
}  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        if own_list(connected.info.arch) is None:
            pytest.skip("the list is for x86-64")
        yield connected


def spec(image: ImageRef, code: str, **change: str) -> ContainerSpec:
    profile = profile_for(LIMITS).model_copy(update=change)
    argv = (image.python, "-B", "-c", code)
    return ContainerSpec(image=image.id, argv=argv, profile=profile, run_id=RUN, role="test")


def told(done: Finished) -> dict[str, object]:
    assert done.state.exit_code == 0, (done.stdout, done.stderr)
    return dict(json.loads(line) for line in done.stdout.splitlines())


def test_the_engine_and_the_kernel_say_that_the_list_is_in_force(engine: Engine, image: ImageRef) -> None:
    code = "print(*[one for one in open('/proc/self/status') if one.startswith(('Seccomp:', 'NoNew'))]), input()"
    with engine.start(spec(image, code)) as session:
        options = engine.settings(session.container)["HostConfig"]["SecurityOpt"]
        session.close_stdin()
        status = session.finish().stdout.split()
    assert f"seccomp={own_list(engine.info.arch)}" in options
    assert status == [b"NoNewPrivs:", b"1", b"Seccomp:", b"2"]


def test_what_python_needs_works(engine: Engine, image: ImageRef) -> None:
    found = told(run_batch(engine, spec(image, WORKS), b""))
    assert [text for text in found.values() if text != "fine"] == []
    assert len(found) == 11


def test_what_guests_must_not_call_is_refused_by_the_list(engine: Engine, image: ImageRef) -> None:
    held = told(run_batch(engine, spec(image, REFUSED), b""))
    control = told(run_batch(engine, spec(image, REFUSED, seccomp="unconfined"), b""))
    expected = dict.fromkeys(held, EPERM) | {"clone3": ENOSYS, "int 0x80": -SIGSYS, "x32": -SIGSYS}
    assert held == expected
    works = {name for name, errno in control.items() if errno == 0}
    assert set(held) - works <= MAY_FAIL_ANYWAY
    assert len(works) >= 20
