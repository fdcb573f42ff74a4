"""Variants by id, their outcomes, and the comparison of them, with the control that pairing by rank would be wrong."""

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.assignment import Assignment, Outcome, Outcomes, Terms, compare, differences
from harness.errors import IntegrityError, UsageError
from harness.stats.flip import e_path

AB = Assignment("search", ["a", "b"], salt="s")
TERMS = Terms(baseline="a", candidate="b", direction="lower", ratio=True)


def test_the_choice_is_the_same_everywhere_and_for_ever() -> None:
    """A value that changes here has moved users between variants."""
    assert "".join(AB.variant(f"user-{n}") for n in range(24)) == "aaaabbabbaaabababaaabbbb"
    code = 'from harness.assignment import Assignment as A; print(A("search", ["b", "a"], salt="s").variant("user-7"))'
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout.strip()
        for seed in "12"
    }
    assert found == {AB.variant("user-7")}


def test_name_and_salt_make_another_choice() -> None:
    ids = [f"u{n}" for n in range(200)]
    others = [Assignment("ranking", ["a", "b"], salt="s"), Assignment("search", ["a", "b"], salt="t")]
    for other in others:
        same = sum(AB.variant(one) == other.variant(one) for one in ids)
        assert 60 < same < 140
        assert other.unit("u1") != AB.unit("u1")


def test_shares_are_the_weights() -> None:
    weighted = Assignment("w", {"a": 1, "b": 3, "off": 0}, salt="s")
    counts = Counter(weighted.variant(str(n)) for n in range(8000))
    assert counts["b"] / 8000 == pytest.approx(0.75, abs=0.02)
    assert counts["off"] == 0
    assert weighted.shares() == {"a": 0.25, "b": 0.75, "off": 0.0}


@given(st.text(max_size=20), st.floats(0.1, 10))
def test_an_added_variant_takes_ids_and_moves_no_other(unit: str, weight: float) -> None:
    wider = Assignment("search", {"a": 1, "b": 1, "c": weight}, salt="s")
    assert wider.variant(unit) in (AB.variant(unit), "c")
    without = Assignment("search", {"b": 1, "c": weight}, salt="s")
    if wider.variant(unit) != "a":
        assert without.variant(unit) == wider.variant(unit)


@pytest.mark.parametrize("variants", [["a", "a"], [], {"a": 0.0}, {"a": -1.0, "b": 2}, {"a": float("nan")}, ["", "b"]])
def test_variants_that_are_none(variants: list[str] | dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Assignment("n", variants, salt="s")
    with pytest.raises(UsageError):
        Assignment("n", ["a", "b"], salt="")


def test_outcomes_are_kept_and_compared(tmp_path: Path) -> None:
    outcomes = Outcomes(tmp_path / "outcomes.jsonl")
    rng = np.random.default_rng(1)
    other = Assignment("other", ["a", "b"], salt="s")
    for n in range(400):
        cost = rng.lognormal(0, 0.3) * (1 + n / 100) * (0.5 if AB.variant(f"u{n}") == "b" else 1.0)
        outcomes.record(AB, f"u{n}", cost)
        outcomes.record(other, f"u{n}", cost)
    result = compare(outcomes.read("search"), TERMS)
    assert result.outcome == "win"
    assert result.low is not None
    assert 0 < result.low < 0.69 < result.high
    assert result.path[-1] == pytest.approx(result.e_value, rel=1e-3)
    assert (
        compare(outcomes.read("search"), TERMS.model_copy(update={"baseline": "b", "candidate": "a"})).outcome
        == "worse"
    )
    assert b"u17" not in outcomes.path.read_bytes(), "ids are not in the file"
    assert compare(outcomes.read("nothing"), TERMS).pairs == 0


def test_each_id_counts_once() -> None:
    found = [outcome("a", 1.0, "x"), outcome("a", 9.0, "x"), outcome("b", 3.0, "y"), outcome("b", 5.0, "z")]
    assert list(differences(found, TERMS.model_copy(update={"ratio": False}))) == [-2.0]


def test_damage_is_told_and_a_torn_end_is_not(tmp_path: Path) -> None:
    outcomes = Outcomes(tmp_path / "o")
    outcomes.record(AB, "u", 1.0)
    with outcomes.path.open("ab") as file:
        file.write(b'{"experiment": "sea')
    assert len(list(outcomes.read("search"))) == 1
    with outcomes.path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(IntegrityError, match="line 2"):
        list(outcomes.read("search"))
    with pytest.raises(UsageError):
        outcomes.record(AB, "u", float("inf"))
    with pytest.raises(UsageError):
        list(differences([outcome("a", 1.0, "x"), outcome("b", 0.0, "y")], TERMS))


def outcome(variant: str, value: float, unit: str) -> Outcome:
    return Outcome(experiment="search", unit=unit, variant=variant, value=value)


def test_false_wins_under_drift_with_uneven_weights_and_the_control() -> None:
    """Values that grow all the time: neighbours keep the rate, the n-th of each variant does not."""
    rng = np.random.default_rng(3)
    neighbours = by_rank = 0
    for _ in range(300):
        variants = np.where(rng.random(300) < 0.7, "a", "b")
        values = np.exp(np.arange(300) / 100 + rng.normal(0, 0.02, 300))
        found = [outcome(str(v), float(x), str(n)) for n, (v, x) in enumerate(zip(variants, values, strict=True))]
        d = np.array(list(differences(found, TERMS)))
        neighbours += e_path(d).max() >= 20
        a, b = (np.log(values[variants == which]) for which in "ab")
        n = min(len(a), len(b))
        by_rank += e_path(b[:n] - a[:n]).max() >= 20
        assert len(d) <= sum(x != y for x, y in pairwise(variants))
    assert neighbours / 300 <= 0.05 + 4 * (0.05 * 0.95 / 300) ** 0.5
    assert by_rank / 300 > 0.5
