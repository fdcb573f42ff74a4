"""Tries to open files by which the kernel is steered or shows itself; writes none, and uses none up by reading."""

import ctypes
import errno
import json
import os
import sys

HOW = json.loads(sys.argv[1])["how"]
STEERING = ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger")
LOG_READ_ALL = 3
REFUSALS = (errno.EPERM, errno.EACCES, errno.EROFS)


def opened(paths, flags):
    found = []
    for path in paths:
        try:
            os.close(os.open(path, flags))
            found.append(path)
        except OSError as error:
            if error.errno not in (*REFUSALS, errno.ENOENT):  # not every kernel has each of them
                raise
    return found


def steer():
    """Opened for writing, which is enough to see; what a write would do is known."""
    return opened(STEERING, os.O_WRONLY)


def log():
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.create_string_buffer(4096)
    found = opened(("/proc/kcore", "/proc/kmsg", "/dev/mem", "/dev/kmsg"), os.O_RDONLY | os.O_NONBLOCK)
    if libc.klogctl(LOG_READ_ALL, text, len(text)) >= 0:
        return [*found, "the kernel's log"]
    if ctypes.get_errno() not in REFUSALS:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


def told():
    """What any user of a host can read, and no guest needs: keys, timers, firmware tables."""
    found = []
    for path in ("/proc/keys", "/proc/latency_stats", "/proc/timer_list"):
        try:
            with open(path, "rb") as file:
                found += [path] if file.read(1) else []
        except OSError as error:
            if error.errno not in (*REFUSALS, errno.ENOENT):
                raise
    return found + [f"/sys/firmware/{name}" for name in os.listdir("/sys/firmware")]


found = {"steer": steer, "log": log, "told": told}[HOW]()
print(json.dumps({"fired": bool(found), "detail": f"opened {', '.join(found)}" if found else "all refused or empty"}))
