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


def twinned(inputs: TrialInputs, names: Iterable[str]) -> dict[str, Twin]:
    """The twins of the base's test files that hold these tests, by path; files without one are left out."""
    paths = sorted({name.partition("::")[0] for name in names})[:MOST_FILES]
    found: dict[str, Twin] = {}
    for path, data in inputs.read(inputs.base_commit, tuple(paths)).items() if paths else ():
        twin = twin_of(data.decode("utf-8", "replace"))
        if isinstance(twin, Twin):
            found[path] = twin
    return found


def failing(shop: Workshop, inputs: TrialInputs, twins: Mapping[str, Twin], names: Iterable[str]) -> frozenset[str]:
    """The tests whose twins fail on the base: for these a pass says something."""
    outcomes = _outcomes(shop, inputs, twins, "baseline")
    return frozenset(name for name in names if outcomes.get(name) == "failed" and _has_twin(name, twins))


def forged(
    shop: Workshop, inputs: TrialInputs, twins: Mapping[str, Twin], must_fail: frozenset[str]
) -> tuple[str, ...]:
    """The tests whose twins passed on the candidate, where the base's fail."""
    outcomes = _outcomes(shop, inputs, twins, "candidate")
    return tuple(name for name in sorted(must_fail) if outcomes.get(name) == "passed")


def _outcomes(shop: Workshop, inputs: TrialInputs, twins: Mapping[str, Twin], arm: Arm) -> dict[str, str]:
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
    path, _, test = name.partition("::")
    return path in twins and test.partition("[")[0] in twins[path].tests
