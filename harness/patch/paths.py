"""Which paths a patch may name; pure text, touches no file system and knows no policy."""

import unicodedata

from harness.text import mark, visible_line

LONGEST = 400  # characters
LONGEST_NAME = 255  # bytes of one component, the limit of common file systems


def path_fault(path: str) -> str | None:
    """Why this is no plain relative path inside a repository, on any file system; None when it is one."""
    if not path:
        return "the path is empty"
    if len(path) > LONGEST:
        return f"the path has {len(path)} characters; at most {LONGEST} are allowed"
    if not path.isprintable() or any(mark(char) is not None for char in path):
        return "the path contains control or invisible characters; only printable ones are allowed"
    if not unicodedata.is_normalized("NFC", path):
        return "the path is not in Unicode normal form C"
    if path.startswith("-"):
        return "the path starts with '-'; programs would read it as an option"
    if "\\" in path or ":" in path:
        return "the path contains '\\' or ':'; folders are separated by '/'"
    if path.startswith("/"):
        return "the path is absolute; paths are relative to the top of the repository"
    for name in path.split("/"):
        fault = _name_fault(name)
        if fault:
            return fault
    return None


def _name_fault(name: str) -> str | None:
    if name in ("", ".", ".."):
        return f"the path has the component {name!r}; folders are named one by one, without '.' and '..'"
    if len(name.encode()) > LONGEST_NAME:
        return f"a component of the path is longer than {LONGEST_NAME} bytes"
    if name != name.rstrip(". ") or name != name.lstrip(" "):
        return "a component of the path begins with a space or ends with a space or a dot"
    folded = unicodedata.normalize("NFKC", name).casefold()
    # NTFS also reaches .git by its short name; git itself refuses both.
    if folded == ".git" or (folded.startswith("git~") and folded[4:].isdigit()):
        return f"the path enters git's own folder ({visible_line(name, 40)})"
    return None


def clashes(paths: list[str]) -> str | None:
    """Why these files cannot lie side by side (one is a folder of another, or only case differs), or None."""
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(path.casefold(), path)
        if other != path:
            return f"{visible_line(path, 80)} and {visible_line(other, 80)} differ only in case"
    for path in paths:
        parts = path.casefold().split("/")
        for depth in range(1, len(parts)):
            file = seen.get("/".join(parts[:depth]))
            if file is not None:
                return f"{visible_line(file, 80)} is a file and a folder of {visible_line(path, 80)}"
    return None
