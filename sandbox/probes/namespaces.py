"""Tries to get namespaces of its own, in which it would be root, and to mount a file system with that."""

import ctypes
import errno
import json
import os
import struct
import sys

HOW = json.loads(sys.argv[1])["how"]
NEWNS, NEWUSER = 0x00020000, 0x10000000
CLONE3, FSOPEN = 435, 430  # the same number on all machines
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def unshare():
    return libc.unshare(NEWUSER)


def clone3():
    arguments = struct.pack("=8Q", NEWUSER, 0, 0, 0, 17, 0, 0, 0)  # 17: the child's end sends SIGCHLD
    pid = libc.syscall(CLONE3, arguments, ctypes.c_size_t(len(arguments)))
    if pid == 0:
        os._exit(0)
    if pid > 0:
        os.waitpid(pid, 0)
    return pid


def setns():
    """Joins the user namespace that a child has made, or, if it could not, the one it is in (EINVAL if it may)."""
    (told, tell), (stay, go) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        libc.unshare(NEWUSER)
        os.write(tell, b"r")
        os.close(go)
        os.read(stay, 1)
        os._exit(0)
    os.read(told, 1)
    namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    result, number = libc.setns(namespace, NEWUSER), ctypes.get_errno()
    os.close(go)
    os.waitpid(pid, 0)
    ctypes.set_errno(number)
    return result


def mount():
    """By the old call and by the new one, as itself and as root of a namespace of its own."""
    libc.unshare(NEWUSER | NEWNS)
    if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
        return 0
    return libc.syscall(FSOPEN, b"tmpfs", 0)


CALLS = {"unshare": unshare, "clone3": clone3, "setns": setns, "mount": mount}
result = CALLS[HOW]()
number = ctypes.get_errno()
# Our list answers clone3 with ENOSYS, so that the C library falls back to clone.
refusals = {errno.EPERM, errno.ENOSYS} if HOW == "clone3" else {errno.EPERM}
if result == -1 and number not in refusals:
    raise OSError(number, os.strerror(number))
print(json.dumps({"fired": result != -1, "detail": f"{HOW}: {'done' if result != -1 else os.strerror(number)}"}))
