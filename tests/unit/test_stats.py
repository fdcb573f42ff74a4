"""Outcomes of comparisons on numbers small enough to check by eye."""

import numpy as np
import pytest

from harness.stats.campaign import ELond
from harness.stats.exact import Direction, ExactTotal, compare_exact
from harness.stats.flip import FlipBetting, e_path, estimate, interval
from harness.stats.paired import PairedComparison, Plan
from harness.stats.passfail import compare_tasks


def run(plan: Plan, d: list[float]) -> PairedComparison:
    comparison = PairedComparison(plan)
    for x in d:
        if comparison.add(x) is not None:
            break
    return comparison


def total(baseline: float, candidate: float, direction: Direction = "higher") -> ExactTotal:
    return ExactTotal(direction=direction, baseline=baseline, candidate=candidate)


def test_first_pair_by_hand() -> None:
    # |d| / s = 0.6745 for a single pair, whatever its size
    expected = np.mean([1 + np.tanh(bet * 0.6745) for bet in (0.25, 0.5, 1, 2)])
    assert FlipBetting().add(123.0) == pytest.approx(expected)


def test_ties_move_nothing() -> None:
    process = FlipBetting()
    assert [process.add(x) for x in (0.0, 0.0)] == [1.0, 1.0]
    after_ties = process.add(3.0)
    assert after_ties == pytest.approx(FlipBetting().add(3.0))


def test_one_huge_loss_does_not_bankrupt_the_process() -> None:
    assert e_path(np.array([0.0, 1.0, -1e300, *[1.0] * 40]))[-1] > 20


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_differences_must_be_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        FlipBetting().add(bad)


def test_objective_outcomes() -> None:
    plan = Plan(role="objective", alpha=0.05, effect=0.03, pairs=30)
    assert run(plan, [0.1] * 30).outcome == "win"
    assert run(plan, [-0.1] * 30).outcome == "worse"
    assert run(plan, [0.001, -0.001] * 15).outcome == "no worse"
    assert run(plan, [1.0, -1.0] * 15).outcome == "inconclusive"


def test_a_clear_win_stops_within_a_few_pairs() -> None:
    result = run(Plan(role="objective", alpha=0.05, pairs=60), [0.1, 0.12, 0.09] * 20).result()
    assert result.outcome == "win"
    assert result.pairs <= 10
    assert result.e_value >= 20
    assert result.estimate == pytest.approx(0.1, abs=0.02)


def test_a_guardrail_never_wins() -> None:
    plan = Plan(role="guardrail", alpha=0.05, margin=0.02, pairs=30)
    assert run(plan, [0.5] * 30).outcome == "no worse"
    assert run(plan, [-0.5] * 30).outcome == "worse"
    assert run(plan, [-0.02 + 1e-6, -0.02 - 1e-6] * 15).outcome == "inconclusive"


def test_stopped_from_outside_is_inconclusive() -> None:
    plan = Plan(role="objective", alpha=0.05)
    assert run(plan, []).result().outcome == "inconclusive"
    assert run(plan, [0.1] * 3).result().outcome == "inconclusive"


def test_interval_narrows_around_the_effect() -> None:
    d = np.random.default_rng(1).normal(0.05, 0.02, 60)
    low, high = interval(d, 0.05)
    assert low is not None
    assert high is not None
    assert 0.02 < low < 0.05 < high < 0.08
    assert interval(d[:2], 0.05) == (None, None)
    assert estimate(np.array([1.0, 2.0, 300.0])) < 160


def test_pass_fail_outcomes() -> None:
    plan = Plan(role="objective", alpha=0.05, margin=0.1)
    assert compare_tasks(np.array([1.0] * 10 + [0.0] * 10), plan).outcome == "win"
    assert compare_tasks(np.array([-1.0] * 10 + [0.0] * 10), plan).outcome == "worse"
    assert compare_tasks(np.array([1.0, -1.0, 0.0]), plan).outcome == "inconclusive"
    equal = compare_tasks(np.zeros(5), plan)
    assert (equal.outcome, equal.pairs, equal.e_value) == ("no worse", 5, 1.0)
    assert compare_tasks(np.zeros(0), plan).outcome == "inconclusive"
    guard = Plan(role="guardrail", alpha=0.05, margin=0.1)
    assert compare_tasks(np.array([1.0] * 10), guard).outcome == "no worse"
    assert compare_tasks(np.array([-1.0] * 10), guard).outcome == "worse"


def test_exact_is_lexicographic() -> None:
    solved, fewer, more = total(15, 15), total(900, 600, "lower"), total(600, 900, "lower")
    assert compare_exact((total(15, 16), more), "objective") == "win"
    assert compare_exact((solved, fewer), "objective") == "win"
    assert compare_exact((solved, more), "objective") == "worse"
    assert compare_exact((total(15, 14), fewer), "objective") == "worse"
    assert compare_exact((solved,), "objective") == "no worse"
    assert compare_exact((total(15, 16),), "guardrail") == "no worse"
    assert compare_exact((total(15, 14),), "guardrail", margin=1) == "no worse"
    assert compare_exact((total(15, 13),), "guardrail", margin=1) == "worse"


def test_campaign_levels() -> None:
    budget = ELond(alpha=0.05, horizon=100)
    assert budget.level() == pytest.approx(0.0005)
    assert budget.after(True).level() == pytest.approx(0.001)
    assert budget.after(False).level() == pytest.approx(0.0005)
    used = ELond(alpha=0.05, horizon=1).after(True)
    assert used.level() == 0
