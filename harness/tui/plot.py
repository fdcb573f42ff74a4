"""A small plot of how the evidence for a gain grew, pair by pair, in characters; shows, concludes nothing. Pure."""

import math
from collections.abc import Sequence

WIDTH, HEIGHT = 34, 6
_LEAST, _MOST = 1e-6, 1e12


def path_lines(path: Sequence[float], alpha: float | None) -> tuple[str, ...]:
    """E-values over pairs on a logarithmic scale, with the line that a win has to cross; empty without a path.

    E-values are plotted as they are after each pair; where there are more pairs than columns, each column has the last.
    """
    if len(path) < 2:
        return ()
    logs = [math.log10(min(max(value, _LEAST), _MOST)) for value in path if not math.isnan(value)]
    if len(logs) < 2:
        return ()
    bar = math.log10(1 / alpha) if alpha else None
    width = min(WIDTH, len(logs))
    columns = [logs[round(place * (len(logs) - 1) / (width - 1))] for place in range(width)]
    known = [*columns, 0.0, *([bar] if bar is not None else [])]
    low, high = min(known), max(known)
    step = (high - low) / (HEIGHT - 1) or 1.0

    def level(value: float) -> int:
        return round((value - low) / step)

    lines = []
    for height in range(HEIGHT - 1, -1, -1):
        on_bar = bar is not None and height == level(bar)
        fill = "─" if on_bar else "·" if height == level(0.0) else " "
        dots = "".join("●" if level(value) == height else fill for value in columns)
        note = " a win" if on_bar else " e = 1" if height == level(0.0) else ""
        lines.append(f"{_power(low + height * step):>8} │{dots}{note}")
    return (*lines, f"{'':>8} └{'─' * width}", f"{'':>8}  pairs 1 to {len(path)}")


def _power(value: float) -> str:
    number = 10**value
    return f"{number:.3g}" if 0.01 <= number < 10_000 else f"{number:.0e}"
