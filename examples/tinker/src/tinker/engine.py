"""Tinker's fixed half: parsing, edit sites, templates, batches, budget, line protocol. It has no preference."""

import ast
import json
import re
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import accumulate, islice, product
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

BATCH, MOST_EDITS, MOST_TEXT = 32, 4_000, 400  # sources a message, edits a task, characters a replacement
PLACEHOLDER = re.compile(r"\{(\w+)\}")
LAYOUT = re.compile("white|lead|lines|trail|header|footer|comma|semi|.*colon|dot|equal|[lr](par|brac)")  # fields
names_of = cache(lambda kind: tuple(field.name for field in fields(kind) if not LAYOUT.match(field.name)))
Repair = Generator[dict[str, Any], Sequence[bool], dict[str, Any]]
warnings.simplefilter("ignore", SyntaxWarning)  # edits may well read oddly


@dataclass(frozen=True, slots=True)
class Site:
    """A node that an edit may replace. `role` is its place in its parent, as in `Return.value`."""

    kind: str
    role: str
    text: str
    parts: Mapping[str, str]
    start: int
    end: int
    line: int
    column: int
    depth: int
    indent: str
    nested: bool  # an expression within an expression: a replacement needs parentheses


def children(node: cst.CSTNode) -> Iterator[tuple[str, cst.CSTNode | None]]:
    """Named children in order; those of a sequence are numbered: `args0`, `args1`."""
    for name in names_of(type(node)):
        value = getattr(node, name)
        if isinstance(value, (list, tuple)):
            yield from ((f"{name}{index}", item) for index, item in enumerate(value))
        elif value is None or isinstance(value, cst.CSTNode):
            yield name, value


class Problem:
    """One buggy function as an index of sites, with what the judge said about its lines."""

    def __init__(self, source: str, facts: Mapping[str, Mapping[str, int]]) -> None:
        self.source = source
        counts = ({int(line): count for line, count in facts.get(side, {}).items()} for side in ("failing", "passing"))
        self.failing, self.passing = (defaultdict(int, count) for count in counts)
        self.sites: dict[str, list[Site]] = defaultdict(list)
        self._lines = source.splitlines(keepends=True)
        self._starts = [0, *accumulate(map(len, self._lines))]
        module = cst.parse_module(source)
        self._ranges = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
        self._index(module, None, "", 0)

    def _span(self, node: cst.CSTNode) -> tuple[int, int]:
        where = self._ranges[node]
        start, end = (self._starts[at.line - 1] + at.column for at in (where.start, where.end))
        text = self.source[start:end]
        return end - len(text.lstrip()), start + len(text.rstrip())

    def _text(self, node: cst.CSTNode | None, indent: str) -> str:
        """The node's source with its own parentheses, moved to the left margin."""
        if node is None or node not in self._ranges:
            return ""
        start, end = self._span(node)
        text = self.source[start:end].replace("\n" + indent, "\n")
        return f"({text})" if getattr(node, "lpar", ()) else text

    def _index(self, node: cst.CSTNode, parent: cst.CSTNode | None, name: str, depth: int) -> None:
        if parent is not None and node in self._ranges:
            (start, end), at = self._span(node), self._ranges[node].start
            indent = re.match(r"\s*", self._lines[at.line - 1])[0]  # type: ignore[index]
            parts = {"self": self.source[start:end].replace("\n" + indent, "\n")}
            for part, child in children(node):
                parts.setdefault(part, self._text(child, indent))
                if child and part == "comparisons0":  # the parts of a comparison's first target count as its own
                    for inner, grandchild in children(child):
                        parts.setdefault(inner.replace("comparator", "right"), self._text(grandchild, indent))
            kinds = (type(node).__name__, f"{type(parent).__name__}.{name.rstrip('0123456789')}")
            nested = all(isinstance(x, cst.BaseExpression | cst.ComparisonTarget) for x in (node, parent))
            site = Site(*kinds, parts["self"], parts, start, end, at.line, at.column, depth, indent, nested)
            for key in kinds:
                self.sites[key].append(site)
        for child_name, child in children(node):
            if child is not None:
                self._index(child, node, child_name, depth + 1)

    def expand(self, rules: Iterable[tuple[str, str]], names: dict[str, str]) -> Iterator[tuple[int, int, Site, str]]:
        """Every edit the rules allow: number of the rule, number of the edit within the rule, site, new text."""
        texts = {name: dict.fromkeys(site.text for site in self.sites.get(kind, ())) for name, kind in names.items()}

        def edits(kind: str, template: str) -> Iterator[tuple[Site, str]]:
            holes = dict.fromkeys(PLACEHOLDER.findall(template))
            for site in self.sites.get(kind, ()):
                free = [name for name in holes if name not in site.parts]
                for chosen in product(*(texts.get(name, ()) for name in free)):
                    text = fill(template, {**site.parts, **dict(zip(free, chosen, strict=True))})
                    if text != site.text and len(text) <= MOST_TEXT:
                        yield site, text

        numbered = ((number, enumerate(edits(*rule))) for number, rule in enumerate(rules))
        return islice(((rule, turn, *edit) for rule, turns in numbered for turn, edit in turns), MOST_EDITS)

    def apply(self, site: Site, text: str) -> str:
        """The whole source with one site replaced."""
        if site.nested and not text.isidentifier() and not text.isdigit():
            text = f"({text})"
        return self.source[: site.start] + text.replace("\n", "\n" + site.indent) + self.source[site.end :]


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with its placeholders replaced; text of several lines follows the indentation of its line."""

    def line(text: str) -> str:
        indent = "\n" + text[: len(text) - len(text.lstrip())]
        return PLACEHOLDER.sub(lambda found: values[found[1]].replace("\n", indent), text)

    return "\n".join(map(line, template.split("\n")))


def valid(source: str) -> bool:
    try:
        return bool(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def solve(body: Mapping[str, Any], search: Callable[[Problem], Iterable[str]]) -> Repair:
    """Yields messages to the judge and is sent its results; returns the last message. Each source is tried once."""
    source, left = body["source"], int(body["budget"])
    new = dict.fromkeys(islice(search(Problem(source, body["facts"])), MOST_EDITS))
    unseen = (text for text in new if text != source and valid(text))
    while batch := list(islice(unseen, min(BATCH, left))):
        results = yield {"type": "evaluate", "sources": batch}
        if True in results:
            return {"type": "answer", "source": batch[list(results).index(True)]}
        left -= len(batch)
    return {"type": "give_up"}


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """One JSON message in, one out, until the input ends."""
    while line := sys.stdin.readline():
        message = json.loads(line)
        print(json.dumps({"id": message["id"], "body": answer(message["body"])}), flush=True)
