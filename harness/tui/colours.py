"""Syntax colours for the lines of a difference: whole files are lexed where they are known, else single hunks."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax

from harness.patch.hunks import Diff, Span
from harness.tui.layout import printable
from harness.tui.palette import Palette

Coloured = tuple[Segment, ...]
_LANGUAGES = {
    "py": "python", "pyi": "python", "toml": "toml", "json": "json", "md": "markdown", "yml": "yaml",
    "yaml": "yaml", "sh": "bash", "cfg": "ini", "ini": "ini",
}  # fmt: skip
_CHUNK = 20  # lines lexed together where only a hunk is known: small enough for one frame
_LONG = 600  # a longer line is shown without syntax colours, so that no lexer works on it
_ODD = re.compile(r"([^\x00-\x7f]+|<U\+[0-9A-F]{4,6}>)")


def no_rest() -> None:
    """For who waits for the colours."""


def highlighted(
    lines: Sequence[str], path: str, palette: Palette, rest: Callable[[], None] = no_rest
) -> list[Coloured]:
    """Printable lines in syntax colours, each with its odd characters set apart; plain where no lexer fits.

    `rest` is called every few lines, so that others can run where it works beside the screen.
    """
    language = _LANGUAGES.get(path.rpartition(".")[2].lower(), "")
    lexed: list[list[Segment]] = [[]]
    if lines and language and palette.code.colours and all(len(line) <= _LONG for line in lines):
        lexer = Syntax("", language).lexer
        for kind, text in lexer.get_tokens("\n".join(lines)) if lexer else ():
            style = palette.code.get_style_for_token(kind)
            for number, piece in enumerate(text.split("\n")):
                if number:
                    lexed.append([])
                    if len(lexed) % 4 == 0:
                        rest()
                last = lexed[-1]
                if last and piece and last[-1].style is style:  # fewer runs of text are faster all the way down
                    last[-1] = Segment(last[-1].text + piece, style)
                elif piece:
                    last.append(Segment(piece, style))
    return [_line(lexed[number] if number < len(lexed) else [], line, palette) for number, line in enumerate(lines)]


def _line(lexed: list[Segment], line: str, palette: Palette) -> Coloured:
    """What the lexer made of a line, unless it made another text of it."""
    if "".join(segment.text for segment in lexed) != line:
        lexed = [Segment(line, Style.null())] if line else []
    if line.isascii() and "<U+" not in line:
        return tuple(lexed)
    return tuple(piece for segment in lexed for piece in _odd(segment, palette))


def _odd(segment: Segment, palette: Palette) -> Iterator[Segment]:
    style = segment.style or Style.null()
    for number, piece in enumerate(_ODD.split(segment.text)):
        if piece:
            yield Segment(piece, style + palette.odd if number % 2 else style)


def with_spans(line: Coloured, spans: Sequence[tuple[int, int]], style: Style) -> list[Segment]:
    """The line with some spans of characters in a further style."""
    edges = sorted({edge for span in spans for edge in span})
    made: list[Segment] = []
    at = 0
    for segment in line:
        end = at + len(segment.text)
        cuts = [at, *(edge for edge in edges if at < edge < end), end]
        for start, stop in pairwise(cuts):
            inside = any(low <= start < high for low, high in spans)
            own = segment.style or Style.null()
            made.append(Segment(segment.text[start - at : stop - at], own + style if inside else own))
        at = end
    return made


def lex_chunk(diff: Diff, index: int, palette: Palette) -> dict[int, Coloured]:
    """The lines around one, each side lexed as a text of its own; a context line takes the new side's colours."""
    owner = diff.hunk_at(index)
    span = diff.hunks[owner] if owner >= 0 else Span("", index, index + 1, 0, 0)
    first = span.start + (index - span.start) // _CHUNK * _CHUNK
    chunk = range(first, max(min(first + _CHUNK, span.end), index + 1))
    found: dict[int, Coloured] = {}
    for kinds in (("removed", "context"), ("added", "context")):
        numbers = [number for number in chunk if diff.lines[number].kind in kinds]
        shown = [printable(diff.lines[number].text) for number in numbers]
        found.update(zip(numbers, highlighted(shown, span.path, palette), strict=True))
    return found


def lex_file(
    diff: Diff, file: Span, text: Sequence[str], palette: Palette, rest: Callable[[], None] = no_rest
) -> dict[int, Coloured]:
    """The lines of one file's hunks, lexed within both whole images, so that a string over many lines keeps its colour.

    The old image is the new one with the difference undone. Where they do not fit together, nothing is said.
    """
    lines = diff.lines[file.start : file.end]
    if any(line.new is not None and not _is(text, line.new, line.text) for line in lines):
        return {}
    made = highlighted([printable(line) for line in text], file.path, palette, rest)
    found = {
        number: made[line.new - 1]
        for number, line in enumerate(lines, file.start)
        if line.new is not None and line.new <= len(made)
    }
    old = _undone(diff, file, text)
    before = highlighted([printable(line) for line in old], file.path, palette, rest)
    for number, line in enumerate(lines, file.start):
        if line.kind == "removed" and line.old is not None and _is(old, line.old, line.text):
            found[number] = before[line.old - 1]
    return found


def _is(text: Sequence[str], number: int, line: str) -> bool:
    return number <= len(text) and text[number - 1] == line


def _undone(diff: Diff, file: Span, text: Sequence[str]) -> list[str]:
    old: list[str] = []
    at = 1
    for line in diff.lines[file.start : file.end]:
        if line.kind in ("context", "added") and line.new is not None:
            old += text[at - 1 : line.new - 1]
            at = line.new + 1
            old += [line.text] if line.kind == "context" else []
        elif line.kind == "removed" and line.old is not None:
            missing = line.old - 1 - len(old)
            old += text[at - 1 : at - 1 + missing]
            at += max(0, missing)
            old.append(line.text)
    return [*old, *text[at - 1 :]]
