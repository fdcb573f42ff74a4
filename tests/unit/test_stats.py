"""Outcomes of comparisons on numbers small enough to check by eye."""

import numpy as np
import pytest
from online_fdr.core.abstract.abstract_gamma_seq import AbstractGammaSequence
from online_fdr.e_values import ELond as ReferenceELond

from harness.stats.campaign import ELond, Gamma, expected_by_luck
from harness.stats.exact import Direction, ExactTotal, compare_exact
from harness.stats.flip import FlipBetting, e_path, estimate, interval
from harness.stats.paired import PairedComparison, Plan
from harness.stats.passfail import compare_tasks, level_of_run


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


def test_very_many_pairs_are_estimated_without_all_their_means() -> None:
    d = np.random.default_rng(1).normal(0.05, 0.02, 20_000)
    assert estimate(d) == pytest.approx(0.05, abs=0.001)
    few = d[:60]
    assert estimate(few) == np.median([(x + y) / 2 for n, x in enumerate(few) for y in few[n:]])


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
    assert expected_by_luck((0.01, 0.02)) == pytest.approx(0.03)


def test_decreasing_levels_sum_to_alpha_and_never_end() -> None:
    budget, total = ELond(alpha=0.05, horizon=1, gamma="decreasing"), 0.0
    for _ in range(10_000):
        total += budget.level()
        budget = budget.after(False)
    assert total == pytest.approx(0.05 * (1 - 10_001**-0.5), rel=1e-12)
    assert budget.level() > 0


class OurGammas(AbstractGammaSequence):
    """Our choice of gamma in the form that the reference implementation takes."""

    def __init__(self, budget: ELond) -> None:
        super().__init__()
        self.budget = budget

    def calc_gamma(self, j: int, **_: object) -> float:
        return self.budget.model_copy(update={"tests": j - 1, "wins": 0}).level() / self.budget.alpha


@pytest.mark.parametrize("gamma", ["even", "decreasing"])
def test_campaign_control_agrees_with_the_reference_implementation(gamma: Gamma) -> None:
    rng = np.random.default_rng(4)
    budget = ELond(alpha=0.05, horizon=400, gamma=gamma)
    reference = ReferenceELond(0.05, OurGammas(budget))
    wins = 0
    for e in np.exp(rng.normal(3, 6, 500)):
        win = bool(e * budget.level() >= 1)
        assert reference.test_one(float(e)) == win
        assert reference.current_level == pytest.approx(budget.level(), rel=1e-12)
        budget, wins = budget.after(win), wins + win
    assert 20 < wins < 400


def test_a_margin_forgives_a_small_loss_and_no_large_one() -> None:
    strict = Plan(role="objective", alpha=0.05, effect=0.03, pairs=30)
    lenient = strict.model_copy(update={"margin": 0.02})
    slightly = [-0.004, -0.005, -0.006] * 10
    assert run(strict, slightly).outcome == "worse"
    assert run(lenient, slightly).outcome == "no worse"
    assert run(lenient, [-0.05, -0.06, -0.04] * 10).outcome == "worse"


def test_the_path_is_the_evidence_after_each_pair() -> None:
    comparison = run(Plan(role="objective", alpha=0.05), [0.1] * 60)
    result = comparison.result()
    assert len(result.path) == result.pairs
    assert list(result.path) == pytest.approx(e_path(np.full(result.pairs, 0.1)), rel=1e-3)
    assert result.path[-2] < 20 <= result.path[-1]
    guard = run(Plan(role="guardrail", alpha=0.05, margin=0.02), [0.0] * 60).result()
    assert list(guard.path) == pytest.approx(e_path(np.full(guard.pairs, 0.02)), rel=1e-3)


def test_a_win_of_a_campaign_needs_the_evidence_of_its_level() -> None:
    d = [0.1, 0.12, 0.09] * 30
    single, many = (run(Plan(role="objective", alpha=a, pairs=90), d).result() for a in (0.05, 0.05 / 2000))
    assert single.outcome == many.outcome == "win"
    assert single.pairs < many.pairs
    assert many.e_value >= 40_000
    losing = run(Plan(role="objective", alpha=0.05 / 2000, pairs=60), [-x for x in d])
    assert losing.outcome == "worse"  # a veto needs no more evidence because many candidates are tried
    assert len(losing.differences) == single.pairs


def test_levels_of_runs_about_the_same_tasks_sum_to_alpha() -> None:
    assert sum(level_of_run(0.05, number) for number in range(60)) == pytest.approx(0.05)
