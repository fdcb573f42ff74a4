"""One assertion made wrong, as syntax: what holds for a correct implementation no longer does; runs nothing.

An expected value is changed rather than a comparison negated where that can be done: a result that claims to be equal
to everything passes the former, and so shows itself.
"""

import math
from collections.abc import Mapping

import libcst as cst

from harness.patch.syntax import literal

_FLIPPED: tuple[tuple[type[cst.BaseCompOp], type[cst.BaseCompOp]], ...] = (
    (cst.NotEqual, cst.Equal),
    (cst.LessThan, cst.GreaterThanEqual),
    (cst.LessThanEqual, cst.GreaterThan),
    (cst.GreaterThan, cst.LessThanEqual),
    (cst.GreaterThanEqual, cst.LessThan),
    (cst.In, cst.NotIn),
    (cst.NotIn, cst.In),
    (cst.Is, cst.IsNot),
    (cst.IsNot, cst.Is),
)
_PAIRS = (
    ("assertTrue", "assertFalse"),
    ("assertNotEqual", "assertEqual"),
    ("assertAlmostEqual", "assertNotAlmostEqual"),
    ("assertIs", "assertIsNot"),
    ("assertIsNone", "assertIsNotNone"),
    ("assertIn", "assertNotIn"),
    ("assertIsInstance", "assertNotIsInstance"),
    ("assertGreater", "assertLessEqual"),
    ("assertLess", "assertGreaterEqual"),
    ("assertRegex", "assertNotRegex"),
)
_OPPOSITE: Mapping[str, str] = {
    **dict(_PAIRS),
    **{second: first for first, second in _PAIRS if first != "assertNotEqual"},
}
_EQUAL = frozenset(
    f"assert{kind}Equal" for kind in ("", "List", "Tuple", "Dict", "Set", "Sequence", "Count", "MultiLine")
) | {"assertEquals", "assert_equal", "eq_"}
_FUNCTIONS = frozenset({"raises", "assert_equal", "eq_"})  # without an object before them
_RAISES = frozenset({"raises", "assertRaises", "assertRaisesRegex"})
# Raised out of a test they end pytest, or make its outcome something else than a failure.
_NOT_A_FAILURE = ("KeyboardInterrupt", "BaseException", "skip", "Skip", "exit", "Exit", "xfail", "XFail")
_LITERAL = (cst.Integer, cst.Float, cst.SimpleString, cst.List, cst.Tuple, cst.Set, cst.Dict, cst.UnaryOperation)


def wrong_statement(node: cst.BaseSmallStatement) -> cst.BaseSmallStatement | None:
    """The statement with its claim made wrong, or None when it claims nothing that is understood here."""
    match node:
        case cst.Assert(test=claim):
            wrong = _wrong(claim)
            space = cst.SimpleWhitespace(" ")
            return node if wrong is None else node.with_changes(test=wrong, whitespace_after_assert=space)
        case cst.Expr(value=cst.Call(func=cst.Attribute(attr=cst.Name(value=name))) as call):
            wrong_call = _wrong_call(call, name)
            return None if wrong_call is None else node.with_changes(value=wrong_call)
        case cst.Expr(value=cst.Call(func=cst.Name(value=name)) as call) if name in _FUNCTIONS:
            wrong_call = _wrong_call(call, name)
            return None if wrong_call is None else node.with_changes(value=wrong_call)
        case _:
            return None


def nothing_raised(node: cst.With) -> cst.BaseStatement | None:
    """`with pytest.raises(E):` as a block that may raise nothing; None when no item of the statement expects that."""
    kept = [item for item in node.items if not _expects_raise(item)]
    if len(kept) == len(node.items) or any(_ends_otherwise(item) for item in node.items):
        return None
    if kept:
        last = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return node.with_changes(items=(*kept[:-1], last))
    if node.asynchronous is not None:
        return None
    return cst.If(test=cst.Name("True"), body=node.body, leading_lines=node.leading_lines)


def swallows(node: cst.With) -> bool:
    """Whether a failure inside may not get out, as far as names tell."""
    return any(_expects_raise(item) or "suppress" in _name(item) for item in node.items)


def _expects_raise(item: cst.WithItem) -> bool:
    return isinstance(item.item, cst.Call) and _name(item).rpartition(".")[2] in _RAISES


def _ends_otherwise(item: cst.WithItem) -> bool:
    return _expects_raise(item) and _unusual(item.item)


def _name(item: cst.WithItem) -> str:
    call = item.item
    return _code(call.func) if isinstance(call, cst.Call) else _code(call)


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


def _unusual(call: cst.BaseExpression) -> bool:
    """Whether what is expected to be raised would not be counted as a failure."""
    assert isinstance(call, cst.Call)
    first = _code(call.args[0].value) if call.args else "BaseException"
    return any(word in first for word in _NOT_A_FAILURE)


def _wrong(claim: cst.BaseExpression) -> cst.BaseExpression | None:
    match claim:
        case cst.UnaryOperation(operator=cst.Not(), expression=inner):
            return _bracketed(inner)
        case cst.Comparison(left=left, comparisons=[cst.ComparisonTarget(operator=cst.Equal()) as target]):
            if isinstance(left, _LITERAL) and not isinstance(target.comparator, _LITERAL):
                return claim.with_changes(left=_another(left))
            return claim.with_changes(comparisons=[target.with_changes(comparator=_another(target.comparator))])
        case cst.Comparison(comparisons=[target]):
            flipped = next(new for old, new in _FLIPPED if isinstance(target.operator, old))
            space = cst.SimpleWhitespace(" ")
            operator = flipped(whitespace_before=space, whitespace_after=space)  # type: ignore[call-arg]  # all have both
            return _bracketed(claim.with_changes(comparisons=[target.with_changes(operator=operator)]))
        case _:
            return cst.UnaryOperation(operator=cst.Not(), expression=_bracketed(claim))


def _bracketed(node: cst.BaseExpression) -> cst.BaseExpression:
    """In parentheses, so that neither precedence nor line ends matter."""
    if isinstance(node, cst.Tuple) or node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _another(node: cst.BaseExpression) -> cst.BaseExpression:
    """A value that is never equal to the given one; of the same type where the text says which."""
    match node:
        case cst.Integer():
            return cst.Integer(str(literal(node.value) + 1), lpar=node.lpar, rpar=node.rpar)
        case cst.Float() if math.isfinite(2 * literal(node.value) + 1):
            return cst.Float(repr(2 * literal(node.value) + 1), lpar=node.lpar, rpar=node.rpar)
        case cst.UnaryOperation(operator=cst.Minus(), expression=cst.Integer() as inner):
            return node.with_changes(expression=_another(inner))
        case cst.SimpleString():
            value = literal(node.value)  # not the node's own `evaluated_value`, which parses whoever else does
            longer = value + "~" if isinstance(value, str) else value + b"~"
            return cst.SimpleString(repr(longer), lpar=node.lpar, rpar=node.rpar)
        case cst.List(elements=elements) | cst.Set(elements=elements):
            return node.with_changes(elements=[*elements, cst.Element(cst.SimpleString('"~"'))])
        case cst.Tuple(elements=elements):
            more = cst.Element(cst.SimpleString('"~"'), comma=cst.Comma())
            return node.with_changes(elements=[*elements, more])
        case cst.Dict(elements=elements):
            pair = cst.DictElement(cst.SimpleString('"~"'), cst.Integer("0"))
            return node.with_changes(elements=[*elements, pair])
        case cst.Name(value="True" | "False" as value):
            return node.with_changes(value=str(value == "False"))
        case _:
            # No sequence: an array would compare itself with it element by element.
            return cst.Dict([cst.DictElement(cst.SimpleString('"another"'), node)])


def _wrong_call(call: cst.Call, name: str) -> cst.BaseExpression | None:
    """The call of an assertion method of `unittest`, or of `raises` with a function, made wrong."""
    if name in _RAISES:
        return _plain_call(call, regex=name == "assertRaisesRegex")
    if name in _OPPOSITE:
        assert isinstance(call.func, cst.Attribute)
        return call.with_changes(func=call.func.with_changes(attr=cst.Name(_OPPOSITE[name])))
    plain = all(not arg.star and arg.keyword is None for arg in call.args[:2])
    if name in _EQUAL and len(call.args) > 1 and plain:
        first, second, *rest = call.args
        if isinstance(first.value, _LITERAL) and not isinstance(second.value, _LITERAL):
            return call.with_changes(args=[first.with_changes(value=_another(first.value)), second, *rest])
        return call.with_changes(args=[first, second.with_changes(value=_another(second.value)), *rest])
    return None


def _plain_call(call: cst.Call, regex: bool = False) -> cst.BaseExpression | None:
    """`raises(E, f, x)` as `f(x)`."""
    skipped = 2 if regex else 1
    plain = [arg for arg in call.args if arg.star or arg.keyword is None]
    if len(plain) <= skipped or any(arg.star for arg in plain[: skipped + 1]) or _unusual(call):
        return None
    rest = call.args[skipped + 1 :]
    return cst.Call(func=_bracketed(call.args[skipped].value), args=rest)
