"""Makes one call that untrusted code has no need of, and by which kernels have been taken over."""

import ctypes
import errno
import json
import os
import platform
import struct
import sys

HOW = json.loads(sys.argv[1])["how"]
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
# Numbers on x86-64 and on aarch64; newer calls have the same number everywhere.
NUMBERS = {
    "add_key": (248, 217),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
}
BPF_MAP_CREATE, BPF_MAP_TYPE_ARRAY = 0, 2
PROCESS_KEYRING = -2
SOFTWARE_EVENT, EXCLUDE_KERNEL_AND_HYPERVISOR = 1, 1 << 5 | 1 << 6
USER_MODE_ONLY = 1
ADJ_TICK = 0x4000
NUMBER = NUMBERS.get(HOW, (0, 0))[{"x86_64": 0, "aarch64": 1}[platform.machine()]]


def call(*arguments):
    return libc.syscall(ctypes.c_long(NUMBER), *arguments)


def event():
    attributes = struct.pack("=IIQQQQQ", SOFTWARE_EVENT, 112, 0, 0, 0, 0, EXCLUDE_KERNEL_AND_HYPERVISOR)
    return call(attributes.ljust(112, b"\0"), 0, -1, -1, ctypes.c_long(0))


def clock():
    """Sets the length of a tick to what it is: the clock's state is written, and stays the same."""
    timex = ctypes.create_string_buffer(256)
    if libc.adjtimex(timex) == -1:
        return -1
    struct.pack_into("=I", timex, 0, ADJ_TICK)
    return libc.adjtimex(timex)


CALLS = {
    # Each object is this process's own and ends with it.
    "add_key": lambda: call(b"user", b"holdpoint-probe", b"x", ctypes.c_size_t(1), PROCESS_KEYRING),
    "bpf": lambda: call(BPF_MAP_CREATE, struct.pack("=IIII", BPF_MAP_TYPE_ARRAY, 4, 4, 1).ljust(128, b"\0"), 128),
    "perf_event_open": event,
    "userfaultfd": lambda: call(USER_MODE_ONLY),
    "io_uring_setup": lambda: call(1, ctypes.create_string_buffer(120)),
    "adjtimex": clock,
}

result = CALLS[HOW]()
number = ctypes.get_errno()
if result == -1 and number not in (errno.EPERM, errno.EACCES):
    raise OSError(number, os.strerror(number))
done = result != -1
print(json.dumps({"fired": done, "detail": f"{HOW}: {'the kernel did it' if done else os.strerror(number)}"}))
