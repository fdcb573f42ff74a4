"""The one canonical diff of a patch, and its counts; pure, and bounded in time for any input."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

from harness.records import FileEdit, Patch

CONTEXT = 3  # lines
# difflib alone is cubic for hostile input (40 s for 2,000 lines, measured). So lines that occur once on both sides
# anchor the diff first ("patience diff"), difflib sees only the small gaps between them, and this many steps of it
# are spent on one file; what is left over is shown as a whole replacement. All of that depends on the text alone.
_STEPS = 8_000_000
_DEPTH = 16  # anchors within anchors

Change = tuple[int, int, int, int]  # lines a0:a1 of the file before become lines b0:b1 of the file after


def unified(patch: Patch) -> str:
    """git's unified format, LF between lines, 3 lines of context; `from_diff` reads it back exactly."""
    return "".join("".join(_file(edit)) for edit in patch.edits)


def counts(patch: Patch) -> tuple[int, int]:
    """(added, removed) lines of the canonical diff."""
    added = removed = 0
    for edit in patch.edits:
        for a0, a1, b0, b1 in changes(lines(edit.before), lines(edit.after)):
            added, removed = added + b1 - b0, removed + a1 - a0
    return added, removed


def lines(text: str | None) -> list[str]:
    """The lines with their ends; only LF ends a line, as in git."""
    if not text:
        return []
    parts = text.split("\n")
    ended = [part + "\n" for part in parts[:-1]]
    return [*ended, parts[-1]] if parts[-1] else ended


def changes(before: list[str], after: list[str]) -> list[Change]:
    """The changed ranges, in order; what is not in a range is equal on both sides."""
    found: list[Change] = []
    steps = _STEPS
    blocks = [(0, len(before), 0, len(after), 0)]
    while blocks:
        a0, a1, b0, b1, depth = blocks.pop()
        a0, a1, b0, b1 = _trimmed(before, after, (a0, a1, b0, b1))
        if a0 == a1 or b0 == b1:
            found += [(a0, a1, b0, b1)] if (a0, b0) != (a1, b1) else []
            continue
        anchors = _anchors(before[a0:a1], after[b0:b1]) if depth < _DEPTH else []
        if anchors:
            starts = [(a0, b0)] + [(a0 + i + 1, b0 + j + 1) for i, j in anchors]
            ends = [(a0 + i, b0 + j) for i, j in anchors] + [(a1, b1)]
            inner = zip(starts, ends, strict=True)
            blocks += reversed([(s[0], e[0], s[1], e[1], depth + 1) for s, e in inner])
            continue
        cost = (a1 - a0) * (b1 - b0) * min(a1 - a0, b1 - b0)
        if cost > steps:
            found.append((a0, a1, b0, b1))
            continue
        steps -= cost
        matcher = SequenceMatcher(None, before[a0:a1], after[b0:b1], autojunk=False)
        found += [
            (a0 + i0, a0 + i1, b0 + j0, b0 + j1) for tag, i0, i1, j0, j1 in matcher.get_opcodes() if tag != "equal"
        ]
    return found


def _trimmed(before: list[str], after: list[str], block: Change) -> Change:
    """The block without the lines that are equal at its head and tail."""
    a0, a1, b0, b1 = block
    while a0 < a1 and b0 < b1 and before[a0] == after[b0]:
        a0, b0 = a0 + 1, b0 + 1
    while a0 < a1 and b0 < b1 and before[a1 - 1] == after[b1 - 1]:
        a1, b1 = a1 - 1, b1 - 1
    return a0, a1, b0, b1


def _anchors(a: list[str], b: list[str]) -> list[tuple[int, int]]:
    """The longest rising run of lines that occur exactly once on each side (patience sorting)."""
    once_a, once_b = _once(a), _once(b)
    pairs = [(i, once_b[line]) for line, i in once_a.items() if line in once_b]
    tops: list[int] = []  # the smallest last position of a rising run of each length
    ends: list[int] = []  # the pair that holds it
    previous: list[int] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(tops, j)
        tops[length : length + 1] = [j]
        ends[length : length + 1] = [number]
        previous.append(ends[length - 1] if length else -1)
    run: list[tuple[int, int]] = []
    at = ends[-1] if ends else -1
    while at >= 0:
        run.append(pairs[at])
        at = previous[at]
    return run[::-1]


def _once(part: list[str]) -> dict[str, int]:
    counted = Counter(part)
    return {line: place for place, line in enumerate(part) if counted[line] == 1}


def _file(edit: FileEdit) -> Iterator[str]:
    yield f"diff --git a/{edit.path} b/{edit.path}\n"
    if edit.before is None:
        yield "new file mode 100644\n"
    elif edit.after is None:
        yield "deleted file mode 100644\n"
    before, after = lines(edit.before), lines(edit.after)
    hunks = _hunks(changes(before, after))
    if hunks:
        # A tab ends a name that holds a space, as git writes it.
        end = "\t\n" if " " in edit.path else "\n"
        yield "--- /dev/null\n" if edit.before is None else f"--- a/{edit.path}{end}"
        yield "+++ /dev/null\n" if edit.after is None else f"+++ b/{edit.path}{end}"
    for hunk in hunks:
        yield from _hunk(hunk, before, after)


def _hunks(found: list[Change]) -> list[list[Change]]:
    """Changes whose contexts touch share a hunk."""
    hunks: list[list[Change]] = []
    for change in found:
        if hunks and change[0] - hunks[-1][-1][1] <= 2 * CONTEXT:
            hunks[-1].append(change)
        else:
            hunks.append([change])
    return hunks


def _hunk(hunk: list[Change], before: list[str], after: list[str]) -> Iterator[str]:
    first, last = hunk[0], hunk[-1]
    lead = min(CONTEXT, first[0])
    a0, b0 = first[0] - lead, first[2] - lead
    a1, b1 = min(len(before), last[1] + CONTEXT), min(len(after), last[3] + CONTEXT)
    yield f"@@ -{_range(a0, a1)} +{_range(b0, b1)} @@\n"
    at = a0
    for start, end, new_start, new_end in hunk:
        yield from _marked(" ", before[at:start])
        yield from _marked("-", before[start:end])
        yield from _marked("+", after[new_start:new_end])
        at = end
    yield from _marked(" ", before[at:a1])


def _range(start: int, end: int) -> str:
    count = end - start
    if count == 0:
        return f"{start},0"  # an empty range names the line before it
    return f"{start + 1}" if count == 1 else f"{start + 1},{count}"


def _marked(sign: str, part: list[str]) -> Iterator[str]:
    for line in part:
        yield sign + line if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"
