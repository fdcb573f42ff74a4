"""Edits trees in memory and lists what they hold; writes nothing."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.errors import UsageError
from harness.repo.names import checked_path
from harness.repo.objects import DIRECTORY, GITLINK, LINK, Fresh, Item, Objects, render_tree
from harness.text import visible_line

_EXECUTABLE, _PLAIN = b"100755", b"100644"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a tree; a path's undecodable bytes are kept as surrogates."""

    mode: str
    blob: str
    path: str
    size: int


def text_path(path: bytes) -> str:
    """A path as text that can be turned back into the same bytes."""
    return path.decode("utf-8", errors="surrogateescape")


def edited(objects: Objects, tree: str | None, edits: Mapping[str, bytes | None]) -> tuple[str, list[Fresh]]:
    """(tree id, new objects) of a tree with files written (bytes) or removed (None); modes stay.

    UsageError for a path git should not hold, that passes through a file, or names a link or directory.
    """
    plan: dict[tuple[bytes, ...], bytes | None] = {}
    for path, data in edits.items():
        plan[tuple(checked_path(path).encode().split(b"/"))] = data
    fresh: list[Fresh] = []
    oid = _edited(objects, tree, plan, fresh, b"")
    if oid is None:
        empty = Fresh("tree", b"")
        return empty.oid, [*fresh, empty]
    return oid, fresh


def _edited(
    objects: Objects,
    tree: str | None,
    plan: Mapping[tuple[bytes, ...], bytes | None],
    fresh: list[Fresh],
    prefix: bytes,
) -> str | None:
    items = {item.name: item for item in (objects.tree(tree) if tree else ())}
    below: dict[bytes, dict[tuple[bytes, ...], bytes | None]] = {}
    for parts, data in plan.items():
        if len(parts) > 1:
            below.setdefault(parts[0], {})[parts[1:]] = data
        else:
            _put(items, parts[0], data, fresh, prefix)
    for name, inner in below.items():
        old = items.get(name)
        if old is not None and old.mode != DIRECTORY:
            raise UsageError(f"{_shown(prefix + name)} is a file in the base, not a directory.")
        oid = _edited(objects, old.oid if old else None, inner, fresh, prefix + name + b"/")
        if oid is None:
            items.pop(name, None)
        else:
            items[name] = Item(DIRECTORY, name, oid)
    if not items:
        return None
    made = Fresh("tree", render_tree(items.values()))
    if made.oid != tree:
        fresh.append(made)
    return made.oid


def _put(items: dict[bytes, Item], name: bytes, data: bytes | None, fresh: list[Fresh], prefix: bytes) -> None:
    old = items.get(name)
    if old is not None and old.mode in (DIRECTORY, LINK, GITLINK):
        kind = {DIRECTORY: "directory", LINK: "symbolic link", GITLINK: "submodule"}[old.mode]
        raise UsageError(f"{_shown(prefix + name)} is a {kind} in the base; only plain files can be edited.")
    if data is None:
        if old is None:
            raise UsageError(f"{_shown(prefix + name)} cannot be removed: the base has no such file.")
        del items[name]
        return
    blob = Fresh("blob", data)
    mode = _EXECUTABLE if old is not None and old.mode == _EXECUTABLE else _PLAIN
    if old is None or old.oid != blob.oid:
        fresh.append(blob)
    items[name] = Item(mode, name, blob.oid)


def _shown(path: bytes) -> str:
    return repr(visible_line(path.decode("utf-8", errors="backslashreplace"), 120))


def lost(objects: Objects, old: str, new: str, prefix: bytes = b"") -> Iterator[bytes]:
    """Paths of the old tree that the new one lacks or has otherwise; equal subtrees are not entered."""
    there = {item.name: item for item in objects.tree(new)}
    for item in objects.tree(old):
        other = there.get(item.name)
        if other == item:
            continue
        if other is not None and item.mode == other.mode == DIRECTORY:
            yield from lost(objects, item.oid, other.oid, prefix + item.name + b"/")
        else:
            yield prefix + item.name


def manifest(objects: Objects, tree: str) -> bytes:
    """`MODE SHA256 PATH NUL` for each file, sorted by path: a tree by SHA-256, since git ids are SHA-1.

    A link's text is hashed like a file; a submodule carries its commit id instead (its content is elsewhere).
    """
    rows = []
    for path, item in objects.walk(tree):
        content = item.oid if item.mode == GITLINK else objects.blob_digest(item.oid)[0]
        rows.append((path, b"%s %s %s\0" % (item.mode, content.encode(), path)))
    return b"".join(row for _, row in sorted(rows))


def manifest_digest(objects: Objects, tree: str) -> str:
    """`sha256:` digest of the manifest."""
    return "sha256:" + hashlib.sha256(manifest(objects, tree)).hexdigest()
