"""Path patterns compared part by part (`**` is any number of folders), never as prefixes of text; pure."""

import fnmatch
import functools
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath


def allows(pattern: str, path: str) -> bool:
    """Whether the pattern matches the whole path, exactly as written: for what a policy permits."""
    return _match(_compiled(pattern), PurePosixPath(path).parts)


def guards(pattern: str, path: str) -> bool:
    """Whether the pattern matches the path or a folder above it: for what a policy protects.

    In doubt it guards: letter case is ignored, and a pattern without a folder matches at any depth.
    """
    folded = fold(pattern.rstrip("/"))
    compiled = _compiled(folded if "/" in folded else f"**/{folded}")
    names = PurePosixPath(fold(path)).parts
    return any(_match(compiled, names[:depth]) for depth in range(1, len(names) + 1))


def first(patterns: Iterable[str], path: str) -> str | None:
    """The first pattern that guards the path."""
    return next((pattern for pattern in patterns if guards(pattern, path)), None)


def fold(path: str) -> str:
    """The path as a file system that ignores case would compare it."""
    return unicodedata.normalize("NFC", path.casefold())


@functools.lru_cache(maxsize=512)
def _compiled(pattern: str) -> tuple[re.Pattern[str] | None, ...]:
    """One expression a part; None stands for `**`."""
    return tuple(None if part == "**" else re.compile(fnmatch.translate(part)) for part in PurePosixPath(pattern).parts)


def _match(pattern: tuple[re.Pattern[str] | None, ...], names: tuple[str, ...]) -> bool:
    """Whether all names match; row by row, so that many `**` cost no more than few."""
    reached = {0}
    for part in pattern:
        if part is None:
            reached = set(range(min(reached), len(names) + 1)) if reached else set()
        else:
            reached = {place + 1 for place in reached if place < len(names) and part.match(names[place])}
    return len(names) in reached
