"""Rules that call an experiment a win, the product's and others: whether, and after how many pairs, on many at once."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.stats.flip import e_path

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ALPHA, BETA, EFFECT, PAIRS = 0.05, 0.1, 0.03, 60


@dataclass(frozen=True)
class Told:
    """One rule's word on many experiments."""

    wins: Flags
    pairs: Floats


def first_at(reached: Flags) -> npt.NDArray[np.intp]:
    """The index of the first True in each row, the row's length where there is none."""
    found: npt.NDArray[np.intp] = np.where(reached.any(axis=1), reached.argmax(axis=1), reached.shape[1])
    return found


def flip_rule(d: Floats, limit: int = PAIRS, alpha: float = ALPHA, *, futility: bool = False) -> Told:
    """The product's rule for a claimed gain: win, worse, or (with `futility`) too small a gain, whichever is first."""
    d = d[:, :limit]
    win = first_at(e_path(d) * alpha >= 1)
    end = first_at(e_path(-d) * ALPHA >= 1)
    if futility:
        end = np.minimum(end, first_at(e_path(EFFECT - d) * BETA >= 1))
    return Told((win < limit) & (win <= end), np.minimum(np.minimum(win, end), limit - 1) + 1.0)


def t_quantile(df: Floats | float) -> Floats | float:
    """The one-sided 5 % point of Student's t, by the expansion around the normal's (Fisher & Cornish 1960)."""
    z = 1.6448536269514722
    return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * np.square(df))


def paired_t(d: Floats, n: int = 30) -> Told:
    """A paired t-test after n pairs, looked at once."""
    t = d[:, :n].mean(axis=1) / (d[:, :n].std(axis=1, ddof=1) / math.sqrt(n))
    return Told(t > t_quantile(n - 1), np.full(len(d), float(n)))


def peeking_t(d: Floats) -> Told:
    """Negative control: the same test after every pair from the fifth on."""
    n = np.arange(1, d.shape[1] + 1)
    mean = np.cumsum(d, axis=1) / n
    variance = np.maximum(np.cumsum(d**2, axis=1) - n * mean**2, 1e-300)[:, 4:] / (n[4:] - 1)
    reached = mean[:, 4:] / np.sqrt(variance / n[4:]) > t_quantile(n[4:] - 1.0)
    return Told(reached.any(axis=1), np.minimum(first_at(reached) + 5.0, d.shape[1]))


def stored_welch(stored: Floats, later: Floats) -> Told:
    """Negative control: thirty stored runs of the base against thirty later runs of the candidate."""
    a, b = stored[:, :30], later[:, :30]
    va, vb = a.var(axis=1, ddof=1) / 30, b.var(axis=1, ddof=1) / 30
    df = (va + vb) ** 2 / np.maximum((va**2 + vb**2) / 29, 1e-300)
    t = (a.mean(axis=1) - b.mean(axis=1)) / np.sqrt(np.maximum(va + vb, 1e-300))
    return Told(t > t_quantile(np.maximum(df, 3.0)), np.full(len(a), 15.0))


LOOKS, BOUND = (8, 14, 22, 34, 46, 60), 2.13  # one-sided 5 % over six looks, Pocock-like, checked by the table itself


def group_sequential(d: Floats) -> Told:
    """The fixed-budget alternative: winsorised sign-flip z at six looks."""
    reached = np.zeros((len(d), len(LOOKS)), dtype=bool)
    for look, n in enumerate(LOOKS):
        seen = d[:, :n]
        cap = 2.5 * np.median(np.abs(seen), axis=1, keepdims=True) / 0.6745
        cut = np.clip(seen, -cap, cap)
        reached[:, look] = cut.sum(axis=1) / np.sqrt(np.square(cut).sum(axis=1) + 1e-300) > BOUND
    used = np.append(np.asarray(LOOKS, dtype=np.float64), float(LOOKS[-1]))[first_at(reached)]
    return Told(reached.any(axis=1), used)
