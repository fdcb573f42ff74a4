"""Flip betting: an e-process over paired differences, valid at any stopping time; it decides nothing by
itself.

Claim. Let m_i = |d_i| and let the order inside each pair come from a coin that the measured code cannot
know. Under the sharp null (the candidate behaves exactly as the baseline) the two values of a pair, first
and second, are what they are whatever the coin says, and the coin only says which is called baseline: d_i
= c_i * x_i with x = (x_1, x_2, ...) untouched by the coins c_i, which are independent and fair. Drift,
heavy tails, autocorrelation and an order bias all live in x. Given x, sign(d_i) is a fair coin and
independent of the other signs.

Proof that E_t = mean over L of prod_{i<=t} (1 + tanh(L * d_i / s_i)) is a martingale with mean 1. The
scale s_i is a function of m_1..m_i alone: pair i enters through its magnitude, never through its sign, and
so does every later scale. Fix x, hence all m and s. Then tanh(L * d_i / s_i) = sign(d_i) * a_i with a_i =
tanh(L * m_i / s_i) in [0, 1) fixed, and E[1 + sign(d_i) * a_i | signs before i] = 1. Every factor is
positive, so each product, and their mean over fixed L, is a non-negative martingale from 1 given x, and
therefore without conditioning. By Ville's inequality P(some E_t >= 1/alpha) <= alpha: one may look after
every pair and stop whenever one likes.

For a shift (`d - theta`) the same holds under a constant effect theta with symmetric pair noise; that is
what the interval and the futility stop assume. They can end a comparison or describe it; a win rests on
`d` alone.

Sources: shared/experiments.md part 1; Vovk & Wang 2021 (mixtures of e-values are e-values); Ramdas, Grünwald,
Vovk & Shafer 2023 (testing by betting); Lehmann & Hodges 1963 (the Walsh-average estimate).
"""

from bisect import insort
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BETS: Final = (0.25, 0.5, 1.0, 2.0)
_MAD: Final = 0.6745  # median |z| of a standard normal: makes the scale read as a standard deviation
_CEILING: Final = 1.0 - 1e-12  # keeps every factor positive; odd symmetry, hence the martingale, is unharmed
_GRID: Final = 401


class FlipBetting:
    """One e-process fed a signed difference at a time; positive differences raise it."""

    def __init__(self) -> None:
        self._magnitudes: list[float] = []
        self._logs = np.zeros(len(BETS))
        self.pairs = 0
        self.e = 1.0
        self.peak = 1.0

    def add(self, d: float) -> float:
        """The e-value after one more pair; `d` must be finite."""
        if not np.isfinite(d):
            raise ValueError(f"a paired difference must be finite, got {d}")
        self.pairs += 1
        if d:  # a tie is worth exactly 1 and has no say in the scale
            insort(self._magnitudes, abs(d))
            scale = _median_sorted(self._magnitudes) / _MAD
            self._logs += np.log1p(_stakes(np.asarray(BETS), d, scale))
        self.e = float(_mean_exp(self._logs, 0))
        self.peak = max(self.peak, self.e)
        return self.e


def e_path(d: Floats) -> Floats:
    """Running e-values along the last axis; the same process as FlipBetting, for many series at once."""
    magnitudes = np.where(d == 0.0, np.inf, np.abs(d))
    logs = np.zeros((len(BETS), *d.shape))
    bets = np.asarray(BETS).reshape(-1, *([1] * (d.ndim - 1)))
    for i in range(d.shape[-1]):
        scale = _median_finite(magnitudes[..., : i + 1]) / _MAD
        logs[..., i] = np.log1p(_stakes(bets, d[..., i], scale))
    return _mean_exp(np.cumsum(logs, axis=-1), 0)


def estimate(d: Floats) -> float:
    """Hodges-Lehmann: the median of all pairwise means; a few wild pairs do not move it."""
    return float(np.median(_walsh(d)))


def interval(d: Floats, alpha: float) -> tuple[float | None, float | None]:
    """Ends of a 1 - 2 alpha confidence set for a constant effect, valid when stopped early; None: unbounded.

    A shift is out when the process on d - theta, or on theta - d, ever reached 1/alpha: each end is the one-sided
    test at alpha, so that a win and an interval above zero say the same. Shifts are tried on a grid around the
    Walsh averages; the hull of what stays is widened to the next shift that is out, never narrowed.
    """
    averages = _walsh(d)
    low, high = float(averages.min()), float(averages.max())
    pad = max(high - low, abs(low), abs(high), 1e-12)
    inner = np.quantile(averages, np.linspace(0.0, 1.0, _GRID))
    outer = np.linspace(low - pad, high + pad, _GRID // 4)
    shifts = np.unique(np.concatenate([inner, outer, [0.0]]))
    moved = d[None, :] - shifts[:, None]
    below = e_path(moved).max(axis=-1) >= 1 / alpha
    above = e_path(-moved).max(axis=-1) >= 1 / alpha
    kept = np.flatnonzero(~(below | above))
    if not len(kept):
        return None, None
    first, last = int(kept[0]), int(kept[-1])
    return (
        float(shifts[first - 1]) if first > 0 else None,
        float(shifts[last + 1]) if last + 1 < len(shifts) else None,
    )


def _stakes(bets: Floats, d: Floats | float, scale: Floats | float) -> Floats:
    """What each bet puts on this pair's sign; beside a scale of almost nothing any difference is all there is."""
    with np.errstate(over="ignore"):
        return np.clip(np.tanh(bets * (d / scale)), -_CEILING, _CEILING)


def _mean_exp(logs: Floats, axis: int) -> Floats:
    # Capped far above any threshold: a product of 60 doublings fits, one of 2,000 would overflow.
    result: Floats = np.exp(np.minimum(logs, 600.0)).mean(axis=axis)
    return result


def _walsh(d: Floats) -> Floats:
    i, j = np.triu_indices(len(d))
    means: Floats = (d[i] + d[j]) / 2
    return means


def _median_sorted(values: list[float]) -> float:
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def _median_finite(magnitudes: Floats) -> Floats:
    """Median of the finite entries along the last axis; 1 where there is none (its factor is 1 anyway)."""
    ordered = np.sort(magnitudes, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    lower = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-1)
    upper = np.take_along_axis(ordered, np.minimum(count // 2, ordered.shape[-1] - 1), axis=-1)
    with_median: Floats = np.where(count > 0, (lower + upper) / 2, 1.0)[..., 0]
    return with_median
