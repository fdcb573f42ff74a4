"""Which dotted names an expression may stand for: imports, aliases and the ways of spelling a name; runs nothing.

Built on the interpreter's own parser, so that what a rule sees is what would run (identifiers are normalised as
Python does it). Resolution takes no account of control flow: a name that is bound twice has both meanings.
"""

import ast
import builtins
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from harness.patch.fold import Folder

_BUILTINS = frozenset(dir(builtins)) | {"exit", "quit"}
_SAME = {"posix": "os", "nt": "os", "_io": "io", "_pyio": "io", "_signal": "signal", "_socket": "socket",
         "_pickle": "pickle", "_ctypes": "ctypes", "_posixsubprocess": "subprocess", "_imp": "importlib",
         "_frozen_importlib": "importlib", "_operator": "operator", "_datetime": "datetime"}  # fmt: skip
# Reached through another module (`logging.sys`), these are still themselves.
POWERFUL = frozenset(
    {"os", "sys", "builtins", "gc", "ctypes", "subprocess", "socket", "signal", "importlib", "inspect", "atexit",
     "threading", "_thread", "multiprocessing", "pickle", "marshal", "runpy", "shutil", "code", "pdb"}
)  # fmt: skip
_MODULE_GETTERS = frozenset(
    {"builtins.__import__", "importlib.import_module", "importlib.__import__", "sys.modules.get", "sys.modules.pop",
     "sys.modules.__getitem__"}
)  # fmt: skip
_NAMESPACE = ".globals()"  # the file's own; names of the own package start with a dot
_DEEPEST = 200  # links of one chain
_MOST = 64  # meanings of one name


class TooManyMeanings(Exception):
    """A name is bound to so many things that following it has no end; such a file is not checked but refused."""


class Import(NamedTuple):
    """One import: the dotted module, and with `from` the dotted names taken from it. Relative ones start with a dot."""

    module: str
    names: tuple[str, ...]
    line: int


def prefixes(name: str) -> Iterator[str]:
    """The dotted name and each of its parents, the longest first."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def canonical(name: str) -> tuple[str, bool]:
    """The name from the last powerful module in it on, and whether that module was reached through another one."""
    parts = name.split(".")
    parts[0] = _SAME.get(parts[0], parts[0])
    if parts[0] == "builtins" and "__self__" in parts:  # `len.__self__` is the module of the builtins
        return ".".join(["builtins", *parts[parts.index("__self__") + 1 :]]), True
    if parts[0] in sys.stdlib_module_names or parts[0] == "builtins":
        for place in range(len(parts) - 1, 0, -1):
            module = parts[place].lstrip("_") if parts[place] != "_thread" else "_thread"  # as in `random._os`
            if module in POWERFUL and module != parts[place - 1]:
                return ".".join([module, *parts[place + 1 :]]), True
    return ".".join(parts), False


class Resolver:
    """Resolves the expressions of one file; `imports` are its imports in order."""

    def __init__(self, tree: ast.Module, nodes: Sequence[ast.AST]) -> None:
        self._nodes = nodes
        self._known: dict[int, frozenset[str]] = {}
        self._borrowed: set[int | str] = set()  # expressions and imports that reach a powerful module through another
        self._bound: dict[str, set[str]] = defaultdict(set)
        self._definite: set[str] = set()
        self._stars: list[str] = []
        self.fold = Folder(self.resolve)
        self.imports = list(self._imports(_header(tree)))
        self._follow_assignments()

    def borrowed(self, node: ast.expr | str) -> bool:
        """Whether this expression (or imported name) reaches a powerful module through another one."""
        if isinstance(node, str):
            return node in self._borrowed
        return any(id(part) in self._borrowed for part in (node, *chain(node)))

    def resolve(self, node: ast.expr) -> frozenset[str]:
        """The dotted names this expression may stand for; empty when it is none that the file imports or builds in."""
        key = id(node)
        if key not in self._known:
            self._known[key] = frozenset()
            found: set[str] = set()
            for name in self._resolve(node):
                if name.count(".") < _DEEPEST:
                    full, borrowed = canonical(name)
                    found.add(full)
                    if borrowed:
                        self._borrowed.add(key)
            self._known[key] = frozenset(found)
        return self._known[key]

    def _resolve(self, node: ast.expr) -> Iterable[str]:
        match node:
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute(value=value, attr=attr):
                return [f"{base}.{attr}" for base in self.resolve(value)]
            case ast.NamedExpr(value=value):
                return self.resolve(value)
            case ast.IfExp(body=body, orelse=orelse):
                return self.resolve(body) | self.resolve(orelse)
            case ast.BoolOp(values=values):
                return [name for value in values for name in self.resolve(value)]
            case ast.Subscript(value=value, slice=index):
                return self._item(value, index)
            case ast.Call():
                return self._called(node)
            case _:
                return ()

    def _name(self, name: str) -> list[str]:
        found = list(self._bound.get(name, ()))
        if name in _BUILTINS and name not in self._definite:
            found.append(f"builtins.{name}")
        if name == "__builtins__":
            found.append("builtins")
        if not found:
            found = [f"{module}.{name}" for module in self._stars]
        return found

    def _item(self, value: ast.expr, index: ast.expr) -> list[str]:
        """`X.__dict__["a"]`, `vars(X)["a"]`, `sys.modules["m"]`, `globals()["a"]`, `__builtins__["a"]`."""
        key = self.fold(index)
        if key is None:
            return []
        found: list[str] = []
        for base in self.resolve(value):
            if base == "sys.modules":
                found.append(key)
            elif base == "builtins":
                found.append(f"builtins.{key}")
            elif base.endswith(".__dict__"):
                found.append(f"{base.removesuffix('.__dict__')}.{key}")
            elif base == _NAMESPACE:
                found += self._name(key)
        return found

    def _called(self, node: ast.Call) -> list[str]:
        """What `getattr`, `__import__`, `vars`, `attrgetter` and the like stand for, when they name it openly."""
        names = self.resolve(node.func)
        first = node.args[0] if node.args else None
        if first is None:
            return [_NAMESPACE] if names & {"builtins.globals", "builtins.locals", "builtins.vars"} else []
        if names & _MODULE_GETTERS:
            module = self.fold(first)
            return [module] if module else []
        if "builtins.vars" in names:
            return [f"{base}.__dict__" for base in self.resolve(first)]
        if "builtins.getattr" in names and len(node.args) > 1:
            attr = self.fold(node.args[1])
            return [f"{base}.{attr}" for base in self.resolve(first)] if attr else []
        getters = [n for n in names if n.endswith(".__getattribute__")]
        if getters:
            attr = self.fold(node.args[-1])
            bases = (
                self.resolve(first) if len(node.args) > 1 else {g.removesuffix(".__getattribute__") for g in getters}
            )
            return [f"{base}.{attr}" for base in bases] if attr else []
        if isinstance(node.func, ast.Call) and "operator.attrgetter" in self.resolve(node.func.func):
            attrs = [self.fold(argument) for argument in node.func.args]
            return [f"{base}.{attr}" for base in self.resolve(first) for attr in attrs if attr]
        return []

    def _imports(self, header: set[int]) -> Iterator[Import]:
        deleted = {n.id for n in self._nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Del)}
        for node in self._nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._bind(
                        alias.asname or alias.name.partition(".")[0], alias.name, alias.asname, id(node) in header
                    )
                    yield Import(canonical(alias.name)[0], (), node.lineno)
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                stem = module if module.endswith(".") else f"{module}."
                plain = [stem + alias.name for alias in node.names]
                taken = [(name, False) if node.level else canonical(name) for name in plain]
                for alias, (full, borrowed) in zip(node.names, taken, strict=True):
                    if alias.name == "*":
                        self._stars += [] if node.level else [module]
                        continue
                    self._bind(alias.asname or alias.name, full, full, id(node) in header)
                    if borrowed:
                        self._borrowed.add(full)
                root = module if node.level else canonical(module)[0]
                yield Import(root, tuple(name for name, _ in taken), node.lineno)
        self._definite -= deleted

    def _bind(self, local: str, full: str, alias: str | None, definite: bool) -> None:
        self._bound[local].add(full if alias else full.partition(".")[0])
        if definite:
            self._definite.add(local)

    def _follow_assignments(self) -> None:
        """`e = os._exit`, `a, b = os, sys`, `def f(x=os)`: the name then also stands for the other."""
        pairs = list(self._assignments())
        for _ in range(4):
            self._known.clear()
            self.fold = Folder(self.resolve)
            before = sum(map(len, self._bound.values()))
            for local, value in pairs:
                self._bound[local] |= {n for n in self.resolve(value) if n != _NAMESPACE}
                if len(self._bound[local]) > _MOST:
                    raise TooManyMeanings(local)
            if sum(map(len, self._bound.values())) == before:
                break
        self._known.clear()
        self.fold = Folder(self.resolve)

    def _assignments(self) -> Iterator[tuple[str, ast.expr]]:
        for node in self._nodes:
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        yield from _pairs(target, value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    yield name, value
                case ast.NamedExpr(target=ast.Name(id=name), value=value):
                    yield name, value
                case ast.arguments():
                    yield from _defaults(node)


def _header(tree: ast.Module) -> set[int]:
    """The imports before anything else: only these surely hide a builtin of the same name."""
    header: set[int] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            header.add(id(node))
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            break
    return header


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        for inner, each in zip(target.elts, value.elts, strict=False):
            if isinstance(inner, ast.Name):
                yield inner.id, each


def _defaults(node: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    positional = node.posonlyargs + node.args
    for argument, default in zip(reversed(positional), reversed(node.defaults), strict=False):
        yield argument.arg, default
    for argument, value in zip(node.kwonlyargs, node.kw_defaults, strict=True):
        if value is not None:
            yield argument.arg, value


def chain(node: ast.expr) -> Iterator[ast.expr]:
    """The parts that a resolved expression was resolved through; a function that was called is a use of its own."""
    while True:
        match node:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner):
                node = inner
            case ast.Call(args=[first, *_]):
                node = first
            case _:
                return
        yield node
