"""What recorded noise admits: the simulation against known noise, and the command's words."""

import numpy as np
import pytest

from harness.cli.experiment import _check, in_words
from harness.records import Arm
from harness.stats.paired import Plan
from harness.stats.planning import pairs_needed, smallest_effect, spread
from harness.target import MetricEntry
from harness.trial.noisy import record_noise
from harness.trial.script import NoRows, Rows

PLAN = Plan(role="objective", alpha=0.05, pairs=60)


def noise(size: float, pairs: int = 300) -> np.ndarray:
    return np.random.default_rng(1).normal(0, size, pairs)


def test_more_noise_needs_more_pairs_and_larger_effects() -> None:
    quiet, loud = (pairs_needed(noise(size), 0.03, PLAN, np.random.default_rng(2)) for size in (0.02, 0.12))
    assert quiet.power == 1.0
    assert quiet.pairs is not None
    assert 7 <= quiet.pairs <= 15
    assert loud.power < 0.8
    assert loud.pairs is None
    assert loud.mean_pairs > quiet.mean_pairs
    small, large = (smallest_effect(noise(size), PLAN, np.random.default_rng(2)) for size in (0.02, 0.06))
    assert small is not None
    assert large is not None
    assert large / small == pytest.approx(3, rel=0.4)
    assert spread(noise(0.02)) == pytest.approx(0.02, rel=0.15)


def test_without_an_effect_the_simulation_wins_no_more_than_alpha() -> None:
    assert pairs_needed(noise(0.02), 0.0, PLAN, np.random.default_rng(2), 2000).power <= 0.05 + 4 * 0.005
    assert smallest_effect(noise(500.0), PLAN, np.random.default_rng(2)) is None


def metric(**changes: object) -> MetricEntry:
    fields = {"name": "t", "kind": "time", "direction": "lower", "run": "bench.py"}
    return MetricEntry.model_validate({**fields, **changes})


def recorded(size: float, bias: float = 0.0, count: int = 40) -> tuple[MetricEntry, object]:
    rng, runs = np.random.default_rng(3), 0

    def run(_arm: Arm, _seed: int) -> Rows:
        nonlocal runs
        runs += 1
        return Rows(values={"t": {"all": {"": float(np.exp(rng.normal(0, size) + bias * (runs % 2 == 0)))}}})

    return metric(), record_noise((metric(),), run, b"secret", count)


def test_a_quiet_machine_admits_what_a_loud_one_does_not() -> None:
    quiet, loud = (_check(*recorded(size)) for size in (0.01, 0.2))  # type: ignore[arg-type]
    assert quiet.admits
    assert not loud.admits
    assert quiet.detectable < 0.03 < loud.detectable
    assert [one.effect for one in quiet.needed] == pytest.approx([0.015, 0.03, 0.06, 0.12])
    assert "t: the noise admits an effect of 3 % within 60 pairs" in in_words(quiet)
    assert "does not admit an effect of 3 % within 60 pairs: a gain of 0.03 is found in" in in_words(loud)


def test_an_order_bias_is_shown_whatever_the_coins_said() -> None:
    biased = _check(*recorded(0.005, bias=0.1))  # type: ignore[arg-type]
    assert biased.order_bias == pytest.approx(-0.1, abs=0.01)  # the second run is slower: worse


def test_a_benchmark_that_breaks_is_no_noise() -> None:
    series = record_noise((metric(),), lambda *_: NoRows(why="exit status 1"), b"secret", 5)
    check = _check(metric(), series)
    assert (check.admits, check.pairs, check.why) == (False, 0, "exit status 1")
    assert "exit status 1" in in_words(check)
    scored = metric(kind="score", unit="points", direction="higher", effect=0.5)
    assert "an effect of 0.5 points" in in_words(_check(scored, series))
