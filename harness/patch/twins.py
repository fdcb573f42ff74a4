"""Must-fail twins: a test file whose decisive assertions were made wrong: a pass shows forging. Runs nothing."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from harness.patch.syntax import parsed
from harness.patch.wrong import nothing_raised, swallows, wrong_statement
from harness.records import Record

_GUARD = 'assert False, "a correct implementation gets this far, and fails here"'


class Twin(Record):
    """The changed text. `tests`: qualified names (`TestA::test_b`) that must fail wherever the base's test passes.

    `weak`: those of them that fail only at their end, for want of an assertion that surely runs; they catch a forged
    outcome, not a forged comparison. `turns`: how many different twins `turn` can ask for.
    """

    text: str
    tests: tuple[str, ...]
    weak: tuple[str, ...] = ()
    turns: int = 1


class NoTwin(Record):
    """The file has no twin, and why."""

    why: str


@dataclass(frozen=True)
class _Spot:
    """A statement that can be made wrong; `sure`: it runs whenever the test passes, and its failure gets out."""

    old: cst.CSTNode
    new: cst.CSTNode | cst.FlattenSentinel[cst.BaseStatement]
    sure: bool


@dataclass(frozen=True)
class _Test:
    name: str
    node: cst.FunctionDef
    spots: tuple[_Spot, ...]
    returns: bool  # it may leave before its end

    @property
    def sure(self) -> list[_Spot]:
        return [spot for spot in self.spots if spot.sure]


def twin_of(text: str, turn: int = 0, only: Container[str] | None = None) -> Twin | NoTwin:
    """The twin of a test file: one assertion of each test is wrong, the last one first, others in later turns.

    Names, parameters and ids stay as they are. A test of which nobody can say that its twin must fail stays unchanged,
    and so does one whose qualified name is not among `only`.
    """
    try:
        parsed(text)  # first, for it refuses the nesting that ends libcst's parser and the process with it
        tree = cst.parse_module(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError, cst.ParserSyntaxError) as error:
        return NoTwin(why=f"it cannot be parsed ({type(error).__name__})")
    wanted = (test for test in _tests(tree.body, "") if only is None or test.name in only)
    tests = [test for test in wanted if test.sure or not test.returns]
    if not tests:
        return NoTwin(why="it holds no test whose twin would have to fail")
    chosen: dict[cst.CSTNode, _Spot] = {}
    guarded: dict[cst.CSTNode, None] = {}
    for test in tests:
        spots = test.sure or test.spots[-1:]
        if spots:
            spot = spots[-1 - turn % len(spots)]
            chosen[spot.old] = spot
        if not test.sure:
            guarded[test.node] = None
    changed = tree.visit(_Rewrite(chosen, guarded)).code
    return Twin(
        text=changed,
        tests=tuple(dict.fromkeys(test.name for test in tests)),
        weak=tuple(dict.fromkeys(test.name for test in tests if not test.sure)),
        turns=max(1, *(len(test.sure) for test in tests)),
    )


def _tests(body: Sequence[cst.CSTNode], prefix: str) -> Iterator[_Test]:
    """Every function that pytest could collect as a test: by name, in the module, its branches and its classes."""
    for node in body:
        match node:
            case cst.FunctionDef(name=cst.Name(value=name)) if name.startswith("test") and not _exempt(node):
                yield _Test(prefix + name, node, tuple(_spots(node.body, True)), _leaves(_before_end(node.body)))
            case cst.ClassDef(name=cst.Name(value=name)) if not _exempt(node):
                yield from _tests(node.body.body, f"{prefix}{name}::")
            case cst.If() | cst.Else() | cst.Try() | cst.With():
                yield from _tests(node.body.body, prefix)
                if isinstance(node, cst.If) and node.orelse is not None:
                    yield from _tests([node.orelse], prefix)


def _exempt(node: cst.FunctionDef | cst.ClassDef) -> bool:
    """Whether the base does not expect a pass, or collects something else than a plain function."""
    marks = "".join(cst.Module([]).code_for_node(decorator) for decorator in node.decorators)
    if any(word in marks for word in ("xfail", "expectedFailure", "fixture", "overload")):
        return True
    return isinstance(node, cst.FunctionDef) and _holds(node.body, cst.Yield)


def _spots(block: cst.BaseSuite, sure: bool) -> Iterator[_Spot]:
    """What can be made wrong in a block, in the order in which it would run."""
    for node in block.body:
        if isinstance(node, cst.BaseSmallStatement):
            yield from _small(node, sure)
        elif isinstance(node, cst.SimpleStatementLine):
            for small in node.body:
                yield from _small(small, sure)
        else:
            yield from _compound(node, sure)
        sure = sure and not _leaves(cst.IndentedBlock([node]) if isinstance(node, cst.BaseStatement) else block)


def _small(node: cst.BaseSmallStatement, sure: bool) -> Iterator[_Spot]:
    wrong = wrong_statement(node)
    if wrong is not None:
        yield _Spot(node, wrong, sure)


def _compound(node: cst.CSTNode, sure: bool) -> Iterator[_Spot]:
    match node:
        case cst.With():
            calm = nothing_raised(node)
            if calm is not None:
                yield _Spot(node, calm, sure)
            elif not swallows(node):
                yield from _spots(node.body, sure)
        case cst.For():
            yield from _spots(node.body, sure and _runs(node))
        case cst.Try(handlers=(), finalbody=final):
            yield from _spots(node.body, sure)
            if final is not None:
                yield from _spots(final.body, False)
        case cst.If() | cst.Else() | cst.While():
            yield from _spots(node.body, False)
            if node_else := getattr(node, "orelse", None):
                yield from _compound(node_else, False)


def _runs(loop: cst.For) -> bool:
    """Whether the loop's body surely runs, to its end: over a display that is not empty, with nothing that breaks."""
    match loop.iter:
        case cst.List(elements=elements) | cst.Tuple(elements=elements) | cst.Set(elements=elements):
            filled = any(isinstance(element, cst.Element) for element in elements)
        case cst.Call(func=cst.Name(value="range"), args=[cst.Arg(value=cst.Integer(value=count))]):
            filled = count != "0"
        case _:
            filled = False
    return filled and not _holds(loop.body, cst.Break) and not _holds(loop.body, cst.Continue)


def _leaves(block: cst.BaseSuite) -> bool:
    return _holds(block, cst.Return)


def _before_end(block: cst.BaseSuite) -> cst.BaseSuite:
    """The block without a `return` that is its last statement, for that one skips nothing."""
    if isinstance(block, cst.IndentedBlock) and block.body and _is_return(block.body[-1]):
        return block.with_changes(body=block.body[:-1])
    return block


def _is_return(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.SimpleStatementLine) and isinstance(node.body[0], cst.Return)


def _holds(node: cst.CSTNode, kind: type[cst.CSTNode]) -> bool:
    """Whether a node of the kind stands in the block itself, not in a function or class within it."""
    for child in node.children:
        if isinstance(child, kind):
            return True
        if not isinstance(child, cst.FunctionDef | cst.ClassDef | cst.Lambda) and _holds(child, kind):
            return True
    return False


class _Rewrite(cst.CSTTransformer):
    """Puts the wrong statements in place of the right ones, and a failing one at the end of guarded tests."""

    def __init__(self, chosen: dict[cst.CSTNode, _Spot], guarded: dict[cst.CSTNode, None]) -> None:
        super().__init__()
        self._chosen, self._guarded = chosen, guarded

    def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode):  # type: ignore[no-untyped-def]  # a union of libcst's own
        """As libcst asks for."""
        if original_node in self._chosen:
            return self._chosen[original_node].new
        if original_node in self._guarded and isinstance(updated_node, cst.FunctionDef):
            return updated_node.with_changes(body=_guarded(updated_node.body))
        return super().on_leave(original_node, updated_node)


def _guarded(body: cst.BaseSuite) -> cst.BaseSuite:
    guard = cst.parse_statement(_GUARD)
    if isinstance(body, cst.IndentedBlock):
        kept = _before_end(body).body
        return body.with_changes(body=(*kept, guard, *body.body[len(kept) :]))
    assert isinstance(body, cst.SimpleStatementSuite)
    assert isinstance(guard, cst.SimpleStatementLine)
    return body.with_changes(body=(*body.body, *guard.body))
