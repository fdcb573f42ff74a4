"""How many pairs an effect needs on this noise, by simulation from recorded A/A pairs; it measures nothing itself.

A simulated comparison draws magnitudes from the recorded ones (a bootstrap), gives each a fair sign, as a coin does to
A/A pairs, and adds the effect; the product's own process then decides after every pair. What was not seen in the
recorded pairs cannot be drawn: rare spikes are underrated when few pairs were recorded.

Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
"""

from typing import Final

import numpy as np

from harness.stats.flip import Floats, e_path
from harness.stats.needed import Needed
from harness.stats.paired import Plan

POWER: Final = 0.8
_LADDER: Final = tuple(0.0025 * 1.25**step for step in range(40))  # 0.25 % to beyond 1,000 %
_MAD: Final = 0.6745


def spread(noise: Floats) -> float:
    """The pairs' standard deviation as their median magnitude tells it; wild pairs do not move it."""
    return float(np.median(np.abs(noise)) / _MAD)


def pairs_needed(noise: Floats, effect: float, plan: Plan, rng: np.random.Generator, repeats: int = 400) -> Needed:
    """What a gain of `effect` needs; `noise` are A/A differences, one at least."""
    drawn = rng.choice(np.abs(noise), (repeats, plan.pairs)) * rng.choice((-1.0, 1.0), (repeats, plan.pairs))
    reached = e_path(drawn + effect) * plan.alpha >= 1
    won = reached.any(axis=1)
    first = np.where(won, reached.argmax(axis=1) + 1, plan.pairs)
    power = float(won.mean())
    enough = int(np.sort(np.where(won, first, plan.pairs + 1))[int(np.ceil(POWER * repeats)) - 1])
    return Needed(
        effect=effect,
        power=power,
        pairs=enough if enough <= plan.pairs else None,
        mean_pairs=float(first.mean()),
    )


def smallest_effect(noise: Floats, plan: Plan, rng: np.random.Generator) -> float | None:
    """The smallest of a ladder of effects, each a quarter larger, that is won four times of five; None: not any."""
    low, high = 0, len(_LADDER) - 1
    if pairs_needed(noise, _LADDER[high], plan, rng).power < POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        if pairs_needed(noise, _LADDER[middle], plan, rng).power >= POWER:
            high = middle
        else:
            low = middle + 1
    return _LADDER[low]
