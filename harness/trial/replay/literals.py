"""Collects the constants that two versions of a source compare and compute with; pure, imports none of it."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from harness.patch.syntax import parsed
from harness.records import Record

_LONGEST: Final = 200
_MOST: Final = 400
_UNREADABLE: Final = (SyntaxError, ValueError, RecursionError, MemoryError)


class Literals(Record):
    """Numbers and texts of both versions; `fresh` ones are in the candidate's source only, and come first."""

    ints: tuple[int, ...] = ()
    floats: tuple[float, ...] = ()
    texts: tuple[str, ...] = ()
    fresh: int = 0


def literals(base: Iterable[bytes], candidate: Iterable[bytes]) -> Literals:
    """What stands in Python source; what does not parse has none. Numbers come with their neighbours."""
    old, new = _constants(base), _constants(candidate)
    ordered = [*(value for value in new if value not in old), *old]
    fresh = sum(1 for value in new if value not in old)
    ints = [value for kind, value in ordered if kind == "int"]
    return Literals(
        ints=tuple(dict.fromkeys(near for value in ints for near in (value, value + 1, value - 1)))[:_MOST],
        floats=tuple(value for kind, value in ordered if kind == "float")[:_MOST],
        texts=tuple(value for kind, value in ordered if kind == "str")[:_MOST],
        fresh=fresh,
    )


def changed(base: Mapping[str, bytes], candidate: Mapping[str, bytes]) -> frozenset[str]:
    """Names of the functions, methods and classes whose source is not the same in both versions."""
    names: set[str] = set()
    for path in base.keys() | candidate.keys():
        old, new = _defined(base.get(path, b"")), _defined(candidate.get(path, b""))
        names |= {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return frozenset(names)


def _defined(source: bytes) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    try:
        tree = parsed(source)
    except _UNREADABLE:
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(node.name, set()).add(ast.dump(node))
    return found


def _constants(sources: Iterable[bytes]) -> dict[tuple[str, Any], None]:
    return {(type(value).__name__, value): None for source in sources for value in _in(source)}


def _in(source: bytes) -> Iterator[Any]:
    try:
        tree = parsed(source)
    except _UNREADABLE:
        return
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            docs |= {id(part) for part in ast.walk(node.value)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as value) if id(node) not in docs and 0 < len(value) <= _LONGEST:
                yield value
            case ast.Constant(value=bool()):
                continue
            case ast.Constant(value=int() as value) if abs(value) < 2**256:
                yield value
            case ast.Constant(value=float() as value) if value == value and abs(value) != float("inf"):
                yield value
