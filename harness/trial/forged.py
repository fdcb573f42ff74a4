"""Must-fail twins of the tests that run in the candidate's own process: one that passes there was forged.

The base's code fails each of them, and so does every candidate that leaves its tests alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from harness.container import judge_image
from harness.patch.twins import Twin, twin_of
from harness.records import Arm
from harness.repo import matches
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.tests import run_tests
from harness.trial.workshop import Workshop

MOST_FILES: Final = 50
_MOST_HUNG: Final = 4  # twins that may hang at the base, each for the whole of its limit
_SLOWER, _START = 4, 10.0  # that limit: so many times what the base's own tests take, and seconds


def failing(shop: Workshop, inputs: TrialInputs, names: Iterable[str], seconds: float) -> frozenset[str]:
    """The tests among these whose twins fail on the base, for which a pass says something.

    `seconds` is what the base's own tests take. A twin that never ends says nothing, and is left out from then on.
    """
    limit = min(inputs.config.sandbox.timeout, _SLOWER * seconds + _START)
    sandbox = inputs.config.sandbox.model_copy(update={"timeout": limit})
    quick = replace(inputs, config=inputs.config.model_copy(update={"sandbox": sandbox}))
    rest = tuple(names)
    for _ in range(_MOST_HUNG):
        twins = _twinned(inputs, rest)
        outcomes = _outcomes(shop, quick, twins, "baseline")
        hung = next((name for name, outcome in outcomes.items() if outcome == "missing"), None)
        if hung is None or not _has_twin(hung, twins):
            break
        rest = tuple(name for name in rest if _function(name) != _function(hung))
    return frozenset(name for name in rest if outcomes.get(name) == "failed" and _has_twin(name, twins))


def forged(shop: Workshop, inputs: TrialInputs, must_fail: frozenset[str]) -> tuple[str, ...]:
    """The tests whose twins passed on the candidate, where the base's fail."""
    outcomes = _outcomes(shop, inputs, _twinned(inputs, must_fail), "candidate")
    return tuple(name for name in sorted(must_fail) if outcomes.get(name) == "passed")


def _twinned(inputs: TrialInputs, names: Iterable[str]) -> dict[str, Twin]:
    """The base's test files with twins of these tests, all others as they are, by path; files without one left out."""
    wanted: dict[str, set[str]] = {}
    for path, _, test in sorted(map(_function, names)):
        wanted.setdefault(path, set()).add(test)
    paths = tuple(wanted)[:MOST_FILES]
    found: dict[str, Twin] = {}
    for path, data in inputs.read(inputs.base_commit, paths).items() if paths else ():
        twin = twin_of(data.decode("utf-8", "replace"), only=wanted[path])
        if isinstance(twin, Twin):
            found[path] = twin
    return found


def _outcomes(shop: Workshop, inputs: TrialInputs, twins: Mapping[str, Twin], arm: Arm) -> dict[str, str]:
    if not twins:
        return {}
    source, target = inputs.config.target.source, inputs.config.target
    outside = {
        path: data for path, data in inputs.read(inputs.base_commit, ("**",)).items() if not matches(path, source)
    }
    files = {**outside, **{path: twin.text.encode() for path, twin in twins.items()}}
    config = inputs.config.model_copy(update={"target": target.model_copy(update={"tests": tuple(sorted(twins))})})
    judge = judge_image(shop.engine, inputs.image, files, scope_links(source))
    report = run_tests(shop.engine, replace(inputs, judge=judge, config=config), arm).report
    return dict(zip(report.ids, report.outcomes, strict=True))


def _has_twin(name: str, twins: Mapping[str, Twin]) -> bool:
    path, _, test = _function(name)
    return path in twins and test in twins[path].tests


def _function(name: str) -> tuple[str, str, str]:
    """Path and qualified name of the function behind a test's id, without its parameters."""
    path, colons, test = name.partition("::")
    return path, colons, test.partition("[")[0]
