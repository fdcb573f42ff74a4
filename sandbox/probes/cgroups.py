"""Tries to open for writing its own limits, or the file that names a program for the host's root; writes none."""

import ctypes
import errno
import json
import os
import sys
from pathlib import Path

HOW = json.loads(sys.argv[1])["how"]
LIMITS = ("pids.max", "memory.max", "memory.limit_in_bytes", "cgroup.procs")
PLACE = Path("/tmp/cgroup")
MOUNTS = ((b"cgroup", b"pids"), (b"cgroup", b"memory"), (b"cgroup2", None))
NEWNS, NEWUSER, NEWCGROUP = 0x00020000, 0x10000000, 0x02000000
libc = ctypes.CDLL(None, use_errno=True)


def places():
    """Where the container shows its cgroup, and wherever it can be mounted anew."""
    yield from (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/"))
    libc.unshare(NEWNS) == 0 or libc.unshare(NEWUSER | NEWNS | NEWCGROUP)
    PLACE.mkdir()
    for kind, option in MOUNTS:
        if libc.mount(b"none", bytes(PLACE), kind, 0, option) == 0:
            yield PLACE
            libc.umount2(bytes(PLACE), 2)


def opened(names):
    for place in places():
        for name in names:
            try:
                os.close(os.open(place / name, os.O_WRONLY))
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOTDIR):
                    raise
            else:
                return f"{place / name} opens for writing"
    return None


why = "none opens for writing, and none can be mounted"
if HOW == "release_agent" and Path("/sys/fs/cgroup/cgroup.controllers").exists():
    why = "version 2 of cgroups has no release_agent"
done = opened(LIMITS if HOW == "limits" else ("release_agent",))
print(json.dumps({"fired": done is not None, "detail": done or why}))
