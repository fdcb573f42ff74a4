"""What a worker answered to call scripts, as records free of handles; asks and compares nothing."""

from typing import Any, Final

from harness.records import Record

_FLATTENED: Final = ("dataclass", "namedtuple", "enum")


class Seen(Record):
    """What one step came to: how it ended ("v", "x", "f" or "-" for not possible), the value, and side effects.

    `changed` are arguments with other contents than before, `calls` the arguments of callbacks; `words` is text that
    is no result: of an exception, printed, warned or logged.
    """

    ending: str
    value: Any = None
    changed: tuple[Any, ...] = ()
    calls: tuple[Any, ...] = ()
    words: tuple[Any, ...] = ()


class Answer(Record):
    """All steps of a script as far as they could be asked; `lost` says how the worker ended in its middle, else ""."""

    seen: tuple[Seen, ...] = ()
    lost: str = ""
    seconds: float = 0.0


def shapes_by_name(shapes: Any) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """(kind, fields) by class of those that are flattened, from what the base's worker told."""
    if not shapes:
        return {}
    rows = zip(shapes[2::2], shapes[3::2], strict=True)
    return {name: (row[1], tuple(row[5][1:])) for name, row in rows if row[1] in _FLATTENED}
