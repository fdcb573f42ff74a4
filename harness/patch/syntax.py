"""Parses Python source by the interpreter's own parser, one text at a time, whichever thread asks."""

import ast
import threading
import warnings
from typing import Any, Final

PARSING: Final = threading.Lock()
"""Held while anything parses. CPython 3.11 counts the depth of `ast.parse` for all threads together: where the garbage
collector runs Python code meanwhile, and so lets another thread parse, both fail with a SystemError."""


def parsed(source: str | bytes) -> ast.Module:
    """The tree of a file. SyntaxError, ValueError, RecursionError or MemoryError when there is none."""
    with PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def literal(text: str) -> Any:
    """The value of a number or a string as it is written. ValueError or SyntaxError when it is none."""
    with PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.literal_eval(text)
