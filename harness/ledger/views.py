"""Frozen views and growing lists by key, read from a snapshot only where somebody asks; pure, knows no database."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, Literal, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.errors import IntegrityError

Kind = Literal["proposal", "campaign", "child", "step", "root"]
Kept = tuple[Kind, str, int, bytes]
"""Kind, key, rank (the place in the order of first appearance) and value, as a snapshot holds it."""

View = TypeVar("View")
Item = TypeVar("Item")


class Base(Protocol):
    """What a snapshot holds at one place of the chain."""

    def latest(self, kind: Kind, key: str) -> tuple[int, bytes] | None:
        """Rank and value of a key, None when there is none."""
        ...

    def each(self, kind: Kind, key: str) -> Sequence[bytes]:
        """Every list of items that was added under a key, oldest first."""
        ...

    def all(self, kind: Kind) -> Sequence[tuple[str, int, bytes]]:
        """Key, rank and value of every key, by rank."""
        ...


class Views(Mapping[str, View], Generic[View]):
    """One frozen view a key, in the order of first appearance; what lies in the base is parsed when it is asked for."""

    def __init__(self, kind: Kind, adapter: TypeAdapter[View], base: Base | None = None, count: int = 0) -> None:
        self._kind: Kind = kind
        self._adapter = adapter
        self._base = base
        self._count = count
        self._known: dict[str, View] = {}
        self._ranks: dict[str, int] = {}
        self._changed: dict[str, None] = {}
        self._whole = base is None or count == 0

    def __getitem__(self, key: str) -> View:
        found = self._known.get(key)
        if found is not None:
            return found
        stored = None if self._whole or self._base is None else self._base.latest(self._kind, key)
        if stored is None:
            raise KeyError(key)
        self._ranks[key], value = stored
        view = self._known[key] = self._parsed(value)
        return view

    def _parsed(self, value: bytes) -> View:
        try:
            return self._adapter.validate_json(value)
        except ValidationError:
            raise IntegrityError(
                f"a snapshot beside the ledger holds no {self._kind} that this version knows.",
                "delete the file that ends in -snapshots; it is made again",
            ) from None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        if not self._whole and self._base is not None:
            self._load(self._base)
        return iter(self._known)

    def _load(self, base: Base) -> None:
        known: dict[str, View] = {}
        for key, rank, value in base.all(self._kind):
            known[key] = self._known.get(key) or self._parsed(value)
            self._ranks[key] = rank
        self._known = known | self._known  # what is newer than the base comes last
        self._whole = True

    def put(self, key: str, view: View) -> None:
        """A new view, under a new key or in the place of the one before."""
        if key not in self._known and key not in self:
            self._ranks[key] = self._count
            self._count += 1
        self._known[key] = view
        self._changed[key] = None

    def changes(self) -> Iterator[Kept]:
        """What was put since the base."""
        for key in self._changed:
            yield self._kind, key, self._ranks[key], self._adapter.dump_json(self._known[key])

    def rest_on(self, base: Base | None) -> None:
        """From here on this base holds everything that was put."""
        self._base = base
        self._changed = {}


class Lists(Generic[Item]):
    """A growing list of items a key."""

    def __init__(self, kind: Kind, adapter: TypeAdapter[tuple[Item, ...]], base: Base | None = None) -> None:
        self._kind: Kind = kind
        self._adapter = adapter
        self._base = base
        self._added: dict[str, list[Item]] = {}

    def of(self, key: str) -> tuple[Item, ...]:
        """The items under a key, oldest first."""
        kept = self._base.each(self._kind, key) if self._base is not None else ()
        before = [item for value in kept for item in self._adapter.validate_json(value)]
        return (*before, *self._added.get(key, ()))

    def add(self, key: str, item: Item) -> None:
        """One item more."""
        self._added.setdefault(key, []).append(item)

    def changes(self) -> Iterator[Kept]:
        """What was added since the base."""
        for key, items in self._added.items():
            yield self._kind, key, 0, self._adapter.dump_json(tuple(items))

    def rest_on(self, base: Base | None) -> None:
        """From here on this base holds everything that was added."""
        self._base = base
        self._added = {}
