"""Compares what Python files define and reach before and after a patch; belongs in a bounded child. Runs nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.patch.resolve import TooManyMeanings, prefixes
from harness.patch.semantic import JUDGES, Facts, FileFacts, facts_of
from harness.records import CapabilityChange, ChangeKind, FileEdit, Semantic, SemanticChange

MOST = 300  # changes that are told one by one
_EMPTY = FileFacts({}, Counter(), {})
_LEAST_BODY = 60  # characters of a dumped body below which two functions are alike by chance
_LISTED = 12  # calls, raises and the like told of one function


def compare(files: Sequence[FileEdit], declared: Sequence[str] = ()) -> Semantic:
    """What the edits mean. `declared`: modules that people allow to be imported."""
    changes: list[SemanticChange] = []
    capabilities: list[CapabilityChange] = []
    unresolved: list[str] = []
    faults: list[str] = []
    gone: list[tuple[str, Facts]] = []
    new: list[tuple[str, Facts]] = []
    compared = 0
    for file in files:
        capabilities += _judge_files(file)
        if not file.path.endswith((".py", ".pyi")):
            continue
        before, after = _read(file.before), _read(file.after)
        if isinstance(before, str) or isinstance(after, str):
            faults.append(f"{file.path}: {after if isinstance(after, str) else before}")
            continue
        compared += 1
        gone += [(file.path, facts) for name, facts in before.defined.items() if name not in after.defined]
        new += [(file.path, facts) for name, facts in after.defined.items() if name not in before.defined]
        for name, facts in after.defined.items():
            old = before.defined.get(name, Facts(name, 1) if name == "<module>" else None)
            if old is not None:
                changes += _changed(file.path, old, facts)
            unresolved += _unresolved(file.path, old, facts)
        capabilities += _capabilities(file.path, before, after, declared)
    changes = [*_came_and_went(gone, new), *changes]
    return Semantic(
        files=compared,
        changes=tuple(changes[:MOST]),
        capabilities=tuple(capabilities[:MOST]),
        unresolved=tuple(unresolved[:MOST]),
        faults=tuple(faults),
        more=max(0, len(changes) - MOST) + max(0, len(capabilities) - MOST) + max(0, len(unresolved) - MOST),
    )


def _read(text: str | None) -> FileFacts | str:
    if text is None:
        return _EMPTY
    try:
        return facts_of(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        return f"it cannot be read ({type(error).__name__})"
    except TooManyMeanings as error:
        return f"the name {error} is bound to too many things to be followed"


def _judge_files(file: FileEdit) -> Iterator[CapabilityChange]:
    if file.path.rpartition("/")[2] in JUDGES:
        yield CapabilityChange(kind="test configuration", name=file.path, path=file.path, line=1)


def _came_and_went(gone: list[tuple[str, Facts]], new: list[tuple[str, Facts]]) -> Iterator[SemanticChange]:
    """Pairs what went with what came: the same name elsewhere was moved, the same body under another name renamed."""
    left = list(gone)
    for path, facts in new:
        at = _match(facts, left)
        if at is None:
            yield _change(path, facts, "added", "", facts.signature)
            yield from _changed(path, Facts(facts.name, facts.line), facts, news=True)
            continue
        was, old = left.pop(at)
        kind: ChangeKind = "moved" if old.name.rpartition(".")[2] == facts.name.rpartition(".")[2] else "renamed"
        yield _change(path, facts, kind, f"{was}:{old.name}", f"{path}:{facts.name}")
        yield from _changed(path, old, facts)
    yield from (_change(path, facts, "removed", facts.signature, "") for path, facts in left)


def _match(facts: Facts, gone: list[tuple[str, Facts]]) -> int | None:
    last = facts.name.rpartition(".")[2]
    alike = [n for n, (_, old) in enumerate(gone) if old.body == facts.body and len(old.body) >= _LEAST_BODY]
    named = [n for n, (_, old) in enumerate(gone) if old.name.rpartition(".")[2] == last and facts.name != "<module>"]
    return next(iter([*(n for n in alike if n in named), *alike, *named]), None)


def _change(path: str, facts: Facts, kind: ChangeKind, before: str, after: str) -> SemanticChange:
    return SemanticChange(path=path, line=facts.line, name=facts.name, kind=kind, before=before, after=after)


def _changed(path: str, old: Facts, new: Facts, *, news: bool = False) -> Iterator[SemanticChange]:
    """What differs between two versions of one definition; of a new one only what it raises, catches and calls."""
    if not news:
        if old.signature != new.signature:
            yield _change(path, new, "signature", old.signature, new.signature)
        both = {name for name, _ in old.defaults} & {name for name, _ in new.defaults}
        before = [
            f"{name}={value}" for name, value in old.defaults if name in both and (name, value) not in new.defaults
        ]
        after = [
            f"{name}={value}" for name, value in new.defaults if name in both and (name, value) not in old.defaults
        ]
        if before or after:
            yield _change(path, new, "defaults", ", ".join(before), ", ".join(after))
        kinds: tuple[ChangeKind, ...] = ("decorators", "bases")
        for kind in kinds:
            was, now = getattr(old, kind), getattr(new, kind)
            if was != now:
                yield _change(path, new, kind, ", ".join(was), ", ".join(now))
    counted: tuple[ChangeKind, ...] = (
        ("raises", "excepts", "calls") if news else ("raises", "excepts", "returns", "calls")
    )
    for kind in counted:
        was, now = getattr(old, kind), getattr(new, kind)
        lost, won = was - now, now - was
        if lost or won:
            yield _change(path, new, kind, _listed(lost), _listed(won))


def _listed(counted: Counter[str]) -> str:
    names = [name if count == 1 else f"{name} ×{count}" for name, count in sorted(counted.items())]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _unresolved(path: str, old: Facts | None, new: Facts) -> Iterator[str]:
    fresh = new.unresolved - (old.unresolved if old is not None else Counter())
    for text in sorted(fresh):
        yield f"{path}:{new.line} {new.name} calls {text}, of which nobody can say what it is"


def _capabilities(
    path: str, before: FileFacts, after: FileFacts, declared: Iterable[str]
) -> Iterator[CapabilityChange]:
    allowed = frozenset(declared)
    for (kind, name), count in sorted((after.reach - before.reach).items()):
        known = any(part in allowed for part in prefixes(name))
        # A second call of what the file used already is no new reach, but it is told all the same: as more of it.
        more = f" (+{count})" if before.reach[kind, name] else ""
        line = after.places[kind, name]
        yield CapabilityChange(kind=kind, name=name + more, path=path, line=line, declared=known)
    for kind, name in sorted((before.reach - after.reach).keys()):
        if not after.reach[kind, name]:
            yield CapabilityChange(kind=kind, name=name, path=path, line=before.places[kind, name], gone=True)
