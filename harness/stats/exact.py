"""Deterministic metrics compared exactly, ties broken by the next one; no tolerance for noise, there is
none.
"""

from typing import Literal

from harness.records import EffectOutcome, Record

Direction = Literal["lower", "higher"]


class ExactTotal(Record):
    """One deterministic metric's totals over the same tasks in both arms."""

    direction: Direction
    baseline: float
    candidate: float

    @property
    def gain(self) -> float:
        """Candidate against baseline, signed so that positive is better, in the metric's own unit."""
        difference = self.candidate - self.baseline
        return difference if self.direction == "higher" else 0.0 - difference


def compare_exact(
    totals: tuple[ExactTotal, ...], role: Literal["objective", "guardrail"], margin: float = 0.0
) -> EffectOutcome:
    """The outcome of the first metric that differs; a loss within `margin` on the first metric is no worse.

    A guardrail may only veto: what would be a win is "no worse".
    """
    first = totals[0].gain
    if -margin <= first < 0:
        return "no worse"
    deciding = next((total.gain for total in totals if total.gain), 0.0)
    if deciding < 0:
        return "worse"
    return "win" if deciding > 0 and role == "objective" else "no worse"
