"""Which paths and ref names may reach git: pure checks, stricter than git's own; touches nothing."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from harness.errors import UsageError
from harness.text import visible_line

ZERO = "0" * 40
_ID = re.compile(r"[0-9a-f]{40}")
_REF_PART = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]+")
# What HFS+ ignores inside a name: `.g<U+200C>it` is `.git` there.
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def is_id(text: str) -> bool:
    """Whether the text is a full object id: 40 lower-case hex digits."""
    return _ID.fullmatch(text) is not None


def checked_id(text: str) -> str:
    """The object id itself, or UsageError."""
    if not is_id(text):
        raise UsageError(f"{visible_line(text, 80)!r} is not a full object id (40 hex digits).")
    return text


def branch_ref(name: str) -> str:
    """The full ref `refs/heads/NAME` of a branch given by name or full ref, or UsageError."""
    short = name.removeprefix("refs/heads/")
    parts = short.split("/")
    fine = (
        _REF_PART.fullmatch(short) is not None
        and not any(not part or part.startswith(".") or part.endswith((".lock", ".")) for part in parts)
        and not short.startswith("-")
        and short not in ("@", "HEAD")
        and ".." not in short
        and "@{" not in short
        and len(short) <= 200
    )
    if not fine:
        raise UsageError(f"{visible_line(name, 80)!r} cannot be the name of a branch.", "choose another name")
    return f"refs/heads/{short}"


def checked_path(path: str) -> str:
    """A path that may be written into a tree, or UsageError: relative, normal, nowhere near `.git`."""
    fault = _path_fault(path)
    if fault:
        raise UsageError(f"The path {visible_line(path, 120)!r} {fault}.", "use a plain relative path")
    return path


def _path_fault(path: str) -> str:
    if not path or len(path) > 400:
        return "is empty or longer than 400 characters"
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in path):
        return "contains a control character"
    if "\\" in path:
        return "contains a backslash"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return "is absolute or has an empty, '.' or '..' part"
        if part.startswith("-"):
            return "has a part that begins with '-'"
        if _is_dot_git(part):
            return "names git's own directory"
    return ""


def _is_dot_git(part: str) -> bool:
    # NTFS drops trailing dots and spaces and cuts at a stream's colon; git~1 is its short name for .git.
    folded = unicodedata.normalize("NFKC", _IGNORED.sub("", part)).casefold()
    base = folded.split(":", 1)[0].rstrip(". ")
    return base in (".git", "git~1")


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    out, i = "", 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out, i = out + "(?:.*/)?", i + 3
        elif pattern.startswith("**", i):
            out, i = out + ".*", i + 2
        elif pattern[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif pattern[i] == "?":
            out, i = out + "[^/]", i + 1
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    return re.compile(out, re.DOTALL)


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern names the path: exactly, as a directory above it, or as a glob (`*`, `**`, `?`)."""
    for pattern in patterns:
        plain = pattern.rstrip("/")
        if path == plain or path.startswith(plain + "/"):
            return True
        if ("*" in plain or "?" in plain) and _glob(plain).fullmatch(path):
            return True
    return False
