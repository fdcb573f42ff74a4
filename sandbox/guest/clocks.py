"""Moves the clocks of this process, wall and steady ones apart, below Python: for a worker in other surroundings.

It puts other code in the place of the C library's `clock_gettime`, `gettimeofday` and `time`, so that Python's `time`
and `datetime` agree. Code that asks the kernel itself can tell, and a wait for a lock with a time limit takes longer by
as much as the steady clocks were moved.
"""

import ctypes
import mmap
import platform
import struct
import time

WALL = (0, 5, 8, 11)  # CLOCK_REALTIME and its kin
STEADY = (1, 4, 6, 7, 9)  # CLOCK_MONOTONIC and its kin; clocks of used CPU time stay
READ, WRITE, EXECUTE = 1, 2, 4
SLOT, TABLE = 64, 192
# x86-64. Each makes the system call that its function is named for, and then adds seconds from the table behind them.
CODES = {
    # where that succeeded for a clock below 12: [rsi] += table[edi]
    "clock_gettime": "b8e4000000 0f05 85c0 7515 83ff0b 7710 89f9 488d15{table} 488b14ca 480116 c3",
    # where that succeeded: [rdi] += table[0]
    "gettimeofday": "b860000000 0f05 85c0 750a 488b15{table} 480117 c3",
    # rax += table[0], and to [rdi] unless that is null
    "time": "b8c9000000 0f05 480305{table} 4885ff 7403 488907 c3",
}


def shift(wall, steady):
    """Both in whole seconds; OSError where it cannot be done."""
    if platform.machine() != "x86_64":
        raise OSError(f"no way to move the clocks on {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=READ | WRITE | EXECUTE)
    for number, text in enumerate(CODES.values()):
        before = len(bytes.fromhex(text.partition("{table}")[0])) + 4
        way = struct.pack("<i", TABLE - SLOT * number - before).hex()
        page.seek(SLOT * number)
        page.write(bytes.fromhex(text.format(table=way)))
    page.seek(TABLE)
    page.write(struct.pack("<12q", *(wall if n in WALL else steady if n in STEADY else 0 for n in range(12))))
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(page))  # still called while the interpreter ends
    began = time.time()
    time.localtime()  # from here on the address of `time` is known wherever it is called from
    for number, name in enumerate(CODES):
        function = ctypes.cast(getattr(libc, name), ctypes.c_void_p).value
        if name == "clock_gettime":
            divert(libc, function, address + SLOT * number)
        else:
            redirect(libc, function, address + SLOT * number)
    if min(abs(time.time() - began), abs(time.mktime(time.localtime()) - began)) < abs(wall) / 2:
        raise OSError("the clocks did not move")


def divert(libc, function, address):
    """Puts a jump to the address at the start of a function."""
    write(libc, function, b"\x48\xb8" + struct.pack("<Q", address) + b"\xff\xe0", READ | EXECUTE)


def redirect(libc, function, address):
    """Changes every pointer to a function that lies with the kernel, where nothing can be written."""
    with open("/proc/self/maps") as told:  # noqa: PTH123 - a guest is plain
        places = [line.split() for line in told]
    for span, rights, _, _, _, *path in places:
        if rights[0] != "r" or "x" in rights or not path or not path[0].startswith("/"):
            continue
        start, end = (int(text, 16) for text in span.split("-"))
        data, at = ctypes.string_at(start, end - start), -1
        while (at := data.find(struct.pack("<Q", function), at + 1)) >= 0:
            write(libc, start + at, struct.pack("<Q", address), READ | WRITE if "w" in rights else READ)


def write(libc, place, data, rights):
    start = place & -mmap.PAGESIZE
    size = place + len(data) - start
    protect(libc, start, size, READ | WRITE | (rights & EXECUTE))
    ctypes.memmove(place, data, len(data))
    protect(libc, start, size, rights)


def protect(libc, start, size, flags):
    if libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(size), flags) != 0:
        raise OSError(ctypes.get_errno(), "the C library could not be changed")
