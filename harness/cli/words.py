"""Records as lines for people; prints nothing itself."""

from collections.abc import Sequence

from harness.records import Effect, TestsResult
from harness.report.path import needed


def effect_words(effect: Effect) -> str:
    """One effect in a line: estimate, interval, pairs, the e-value and the one that would be enough, outcome."""
    if effect.exact:
        if effect.candidate is None:
            return f"{effect.metric}: stopped after {effect.pairs} tasks, it could no longer win: {effect.outcome}"
        return (
            f"{effect.metric}: {effect.baseline:g} → {effect.candidate:g} "
            f"(exact, {effect.pairs} tasks): {effect.outcome}"
        )
    enough = needed(effect)
    e_value = "" if effect.e_value is None else f", e={effect.e_value:.3g}"
    if e_value and effect.role == "objective":
        e_value += " and nothing is enough" if enough is None else f" of {enough:.3g}"
    span = f" [{_end(effect.low)}, {_end(effect.high)}]" if effect.pairs else ""
    over = " over its parent" if effect.over else ""
    futile = ", a gain as large as sought is refuted" if effect.futile and effect.outcome == "inconclusive" else ""
    return (
        f"{effect.metric}: {effect.estimate:+.3f}{span}{over} ({effect.pairs} pairs{e_value}): {effect.outcome}{futile}"
    )


def _end(value: float | None) -> str:
    return "open" if value is None else f"{value:+.3f}"


def lane_words(tests: TestsResult) -> str:
    """How far the passed tests can be trusted, behind their number; empty before there was an oracle."""
    if not tests.run or not tests.oracle:
        return ""
    words = [f"{tests.verified} verified", f"{len(tests.corroborated)} corroborated"] if tests.corroborated else []
    words = words or [f"{tests.verified} verified"]
    count = len(tests.unverified) + tests.unnamed
    words += [f"{count} unverified"] if count else []
    words += [f"{tests.decided} comparisons decided by the candidate"] if tests.decided else []
    return f" ({', '.join(words)})"


def in_unit(value: float, kind: str, unit: str) -> str:
    """A difference in words: costs are differences of logarithms, which read as per cent nearly."""
    if kind in ("time", "cpu", "memory"):
        return f"{value * 100:.3g} %"
    return f"{value:.3g} {unit}".rstrip()


def columns(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows under a head in columns, indented."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
