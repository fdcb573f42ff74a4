"""Records as lines for people; prints nothing itself."""

from harness.records import Effect, TestsResult


def effect_words(effect: Effect) -> str:
    """One effect in a line: estimate, interval, pairs, outcome."""
    if effect.exact:
        if effect.candidate is None:
            return f"{effect.metric}: stopped after {effect.pairs} tasks, it could no longer win: {effect.outcome}"
        return (
            f"{effect.metric}: {effect.baseline:g} → {effect.candidate:g} "
            f"(exact, {effect.pairs} tasks): {effect.outcome}"
        )
    interval = f" [{effect.low:+.3f}, {effect.high:+.3f}]" if effect.low is not None else ""
    e_value = f", e={effect.e_value:.3g}" if effect.e_value is not None else ""
    return f"{effect.metric}: {effect.estimate:+.3f}{interval} ({effect.pairs} pairs{e_value}): {effect.outcome}"


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
