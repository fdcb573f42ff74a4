"""What a Python file holds that a rule may ask for: imports, uses, attributes, calls and strings; runs nothing."""

import ast
from collections.abc import Iterator
from typing import Literal, NamedTuple

from harness.patch.resolve import Resolver, chain

How = Literal["load", "store", "del", "import"]
_CTX: dict[type[ast.expr_context], How] = {ast.Load: "load", ast.Store: "store", ast.Del: "del"}


class Use(NamedTuple):
    """A resolved dotted name where it is read, bound or deleted; `borrowed`: reached through another module."""

    name: str
    line: int
    how: How
    borrowed: bool


class Attribute(NamedTuple):
    """An attribute's name, whatever it belongs to; also when `getattr` or `attrgetter` names it."""

    name: str
    line: int


class Call(NamedTuple):
    """A call, the names its function may have, and its node."""

    names: frozenset[str]
    node: ast.Call


class Text(NamedTuple):
    """A string or bytes value that is no docstring."""

    value: str
    line: int


class Source:
    """The facts of one parsed file."""

    def __init__(self, tree: ast.Module) -> None:
        self.nodes = list(ast.walk(tree))
        resolver = Resolver(tree, self.nodes)
        self.resolve, self.fold, self.borrowed = resolver.resolve, resolver.fold, resolver.borrowed
        self.imports = resolver.imports
        self.calls = [Call(self.resolve(n.func), n) for n in self.nodes if isinstance(n, ast.Call)]
        self.uses = list(self._uses())
        self.attributes = list(self._attributes())
        self.texts = list(self._texts())

    def _uses(self) -> Iterator[Use]:
        consumed: set[int] = set()
        for node in self.nodes:
            if not isinstance(node, ast.expr) or id(node) in consumed:
                continue
            names = self.resolve(node)
            if isinstance(node, ast.Subscript) and not names:
                # `X[...] = ...` changes X.
                how = _CTX[type(node.ctx)]
                if how != "load":
                    yield from (Use(n, node.lineno, how, self.borrowed(node)) for n in self.resolve(node.value))
                continue
            if names:
                consumed.update(map(id, chain(node)))
                how = _CTX[type(node.ctx)] if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else "load"
                if not (isinstance(node, ast.Name) and how != "load"):  # binding a local name touches nothing else
                    yield from (Use(n, node.lineno, how, self.borrowed(node)) for n in sorted(names))
        for each in self.imports:
            for name in each.names or (each.module,):
                yield Use(name, each.line, "import", self.borrowed(name))

    def _attributes(self) -> Iterator[Attribute]:
        for node in self.nodes:
            if isinstance(node, ast.Attribute):
                yield Attribute(node.attr, node.end_lineno or node.lineno)

    def _texts(self) -> Iterator[Text]:
        consumed = {id(node.value) for node in self.nodes if isinstance(node, ast.Expr)}
        for node in self.nodes:
            if not isinstance(node, ast.expr) or id(node) in consumed:
                continue
            value = self.fold(node)
            if value is not None:
                consumed.update(id(inner) for inner in ast.walk(node))
                yield Text(value, node.lineno)
