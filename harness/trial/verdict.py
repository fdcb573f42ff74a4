"""What the machine concludes from findings, tests and effects; pure, and it opens only when everything is
there.
"""

from typing import Final

from harness.records import Effect, Finding, TestsResult, VerdictWord
from harness.target import MetricEntry

SESSION: Final = "session: "  # what is listed among the failed tests and is none


def tie_breakers(metrics: tuple[MetricEntry, ...]) -> frozenset[str]:
    """The metrics that only break ties of others: shown, not judged."""
    return frozenset(metric.then for metric in metrics if metric.then)


def conclude(
    findings: tuple[Finding, ...],
    tests: TestsResult,
    effects: tuple[Effect, ...],
    *,
    claims_gain: bool = False,
    tie_breakers: frozenset[str] = frozenset(),
) -> tuple[VerdictWord, tuple[str, ...]]:
    """The verdict and its reasons, gravest first.

    Pass: no blocking finding, all base tests pass, nothing is worse, nothing is undecided; a claimed gain needs a
    win, and fails when each objective is decided otherwise or cannot gain what was sought. Effects named in
    `tie_breakers` are shown, not judged: the metric that they serve has used them already.
    """
    judged = tuple(effect for effect in effects if effect.metric not in tie_breakers)
    failures = (*_blocking(findings), *_test_failures(tests), *_worse(judged))
    if failures:
        return "fail", failures
    if claims_gain and _hopeless(judged):
        return "fail", tuple(
            f"it claims a gain, and {effect.metric} gains less than was sought" for effect in judged if effect.futile
        )
    undecided = tuple(f"{effect.metric} is undecided" for effect in judged if effect.outcome == "inconclusive")
    if claims_gain and not undecided and not any(effect.outcome == "win" for effect in judged):
        return "fail", ("it claims a gain, and no metric is better",)
    if not undecided and (not tests.run or tests.expected == 0):
        return "error", ("the tests were not run",)
    if undecided:
        return "inconclusive", undecided
    wins = tuple(f"{effect.metric} is better" for effect in judged if effect.outcome == "win")
    passed = wins or (f"all {tests.expected} tests pass" + (", no metric is worse" if judged else ""),)
    return "pass", (*passed, *_unverified(tests))


def _hopeless(effects: tuple[Effect, ...]) -> bool:
    """Whether no objective can bring the win any more, and some only because too large a gain is refuted."""
    objectives = [effect for effect in effects if effect.role == "objective"]
    open_ = [effect for effect in objectives if effect.outcome == "inconclusive"]
    won = any(effect.outcome == "win" for effect in objectives)
    return bool(open_) and not won and all(effect.futile for effect in open_)


def _unverified(tests: TestsResult) -> tuple[str, ...]:
    """What a pass has to say about tests that candidate code could have decided."""
    count = len(tests.unverified) + tests.unnamed
    if not count:
        return ()
    named = f": {tests.unverified[0]}" if tests.unverified else ""
    return (f"{count} of {tests.passed} tests are unverified, they ran in the candidate's own process only{named}",)


def _blocking(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    return tuple(f"policy: {found.rule} in {found.path}:{found.line}" for found in findings if found.blocking)


def _test_failures(tests: TestsResult) -> tuple[str, ...]:
    if not tests.run:
        return ()
    whole = tuple(name for name in tests.failed if name.startswith(SESSION))
    single = tuple(name for name in tests.failed if not name.startswith(SESSION))
    counted = (("failed", single), ("missing", tests.missing), ("newly skipped", tests.skipped))
    reasons = (*whole, *(f"{len(names)} {word}: {names[0]}" for word, names in counted if names))
    if tests.passed != tests.expected and not reasons:
        return (f"{tests.passed} of {tests.expected} tests passed",)
    return reasons


def _worse(effects: tuple[Effect, ...]) -> tuple[str, ...]:
    return tuple(
        f"{effect.metric} is worse" + (" (guardrail)" if effect.role == "guardrail" else "")
        for effect in effects
        if effect.outcome == "worse"
    )
