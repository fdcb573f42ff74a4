"""What a patch means, by name: changes of functions and classes, and reaches gained or lost."""

from typing import Literal

from harness.records.frozen import Record

ChangeKind = Literal[
    "added", "removed", "moved", "renamed", "signature", "defaults", "decorators", "bases", "raises", "excepts",
    "returns", "calls",
]  # fmt: skip

CapabilityKind = Literal[
    "process", "network", "filesystem", "eval", "ctypes", "pickle", "introspection", "test configuration"
]


class SemanticChange(Record):
    """What became of one function or class, or of the module's own code (`<module>`); texts are the candidate's.

    `before` and `after` are what is gone and what is new: a signature, exceptions, return values, calls.
    """

    path: str
    line: int
    name: str
    kind: ChangeKind
    before: str = ""
    after: str = ""


class CapabilityChange(Record):
    """A reach that the code gained, or lost (`gone`). `declared`: people allow its module to be imported."""

    kind: CapabilityKind
    name: str
    path: str
    line: int
    gone: bool = False
    declared: bool = False


class Semantic(Record):
    """What a patch means, by name, with imports and aliases followed; `files` Python files were compared.

    `unresolved` are new calls of which nobody can say where they lead, `faults` files that could not be read, `more`
    counts what was left out for want of room: what is not known is said.
    """

    files: int = 0
    changes: tuple[SemanticChange, ...] = ()
    capabilities: tuple[CapabilityChange, ...] = ()
    unresolved: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    more: int = 0
