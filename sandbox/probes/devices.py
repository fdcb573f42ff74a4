"""Tries to make a node for a block device, and to open it; never reads or writes one."""

import errno
import json
import os
import stat
import sys

HOW = json.loads(sys.argv[1])["how"]
NODE = "/work/disk"
LOOP = (7, 0)


def disks():
    """The numbers of a loop device, which most hosts have and few use, and of the disks that the kernel names."""
    with open("/proc/partitions") as lines:
        named = [line.split()[:2] for line in lines if line[:1] == " "]
    return [LOOP, *((int(major), int(minor)) for major, minor in named)]


def opened(place):
    try:
        os.close(os.open(place, os.O_RDONLY))
    except OSError as error:
        # ENXIO: no such device here, after all.
        if error.errno not in (errno.EPERM, errno.EACCES, errno.ENXIO):
            raise
        return error.strerror
    return ""


done, refused = "", ""
for major, minor in disks():
    try:
        os.mknod(NODE, stat.S_IFBLK | 0o600, os.makedev(major, minor))
    except PermissionError as error:
        refused = f"mknod: {error.strerror}"
        break
    if HOW == "mknod":
        done = f"made a node for block device {major}:{minor}"
        break
    refused = f"open: {opened(NODE)}"
    os.unlink(NODE)
    if refused == "open: ":
        done = f"opened block device {major}:{minor}"
        break
print(json.dumps({"fired": bool(done), "detail": done or refused}))
