"""Records as lines for people; prints nothing itself."""

from harness.records import Effect


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
