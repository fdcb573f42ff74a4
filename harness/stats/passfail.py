"""Pass/fail tasks compared between two arms; the unit is a task, its seeds are averaged first.

A task's difference is (candidate's pass rate - baseline's pass rate), in [-1, 1]. On discordant tasks the
wealth is multiplied by 2q when the candidate did better and 2(1-q) when it did worse, averaged over q in
BELIEFS. If a discordant task is equally likely to fall either way, each factor has mean q + (1 - q) = 1,
so the wealth is a martingale from 1 and P(ever >= 1/alpha) <= alpha. This is weaker ground than flip
betting: one run holds many tasks, so one coin orders them all; the caller runs both orders so that an
order effect meets both arms.

That the candidate is *no worse* is not shown by few discordant tasks. `mean_wealth` bets on the bounded
mean (Waudby-Smith & Ramdas 2023): under H0 "mean difference <= -margin" each factor 1 + L (d + margin) has
mean at most 1. Arms equal on every task and seed count as no worse without a bet: nothing was observed to
differ.
"""

from typing import Final

import numpy as np

from harness.records import EffectOutcome
from harness.stats.flip import Floats
from harness.stats.paired import PairedResult, Plan

BELIEFS: Final = (0.6, 0.7, 0.8, 0.9)
_STAKES: Final = (0.1, 0.25, 0.5, 0.75, 0.95)


def discordant_e(d: Floats) -> float:
    """The largest wealth reached along the tasks, whose order was chosen without looking at `d`."""
    signs = np.sign(d[d != 0.0])
    q = np.asarray(BELIEFS)[:, None]
    factors = np.where(signs[None, :] > 0, 2 * q, 2 * (1 - q))
    return float(max(1.0, np.cumprod(factors, axis=1).mean(axis=0).max(initial=1.0)))


def mean_wealth(d: Floats, against: float) -> float:
    """The largest wealth against "the mean of d, which lies in [-1, 1], is at most `against`"."""
    stakes = np.asarray(_STAKES)[:, None] / (1.0 + against)
    return float(np.cumprod(1 + stakes * (d[None, :] - against), axis=1).mean(axis=0).max(initial=1.0))


def compare_tasks(d: Floats, plan: Plan) -> PairedResult:
    """The comparison of all tasks at once; estimate and interval are of the mean difference in pass rate."""
    gain, loss = discordant_e(d), discordant_e(-d)
    safe = mean_wealth(d, -min(plan.tolerance, 0.99))
    low, high = _interval(d, plan.alpha)
    return PairedResult(
        outcome=_outcome(plan, gain, loss, safe, bool(len(d)) and not d.any()),
        estimate=float(d.mean()) if len(d) else 0.0,
        low=low,
        high=high,
        e_value=gain if plan.role == "objective" else safe,
        pairs=len(d),
    )


def _outcome(plan: Plan, gain: float, loss: float, safe: float, equal: bool) -> EffectOutcome:
    if plan.role == "objective" and gain >= 1 / plan.alpha:
        return "win"
    if loss >= 1 / plan.alpha and (plan.role == "objective" or safe < 1 / plan.alpha):
        return "worse"
    return "no worse" if equal or safe >= 1 / plan.alpha else "inconclusive"


def _interval(d: Floats, alpha: float) -> tuple[float | None, float | None]:
    """The means at the border of what the two one-sided bets refute at alpha; None where nothing is refuted."""
    grid = np.linspace(-0.99, 0.99, 199)
    low = [float(m) for m in grid if mean_wealth(d, float(m)) >= 1 / alpha]
    high = [float(m) for m in grid if mean_wealth(-d, float(-m)) >= 1 / alpha]
    return (max(low) if low else None, min(high) if high else None)
