"""Checks a hash-locked requirement file before anything is fetched for it; resolves and fetches nothing."""

import re

from harness.errors import UsageError

_HASH = r"--hash=sha256:[0-9a-f]{64}"
_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[A-Za-z0-9._, -]*\])?"
_VERSION = r"\s*==\s*[A-Za-z0-9.!+_-]+"
_MARKER = r"(\s*;((?!--)[^@\\])*?)?"  # no address and no option hides in it
_LINE = re.compile(rf"{_NAME}{_VERSION}{_MARKER}(\s+{_HASH})+")
_ALLOWED = "name==version --hash=sha256:…"


def check_lock(lock: bytes, where: str) -> tuple[str, ...]:
    """The names that the file locks; `UsageError` for options, addresses, and lines without version or hash."""
    try:
        text = lock.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} is not UTF-8 text.", f"write lines of the form {_ALLOWED}") from error
    names = []
    for number, line in _logical_lines(text):
        found = _LINE.fullmatch(line)
        if found is None:
            raise UsageError(
                f"{where}, line {number}: found {line[:80]!r}, where only {_ALLOWED} is allowed.",
                f"lock it with `pip-compile --generate-hashes`, and remove options and addresses from {where}",
            )
        names.append(found["name"].lower())
    return tuple(names)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines without comments and blanks, continued ones joined, each with the number at which it begins."""
    found: list[tuple[int, str]] = []
    parts: list[str] = []
    begin = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if not parts:
            begin = number
        parts.append(line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            joined = " ".join(part for part in parts if part)
            if joined:
                found.append((begin, joined))
            parts = []
    joined = " ".join(part for part in parts if part)
    return [*found, (begin, joined)] if joined else found
