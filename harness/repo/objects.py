"""Reads and writes git objects; what is read is hashed again, so that damage and forgery are found.

Knows nothing of refs, indexes or work trees.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from harness.errors import IntegrityError
from harness.repo.door import Door, fault

Kind = Literal["commit", "tree", "blob"]
_PACK_TYPE: dict[Kind, int] = {"commit": 1, "tree": 2, "blob": 3}
DIRECTORY, LINK, GITLINK = b"40000", b"120000", b"160000"


class Fresh(NamedTuple):
    """An object made here and not written yet."""

    kind: Kind
    data: bytes

    @property
    def oid(self) -> str:
        """Its object id."""
        return object_id(self.kind, self.data)


class Item(NamedTuple):
    """One entry of one tree object, as bytes, since a name may be any bytes."""

    mode: bytes
    name: bytes
    oid: str


def object_id(kind: str, data: bytes) -> str:
    """Git's id of an object: the SHA-1 over its header and bytes."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data, usedforsecurity=False).hexdigest()


def parse_tree(data: bytes, oid: str) -> tuple[Item, ...]:
    """The entries of a tree object; IntegrityError when it is not one."""
    items, at = [], 0
    while at < len(data):
        space = data.find(b" ", at)
        nul = data.find(b"\0", space)
        if space < 0 or nul < 0 or nul + 21 > len(data):
            raise IntegrityError(f"The tree {oid} is malformed.", "git fsck --full")
        items.append(Item(data[at:space], data[space + 1 : nul], data[nul + 1 : nul + 21].hex()))
        at = nul + 21
    return tuple(items)


def render_tree(items: Iterable[Item]) -> bytes:
    """A tree object's bytes, entries in git's order (a directory sorts as if its name ended in a slash)."""
    ordered = sorted(items, key=lambda item: item.name + (b"/" if item.mode == DIRECTORY else b""))
    return b"".join(b"%s %s\0%s" % (item.mode, item.name, bytes.fromhex(item.oid)) for item in ordered)


def _packed(objects: list[Fresh]) -> bytes:
    """A version 2 pack of whole objects (gitformat-pack(5)): how all new objects reach git in one process."""
    body = bytearray(struct.pack(">4sII", b"PACK", 2, len(objects)))
    for kind, data in objects:
        size, byte = len(data) >> 4, _PACK_TYPE[kind] << 4 | len(data) & 15
        while size:
            body.append(byte | 128)
            size, byte = size >> 7, size & 127
        body.append(byte)
        body += zlib.compress(data, 1)
    return bytes(body + hashlib.sha1(body, usedforsecurity=False).digest())


class Objects:
    """The object store behind one object door."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self._trees: dict[str, tuple[Item, ...]] = {}
        self._digests: dict[str, tuple[str, int]] = {}

    def get(self, oid: str, kind: Kind) -> bytes:
        """The object's bytes, proven against its id; IntegrityError when missing, damaged or unlike."""
        found = self.door.read_object(oid)
        if found is None:
            raise IntegrityError(f"The {kind} {oid} is missing or unreadable.", "git fsck --full")
        if found[0] != kind:
            raise IntegrityError(f"The object {oid} is a {found[0]}, not a {kind}.", "git fsck --full")
        if object_id(kind, found[1]) != oid:
            raise IntegrityError(f"The {kind} {oid} is damaged: its content has another id.", "git fsck --full")
        return found[1]

    def tree(self, oid: str) -> tuple[Item, ...]:
        """The entries of a tree, kept for the next question."""
        known = self._trees.get(oid)
        if known is None:
            if len(self._trees) > 20_000:
                self._trees.clear()
            known = self._trees[oid] = parse_tree(self.get(oid, "tree"), oid)
        return known

    def walk(self, tree: str, prefix: bytes = b"") -> Iterator[tuple[bytes, Item]]:
        """(path, entry) of everything below a tree except directories, in tree order."""
        for item in self.tree(tree):
            if item.mode == DIRECTORY:
                yield from self.walk(item.oid, prefix + item.name + b"/")
            else:
                yield prefix + item.name, item

    def find(self, tree: str, path: bytes) -> Item | None:
        """The entry at a path, or None."""
        head, _, rest = path.partition(b"/")
        for item in self.tree(tree):
            if item.name == head:
                if not rest:
                    return item
                return self.find(item.oid, rest) if item.mode == DIRECTORY else None
        return None

    def blob_digest(self, oid: str) -> tuple[str, int]:
        """(SHA-256 hex, size) of a blob, read and proven once."""
        known = self._digests.get(oid)
        if known is None:
            data = self.get(oid, "blob")
            known = self._digests[oid] = (hashlib.sha256(data).hexdigest(), len(data))
        return known

    def forget(self) -> None:
        """Drops what is remembered, so that the next reads come from the disk again."""
        self._trees.clear()
        self._digests.clear()

    def write(self, objects: Iterable[Fresh]) -> None:
        """Writes objects in one git process, which also checks them strictly (fsck) and their links."""
        unique = list(dict.fromkeys(objects))
        if unique:
            ran = self.door.run("unpack-objects", "-q", "--strict", stdin=_packed(unique))
            if ran.status != 0:
                raise fault(("unpack-objects",), ran)
