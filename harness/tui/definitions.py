"""Finds where names are defined, by Python's spelling alone: hostile text is searched, never parsed. Pure."""

import keyword
import re
from collections.abc import Iterator, Sequence

from harness.tui.rows import Row, row

_NAME = re.compile(r"[A-Za-z_]\w*")
_DEFINED = re.compile(r"\s*(?:async\s+)?(?:def|class)\s+([A-Za-z_]\w*)|([A-Za-z_]\w*)\s*(?::[^=]*)?=[^=]")
_LINES = 24  # of one definition
_MOST = 4  # definitions shown at a time


def names_in(line: str) -> tuple[str, ...]:
    """The names in a line of Python, each once, keywords left out."""
    return tuple(dict.fromkeys(name for name in _NAME.findall(line[:2000]) if not keyword.iskeyword(name)))


def definition_rows(line: str, texts: Sequence[tuple[str, Sequence[str]]]) -> tuple[Row, ...]:
    """The definitions of the line's names in these files, shortened; empty when there is none."""
    found = [rows for name in names_in(line) for rows in _definitions(name, line, texts)]
    return tuple(each for rows in found[:_MOST] for each in rows)


def _definitions(name: str, line: str, texts: Sequence[tuple[str, Sequence[str]]]) -> Iterator[tuple[Row, ...]]:
    for path, text in texts:
        for number, raw in enumerate(text):
            match = _DEFINED.match(raw[:400])
            if match and name in match.groups() and raw.strip() != line.strip():
                yield (row((f"{path}:{number + 1}", "head")), *_body(text, number), row(""))
                return


def _body(text: Sequence[str], start: int) -> Iterator[Row]:
    first = text[start]
    depth = len(first) - len(first.lstrip())
    for number in range(start, min(len(text), start + _LINES)):
        raw = text[number]
        if (
            number > start
            and raw.strip()
            and len(raw) - len(raw.lstrip()) <= depth
            and not raw.lstrip().startswith(")")
        ):
            return
        yield row((f"{number + 1:>5} ", "dim"), raw, indent=8)
    yield row(("      …", "dim"))
