"""Deterministic metrics of a benchmark as effects: totals compared exactly, ties broken in order; measures
nothing.
"""

from collections.abc import Collection

from harness.records import Effect, EffectOutcome
from harness.stats.exact import ExactTotal, compare_exact
from harness.target import MetricEntry
from harness.trial.bench import BenchResult


def exact_effects(
    metrics: tuple[MetricEntry, ...], baseline: BenchResult, candidate: BenchResult
) -> tuple[Effect, ...]:
    """The effects of one benchmark's exact metrics, tie-breakers included, in the order given."""
    mine = {metric.name: metric for metric in metrics}
    return tuple(_effect(metric, mine, baseline, candidate) for metric in mine.values())


def same_values(first: BenchResult, second: BenchResult, names: Collection[str]) -> bool:
    """Whether two measurements of one arm agree task by task in these metrics, as deterministic ones must."""
    same = all(first.values.get(name) == second.values.get(name) for name in names)
    return same and first.stopped == second.stopped and first.broken == second.broken


def undecided(effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
    """The same effects without an outcome."""
    return tuple(effect.model_copy(update={"outcome": "inconclusive"}) for effect in effects)


def _effect(metric: MetricEntry, mine: dict[str, MetricEntry], baseline: BenchResult, candidate: BenchResult) -> Effect:
    chain = [metric]
    while chain[-1].then in mine and mine[str(chain[-1].then)] not in chain:
        chain.append(mine[str(chain[-1].then)])
    totals = tuple(
        ExactTotal(direction=link.direction, baseline=baseline.total(link.name), candidate=candidate.total(link.name))
        for link in chain
    )
    comparable = all(_comparable(link.name, baseline, candidate) for link in chain)
    return Effect(
        metric=metric.name,
        unit=metric.unit,
        kind=metric.kind,
        role=metric.role,
        exact=True,
        baseline=totals[0].baseline,
        candidate=totals[0].candidate if comparable else None,
        estimate=totals[0].gain if comparable else 0.0,
        low=None,
        high=None,
        e_value=None,
        pairs=len(candidate.values.get(metric.name, {})),
        outcome=_outcome(metric, totals, candidate, comparable),
    )


def _outcome(
    metric: MetricEntry, totals: tuple[ExactTotal, ...], candidate: BenchResult, comparable: bool
) -> EffectOutcome:
    """A run that its judge stopped because the candidate could no longer win is a loss for the objectives."""
    if comparable:
        return compare_exact(totals, metric.role, metric.margin)
    return "worse" if candidate.stopped and metric.role == "objective" else "inconclusive"


def _comparable(name: str, baseline: BenchResult, candidate: BenchResult) -> bool:
    """Whether both arms went through the same tasks."""
    tasks = baseline.values.get(name, {}).keys()
    return baseline.whole and candidate.whole and bool(tasks) and tasks == candidate.values.get(name, {}).keys()
