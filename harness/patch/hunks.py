"""A unified diff as numbered lines, files and hunks to walk through; display only, it applies nothing.

Hunk headers are believed for how many lines follow, so that a changed line such as `--- x` is no file header.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from harness.records import sha256

LineKind = Literal["file", "hunk", "context", "added", "removed", "note"]
# Git's names of the contents before and after; what they name is what is shown. Modes have lines of their own.
_INDEX = re.compile(r"index [0-9a-f]{7,64}\.\.[0-9a-f]{7,64}( 100644)?")
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of the diff, without its sign; numbers are those of the sides on which it exists."""

    kind: LineKind
    text: str
    old: int | None = None
    new: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Lines `start` to `end` (exclusive) of the diff: one file or one hunk, with its counts."""

    path: str
    start: int
    end: int
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Diff:
    """The whole diff; hunks lie within files, both in order."""

    lines: tuple[DiffLine, ...]
    files: tuple[Span, ...]
    hunks: tuple[Span, ...]

    @property
    def changed(self) -> int:
        """Lines added and removed."""
        return sum(span.added + span.removed for span in self.files)

    def hunk_at(self, line: int) -> int:
        """Index of the hunk that holds this line, or of the next one above it; -1 before the first."""
        return _last_before(self.hunks, line)

    def file_at(self, line: int) -> int:
        """Index of the file that holds this line; -1 before the first."""
        return _last_before(self.files, line)


def _last_before(spans: tuple[Span, ...], line: int) -> int:
    return bisect_right(spans, line, key=lambda span: span.start) - 1


class _Reader:
    """Collects lines while the diff is read top to bottom."""

    def __init__(self) -> None:
        self.lines: list[DiffLine] = []
        self.files: list[tuple[str, int]] = []
        self.hunks: list[int] = []
        self.old = self.new = self.old_left = self.new_left = 0
        self.minus = ""

    def within(self, raw: str) -> None:
        """A line that a hunk header announced."""
        sign, text = raw[:1], raw[1:]
        if sign == "+":
            self.lines.append(DiffLine("added", text, None, self.new))
        elif sign == "-":
            self.lines.append(DiffLine("removed", text, self.old, None))
        elif sign == "\\":
            self.lines.append(DiffLine("note", raw))
            return
        else:
            self.lines.append(DiffLine("context", text, self.old, self.new))
        self.old, self.old_left = (self.old, self.old_left) if sign == "+" else (self.old + 1, self.old_left - 1)
        self.new, self.new_left = (self.new, self.new_left) if sign == "-" else (self.new + 1, self.new_left - 1)

    def between(self, raw: str) -> None:
        """A line outside of all hunks: headers, and whatever else there is, which is shown too."""
        if not raw.startswith("+++ "):
            self.lone_minus()
        if match := HUNK.match(raw):
            self.old, self.new = int(match[1]), int(match[3])
            self.old_left, self.new_left = int(match[2] or "1"), int(match[4] or "1")
            self.hunks.append(len(self.lines))
            self.lines.append(DiffLine("hunk", raw))
        elif raw.startswith("--- "):
            self.minus = raw[4:]
        elif raw.startswith("+++ "):
            self.files.append((_path(self.minus, raw[4:]), len(self.lines)))
            self.lines.append(DiffLine("file", _heading(self.minus, raw[4:])))
            self.minus = ""
        elif raw and not _INDEX.fullmatch(raw):
            self.lines.append(DiffLine("note", raw))

    def lone_minus(self) -> None:
        """A `---` line that no `+++` followed is no header; it is shown."""
        if self.minus:
            self.lines.append(DiffLine("note", f"--- {self.minus}"))
            self.minus = ""


def _bare(header: str) -> str:
    path = header.split("\t", 1)[0]
    return path[2:] if path.startswith(("a/", "b/")) else path


def _path(minus: str, plus: str) -> str:
    return _bare(minus) if plus.startswith("/dev/null") else _bare(plus)


def _heading(minus: str, plus: str) -> str:
    if minus.startswith("/dev/null"):
        return f"{_bare(plus)} (new file)"
    if plus.startswith("/dev/null"):
        return f"{_bare(minus)} (deleted)"
    return _bare(plus)


@lru_cache(maxsize=8)
def read_diff(text: str) -> Diff:
    """The diff's lines, files and hunks. Never fails: what it does not know becomes a note line, and is shown."""
    reader = _Reader()
    for raw in text.removesuffix("\n").split("\n") if text else ():
        if reader.old_left > 0 or reader.new_left > 0 or raw.startswith("\\ "):
            reader.within(raw)
        else:
            reader.between(raw)
    reader.lone_minus()
    lines = tuple(reader.lines)
    starts = [start for _, start in reader.files]
    ends = [*starts[1:], len(lines)][: len(starts)]
    files = tuple(_span(lines, path, start, end) for (path, start), end in zip(reader.files, ends, strict=True))
    edges = sorted({*reader.hunks, *starts, len(lines)})
    hunks = tuple(
        _span(lines, _owner(files, start), start, edges[bisect_right(edges, start)]) for start in reader.hunks
    )
    return Diff(lines, files, hunks)


def _owner(files: tuple[Span, ...], line: int) -> str:
    index = _last_before(files, line)
    return files[index].path if index >= 0 else "?"


def _span(lines: tuple[DiffLine, ...], path: str, start: int, end: int) -> Span:
    kinds = [line.kind for line in lines[start:end]]
    return Span(path, start, end, kinds.count("added"), kinds.count("removed"))


def file_keys(diff: Diff) -> tuple[str, ...]:
    """A digest of each file's difference: it changes with the content, whatever the line numbers."""
    found = []
    for span in diff.files:
        lines = (f"{line.kind} {line.text}" for line in diff.lines[span.start : span.end] if line.kind != "hunk")
        found.append(sha256("\n".join((span.path, *lines)).encode(errors="surrogatepass")))
    return tuple(found)
