"""What one Python file defines and reaches, by name, to be compared; belongs in a bounded child: it may be hostile.

On the interpreter's own parser, as harness.patch.resolve, so that what is compared is what would run. Runs nothing.
"""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from harness.patch.names import Source
from harness.patch.resolve import prefixes
from harness.patch.syntax import parsed
from harness.records import CapabilityKind

_LONGEST = 120  # characters of one expression
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Dotted names as roots: `os.fork` stands for itself and everything below it.
REACH: dict[CapabilityKind, frozenset[str]] = {
    "process": _words(
        "subprocess os.system os.popen os.fork os.forkpty os.execv os.execve os.execl os.execle os.execlp os.execvp "
        "os.execvpe os.spawnl os.spawnv os.spawnve os.posix_spawn os.posix_spawnp os.kill os.killpg multiprocessing "
        "pty signal concurrent.futures.ProcessPoolExecutor asyncio.create_subprocess_exec "
        "asyncio.create_subprocess_shell"
    ),
    "network": _words(
        "socket ssl http.client http.server urllib.request ftplib smtplib imaplib poplib telnetlib xmlrpc socketserver "
        "asyncio.open_connection asyncio.start_server requests httpx aiohttp urllib3 websockets paramiko"
    ),
    "filesystem": _words(
        "builtins.open io.open codecs.open os.open os.remove os.unlink os.rename os.replace os.mkdir os.makedirs "
        "os.rmdir os.removedirs os.link os.symlink os.chmod os.chown os.truncate os.scandir os.listdir os.walk shutil "
        "tempfile glob mmap pathlib.Path pathlib.PosixPath"
    ),
    "eval": _words(
        "builtins.exec builtins.eval builtins.compile builtins.__import__ importlib runpy code codeop imp "
        "types.FunctionType types.CodeType types.ModuleType"
    ),
    "ctypes": _words("ctypes cffi _ctypes"),
    "pickle": _words("pickle marshal shelve dill cloudpickle copyreg jsonpickle yaml.load yaml.unsafe_load"),
    "introspection": _words(
        "inspect gc sys._getframe sys._current_frames sys.settrace sys.setprofile sys.monitoring sys.modules "
        "sys.meta_path sys.path_hooks builtins.globals builtins.locals builtins.vars atexit sys.addaudithook"
    ),
    "test configuration": _words("pytest _pytest unittest.mock hypothesis"),
}  # fmt: skip
_FILES = _words("write_text write_bytes read_text read_bytes unlink rmdir mkdir symlink_to hardlink_to")
_INNARDS = _words("__globals__ __subclasses__ __code__ f_back f_locals __closure__")
JUDGES = ("conftest.py", "pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", "pytest.toml", ".pytest.toml")


@dataclass(frozen=True)
class Facts:
    """One function, class or module body: what is compared. Counters hold texts or resolved names."""

    name: str
    line: int
    signature: str = ""
    defaults: tuple[tuple[str, str], ...] = ()
    decorators: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    raises: Counter[str] = field(default_factory=Counter)
    excepts: Counter[str] = field(default_factory=Counter)
    returns: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    unresolved: Counter[str] = field(default_factory=Counter)
    body: str = ""


@dataclass(frozen=True)
class FileFacts:
    """One file: its definitions by qualified name, and what it reaches, with the line of the first place."""

    defined: dict[str, Facts]
    reach: Counter[tuple[CapabilityKind, str]]
    places: dict[tuple[CapabilityKind, str], int]


def facts_of(text: str) -> FileFacts:
    """The facts of one file. SyntaxError, ValueError, RecursionError or MemoryError when it cannot be read."""
    tree = parsed(text)
    source = Source(tree)
    local = {node.name for node in ast.walk(tree) if isinstance(node, (*_FUNCTIONS, ast.ClassDef))}
    calls = {id(call.node): call.names for call in source.calls}
    found: dict[str, Facts] = {}
    for name, node in [("<module>", tree), *_definitions(tree, "")]:
        key = name if name not in found else f"{name}#{node.lineno if not isinstance(node, ast.Module) else 0}"
        found[key] = _facts(name, node, calls, local)
    reach: Counter[tuple[CapabilityKind, str]] = Counter()
    places: dict[tuple[CapabilityKind, str], int] = {}
    for kind, name, line in _reaches(source):
        reach[kind, name] += 1
        places.setdefault((kind, name), line)
    return FileFacts(found, reach, places)


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
            name = f"{prefix}{child.name}"
            yield name, child
            yield from _definitions(child, f"{name}.")
        else:
            yield from _definitions(child, prefix)


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a body without those of the functions and classes in it, whose decorators and defaults stay."""
    waiting = list(getattr(node, "body", ()))
    while waiting:
        here = waiting.pop()
        yield here
        if isinstance(here, _FUNCTIONS):
            waiting += [*here.decorator_list, *here.args.defaults, *(one for one in here.args.kw_defaults if one)]
        elif isinstance(here, ast.ClassDef):
            waiting += [*here.decorator_list, *here.bases, *(keyword.value for keyword in here.keywords)]
        else:
            waiting += ast.iter_child_nodes(here)


def _facts(name: str, node: ast.Module | Definition, calls: dict[int, frozenset[str]], local: set[str]) -> Facts:
    made: dict[str, Counter[str]] = {key: Counter() for key in ("raises", "excepts", "returns", "calls", "unresolved")}
    for each in own_nodes(node):
        for key, text in _said(each, calls, local):
            made[key][text] += 1
    whole = Facts(name, 1, **made)  # type: ignore[arg-type]  # the keys are those of the counters
    match node:
        case ast.Module():
            return whole
        case ast.ClassDef():
            named = tuple(map(short, [*node.bases, *(keyword.value for keyword in node.keywords)]))
            heads = replace(whole, bases=named)
        case _:
            signature, defaults = _signature(node)
            heads = replace(whole, signature=signature, defaults=defaults)
    body = ast.Module([one for one in node.body if not _is_docstring(one)], [])
    return replace(heads, line=node.lineno, decorators=tuple(map(short, node.decorator_list)), body=ast.dump(body))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The signature without the values of its defaults, and these by parameter."""
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    values = [*zip(reversed(positional), reversed(args.defaults), strict=False)][::-1]
    values += [(one, value) for one, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value is not None]
    having = {one.arg for one, _ in values}
    parts = [_parameter(one, having) for one in args.posonlyargs] + (["/"] if args.posonlyargs else [])
    parts += [_parameter(one, having) for one in args.args]
    parts += [f"*{_parameter(args.vararg, having)}"] if args.vararg else ["*"] if args.kwonlyargs else []
    parts += [_parameter(one, having) for one in args.kwonlyargs]
    parts += [f"**{_parameter(args.kwarg, having)}"] if args.kwarg else []
    kind = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    returns = f" -> {short(node.returns)}" if node.returns else ""
    return f"{kind}({', '.join(parts)}){returns}", tuple((one.arg, short(value)) for one, value in values)


def _parameter(one: ast.arg, having: set[str]) -> str:
    annotation = f": {short(one.annotation)}" if one.annotation else ""
    return f"{one.arg}{annotation}{'=…' if one.arg in having else ''}"


def short(node: ast.AST) -> str:
    """An expression as text, shortened."""
    text = ast.unparse(node)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _said(node: ast.AST, calls: dict[int, frozenset[str]], local: set[str]) -> Iterable[tuple[str, str]]:
    match node:
        case ast.Raise(exc=exc):
            yield "raises", "again" if exc is None else short(exc.func if isinstance(exc, ast.Call) else exc)
        case ast.ExceptHandler(type=kind, body=body):
            calm = all(isinstance(one, ast.Pass | ast.Continue) for one in body)
            yield "excepts", ("everything" if kind is None else short(kind)) + (", swallowed" if calm else "")
        case ast.Return(value=value):
            yield "returns", "None" if value is None else short(value)
        case ast.Yield() | ast.YieldFrom():
            yield "returns", short(node)
        case ast.Call(func=func):
            names = calls.get(id(node), frozenset())
            if names:
                yield from (("calls", name.removeprefix("builtins.")) for name in sorted(names))
            else:
                text = short(func)
                yield "calls", text
                if not _leads_somewhere(func, local):
                    yield "unresolved", text
        case _:
            return


def _leads_somewhere(func: ast.expr, local: set[str]) -> bool:
    """Whether a call that resolves to no import at least names a function or class of this file, or a method."""
    match func:
        case ast.Name(id=name):
            return name in local
        case ast.Attribute(value=ast.Name() | ast.Attribute() | ast.Constant() | ast.JoinedStr()):
            return True
        case _:
            return False


def _reaches(source: Source) -> Iterator[tuple[CapabilityKind, str, int]]:
    for use in source.uses:
        for kind, roots in REACH.items():
            if (root := next((name for name in prefixes(use.name) if name in roots), None)) is not None:
                yield kind, use.name if use.name.count(".") < 4 else root, use.line
    for attribute in source.attributes:
        if attribute.name in _FILES:
            yield "filesystem", f"….{attribute.name}", attribute.line
        elif attribute.name in _INNARDS:
            yield "introspection", f"….{attribute.name}", attribute.line
