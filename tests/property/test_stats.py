"""The error rates that the statistics promise: enumerated where possible, else simulated with a seed."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.campaign import ELond
from harness.stats.flip import FlipBetting, e_path, estimate, interval
from harness.stats.paired import PairedComparison, Plan
from harness.stats.passfail import discordant_e, mean_wealth

ALPHA = 0.05
RUNS = 1500
PAIRS = 60

magnitudes = st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e9)), min_size=1, max_size=8)


def binomial_ceiling(rate: float, runs: int) -> float:
    """A false-positive rate may exceed its promise by four standard errors before we call it broken."""
    return rate + 4 * (rate * (1 - rate) / runs) ** 0.5


@given(magnitudes)
@settings(max_examples=60, deadline=None)
def test_mean_over_all_sign_patterns_is_exactly_one_after_every_pair(sizes: list[float]) -> None:
    signs = np.array(list(product((-1.0, 1.0), repeat=len(sizes))))
    means = e_path(signs * np.array(sizes)).mean(axis=0)
    assert means == pytest.approx(np.ones(len(sizes)), rel=1e-9)


def test_ten_pairs_enumerated() -> None:
    sizes = np.array([3.0, 0.1, 0.1, 40.0, 1e-6, 2.0, 2.0, 0.0, 7.0, 1.0])
    signs = np.array(list(product((-1.0, 1.0), repeat=10)))
    assert e_path(signs * sizes).mean(axis=0) == pytest.approx(np.ones(10), rel=1e-9)


def test_a_scale_that_its_own_sign_can_steer_is_caught_by_the_enumeration() -> None:
    """The control of the test above: a scale from signed differences does not give mean one."""
    sizes = np.array([1.0, 2.0, 0.5, 3.0])
    signs = np.array(list(product((-1.0, 1.0), repeat=4)))
    d = signs * sizes
    scale = np.stack([np.abs(np.median(d[:, : i + 1], axis=1)) + 0.1 for i in range(4)], axis=1)
    assert np.prod(1 + np.tanh(d / scale), axis=1).mean() != pytest.approx(1.0, rel=1e-3)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_one_at_a_time_equals_all_at_once(d: list[float]) -> None:
    process = FlipBetting()
    assert [process.add(x) for x in d] == pytest.approx(list(e_path(np.array(d))), rel=1e-6)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=15), st.floats(1e-3, 1e3))
@settings(max_examples=60, deadline=None)
def test_unit_of_measurement_does_not_matter(d: list[float], unit: float) -> None:
    tiny = np.array(d)
    tiny[np.abs(tiny) < 1e-100] = 0.0  # subnormal numbers do lose digits when scaled
    assert e_path(tiny * unit) == pytest.approx(e_path(tiny), rel=1e-6)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_interval_holds_the_estimate(d: list[float]) -> None:
    low, high = interval(np.array(d), ALPHA)
    middle = estimate(np.array(d))
    assert low is None or low <= middle + 1e-12
    assert high is None or high >= middle - 1e-12


@given(st.lists(st.floats(-1, 1), min_size=60, max_size=60))
@settings(max_examples=25, deadline=None)
def test_comparison_stops_once_and_within_its_pairs(d: list[float]) -> None:
    comparison = PairedComparison(Plan(role="objective", alpha=ALPHA, pairs=40))
    stop = next(i for i, x in enumerate(d) if comparison.add(x) is not None)
    assert stop < 40
    outcome = comparison.result()
    with pytest.raises(ValueError, match="already stopped"):
        comparison.add(1.0)
    assert comparison.result() == outcome


def noise(rng: np.random.Generator, runs: int, pairs: int) -> dict[str, np.ndarray]:
    """A/A series (first run, second run) under drift, heavy tails, autocorrelation and an order bias."""
    shape = (runs, pairs, 2)
    white = rng.normal(0, 0.05, shape)
    walk = np.cumsum(rng.normal(0, 0.02, (runs, pairs * 2)), axis=1).reshape(shape)
    return {
        "iid": white,
        "heavy tails": 0.02 * rng.standard_t(1.5, shape),
        "drift": white + walk,
        "order bias": white + np.array([0.0, 0.04]),
    }


def coin_flipped(series: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    coins = rng.choice((-1.0, 1.0), series.shape[:2])
    differences: np.ndarray = coins * (series[..., 0] - series[..., 1])
    return differences


def test_false_positives_stay_below_alpha_with_a_look_after_every_pair() -> None:
    rng = np.random.default_rng(11)
    for name, series in noise(rng, RUNS, PAIRS).items():
        rate = (e_path(coin_flipped(series, rng)).max(axis=1) >= 1 / ALPHA).mean()
        assert rate <= binomial_ceiling(ALPHA, RUNS), name


def test_real_effects_are_found() -> None:
    rng = np.random.default_rng(12)
    d = coin_flipped(noise(rng, 400, PAIRS)["iid"], rng) + 0.05
    assert (e_path(d).max(axis=1) >= 1 / ALPHA).mean() > 0.95


def test_negative_control_peeking_t_test_exceeds_alpha() -> None:
    rng = np.random.default_rng(13)
    d = coin_flipped(noise(rng, RUNS, PAIRS)["iid"], rng)
    n = np.arange(1, PAIRS + 1)
    mean = np.cumsum(d, axis=1) / n
    variance = (np.cumsum(d**2, axis=1) - n * mean**2)[:, 4:] / (n[4:] - 1)
    t = mean[:, 4:] / np.sqrt(variance / n[4:])
    assert (t > 1.68).any(axis=1).mean() > binomial_ceiling(ALPHA, RUNS)


def test_negative_control_stored_baseline_exceeds_alpha() -> None:
    """Thirty stored runs of the base, then a drift of the machine: the same test calls the drift a win."""
    rng = np.random.default_rng(14)
    stored = rng.normal(0, 0.05, (RUNS, 30))
    later = rng.normal(0, 0.05, (RUNS, 30)) + rng.normal(0, 0.03, (RUNS, 1))
    d = stored - later
    assert (e_path(d).max(axis=1) >= 1 / ALPHA).mean() > binomial_ceiling(ALPHA, RUNS)


def test_negative_control_fixed_order_exceeds_alpha() -> None:
    """Without the coin a bias of the second run is a win of whichever arm runs first."""
    rng = np.random.default_rng(15)
    series = noise(rng, RUNS, PAIRS)["order bias"]
    d = series[..., 1] - series[..., 0]  # the candidate always runs first
    assert (e_path(d).max(axis=1) >= 1 / ALPHA).mean() > binomial_ceiling(ALPHA, RUNS)


def test_interval_covers_at_the_stopping_time() -> None:
    rng = np.random.default_rng(16)
    effect, misses = 0.05, 0
    for series in coin_flipped(noise(rng, 60, PAIRS)["heavy tails"], rng) + effect:
        comparison = PairedComparison(Plan(role="objective", alpha=ALPHA, pairs=PAIRS))
        next(x for x in series if comparison.add(float(x)) is not None)
        result = comparison.result()
        misses += not ((result.low or -np.inf) <= effect <= (result.high or np.inf))
    assert misses <= 60 * binomial_ceiling(ALPHA, 60)


def test_losers_stop_early() -> None:
    rng = np.random.default_rng(17)
    used = []
    for series in rng.normal(-0.10, 0.05, (40, PAIRS)):
        comparison = PairedComparison(Plan(role="objective", alpha=ALPHA, pairs=PAIRS))
        next(x for x in series if comparison.add(float(x)) is not None)
        assert comparison.outcome == "worse"
        used.append(len(comparison.differences))
    assert np.mean(used) < 15


def test_seeds_are_no_pairs_of_their_own() -> None:
    """What a change does to a task is shared by the task's seeds; each seed for itself is the negative control."""
    rng = np.random.default_rng(20)
    by_task, by_seed = 0, 0
    for _ in range(400):
        shift = rng.normal(0, 0.5, (40, 1))  # on average over tasks there is no effect
        arms = [rng.random((40, 10)) < np.clip(0.5 + sign * shift, 0, 1) for sign in (0, 1)]
        d = arms[1].astype(float) - arms[0].astype(float)
        by_task += discordant_e(d.mean(axis=1)) >= 1 / ALPHA
        by_seed += discordant_e(d.ravel()) >= 1 / ALPHA
    assert by_task / 400 <= binomial_ceiling(ALPHA, 400)
    assert by_seed / 400 > 0.18


@given(st.integers(1, 8))
def test_discordant_wealth_has_mean_one(n: int) -> None:
    signs = np.array(list(product((-1.0, 1.0), repeat=n)))
    final = [np.mean([np.prod(np.where(row > 0, 2 * q, 2 * (1 - q))) for q in (0.6, 0.7, 0.8, 0.9)]) for row in signs]
    assert np.mean(final) == pytest.approx(1.0)
    # Ville: the running maximum reaches 20 in at most one pattern of twenty.
    assert np.mean([discordant_e(row) >= 20 for row in signs]) <= ALPHA


def test_mean_wealth_keeps_its_level_at_the_border() -> None:
    rng = np.random.default_rng(18)
    rows = rng.choice((-1.0, 0.0), (RUNS, 80), p=(0.1, 0.9))  # mean exactly -0.1
    assert np.mean([mean_wealth(row, -0.1) >= 20 for row in rows]) <= binomial_ceiling(ALPHA, RUNS)
    assert mean_wealth(np.zeros(80), -0.1) >= 20


def test_campaign_controls_false_discoveries_where_a_fixed_level_does_not() -> None:
    rng = np.random.default_rng(19)
    horizon, campaigns = 300, 12
    controlled, fixed = [], []
    for _ in range(campaigns):
        real = rng.random(horizon) < 0.05
        d = rng.normal(0, 0.05, (horizon, 40)) + np.where(real, 0.08, 0.0)[:, None]
        e = e_path(d).max(axis=1)
        budget = ELond(alpha=0.1, horizon=horizon)
        wins = []
        for value in e:
            level = budget.level()
            wins.append(bool(value * level >= 1))
            budget = budget.after(wins[-1])
        for rule, found in ((controlled, np.array(wins)), (fixed, e >= 1 / 0.1)):
            rule.append((found & ~real).sum() / max(1, found.sum()))
        assert (np.array(wins) & real).sum() > 0
    assert np.mean(controlled) <= 0.1
    assert np.mean(fixed) > 0.1
