"""What tinker tries, and in which order. This is the only file that tinker may rewrite."""

from collections.abc import Iterator
from typing import NamedTuple

from tinker.engine import Problem, Site

# (kind or role of a libcst node, text that replaces it); {self} is its text, other names are parts or placeholders.
RULES = (
    ("Comparison", "{left} < {right}"),
    ("Comparison", "{left} <= {right}"),
    ("Comparison", "not ({self})"),
    ("BinaryOperation", "{self} + 1"),
    ("Integer", "{number}"),
    ("Name", "{name}"),
    ("BinaryOperation", "{left} + {right}"),
    ("BinaryOperation", "{left} - {right}"),
    ("BinaryOperation", "{left} * {right}"),
    ("BooleanOperation", "{left} and {right}"),
    ("BooleanOperation", "{left} or {right}"),
    ("SimpleStatementLine", "{self}\n{statement}"),
    ("Call", "{func}({args1}, {args0})"),
    ("If.test", "{self} or not {name}"),
    ("SimpleStatementLine", "if not {name}:\n    return {number}\n{self}"),
    ("Return", "return {name}"),
    ("Slice", ":{name}"),
)

# A placeholder stands for each different text that nodes of one kind or role have in the function.
PLACEHOLDERS = {
    "name": "Name",
    "number": "Integer",
    "statement": "SimpleStatementLine",
}


class Edit(NamedTuple):
    """One candidate edit: what is known about it before it is tried."""

    rule: int  # its place in RULES
    turn: int  # how many edits of the same rule come before it
    line: int
    column: int
    depth: int  # of the node in the syntax tree
    size: int  # characters replaced
    growth: int  # characters added
    failing: int  # failing tests that run the line
    passing: int  # passing tests that run the line
    site: Site
    text: str


def priority(edit: Edit) -> tuple[int, ...]:
    """Edits with smaller keys are tried first."""
    return (edit.rule, edit.line, edit.column)


def search(problem: Problem) -> Iterator[str]:
    """Yields whole sources to try; the engine skips repeats and what does not parse, and keeps the budget."""
    edits = [
        Edit(
            rule, turn, site.line, site.column, site.depth, len(site.text), len(text) - len(site.text),
            problem.failing[site.line], problem.passing[site.line], site, text,
        )
        for rule, turn, site, text in problem.expand(RULES, PLACEHOLDERS)
    ]  # fmt: skip
    for edit in sorted(edits, key=priority):
        yield problem.apply(edit.site, edit.text)
