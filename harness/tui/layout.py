"""How a difference is laid out: unified or side by side, folded, with more context, whitespace aside. Pure.

Nothing is left out in silence: what is folded says so, and lines that differ in whitespace alone are marked.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from harness.patch.hunks import HUNK, Diff, DiffLine
from harness.text import visible

Source = Callable[[str], Sequence[str] | None]  # path to the new file's lines
_TOKEN = re.compile(r"\w+|\s+|.", re.DOTALL)
_LONGEST = 600  # characters; and
_TOKENS = 100  # words and signs: a line with more gets no word marks, since comparing hostile ones is cubic
_ALIKE = 0.3  # below this share of common text, word marks would only be noise


@dataclass(frozen=True, slots=True)
class ViewRow:
    """One row of the view: a line of the old side, of the new one, or both; `old` and `new` are their indices.

    An index is -1 where there is no such line, or where it is not of the difference (further context). `split`: the
    row has two columns.
    """

    left: DiffLine | None
    right: DiffLine | None
    old: int = -1
    new: int = -1
    note: str = ""
    split: bool = False

    @property
    def main(self) -> DiffLine:
        """The line that stands for the row: the new side's where there is one."""
        found = self.right or self.left
        assert found is not None
        return found

    @property
    def line(self) -> int:
        """Index of the line that stands for the row; -1 for further context."""
        return self.new if self.new >= 0 else self.old

    @property
    def lines(self) -> tuple[int, ...]:
        """Indices into the difference that this row shows."""
        return tuple(index for index in {self.old, self.new} if index >= 0)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the reader asked for."""

    split: bool = False
    loose: bool = False
    context: int = 0
    folded: frozenset[int] = frozenset()


def printable(text: str) -> str:
    """A code line as shown: tabs as an arrow and room, every steering character as its mark."""
    return visible(text).replace("\n", "␊").replace("\t", "→   ")


def partners(diff: Diff) -> dict[int, int]:
    """For each removed line the added one that took its place, and the other way round; by position in the block."""
    found: dict[int, int] = {}
    for removed, added in _blocks(diff):
        for one, two in zip(removed, added, strict=False):
            found[one], found[two] = two, one
    return found


def _blocks(diff: Diff) -> Iterator[tuple[list[int], list[int]]]:
    removed: list[int] = []
    added: list[int] = []
    for number, line in enumerate(diff.lines):
        if line.kind == "removed" and not added:
            removed.append(number)
        elif line.kind == "added":
            added.append(number)
        elif line.kind != "note":
            if removed or added:
                yield removed, added
            removed, added = ([number], []) if line.kind == "removed" else ([], [])
    if removed or added:
        yield removed, added


def word_changes(before: str, after: str) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """The spans of two printable lines that differ; none when they are too long or have too little in common."""
    if max(len(before), len(after)) > _LONGEST:
        return (), ()
    one, two = _TOKEN.findall(before), _TOKEN.findall(after)
    if max(len(one), len(two)) > _TOKENS:
        return (), ()
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    blocks = matcher.get_matching_blocks()
    common = sum(len(token) for block in blocks for token in one[block.a : block.a + block.size] if token.strip())
    if common < _ALIKE * max(len(before.strip()), len(after.strip()), 1):
        return (), ()
    changes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return _spans(one, [(low, high) for _, low, high, _, _ in changes]), _spans(
        two, [(low, high) for _, _, _, low, high in changes]
    )


def _spans(tokens: list[str], ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token))
    return tuple((starts[low], starts[high]) for low, high in ranges if high > low)


def lay(diff: Diff, wanted: Layout, source: Source) -> tuple[ViewRow, ...]:
    """The rows of the view, from top to bottom."""
    pairs = partners(diff)
    rows: list[ViewRow] = []
    skipped: set[int] = set()
    ends = {span.end - 1 for span in diff.hunks} if wanted.context else set()
    starts = {span.start: index for index, span in enumerate(diff.files)}
    file = -1
    for number, line in enumerate(diff.lines):
        file = starts.get(number, file)
        if number in skipped or (file in wanted.folded and line.kind != "file"):
            continue
        if line.kind == "file":
            rows.append(ViewRow(None, line, new=number, note=_folded(diff, file) if file in wanted.folded else ""))
            continue
        if line.kind == "hunk":
            rows += _further(diff, number, wanted, source, after=False)
        rows += _placed(diff, number, wanted, pairs, skipped)
        if number in ends:
            rows += _further(diff, number, wanted, source, after=True)
    return tuple(rows)


def _folded(diff: Diff, file: int) -> str:
    span = diff.files[file]
    return f"folded: {span.added} lines added, {span.removed} removed"


def _placed(diff: Diff, number: int, wanted: Layout, pairs: dict[int, int], skipped: set[int]) -> Iterator[ViewRow]:
    line, other = diff.lines[number], pairs.get(number)
    if other is not None and other > number and wanted.loose and _same(line.text, diff.lines[other].text):
        skipped.add(other)
        yield ViewRow(line, diff.lines[other], number, other, note="whitespace only")
    elif line.kind == "removed":
        beside = other if wanted.split and other is not None else -1
        skipped.add(beside)
        yield ViewRow(line, diff.lines[beside] if beside >= 0 else None, number, beside, split=wanted.split)
    elif line.kind == "context" and wanted.split:
        yield ViewRow(line, line, number, number, split=True)
    else:
        yield ViewRow(None, line, new=number, split=wanted.split and line.kind == "added")


def _same(one: str, two: str) -> bool:
    return "".join(one.split()) == "".join(two.split())


def _further(diff: Diff, number: int, wanted: Layout, source: Source, *, after: bool) -> Iterator[ViewRow]:
    """Lines around a hunk that are not of the difference, from the file as it would stand."""
    here, count = diff.hunk_at(number), wanted.context
    if not count or here < 0:
        return
    hunk = diff.hunks[here]
    numbered = [line for line in diff.lines[hunk.start : hunk.end] if line.new is not None]
    text = source(hunk.path)
    if text is None or not numbered:
        return
    shift = _shift(diff.lines[hunk.start].text, last=after)
    first, last = numbered[0].new or 1, numbered[-1].new or 1
    around = range(last + 1, last + 1 + count) if after else range(first - count, first)
    low, high = _free(diff, here)
    for new in around:
        if low < new < high and 1 <= new <= len(text):
            line = DiffLine("context", text[new - 1], new - shift, new)
            yield ViewRow(line if wanted.split else None, line, split=wanted.split)


def _shift(heading: str, *, last: bool) -> int:
    """New line number minus old one, before or after a hunk, from its heading."""
    match = HUNK.match(heading)
    if match is None:
        return 0
    old, olds, new, news = int(match[1]), int(match[2] or "1"), int(match[3]), int(match[4] or "1")
    # A side without lines names the line before it.
    first = (new + (not news)) - (old + (not olds))
    return first + news - olds if last else first


def _free(diff: Diff, hunk: int) -> tuple[int, int]:
    """Line numbers of the neighbouring hunks' edges in the new file: further context does not run into them."""
    path = diff.hunks[hunk].path

    def edge(index: int, pick: int) -> int | None:
        if not 0 <= index < len(diff.hunks) or diff.hunks[index].path != path:
            return None
        span = diff.hunks[index]
        numbers = [line.new for line in diff.lines[span.start : span.end] if line.new is not None]
        return numbers[pick] if numbers else None

    before, after = edge(hunk - 1, -1), edge(hunk + 1, 0)
    return (0 if before is None else before), (1 << 30 if after is None else after)
