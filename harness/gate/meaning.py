"""The semantic difference in words, for screen and plain text alike; texts of the candidate are quoted as they are."""

from collections.abc import Iterator

from harness.patch.hunks import Diff
from harness.patch.semantic import JUDGES
from harness.records import CapabilityChange, Semantic, SemanticChange

_ORDER = ("removed", "decorators", "excepts", "raises", "returns", "calls", "defaults", "signature", "bases", "added")


def changed_tests(diff: Diff) -> tuple[str, ...]:
    """Paths in the difference that judge: test files and test configuration."""
    return tuple(span.path for span in diff.files if _judges(span.path))


def _judges(path: str) -> bool:
    *folders, name = path.split("/")
    in_tests = any(folder in ("test", "tests") for folder in folders)
    return in_tests or name in JUDGES or (name.startswith("test_") and name.endswith(".py"))


def change_words(change: SemanticChange) -> str:
    """One change: what it is about, and what is gone and new."""
    match change.kind:
        case "added":
            return f"{change.name}{change.after} added"
        case "removed":
            return f"{change.name}{change.before} removed"
        case "moved" | "renamed":
            return f"{change.before} {change.kind} to {change.after}"
        case kind:
            sides = [f"−{kind} {change.before}"] if change.before else []
            sides += [f"+{kind} {change.after}"] if change.after else []
            return f"{change.name}: {'  '.join(sides)}"


def capability_words(one: CapabilityChange) -> str:
    """One reach that was gained or lost."""
    sign = "−" if one.gone else "+"
    allowed = " (an import that people allow)" if one.declared and not one.gone else ""
    return f"{sign}{one.kind}: {one.name}{allowed}"


def new_reach(found: Semantic) -> tuple[CapabilityChange, ...]:
    """What the code can reach now and could not before; what nobody allowed comes first."""
    return tuple(sorted((one for one in found.capabilities if not one.gone), key=lambda one: one.declared))


def summary(found: Semantic | None) -> tuple[tuple[str, str], ...]:
    """The few things to see first, as (how grave, words): `bad`, `plain` or `dim`."""
    if found is None:
        return (("dim", "not compared: it was not run"),)
    parts = [("bad", capability_words(one)) for one in new_reach(found) if not one.declared]
    parts += [("bad", f"{len(found.faults)} files could not be read")] if found.faults else []
    parts += [("bad", f"{len(found.unresolved)} calls lead nobody knows where")] if found.unresolved else []
    ordered = sorted(found.changes, key=lambda one: _ORDER.index(one.kind) if one.kind in _ORDER else len(_ORDER))
    parts += [("plain", change_words(one)) for one in ordered]
    nothing = "no Python file changed" if not found.files else "no function, class, call or reach changed"
    return tuple(parts) or (("dim", nothing),)


def meaning_lines(found: Semantic | None) -> Iterator[tuple[str, str, str]]:
    """Everything, as (how grave, place, words), reach first, and at the end what is not known."""
    if found is None:
        return
    for reach in (*new_reach(found), *(one for one in found.capabilities if one.gone)):
        grave = "plain" if reach.gone or reach.declared else "bad"
        yield grave, f"{reach.path}:{reach.line}", capability_words(reach)
    for change in found.changes:
        yield "plain", f"{change.path}:{change.line}", change_words(change)
    for text in found.unresolved:
        yield "bad", "unresolved", text
    for text in found.faults:
        yield "bad", "not read", text
    if found.more:
        yield "bad", "left out", f"{found.more} more; read the difference"
