"""`benchmarks/stats.py` on few experiments: promises hold, controls fail, and it decides as the product does."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from harness.stats.paired import PairedComparison, Plan

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import stats

        return stats
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def found(bench: ModuleType) -> dict[str, Any]:
    tables: dict[str, Any] = bench.measured(500, 400)
    return tables


def test_promises_are_kept_and_controls_fail(bench: ModuleType, found: dict[str, Any]) -> None:
    judged = bench.judged(found)
    assert judged["ok"], judged["checks"]
    assert {"alpha", "worst_false_positive", "fdr", "power", "runs_saved"} <= judged.keys()
    assert len(bench.NOISE) >= 5
    assert sum(row["noise"].startswith("recorded: ") for row in judged["false_wins"]) >= 3
    assert all(kept in bench.words(judged) for kept in judged["checks"])


@pytest.mark.parametrize(
    ("check", "table", "key", "value"),
    [
        ("false wins", "false_wins", "flip", 0.08),
        ("peeking t exceeds alpha", "false_wins", "peeking_t", 0.05),
        ("stored baseline exceeds alpha", "false_wins", "stored_baseline", 0.05),
        ("fixed order exceeds alpha", "false_wins", "fixed_order", 0.05),
        ("coverage", "coverage", "coverage", 0.90),
        ("coverage as shown", "coverage", "by_grid", 0.90),
        ("runs saved", "by_effect", "flip_30", {"power": 1.0, "runs": 37.0}),
        ("power of t-30", "by_effect", "flip_30", {"power": 0.1, "runs": 14.0}),
        ("campaign fdr", "campaigns", "e_lond", {"fdr": 0.06, "at_3": 1.0, "at_8": 1.0, "runs": 35.0}),
        ("campaign power", "campaigns", "e_lond", {"fdr": 0.0, "at_3": 0.6, "at_8": 1.0, "runs": 35.0}),
    ],
)
def test_each_check_can_fail(
    bench: ModuleType, found: dict[str, Any], check: str, table: str, key: str, value: object
) -> None:
    spoilt = copy.deepcopy(found)
    for row in spoilt[table]:
        row[key] = value
    judged = bench.judged(spoilt)
    assert judged["checks"][check] is False
    assert judged["ok"] is False


def test_the_rule_of_the_benchmark_is_the_rule_of_the_product(bench: ModuleType) -> None:
    rng = np.random.default_rng(5)
    d = rng.normal(rng.choice((-0.05, 0.0, 0.03, 0.08), (60, 1)), 0.05, (60, 60))
    told = bench.flip_rule(d, futility=True)
    for series, win, pairs in zip(d, told.wins, told.pairs, strict=True):
        comparison = PairedComparison(Plan(role="objective", alpha=0.05))
        for x in series:
            comparison.add(float(x))
            if comparison.futile or comparison.outcome in ("win", "worse"):
                break
        assert (comparison.outcome == "win", len(comparison.differences)) == (win, pairs)
    assert 10 < told.wins.sum() < 50


@pytest.mark.soak
def test_full_counts() -> None:
    ran = subprocess.run(
        [sys.executable, BENCHMARKS / "stats.py", "--json"], capture_output=True, text=True, check=False
    )
    document = json.loads(ran.stdout)
    assert document["experiments"] == 10_000
    assert ran.returncode == 0, document["checks"]
