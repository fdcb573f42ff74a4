"""A unified diff applied to the base's text; exact to the line, without fuzz, offsets, renames, modes or binaries.

Pure. Written here because no kept library applies a diff without guessing, and git would read configuration,
attributes and the index.
"""

import re
from collections.abc import Iterator

from harness.patch.build import LARGEST_DOCUMENT, Malformed, Read, as_text, assemble
from harness.patch.diff import lines
from harness.patch.paths import path_fault
from harness.records import Patch, Record
from harness.text import visible_line

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(?: .*)?", re.ASCII)
_ESCAPE = re.compile(rb'\\([abfnrtv"\\]|[0-7]{3})')
_PLAIN = {
    b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b'"': b'"',
    b"\\": b"\\",
}  # fmt: skip
_REFUSED = {
    "rename ": "a rename; give the file's whole text at its new path and delete the old one",
    "copy ": "a copy; give the new file's whole text",
    "similarity ": "a rename or copy; give the file's whole text at its new path",
    "dissimilarity ": "a rewrite marker; give plain hunks",
    "old mode ": "a change of file mode, which no proposal may make",
    "new mode ": "a change of file mode, which no proposal may make",
    "GIT binary patch": "a binary patch; only text is allowed",
    "Binary files ": "a binary file; only text is allowed",
}
_NOTHING = "/dev/null"
_REGULAR = "100644"


class _Fault(Exception):
    """Why the diff cannot be applied."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.found = Malformed(path=path, why=why)


class _Hunk(Record):
    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


class _FileDiff(Record):
    old: str | None
    new: str | None
    hunks: tuple[_Hunk, ...]


class _Lines:
    """The diff's lines and where reading stands."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        if self._lines[-1] == "":
            self._lines.pop()
        self.at = 0

    def peek(self) -> str | None:
        return self._lines[self.at] if self.at < len(self._lines) else None

    def take(self) -> str:
        self.at += 1
        return self._lines[self.at - 1]


def from_diff(diff: str | bytes, read: Read) -> Patch | Malformed:
    """The patch that a unified diff (git's or plain) makes of the base; every hunk must fit at its line exactly."""
    if len(diff) > LARGEST_DOCUMENT:
        return Malformed(path="", why=f"the diff is larger than {LARGEST_DOCUMENT} bytes")
    text = diff if isinstance(diff, str) else as_text(diff)
    if not isinstance(text, str):
        return Malformed(path="", why=f"the diff is not text: {text.why if text else ''}")
    try:
        return assemble(_after(text, read), read)
    except _Fault as fault:
        return fault.found
    except UnicodeEncodeError:
        return Malformed(path="", why="the diff contains half a surrogate pair, which UTF-8 cannot hold")


def _after(text: str, read: Read) -> dict[str, bytes | None]:
    """Each file of the diff as it is afterwards."""
    after: dict[str, bytes | None] = {}
    for file in _files(_Lines(text)):
        path = file.new if file.new is not None else file.old
        assert path is not None
        if path in after:
            raise _Fault(path, "the file is in the diff more than once")
        after[path] = _applied(path, file, read)
    if not after:
        raise _Fault("", "this is no unified diff: no '--- a/FILE' line was found")
    return after


def _files(source: _Lines) -> Iterator[_FileDiff]:
    """Each file's part; words before the first one (a mail's text) are skipped, words between them are not."""
    started = False
    while (line := source.peek()) is not None:
        if line.startswith("diff --git "):
            started = True
            yield _git_file(source)
        elif line.startswith("--- "):
            started = True
            old, new = _names(source, "")
            yield _FileDiff(old=old, new=new, hunks=tuple(_hunks(source, new or old or "")))
        elif line == "-- " and started:
            return  # the signature that `git format-patch` ends with
        elif line.strip() == "" or line.startswith("Index: ") or not started:
            source.take()
        else:
            raise _Fault("", f"line {source.at + 1} belongs to no file or hunk: {visible_line(line, 60)!r}")


def _git_file(source: _Lines) -> _FileDiff:
    number = source.at + 1
    path = _header_path(source.take(), number)
    created = deleted = False
    while (line := source.peek()) is not None and not line.startswith(("--- ", "diff --git ", "@@")):
        for start, word in _REFUSED.items():
            if line.startswith(start):
                raise _Fault(path or "", f"the diff holds {word}")
        if line.startswith(("new file mode ", "deleted file mode ")):
            created, deleted = line.startswith("new"), line.startswith("deleted")
            _regular(line.rstrip("\r").rsplit(" ", 1)[1], path or "")
        elif line.startswith("index "):
            mode = line.rstrip("\r").split(" ")[2:]
            if mode in (["120000"], ["160000"]):
                _regular(mode[0], path or "")
        elif line.strip() == "" or line == "-- ":
            break
        else:
            raise _Fault(path or "", f"line {source.at + 1} is no header of git's: {visible_line(line, 60)!r}")
        source.take()
    if line is None or not line.startswith("--- "):
        if path is None or not (created or deleted):
            raise _Fault(path or "", f"line {number} names a file, but nothing about it is changed")
        return _FileDiff(old=None if created else path, new=None if deleted else path, hunks=())
    old, new = _names(source, path or "")
    if path is None or {old, new} - {path, None} or created != (old is None) or deleted != (new is None):
        raise _Fault(path or new or old or "", "the header's lines disagree about the file's name or kind")
    return _FileDiff(old=old, new=new, hunks=tuple(_hunks(source, path)))


def _regular(mode: str, path: str) -> None:
    what = {"120000": "a symbolic link", "160000": "a submodule", "100755": "an executable file"}
    if mode != _REGULAR:
        raise _Fault(path, f"the diff makes {what.get(mode, f'a file of mode {mode}')}; only plain text files")


def _header_path(line: str, number: int) -> str | None:
    """The path of `diff --git a/X b/X`, whose halves are the same or the file is renamed."""
    rest = line.removeprefix("diff --git ").rstrip("\r")
    if rest.startswith('"'):
        halves = re.fullmatch(r'("(?:[^"\\]|\\.)*") ("(?:[^"\\]|\\.)*")', rest)
        names = [_unquoted(half) for half in halves.groups()] if halves else ["", " "]
    else:
        middle = len(rest) // 2
        names = [rest[:middle], rest[middle + 1 :]] if rest[middle : middle + 1] == " " else ["", " "]
    if not (names[0].startswith("a/") and names[1].startswith("b/") and names[0][2:] == names[1][2:]):
        raise _Fault("", f"line {number} names two files (a rename?): {visible_line(rest, 100)}")
    return _checked(names[0][2:])


def _names(source: _Lines, path: str) -> tuple[str | None, str | None]:
    """The files of the `---` and `+++` lines; None is the null device."""
    number = source.at + 1
    old_line = source.take()
    new_line = source.peek()
    if new_line is None or not new_line.startswith("+++ "):
        raise _Fault(path, f"line {number} begins a file, but no '+++' line follows it")
    source.take()
    old, new = _name(old_line[4:]), _name(new_line[4:])
    old_prefixed, new_prefixed = old in (_NOTHING,) or old.startswith("a/"), new in (_NOTHING,) or new.startswith("b/")
    if old_prefixed and new_prefixed:
        old, new = (name if name == _NOTHING else name[2:] for name in (old, new))
    if old == new == _NOTHING:
        raise _Fault(path, f"line {number} names no file on either side")
    if _NOTHING not in (old, new) and old != new:
        raise _Fault(new, f"the diff renames {visible_line(old, 80)}; give the whole text at the new path")
    return (
        None if old == _NOTHING else _checked(old),
        None if new == _NOTHING else _checked(new),
    )


def _name(text: str) -> str:
    text = text.rstrip("\r")
    if text.startswith('"'):
        return _unquoted(text.rstrip("\t"))
    return text.split("\t", 1)[0]  # a tab ends the name; a time may follow


def _unquoted(text: str) -> str:
    """git's C-style quoting of names with unusual characters."""
    inner = text[1:-1].encode()
    raw = _ESCAPE.sub(lambda found: _PLAIN.get(found[1]) or bytes([int(found[1], 8) & 0xFF]), inner)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _Fault("", f"the file name {visible_line(text, 80)} is not UTF-8") from None


def _checked(path: str) -> str:
    fault = path_fault(path)
    if fault:
        raise _Fault(path, fault)
    return path


def _hunks(source: _Lines, path: str) -> Iterator[_Hunk]:
    while (line := source.peek()) is not None and line.startswith("@@"):
        head = _HUNK.fullmatch(line.rstrip("\r"))
        if head is None:
            raise _Fault(path, f"line {source.at + 1} is no hunk header: {visible_line(line, 60)!r}")
        source.take()
        old_count, new_count = (int(head[group]) if head[group] else 1 for group in (2, 4))
        old, new = _body(source, path, old_count, new_count)
        start = int(head[1])
        # An empty range names the line before it.
        yield _Hunk(start=start if old_count == 0 else start - 1, old=tuple(old), new=tuple(new))


def _body(source: _Lines, path: str, old_count: int, new_count: int) -> tuple[list[str], list[str]]:
    old: list[str] = []
    new: list[str] = []
    number = source.at
    while len(old) < old_count or len(new) < new_count:
        line = source.peek()
        if line is None:
            raise _Fault(path, f"the hunk of line {number} ends before the counts in its header are reached")
        sign, text = line[:1] or " ", line[1:] + "\n"  # an empty line is context that lost its space
        if sign not in " -+":
            raise _Fault(path, f"line {source.at + 1} starts with {visible_line(sign)!r}; allowed: ' ', '-', '+'")
        source.take()
        bare = source.peek() is not None and str(source.peek()).startswith("\\ ")
        if bare:
            source.take()
            text = text[:-1]
        if sign in " -":
            old.append(text)
        if sign in " +":
            new.append(text)
    if len(old) != old_count or len(new) != new_count:
        raise _Fault(path, f"the hunk of line {number} has other counts than its header")
    return old, new


def _applied(path: str, file: _FileDiff, read: Read) -> bytes | None:
    base = as_text(read(path))
    if isinstance(base, Malformed):
        raise _Fault(path, f"the base's file cannot be edited as text: {base.why}")
    if file.old is None and base is not None:
        raise _Fault(path, "the diff creates the file, but the base has it")
    if file.old is not None and base is None:
        raise _Fault(path, "the diff edits the file, but the base does not have it")
    before = lines(base)
    after: list[str] = []
    at = 0
    for hunk in file.hunks:
        if hunk.start < at:
            raise _Fault(path, f"the hunk at line {hunk.start + 1} overlaps the one before it, or is out of order")
        _same(path, hunk, before)
        after += before[at : hunk.start]
        after += hunk.new
        at = hunk.start + len(hunk.old)
    after += before[at:]
    if any(not line.endswith("\n") for line in after[:-1]):
        raise _Fault(path, "the diff has '\\ No newline at end of file' before the file's last line")
    if file.new is None:
        if after:
            raise _Fault(path, "the diff deletes the file, but does not remove all of its lines")
        return None
    return "".join(after).encode()


def _same(path: str, hunk: _Hunk, before: list[str]) -> None:
    for offset, wanted in enumerate(hunk.old):
        number = hunk.start + offset
        found = before[number] if number < len(before) else None
        if found != wanted:
            shown = "the end of the file" if found is None else repr(visible_line(found, 60))
            raise _Fault(
                path,
                f"the diff does not fit the base at line {number + 1}: expected "
                f"{visible_line(wanted, 60)!r}, found {shown}",
            )
    if hunk.start > len(before):
        raise _Fault(path, f"the hunk begins at line {hunk.start + 1}, after the end of the file")
