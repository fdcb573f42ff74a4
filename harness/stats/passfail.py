"""Pass/fail tasks compared between two arms; the unit is a task, its seeds are averaged first.

A task's difference is (candidate's pass rate - baseline's pass rate), in [-1, 1]. Seeds of one task are no pairs of
their own: they share what the change did to that task, and counting them as independent gave .18 to .57 false wins.
On discordant tasks the wealth is multiplied by 2q when the candidate did better and 2(1-q) when it did worse,
averaged over q in BELIEFS. If a discordant task is equally likely to fall either way, given the tasks before it, each
factor has mean q + (1 - q) = 1, so the wealth is a martingale from 1 and P(ever >= 1/alpha) <= alpha (Ville). This is
weaker ground than flip betting: one run holds many tasks, so one coin orders them all; the caller runs both orders
so that an order effect meets both arms, and draws the order of the tasks with a secret.

That the candidate is *no worse* is not shown by few discordant tasks. `mean_wealth` bets on the bounded
mean (Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024): under H0 "mean
difference <= -margin" each factor 1 + L (d + margin) has mean at most 1, and is positive since L < 1 / (1 - margin).
Arms equal on every task and seed count as no worse without a bet: nothing was observed to differ.
"""

from typing import Final

import numpy as np

from harness.records import EffectOutcome
from harness.stats.flip import Floats
from harness.stats.paired import PairedResult, Plan, nothing_known

BELIEFS: Final = (0.6, 0.7, 0.8, 0.9)
_STAKES: Final = (0.1, 0.25, 0.5, 0.75, 0.95)


def discordant_e(d: Floats) -> float:
    """The largest wealth reached along the tasks, whose order was chosen without looking at `d`."""
    return float(_discordant_path(d).max(initial=1.0))


def mean_wealth(d: Floats, against: float) -> float:
    """The largest wealth against "the mean of d, which lies in [-1, 1], is at most `against`"."""
    return float(_mean_path(d, against).max(initial=1.0))


def compare_tasks(d: Floats, plan: Plan) -> PairedResult:
    """The comparison of all tasks at once; estimate and interval are of the mean difference in pass rate."""
    if not len(d):
        return nothing_known(plan)
    gain, loss = _discordant_path(d), discordant_e(-d)
    safe = _mean_path(d, -min(plan.tolerance, 0.99))
    told = gain if plan.role == "objective" else safe
    low, high = _interval(d, plan.doubt)
    return PairedResult(
        outcome=_outcome(plan, float(gain.max()), loss, float(safe.max()), not d.any()),
        estimate=float(d.mean()),
        low=low,
        high=high,
        e_value=max(1.0, float(told.max())),
        pairs=len(d),
        alpha=plan.alpha,
        path=tuple(float(f"{e:.4g}") for e in told),
    )


def level_of_run(alpha: float, number: int) -> float:
    """The level of the number-th run (from 0) of one open question about tasks: 4/5 of alpha, 4/25, 4/125 and so on.

    A later run meets the same tasks again, so its wealth cannot be multiplied into the earlier one's: the tasks'
    own differences are in both. By the union bound all runs together stay within alpha, however they depend.
    """
    return float(alpha * 0.8 * 0.2**number)


def _outcome(plan: Plan, gain: float, loss: float, safe: float, equal: bool) -> EffectOutcome:
    sound = equal or safe * plan.doubt >= 1
    if plan.role == "objective" and gain * plan.alpha >= 1:
        return "win"
    if loss * plan.doubt >= 1 and not (plan.forgives and sound):
        return "worse"
    return "no worse" if sound else "inconclusive"


def _interval(d: Floats, miss: float) -> tuple[float | None, float | None]:
    """The means at the border of what two one-sided bets refute at half of `miss` each; None where nothing is."""
    grid = np.linspace(-0.99, 0.99, 199)
    low = [float(m) for m in grid if mean_wealth(d, float(m)) >= 2 / miss]
    high = [float(m) for m in grid if mean_wealth(-d, float(-m)) >= 2 / miss]
    return (max(low) if low else None, min(high) if high else None)


def _discordant_path(d: Floats) -> Floats:
    q = np.asarray(BELIEFS)[:, None]
    factors = np.where(d == 0.0, 1.0, np.where(d > 0, 2 * q, 2 * (1 - q)))
    path: Floats = np.cumprod(factors, axis=1).mean(axis=0)
    return path


def _mean_path(d: Floats, against: float) -> Floats:
    stakes = np.asarray(_STAKES)[:, None] / (1.0 + against)
    path: Floats = np.cumprod(1 + stakes * (d[None, :] - against), axis=1).mean(axis=0)
    return path
