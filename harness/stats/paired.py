"""When a comparison of noisy pairs may stop, and what it then says; it never chooses the next pair.

Four processes see the same differences: gain on d, loss on -d, futility on effect - d, safety on d +
margin. Each is flip betting, so each may be looked at after every pair. A guardrail knows only safety and
harm: it can veto and can never win.
"""

from typing import Final, Literal

import numpy as np

from harness.records import EffectOutcome, Record
from harness.stats.flip import FlipBetting, estimate, interval

MIN_MARGIN: Final = 1e-9


class Plan(Record):
    """Thresholds of one comparison: error rates, smallest effect sought, tolerated loss, most pairs."""

    role: Literal["objective", "guardrail"]
    alpha: float
    beta: float = 0.1
    effect: float = 0.03
    margin: float = 0.0
    pairs: int = 60

    @property
    def tolerance(self) -> float:
        """The loss that still counts as no worse; without a margin it is the smallest effect sought."""
        return self.margin if self.margin > MIN_MARGIN else self.effect


class PairedResult(Record):
    """The outcome of a comparison with its estimate, interval and e-value at the stopping time."""

    outcome: EffectOutcome
    estimate: float
    low: float | None
    high: float | None
    e_value: float
    pairs: int


class PairedComparison:
    """Feeds the processes and says when they have decided."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.differences: list[float] = []
        self.outcome: EffectOutcome | None = None
        self._gain, self._loss, self._futile = FlipBetting(), FlipBetting(), FlipBetting()
        self._safe, self._harm = FlipBetting(), FlipBetting()

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
        self.outcome = self._stopped()
        return self.outcome

    def _stopped(self) -> EffectOutcome | None:
        plan = self.plan
        safe = self._safe.peak >= 1 / plan.alpha
        if plan.role == "objective":
            if self._gain.e >= 1 / plan.alpha:
                return "win"
            if self._loss.e >= 1 / plan.alpha:
                return "worse"
            if safe and self._futile.peak >= 1 / plan.beta:
                return "no worse"
        elif safe:
            return "no worse"
        elif self._harm.e >= 1 / plan.alpha:
            return "worse"
        if self._gain.pairs < plan.pairs:
            return None
        return "no worse" if safe else "inconclusive"

    def result(self) -> PairedResult:
        """What is known now; a comparison ended from outside is inconclusive, whatever it looked like."""
        if not self.differences:
            return PairedResult(outcome="inconclusive", estimate=0.0, low=None, high=None, e_value=1.0, pairs=0)
        d = np.asarray(self.differences, dtype=np.float64)
        low, high = interval(d, self.plan.alpha)
        process = self._gain if self.plan.role == "objective" else self._safe
        return PairedResult(
            outcome=self.outcome or "inconclusive",
            estimate=estimate(d),
            low=low,
            high=high,
            e_value=process.e,
            pairs=len(self.differences),
        )
