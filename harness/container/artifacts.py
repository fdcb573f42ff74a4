"""Reads what a guest leaves for the reader out of an untrusted tar stream, piece by piece; writes nothing anywhere.

A parser of our own for one form: the plain ustar header of a regular file. `tarfile` also follows pax, GNU and sparse
headers, by which names and sizes become other than what stands there, reads only from a file that it may block on, and
in Debian's 3.11.2 has no data filter and turns `/abs` into `abs`. What is not of the one form is refused by name; a
header that cannot be trusted to say where the next one begins ends the reading.
"""

import re
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from harness.container.profile import MIB
from harness.patch.paths import path_fault
from harness.policy.globs import allows, fold
from harness.records import Record
from harness.text import decoded, visible_line

_BLOCK: Final = 512
_NUMBER: Final = re.compile(rb" *([0-7]{1,12})[ \0]*")
_KINDS: Final = {
    b"1": "it is a hard link",
    b"2": "it is a symbolic link",
    b"3": "it is a device",
    b"4": "it is a device",
    b"5": "it is a directory",
    b"6": "it is a pipe",
    b"B": "it is larger than allowed, or comes after too many others",  # B and U: our own guest's words
    b"U": "it is no plain file, or cannot be read",
}
_LONGEST_SHOWN: Final = 120


class ArtifactLimits(Record):
    """Bytes of one file and of all together, accepted files, and refusals after which nothing more is read."""

    file: int = Field(4 * MIB, ge=0)
    total: int = Field(8 * MIB, ge=0)
    count: int = Field(100, ge=0)
    refusals: int = Field(20, ge=1)


class Artifact(Record):
    """A regular file on the allow-list, whole; `data` is hostile all the same."""

    path: str
    data: bytes


class Refused(Record):
    """What was not taken and why; `name` is safe to show."""

    name: str
    why: str


@dataclass(frozen=True)
class _Header:
    name: bytes
    kind: bytes
    size: int
    target: bytes


@dataclass
class _Open:
    """An entry whose content is arriving: bytes still to come with and without padding; `path` None: not wanted."""

    path: str | None
    left: int
    padding: int
    data: bytearray


class ArtifactReader:
    """Takes the stream as it comes and never holds more than one file and a block of it; for one thread.

    `allowed` are patterns as in holdpoint.toml: part by part, `**` for any number of folders, letter case counts.
    """

    def __init__(self, allowed: tuple[str, ...], limits: ArtifactLimits | None = None) -> None:
        self._allowed = allowed
        self._limits = limits or ArtifactLimits()
        self._raw = bytearray()
        self._open: _Open | None = None
        self._files: dict[str, str] = {}
        self._folders: set[str] = set()
        self._total = 0
        self._refusals = 0
        self._over = False

    def feed(self, data: bytes) -> tuple[Artifact | Refused, ...]:
        """What the next piece of the stream completed, in order."""
        if self._over:
            return ()
        self._raw += data
        found: list[Artifact | Refused] = []
        while not self._over and self._raw:
            if self._open is not None:
                found += self._content(self._open)
            elif len(self._raw) >= _BLOCK:
                block = bytes(self._raw[:_BLOCK])
                del self._raw[:_BLOCK]
                found += self._entry(block)
            else:
                break
        if self._over:
            self._raw.clear()
        return tuple(found)

    def end(self) -> tuple[Refused, ...]:
        """The stream is over: says so if that was too early."""
        if self._over:
            return ()
        self._over = True
        began = self._open is not None or self._raw or self._files or self._refusals
        path = self._open.path if self._open is not None else None
        name = visible_line(path, _LONGEST_SHOWN) if path is not None else "the archive"
        return (Refused(name=name, why="it broke off"),) if began else ()

    def _entry(self, block: bytes) -> tuple[Artifact | Refused, ...]:
        if not any(block):
            self._over = True
            return ()
        header = _parsed(block)
        if isinstance(header, str):
            return self._refuse("the archive", f"{header}; nothing after it was read", last=True)
        shown = visible_line(decoded(header.name), _LONGEST_SHOWN) or "(no name)"
        if header.kind not in (b"0", *_KINDS):
            return self._refuse(shown, "its header is of a kind that is not read; nor is what follows", last=True)
        if header.size > self._limits.file or self._total + header.size > self._limits.total:
            size = f"it has {header.size} bytes, at most {self._limits.file} and {self._limits.total} in all are taken"
            return self._refuse(shown, f"{size}; nothing after it was read", last=True)
        why = _KINDS.get(header.kind) or self._objection(header)
        padding = -header.size % _BLOCK
        if why:
            self._open = _Open(None, header.size, padding, bytearray()) if header.size else None
            return self._refuse(shown, why)
        path = header.name.decode()
        self._remember(path, header.size)
        self._open = _Open(path, header.size, padding, bytearray())
        return self._content(self._open)

    def _objection(self, header: _Header) -> str:
        """Why a regular file is not taken; empty when it is."""
        if header.target:
            return "it is a regular file that says where it links to"
        try:
            path = header.name.decode()
        except UnicodeDecodeError:
            return "its name is not UTF-8"
        fault = path_fault(path)
        if fault:
            return fault
        if not any(allows(pattern, path) for pattern in self._allowed):
            return "it is not on the list of [sandbox] artifacts"
        if len(self._files) >= self._limits.count:
            return f"{self._limits.count} files came before it"
        folded = fold(path)
        other = self._files.get(folded)
        if other is not None:
            return "it came before" if other == path else f"it differs from {visible_line(other, 80)} only in case"
        if folded in self._folders or any(folder in self._files for folder in _above(folded)):
            return "it is a file and a folder"
        return ""

    def _remember(self, path: str, size: int) -> None:
        folded = fold(path)
        self._files[folded] = path
        self._folders.update(_above(folded))
        self._total += size

    def _content(self, entry: _Open) -> tuple[Artifact, ...]:
        part = self._raw[: entry.left]
        del self._raw[: len(part)]
        entry.left -= len(part)
        if entry.path is not None:
            entry.data += part
        if not entry.left:
            cut = min(entry.padding, len(self._raw))
            del self._raw[:cut]
            entry.padding -= cut
        if entry.left or entry.padding:
            return ()
        self._open = None
        return () if entry.path is None else (Artifact(path=entry.path, data=bytes(entry.data)),)

    def _refuse(self, name: str, why: str, *, last: bool = False) -> tuple[Refused, ...]:
        self._refusals += 1
        if self._refusals >= self._limits.refusals and not last:
            last, why = True, f"{why}; so many were refused that nothing after it was read"
        self._over = self._over or last
        return (Refused(name=name, why=why),)


def _parsed(block: bytes) -> _Header | str:
    """A plain ustar header, or why this is none."""
    if block[257:265] != b"ustar\x0000":
        return "a header is not of the plain ustar form"
    checksum = _number(block[148:156])
    if checksum != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        return "a header's checksum is wrong"
    size = _number(block[124:136])
    if size is None:
        return "a header's size is no octal number"
    name, target, prefix = (_text(block[start:end]) for start, end in ((0, 100), (157, 257), (345, 500)))
    if name is None or target is None or prefix is None:
        return "a header's text goes on behind its end"
    return _Header(name=prefix + b"/" + name if prefix else name, kind=block[156:157], size=size, target=target)


def _number(field: bytes) -> int | None:
    found = _NUMBER.fullmatch(field)
    return int(found[1], 8) if found else None


def _text(field: bytes) -> bytes | None:
    text = field.rstrip(b"\0")
    return None if b"\0" in text else text


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
