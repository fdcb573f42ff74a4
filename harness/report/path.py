"""The path of the evidence as one line of text, for terminals and the review screen; pure."""

import math
from typing import Final

from harness.records import Effect

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_FLOOR: Final = 0.1  # e-values below a tenth look the same: no evidence
_USUAL: Final = 20.0  # what a claim at .05 needs


def needed(effect: Effect) -> float | None:
    """The e-value at which the effect's claim stands; None when nothing can (its campaign's budget is spent)."""
    if effect.alpha is None:
        return _USUAL
    return 1 / effect.alpha if effect.alpha > 0 else None


def path_line(effect: Effect, width: int = 48) -> str:
    """E-values after each pair from left to right on a logarithmic scale, full height being enough; "" without pairs.

    At most `width` blocks; where several pairs share one, it shows the last of them.
    """
    if not effect.path:
        return ""
    top = math.log(needed(effect) or _USUAL)
    bottom = math.log(_FLOOR)
    count = min(width, len(effect.path))
    shown = [effect.path[(place + 1) * len(effect.path) // count - 1] for place in range(count)]
    heights = [(math.log(max(e, _FLOOR)) - bottom) / (top - bottom) for e in shown]
    # Full height is kept for what is enough: the last step below it is the block before.
    return "".join(_BLOCKS[-1] if h >= 1 else _BLOCKS[min(6, int(h * 7))] for h in heights)
