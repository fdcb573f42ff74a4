"""What a syntax rule is: what it looks for, what it says, and the cases that show where it ends; decides nothing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from harness.patch.inspect import Hit
from harness.patch.names import Source
from harness.patch.resolve import prefixes
from harness.records import Severity
from harness.text import visible_line

Seen = tuple[int, str, str]  # line, a key that does not depend on place or spelling, what was found in words


@dataclass(frozen=True)
class Names:
    """Dotted names, as roots: `os.fork` stands for itself and everything below it."""

    modules: frozenset[str] = frozenset()  # importing or using them is found
    uses: frozenset[str] = frozenset()  # reading, binding or importing them is found
    attributes: frozenset[str] = frozenset()  # found on anything, also as the value of a string

    def seen(self, source: Source) -> Iterator[Seen]:
        """Every place where one of the names occurs."""
        for each in source.imports:
            root = _within(each.module, self.modules) or next(
                (found for name in each.names if (found := _within(name, self.modules))), None
            )
            if root:
                yield each.line, f"import {root}", f"imports `{each.module}`"
        told: set[tuple[int, str]] = set()  # `os._exit` is one finding, not also one about the attribute
        for use in source.uses:
            if _within(use.name, self.uses) or (use.how != "import" and _within(use.name, self.modules)):
                told.add((use.line, use.name.rpartition(".")[2]))
                yield use.line, use.name, f"uses `{visible_line(use.name, 80)}`"
        for attribute in source.attributes:
            if attribute.name in self.attributes and (attribute.line, attribute.name) not in told:
                yield attribute.line, f".{attribute.name}", f"reads the attribute `{attribute.name}`"
        for text in source.texts:
            if text.value in self.attributes and (text.line, text.value) not in told:
                yield text.line, f".{text.value}", f"names the attribute `{text.value}` in a string"


@dataclass(frozen=True)
class Rule:
    """One rule. `because` follows what was found; `allowed` says what to do instead."""

    id: str
    severity: Severity
    because: str
    allowed: str
    valid: tuple[str, ...]
    invalid: tuple[str, ...]
    names: Names = field(default_factory=Names)
    look: Callable[[Source], Iterable[Seen]] | None = None

    def __call__(self, source: Source) -> Iterator[Hit]:
        """Every hit in one file."""
        yield from self._hits(self.names.seen(source))
        if self.look is not None:
            yield from self._hits(self.look(source))

    def _hits(self, seen: Iterable[Seen]) -> Iterator[Hit]:
        for line, key, found in seen:
            yield Hit(rule=self.id, line=line, key=key, message=f"{found}, {self.because}; allowed: {self.allowed}")


def _within(name: str, roots: frozenset[str]) -> str | None:
    return next((root for root in prefixes(name) if root in roots), None) if roots else None


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set: tables read better so."""
    return frozenset(text.split())
