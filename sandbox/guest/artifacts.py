"""Packs the files that tests left for the reader as a plain tar; decides nothing, the host judges every entry.

Each file is opened part by part without following a link, and read whole before its header is made: what was swapped
in between is seen or does not matter. What cannot be sent is named by an entry without content.
"""

import fnmatch
import os
import re
import stat
from pathlib import Path

LONGEST = 400
MOST_SEEN = 20000  # directory entries looked at
MOST_TOLD = 20  # entries without content
BLOCK = 512
BIG, UNREADABLE = b"B", b"U"
KINDS = {stat.S_IFLNK: b"2", stat.S_IFCHR: b"3", stat.S_IFBLK: b"4", stat.S_IFDIR: b"5", stat.S_IFIFO: b"6"}


def packed(root, wanted):
    """The tar in pieces; `wanted` has `allowed` patterns and the limits `file`, `total` and `count`."""
    told = sent = total = 0
    for path in sorted(matching(root, [compiled(pattern) for pattern in wanted["allowed"]])):
        named = path if split(path) else f"{path[:20]}…"
        kind, data = read(root, path, wanted["file"]) if named == path else (UNREADABLE, b"")
        if kind == b"0" and (total + len(data) > wanted["total"] or sent >= wanted["count"]):
            kind, data = BIG, b""
        if kind == b"0":
            sent, total = sent + 1, total + len(data)
        else:
            told += 1
            if told > MOST_TOLD:
                continue
        yield header(named, kind, len(data)) + data + bytes(-len(data) % BLOCK)
    yield bytes(2 * BLOCK)


def matching(root, patterns):
    """Relative paths of what is no directory below root; deep, endless and unreadable folders are left out."""
    folders, seen = [""], 0
    while folders and seen < MOST_SEEN:
        folder = folders.pop()
        try:
            with os.scandir(Path(root, folder)) as entries:
                for entry in entries:
                    seen += 1
                    if seen >= MOST_SEEN:
                        return
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders += [path] if len(path) < LONGEST else []
                    elif any(fits(pattern, path.split("/")) for pattern in patterns):
                        yield path
        except OSError:
            continue


def compiled(pattern):
    return [None if part == "**" else re.compile(fnmatch.translate(part)) for part in pattern.split("/")]


def fits(pattern, names):
    """As the host's own patterns: part by part, None for any number of folders."""
    reached = {0}
    for part in pattern:
        if part is None:
            reached = set(range(min(reached), len(names) + 1)) if reached else set()
        else:
            reached = {place + 1 for place in reached if place < len(names) and part.match(names[place])}
    return len(names) in reached


def read(root, path, most):
    """(kind, content) of one path: `0` and the whole file, or what it is instead and nothing."""
    opened = []
    try:
        opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
        *folders, name = path.split("/")
        for folder in folders:
            opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[-1]))
        found = os.stat(name, dir_fd=opened[-1], follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            return KINDS.get(stat.S_IFMT(found.st_mode), UNREADABLE), b""
        opened.append(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened[-1]))
        found = os.fstat(opened[-1])
        if not stat.S_ISREG(found.st_mode):
            return UNREADABLE, b""
        if found.st_nlink != 1:
            return b"1", b""
        with os.fdopen(opened.pop(), "rb") as source:
            data = source.read(most + 1)
    except OSError:
        return UNREADABLE, b""
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return (BIG, b"") if len(data) > most else (b"0", data)


def split(path):
    """(prefix, name) as a plain ustar header holds them; None when it cannot."""
    name = os.fsencode(path)
    if len(name) <= 100:
        return b"", name
    at = name.find(b"/", len(name) - 101)
    return (name[:at], name[at + 1 :]) if 0 < at <= 155 else None


def header(path, kind, size):
    """A plain ustar header."""
    prefix, name = split(path)
    fields = [name.ljust(100, b"\0"), b"0000444\0", b"0000000\0", b"0000000\0", b"%011o\0" % size, b"00000000000\0"]
    fields += [b" " * 8, kind, bytes(100), b"ustar\x0000", bytes(80), prefix.ljust(155, b"\0")]
    block = bytearray(b"".join(fields).ljust(BLOCK, b"\0"))
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)
