"""The verdict opens only when everything is there and nothing is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Effect, EffectOutcome, Finding, TestsResult
from harness.trial.verdict import conclude

GREEN = TestsResult(expected=3, passed=3)


def effect(outcome: EffectOutcome, name: str = "speed", role: str = "objective") -> Effect:
    return Effect(
        metric=name, unit="s", kind="time", role=role, exact=False, baseline=1.0, candidate=1.0, estimate=0.0,
        low=None, high=None, e_value=1.0, pairs=1, outcome=outcome,
    )  # fmt: skip


def finding(blocking: bool) -> Finding:
    return Finding(rule="r", severity="high", path="a.py", line=1, message="m", blocking=blocking)


def test_green_and_quiet_is_a_pass() -> None:
    assert conclude((finding(False),), GREEN, ())[0] == "pass"
    assert conclude((), GREEN, (effect("no worse"),))[0] == "pass"
    assert conclude((), GREEN, (effect("win"),), claims_gain=True) == ("pass", ("speed is better",))


@pytest.mark.parametrize(
    "tests",
    [
        TestsResult(expected=3, passed=2),
        TestsResult(expected=3, passed=3, failed=("x",)),
        TestsResult(expected=3, passed=3, missing=("x",)),
        TestsResult(expected=3, passed=3, skipped=("x",)),
        TestsResult(expected=0, passed=0),
        TestsResult(expected=0, passed=0, run=False),
        TestsResult(expected=3, passed=3, run=False),
    ],
)
def test_tests_must_all_have_passed(tests: TestsResult) -> None:
    word, reasons = conclude((), tests, (effect("win"),))
    assert word in ("fail", "error")
    assert reasons


def test_each_veto_has_its_word() -> None:
    assert conclude((finding(True),), GREEN, ())[0] == "fail"
    assert conclude((), GREEN, (effect("worse"),))[0] == "fail"
    assert conclude((), GREEN, (effect("win"), effect("worse", "size", "guardrail")))[0] == "fail"
    assert conclude((), GREEN, (effect("win"), effect("inconclusive", "size", "guardrail")))[0] == "inconclusive"
    assert conclude((), GREEN, (effect("inconclusive"),))[0] == "inconclusive"


def test_a_claim_that_cannot_win_any_more_fails_instead_of_staying_open() -> None:
    hopeless = effect("inconclusive").model_copy(update={"futile": True})
    open_guard = effect("inconclusive", "size", "guardrail")
    assert conclude((), GREEN, (hopeless, open_guard), claims_gain=True) == (
        "fail",
        ("it claims a gain, and speed gains less than was sought",),
    )
    assert conclude((), GREEN, (hopeless, effect("inconclusive", "other")), claims_gain=True)[0] == "inconclusive"
    assert conclude((), GREEN, (hopeless, effect("win", "other")), claims_gain=True)[0] == "inconclusive"
    assert conclude((), GREEN, (hopeless,))[0] == "inconclusive"


def test_a_claim_needs_a_win() -> None:
    assert conclude((), GREEN, (effect("no worse"),), claims_gain=True)[0] == "fail"
    assert conclude((), GREEN, (), claims_gain=True)[0] == "fail"


def test_a_tie_breaker_is_shown_not_judged() -> None:
    effects = (effect("win", "solved"), effect("worse", "evaluations"))
    assert conclude((), GREEN, effects)[0] == "fail"
    assert conclude((), GREEN, effects, tie_breakers=frozenset({"evaluations"}))[0] == "pass"
    only = (effect("no worse", "solved"), effect("win", "evaluations"))
    assert conclude((), GREEN, only, claims_gain=True, tie_breakers=frozenset({"evaluations"}))[0] == "fail"


def test_what_befell_the_whole_session_is_named_first_and_is_no_test() -> None:
    tests = TestsResult(expected=2, passed=0, failed=("a::b", "session: out of memory"), missing=("a::c",))
    assert conclude((), tests, ()) == ("fail", ("session: out of memory", "1 failed: a::b", "1 missing: a::c"))


outcomes = st.sampled_from(("win", "no worse", "worse", "inconclusive"))
effects = st.lists(st.builds(effect, outcomes, st.just("m"), st.sampled_from(("objective", "guardrail"))), max_size=4)
results = st.builds(
    TestsResult, expected=st.integers(0, 2), passed=st.integers(0, 2), failed=st.sampled_from(((), ("x",))),
    missing=st.sampled_from(((), ("x",))), skipped=st.sampled_from(((), ("x",))), run=st.booleans(),
)  # fmt: skip


@given(st.booleans(), results, effects, st.booleans())
def test_a_pass_means_all_of_its_promises(
    blocking: bool, tests: TestsResult, found: list[Effect], claims: bool
) -> None:
    word, reasons = conclude((finding(blocking),), tests, tuple(found), claims_gain=claims)
    assert reasons
    if word == "pass":
        assert not blocking
        assert tests.run
        assert tests.expected == tests.passed
        assert tests.passed > 0
        assert tests.failed + tests.missing + tests.skipped == ()
        assert all(e.outcome in ("win", "no worse") for e in found)
        if claims:
            assert any(e.outcome == "win" for e in found)
