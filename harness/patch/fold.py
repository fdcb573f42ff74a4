"""The value of a string expression that is constant in effect, so that a spelled-out name cannot hide; runs nothing."""

import ast
import base64
import binascii
import codecs
from collections.abc import Callable

_LONGEST = 65_536  # characters; what grows past this is not folded
Resolve = Callable[[ast.expr], frozenset[str]]
_METHODS = frozenset(
    {"lower", "upper", "strip", "lstrip", "rstrip", "replace", "removeprefix", "removesuffix", "title"}
)
_DECODERS = frozenset({"codecs.decode", "codecs.encode"})
_HEX = frozenset({"builtins.bytes.fromhex", "builtins.bytearray.fromhex", "binascii.unhexlify", "bytes.fromhex"})
_BASE64 = frozenset({"base64.b64decode", "base64.standard_b64decode", "base64.urlsafe_b64decode"})


class Folder:
    """Folds expressions of one file; bytes are read as Latin-1."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._known: dict[int, str | None] = {}

    def __call__(self, node: ast.expr) -> str | None:
        """The string this expression always has, or None when that is not known."""
        key = id(node)
        if key not in self._known:
            self._known[key] = None  # a cycle or a deeper fault folds to nothing
            value = self._fold(node)
            self._known[key] = value if value is None or len(value) <= _LONGEST else None
        return self._known[key]

    def _fold(self, node: ast.expr) -> str | None:
        match node:
            case ast.Constant(value=str() as text):
                return text
            case ast.Constant(value=bytes() as data):
                return data.decode("latin-1")
            case ast.JoinedStr(values=parts):
                return self._joined("", parts)
            case ast.FormattedValue(value=inner, format_spec=None):
                return self(inner)
            case ast.BinOp():
                return self._operation(node)
            case ast.Subscript(value=inner, slice=ast.Slice(lower=None, upper=None, step=ast.UnaryOp())):
                value = self(inner)
                return value[::-1] if value is not None else None
            case ast.Call():
                return self._call(node)
            case _:
                return None

    def _operation(self, node: ast.BinOp) -> str | None:
        left = self(node.left)
        if left is None:
            return None
        match node.op:
            case ast.Add():
                right = self(node.right)
                return None if right is None else left + right
            case ast.Mod():
                parts = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
                values = [self(part) for part in parts]
                known = [value for value in values if value is not None]
                if len(known) != len(values):
                    return None
                try:
                    return left % tuple(known)
                except (TypeError, ValueError, OverflowError, MemoryError):
                    return None
            case _:
                return None

    def _joined(self, separator: str, parts: list[ast.expr]) -> str | None:
        values = [self(part) for part in parts]
        known = [value for value in values if value is not None]
        return separator.join(known) if len(known) == len(values) else None

    def _call(self, node: ast.Call) -> str | None:
        if node.keywords:
            return None
        if isinstance(node.func, ast.Attribute):
            text = self(node.func.value)
            if text is not None:
                return self._method(text, node.func.attr, node.args)
        names = self._resolve(node.func)
        if names & {"builtins.chr"} and len(node.args) == 1:
            return _characters(node.args)
        if names & {"builtins.bytes", "builtins.bytearray"} and len(node.args) == 1:
            return (
                _characters(node.args[0].elts) if isinstance(node.args[0], ast.List | ast.Tuple) else self(node.args[0])
            )
        if names & {"builtins.str", "builtins.reversed"} and node.args:
            text = self(node.args[0])
            return text[::-1] if text is not None and "builtins.reversed" in names else text
        return self._decoded(names, node.args)

    def _method(self, text: str, method: str, arguments: list[ast.expr]) -> str | None:
        if method == "join" and len(arguments) == 1:
            return self._join(text, arguments[0])
        if method in ("decode", "encode"):
            return text
        values = [self(argument) for argument in arguments]
        known = [value for value in values if value is not None]
        if len(known) != len(values) or method not in (*_METHODS, "format") or len(text) > 1000:
            return None
        try:
            result = text.format(*known) if method == "format" else getattr(text, method)(*known)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError, MemoryError):
            return None
        return result if isinstance(result, str) else None

    def _join(self, separator: str, argument: ast.expr) -> str | None:
        if isinstance(argument, ast.List | ast.Tuple):
            return self._joined(separator, argument.elts)
        if (
            isinstance(argument, ast.Call)
            and len(argument.args) == 2
            and "builtins.map" in self._resolve(argument.func)
        ):
            function, numbers = argument.args
            if "builtins.chr" in self._resolve(function) and isinstance(numbers, ast.List | ast.Tuple):
                return _characters(numbers.elts)
        text = self(argument)
        return separator.join(text) if text is not None else None

    def _decoded(self, names: frozenset[str], arguments: list[ast.expr]) -> str | None:
        text = self(arguments[0]) if arguments else None
        if text is None:
            return None
        try:
            if names & _HEX:
                return binascii.unhexlify(text.replace(" ", "")).decode("latin-1")
            if names & _BASE64:
                return base64.b64decode(text).decode("latin-1")
            if names & _DECODERS and len(arguments) > 1 and (self(arguments[1]) or "").replace("_", "") == "rot13":
                return codecs.decode(text, "rot13")
        except ValueError:
            return None
        return None


def _characters(nodes: list[ast.expr]) -> str | None:
    codes = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, int)]
    if len(codes) != len(nodes) or not all(0 <= code < 0x110000 for code in codes):
        return None
    return "".join(map(chr, codes))
