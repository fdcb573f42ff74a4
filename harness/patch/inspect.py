"""Parses and searches one edited Python file; belongs in a bounded child, for its input is hostile."""

import ast
import codecs
import io
import tokenize
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from harness.patch.names import Source
from harness.patch.resolve import TooManyMeanings
from harness.records import Record

_UTF8 = frozenset({"utf-8", "utf-8-sig", "ascii"})
_BOM = "\ufeff"


class Hit(Record):
    """A rule found something: `key` names it independently of place and spelling, `message` tells a person."""

    rule: str
    line: int
    key: str
    message: str


class ImportSeen(Record):
    """One import of the file: the dotted module, the dotted names taken from it, the line."""

    module: str
    names: tuple[str, ...]
    line: int


class FileReport(Record):
    """What is true of one file after the edit. `fault`: which check stopped the rest, with `line` and `why`."""

    path: str
    fault: Literal["", "encoding", "parse", "round-trip"] = ""
    line: int = 0
    why: str = ""
    hits: tuple[Hit, ...] = ()
    imports: tuple[ImportSeen, ...] = ()
    imported_before: tuple[str, ...] = ()


Find = Callable[[Source], Iterable[Hit]]


class _Fault(Exception):
    def __init__(self, kind: Literal["encoding", "parse"], line: int, why: str) -> None:
        super().__init__(why)
        self.kind, self.line, self.why = kind, line, why


def inspect_file(path: str, before: str | None, after: str, rules: Sequence[Find]) -> FileReport:
    """The file's faults, the hits that the base does not have already, and its imports before and after."""
    try:
        source = _parsed(after)
        round_trip = _round_trips(after)
    except _Fault as fault:
        return FileReport(path=path, fault=fault.kind, line=fault.line, why=fault.why)
    old = _base(before)
    if not round_trip and _base_round_trips(before):
        return FileReport(path=path, fault="round-trip", why="the file's syntax tree does not give back the same text")
    known = Counter((hit.rule, hit.key) for rule in rules for hit in rule(old)) if old else Counter()
    return FileReport(
        path=path,
        hits=tuple(_new(known, [hit for rule in rules for hit in rule(source)])),
        imports=tuple(ImportSeen(module=i.module, names=i.names, line=i.line) for i in source.imports),
        imported_before=imported(old) if old else (),
    )


def imported(source: Source) -> tuple[str, ...]:
    """Every dotted module and name that the file imports."""
    return tuple(sorted({name for each in source.imports for name in (each.module, *each.names)}))


def imports_of(text: str) -> tuple[str, ...]:
    """As `imported`, for a file of the base; one that does not parse imports nothing."""
    source = _base(text)
    return imported(source) if source else ()


def _new(known: Counter[tuple[str, str]], hits: list[Hit]) -> Iterable[Hit]:
    """Hits beyond those of the base: as many of each kind as there were before are no news."""
    left = Counter(known)
    seen: set[tuple[str, str, int]] = set()
    for hit in sorted(hits, key=lambda each: (each.line, each.rule, each.key)):
        if left[hit.rule, hit.key] > 0:
            left[hit.rule, hit.key] -= 1
        elif (hit.rule, hit.key, hit.line) not in seen:
            seen.add((hit.rule, hit.key, hit.line))
            yield hit


def _base_round_trips(text: str | None) -> bool:
    """Whether a new failure to round-trip is the edit's fault; a base that fails too excuses it."""
    try:
        return text is None or _round_trips(text)
    except _Fault:
        return True


def _base(text: str | None) -> Source | None:
    try:
        return None if text is None else _parsed(text)
    except _Fault:
        return None


def _parsed(text: str) -> Source:
    """The file as Python itself reads it from disk: declared encoding, grammar, and the compiler's own checks."""
    data = text.encode()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        name = codecs.lookup(encoding).name
    except (SyntaxError, LookupError) as error:
        raise _Fault("encoding", 1, f"its declared encoding is unknown or wrong ({error})") from error
    if name not in _UTF8:
        raise _Fault("encoding", 1, f"it declares the encoding {name}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = compile(data, "<candidate>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
            compile(data, "<candidate>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise _Fault("parse", error.lineno or 0, f"Python cannot compile it: {error.msg}") from error
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        what = str(error) or "it is nested too deeply"
        raise _Fault("parse", 0, f"Python cannot compile it: {what}") from error
    assert isinstance(tree, ast.Module)
    try:
        return Source(tree)
    except RecursionError as error:
        raise _Fault("parse", 0, "it is nested too deeply to be checked") from error
    except TooManyMeanings as error:
        raise _Fault("parse", 0, f"the name {error} is bound to too many things to be checked") from error


def _round_trips(text: str) -> bool:
    body = text.removeprefix(_BOM)
    import libcst  # a tenth of a second: only the bounded child, which parses, pays for it

    try:
        return libcst.parse_module(body).code == body
    except libcst.ParserSyntaxError as error:
        raise _Fault("parse", error.raw_line, f"libcst cannot parse it: {error.message}") from error
    except (libcst.CSTValidationError, RecursionError) as error:
        what = str(error) or "it is nested too deeply"
        raise _Fault("parse", 0, f"libcst cannot parse it: {what}") from error
