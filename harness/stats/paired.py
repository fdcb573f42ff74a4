"""When a comparison of noisy pairs may stop, and what it then says; it never chooses the next pair.

Five processes see the same differences: gain on d, loss on -d, futility on effect - d, safety on d + tolerance, harm
on -d - tolerance. Each is flip betting, so each may be looked at after every pair, and each error has its own rate:
a win without a gain at most `alpha` (which a campaign lowers), "worse" without a loss, "no worse" in spite of one, and
an interval that misses at most `doubt` each, a futile stop in spite of the effect sought at most `beta`.

A guardrail knows only safety and harm: it can veto and can never win. That a metric is no worse is shown like a gain,
of d + tolerance (non-inferiority); each rate is Ville's inequality for one process, at whatever pair the comparison
stops (`harness.stats.flip` has the proof and the sources).
"""

from typing import Final, Literal

import numpy as np

from harness.records import EffectOutcome, Record
from harness.stats.flip import FlipBetting, estimate, interval

MIN_MARGIN: Final = 1e-9


class Plan(Record):
    """Thresholds of one comparison: error rates, smallest effect sought, tolerated loss, most pairs in all.

    With `alpha` 0 (a campaign's budget is spent) nothing can win.
    """

    role: Literal["objective", "guardrail"]
    alpha: float
    doubt: float = 0.05
    beta: float = 0.1
    effect: float = 0.03
    margin: float = 0.0
    pairs: int = 60

    @property
    def tolerance(self) -> float:
        """The loss that still counts as no worse; without a margin it is the smallest effect sought."""
        return self.margin if self.margin > MIN_MARGIN else self.effect

    @property
    def forgives(self) -> bool:
        """Whether a loss within the tolerance is none: for a guardrail, and where a margin was asked for."""
        return self.role == "guardrail" or self.margin > MIN_MARGIN


class PairedResult(Record):
    """The outcome of a comparison with its estimate, interval and e-value at the stopping time.

    `path` is the e-value after each pair, of the process that `e_value` is from: gain, or a guardrail's safety.
    `futile`: a gain as large as the smallest sought is refuted.
    """

    outcome: EffectOutcome
    estimate: float
    low: float | None
    high: float | None
    e_value: float
    pairs: int
    alpha: float
    futile: bool = False
    path: tuple[float, ...] = ()


class PairedComparison:
    """Feeds the processes and says when they have decided."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.differences: list[float] = []
        self.outcome: EffectOutcome | None = None
        self._gain, self._loss, self._futile = FlipBetting(), FlipBetting(), FlipBetting()
        self._safe, self._harm = FlipBetting(), FlipBetting()
        self._path: list[float] = []

    def add(self, d: float) -> EffectOutcome | None:
        """One more pair; the outcome as soon as there is one, else None. Pairs after that are an error."""
        if self.outcome is not None:
            raise ValueError("the comparison has already stopped")
        self.differences.append(d)
        plan = self.plan
        self._gain.add(d)
        self._loss.add(-d)
        self._futile.add(plan.effect - d)
        self._safe.add(d + plan.tolerance)
        self._harm.add(-d - plan.tolerance)
        self._path.append(self._told.e)
        self.outcome = self._stopped()
        return self.outcome

    @property
    def futile(self) -> bool:
        """Whether a gain of `plan.effect` is refuted at `plan.beta`: nothing that was sought is to be found."""
        return self.plan.role == "objective" and self._futile.peak * self.plan.beta >= 1

    @property
    def _told(self) -> FlipBetting:
        return self._gain if self.plan.role == "objective" else self._safe

    def _stopped(self) -> EffectOutcome | None:
        plan = self.plan
        safe = self._safe.peak * plan.doubt >= 1
        if plan.role == "objective" and self._gain.e * plan.alpha >= 1:
            return "win"
        if (self._harm if plan.forgives else self._loss).e * plan.doubt >= 1 and not (plan.forgives and safe):
            return "worse"
        if safe and (plan.role == "guardrail" or self.futile):
            return "no worse"
        if self._gain.pairs < plan.pairs:
            return None
        return "no worse" if safe else "inconclusive"

    def result(self) -> PairedResult:
        """What is known now; a comparison ended from outside is inconclusive, whatever it looked like."""
        if not self.differences:
            return nothing_known(self.plan)
        d = np.asarray(self.differences, dtype=np.float64)
        low, high = interval(d, self.plan.doubt)
        return PairedResult(
            outcome=self.outcome or "inconclusive",
            estimate=estimate(d),
            low=low,
            high=high,
            e_value=self._told.e,
            pairs=len(self.differences),
            alpha=self.plan.alpha,
            futile=self.futile,
            path=tuple(float(f"{e:.4g}") for e in self._path),
        )


def nothing_known(plan: Plan) -> PairedResult:
    """The result before the first pair."""
    return PairedResult(
        outcome="inconclusive", estimate=0.0, low=None, high=None, e_value=1.0, pairs=0, alpha=plan.alpha
    )
