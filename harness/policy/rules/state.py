"""Rules about what makes a later answer differ, or a comparison lie; they only tell a reader where to look."""

import ast
from collections.abc import Iterator

from harness.patch.names import Source
from harness.policy.rule import Names, Rule, Seen, words

_GROW = words("append add appendleft extend update setdefault insert")
_COUNTERS = words("itertools.count itertools.cycle")
_COMPARES = words("__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __instancecheck__ __subclasscheck__ __cmp__")
_PROTOCOL = words(
    "__class__ __reduce__ __reduce_ex__ __getstate__ __setstate__ __del__ __getattribute__ __mro_entries__ mro "
    "__set_name__ __init_subclass__"
)
_TABLE = 5  # entries from which a display of literals could be a table of answers
_BROAD = words("builtins.BaseException builtins.AssertionError builtins.GeneratorExit asyncio.CancelledError")
_ABOUT = {"__hash__": "builtins.hash", "__repr__": "builtins.id"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _module_state(source: Source) -> Iterator[Seen]:
    """What survives a call: globals that functions write or grow, counters, defaults and attributes used as memory."""
    for node in source.nodes:
        if isinstance(node, ast.Global):
            yield node.lineno, "global", f"writes the module's `{node.names[0]}` from a function"
    for call in source.calls:
        if call.names & _COUNTERS:
            yield call.node.lineno, "counter", "makes an endless counter"
        if isinstance(call.node.func, ast.Attribute) and call.node.func.attr == "cache_info":
            yield call.node.lineno, "cache_info", "reads how often a cache was asked"
    kept = _module_names(source)
    for function in (node for node in source.nodes if isinstance(node, _Function)):
        yield from _grown(function, kept)


def _module_names(source: Source) -> frozenset[str]:
    """Names that the module itself binds to a display, a call or a comprehension: what can change or be used up."""
    inner = {
        id(each)
        for node in source.nodes
        if isinstance(node, _Function | ast.ClassDef | ast.Lambda)
        for each in ast.walk(node)
    }
    changing = ast.List | ast.Dict | ast.Set | ast.Call | ast.GeneratorExp
    names = {
        target.id
        for node in source.nodes
        if isinstance(node, ast.Assign) and id(node) not in inner and isinstance(node.value, changing)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    functions = {node.name for node in source.nodes if isinstance(node, _Function) and id(node) in inner}
    return frozenset(names | functions)


def _grown(function: _Function, kept: frozenset[str]) -> Iterator[Seen]:
    defaults = {
        argument.arg
        for argument, value in zip(reversed(function.args.args), reversed(function.args.defaults), strict=False)
        if isinstance(value, ast.List | ast.Dict | ast.Set)
    }
    memory = kept | defaults
    for node in ast.walk(function):
        name = ""
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=found), attr=method)) if method in _GROW:
                name = found
            case ast.Call(func=ast.Name(id="next"), args=[ast.Name(id=found), *_]):
                name = found
            case ast.Subscript(value=ast.Name(id=found), ctx=ast.Store() | ast.Del()):
                name = found
            case ast.Attribute(value=ast.Name(id=found), ctx=ast.Store()) if found == function.name:
                yield node.lineno, f"state {found}", f"keeps something in an attribute of the function `{found}`"
        if name in memory:
            line = getattr(node, "lineno", function.lineno)
            yield line, f"state {name}", f"changes `{name}`, which outlives the call"


def _comparisons(source: Source) -> Iterator[Seen]:
    for node in source.nodes:
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                names = [each.name] if isinstance(each, _Function) else _assigned(each)
                for name in names:
                    if name in _COMPARES | _PROTOCOL:
                        yield each.lineno, name, f"defines `{name}`"
        elif isinstance(node, ast.keyword) and node.arg in ("eq", "unsafe_hash", "metaclass"):
            yield node.value.lineno, f"{node.arg}=", f"gives `{node.arg}=` to a class or its decorator"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _COMPARES:
            yield node.lineno, node.value, f"holds the name `{node.value}`"
    for call in source.calls:
        if "builtins.type" in call.names and len(call.node.args) == 1 and isinstance(call.node.func, ast.Call):
            yield call.node.lineno, "type()()", "builds something by calling a type that was asked for"


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _tables(source: Source) -> Iterator[Seen]:
    """Displays of literals with several entries: keys and answers side by side, or a list of known inputs."""
    for node in source.nodes:
        match node:
            case ast.Dict(keys=keys, values=values) if len(keys) >= _TABLE:
                if all(key is not None and _literal(key) for key in keys) and all(map(_literal, values)):
                    yield node.lineno, f"table {len(keys)}", f"holds a table of {len(keys)} literals"
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[ast.Tuple() | ast.Set() | ast.List() as known]):
                if len(known.elts) >= _TABLE - 2 and all(map(_literal, known.elts)):
                    yield node.lineno, f"one of {len(known.elts)}", f"asks for one of {len(known.elts)} literals"
            case ast.Call(func=ast.Attribute(value=ast.Dict(keys=[_, *_]), attr="get")):
                yield node.lineno, "table .get", "looks an answer up in a table written in place"


def _literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return False
    return True


def _swallowed(source: Source) -> Iterator[Seen]:
    for node in source.nodes:
        match node:
            case ast.ExceptHandler(type=None, body=body) if not _raises(body):
                yield node.lineno, "except:", "swallows whatever is raised"
            case ast.ExceptHandler(type=ast.expr() as kind, body=body) if not _raises(body):
                parts = kind.elts if isinstance(kind, ast.Tuple) else [kind]
                if any(source.resolve(part) & _BROAD for part in parts):
                    yield node.lineno, "except broad", "swallows what a caller or the interpreter raised"
            case ast.FunctionDef(name="__exit__") | ast.AsyncFunctionDef(name="__aexit__"):
                returns = [each for each in ast.walk(node) if isinstance(each, ast.Return)]
                if any(each.value is not None and not _false(each.value) for each in returns):
                    yield node.lineno, "__exit__", "may swallow an exception in `__exit__`"
            case ast.Try(finalbody=final) if any(isinstance(each, ast.Return) for each in final):
                yield node.lineno, "finally return", "returns from `finally`, which loses an exception"


def _places(source: Source) -> Iterator[Seen]:
    """hash() and id(), but for the methods that are about them."""
    own = {
        (id(each), name)
        for node in source.nodes
        if isinstance(node, _Function) and (name := _ABOUT.get(node.name))
        for each in ast.walk(node)
    }
    for call in source.calls:
        for name in call.names & frozenset(_ABOUT.values()):
            if (id(call.node), name) not in own:
                yield call.node.lineno, name, f"calls `{name.removeprefix('builtins.')}`"


def _raises(body: list[ast.stmt]) -> bool:
    return any(isinstance(each, ast.Raise) for statement in body for each in ast.walk(statement))


def _false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


STATE: tuple[Rule, ...] = (
    Rule(
        "module-state",
        "low",
        "so a later call may be answered otherwise",
        "state in an object of the caller's, or a reviewer's word",
        look=_module_state,
        valid=(
            "def f():\n    seen = []\n    seen.append(1)\n    return seen\n",
            "NAMES = ['a']\ndef f():\n    return NAMES[0]\n",
            "class A:\n    def f(self):\n        self.n = 1\n",
        ),
        invalid=(
            "n = 0\ndef f():\n    global n\n    n += 1\n",
            "import itertools\nids = itertools.count()\n",
            "seen = []\ndef f(x):\n    seen.append(x)\n",
            "memo = {}\ndef f(x):\n    memo[x] = 1\n",
            "left = (1 for _ in 'ab')\ndef f():\n    return next(left)\n",
            "def f(x, seen=[]):\n    seen.append(x)\n",
            "def f():\n    f.n = getattr(f, 'n', 0) + 1\n",
            "def f(g):\n    return g.cache_info().hits\n",
        ),
    ),
    Rule(
        "comparison-override",
        "low",
        "so an assertion about it asks this code",
        "what a dataclass gives, or a reviewer's word",
        look=_comparisons,
        valid=(
            "class A:\n    def equal(self, other):\n        return True\n",
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A:\n    x: int\n",
        ),
        invalid=(
            "class A:\n    def __eq__(self, other):\n        return self.x == other.x\n",
            "class A:\n    __hash__ = None\n",
            "class A(type):\n    def __instancecheck__(self, other):\n        return 1\n",
            "from dataclasses import dataclass\n@dataclass(eq=False)\nclass A:\n    x: int\n",
            "class A:\n    @property\n    def __class__(self):\n        return int\n",
            "class A:\n    def __reduce__(self):\n        return int, ()\n",
            "q = '__e' + 'q__'\nx = '__eq__'\n",
            "A = type(int)('A', (int,), {})\n" + "b = '__hash__'\n",
        ),
    ),
    Rule(
        "literal-table",
        "low",
        "which could be the answers to what the tests ask",
        "computing the answer, or a reviewer's word",
        look=_tables,
        valid=("x = {'a': 1, 'b': 2}\n", "ok = 'a' in ('a', 'b')\n", "x = [1, 2, 3, 4, 5, 6, 7]\n"),
        invalid=(
            "x = {1: 2, 3: 4, 5: 6, 7: 8, 9: 0}\n",
            "def f(x):\n    return x in ('a', 'b', 'c')\n",
            "def f(x):\n    return {1: 'a', 2: 'b'}.get(x)\n",
        ),
    ),
    Rule(
        "chance",
        "low",
        "so the same question may get two answers",
        "a generator or seed given as an argument, or a reviewer's word",
        names=Names(modules=words("random secrets"), uses=words("os.urandom uuid.uuid4")),
        look=_places,
        valid=(
            "def f(rng):\n    return rng.random()\n",
            "class A:\n    def __hash__(self):\n        return hash(self.x)\n",
        ),
        invalid=("import random\n", "from secrets import token_hex\n", "x = id(object()) % 8\n", "b = hash('a')\n"),
    ),
    Rule(
        "swallowed-exception",
        "low",
        "so a failure of the caller's own may be lost",
        "catching what is expected, and raising the rest again",
        look=_swallowed,
        valid=(
            "try:\n    x = 1\nexcept KeyError:\n    pass\n",
            "try:\n    x = 1\nexcept BaseException:\n    raise\n",
            "class A:\n    def __exit__(self, *a):\n        return False\n",
        ),
        invalid=(
            "try:\n    x = 1\nexcept:\n    pass\n",
            "try:\n    x = 1\nexcept (AssertionError, KeyError):\n    pass\n",
            "class A:\n    def __exit__(self, *a):\n        return True\n",
            "def f():\n    try:\n        return 1\n    finally:\n        return 2\n",
        ),
    ),
)
