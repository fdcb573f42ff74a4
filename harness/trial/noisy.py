"""Noisy metrics compared by pairs: fresh runs of both arms back to back, in an order that a secret coin
decides.

A baseline run is never used twice. Both runs of a pair get inputs from one fresh seed, and where costs are read outside
the candidate has to give the base's answers: less work is no gain when it is other work. The log holds the secret, the
orders, the seeds and the differences, so that the coins can be checked afterwards. There is no warm-up: every run is a
fresh container, and the coin decides which arm meets the machine as it is just then. The statistics are in
`harness.stats`.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from harness.records import Alarm, Arm, Effect, EffectOutcome, TrialRecord, canonical_json, sha256
from harness.stats.paired import PairedComparison, PairedResult, Plan, nothing_known
from harness.stats.passfail import compare_tasks, level_of_run
from harness.target import MetricEntry
from harness.trial.script import WHOLE, NoRows, Rows

LOGARITHMIC: Final = frozenset({"time", "cpu", "memory"})

RunArm = Callable[[Arm, int], Rows | NoRows]  # an arm, and the seed of its inputs
Tasks = Mapping[str, float]


@dataclass(frozen=True)
class Conditions:
    """What holds for one group of metrics: the level of a win, the secret of the coins, and what went before.

    `earlier` differences come first, from `attempt` runs of the same open question. With `needs_win` the pairs end
    when no objective can win any more; only sensible when all objectives are in the group.
    """

    alpha: float
    secret: bytes
    earlier: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    attempt: int = 0
    needs_win: bool = False


@dataclass
class Series:
    """What the pairs of one group of metrics gave; grows pair by pair."""

    effects: list[Effect] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    trials: list[TrialRecord] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)
    differences: dict[str, list[float]] = field(default_factory=dict)
    levels: dict[str, dict[Arm, list[float]]] = field(default_factory=dict)
    log: list[dict[str, object]] = field(default_factory=list)
    coins: str = ""
    varying: bool = False  # the base does not give the same answers twice


class PairFailedError(Exception):
    """An arm gave no usable rows; `arm` says which."""

    def __init__(self, arm: Arm, why: str) -> None:
        super().__init__(why)
        self.arm, self.why = arm, why


def coin(secret: bytes, pair: int) -> bool:
    """Whether the baseline runs first in this pair; unpredictable without the secret, checkable with it."""
    return bool(hashlib.blake2b(pair.to_bytes(8, "big"), key=secret, digest_size=1).digest()[0] & 1)


def fresh_seed(secret: bytes, pair: int) -> int:
    """The seed of a pair's inputs: nobody can prepare for it, and with the secret it can be checked."""
    return int.from_bytes(hashlib.blake2b(pair.to_bytes(8, "big"), key=secret, digest_size=4, person=b"seed").digest())


def compare_noisy(metrics: tuple[MetricEntry, ...], run: RunArm, conditions: Conditions) -> Series:
    """Pairs until every metric has its outcome, or no objective can win where a win is needed.

    Earlier differences of the same comparison come first, and as many new pairs as the metric allows may follow.
    """
    series = Series()
    open_ = {metric.name: _continued(series, metric, conditions) for metric in metrics}
    number = max((len(d) for d in series.differences.values()), default=0)
    try:
        while _undecided(tuple(open_.values()), needs_win=conditions.needs_win):
            pair = _pair(series, run, conditions.secret, number)
            number += 1
            for metric in metrics:
                comparison = open_[metric.name]
                if comparison.outcome is None:
                    d = _difference(metric, pair)
                    _note(series, metric, pair, d)
                    comparison.add(d)
    except PairFailedError as failure:
        _fail(series, metrics, {name: c.result() for name, c in open_.items()}, failure)
    else:
        series.effects = [_effect(series, metric, open_[metric.name].result()) for metric in metrics]
    _finish(series, conditions)
    return series


def record_noise(metrics: tuple[MetricEntry, ...], run: RunArm, secret: bytes, count: int) -> Series:
    """`count` pairs that decide nothing; with the same code in both arms they are this machine's noise."""
    series = Series(differences={metric.name: [] for metric in metrics})
    try:
        for number in range(count):
            pair = _pair(series, run, secret, number)
            for metric in metrics:
                _note(series, metric, pair, _difference(metric, pair))
    except PairFailedError as failure:
        series.alarms.append(Alarm(kind="benchmark failed", detail=failure.why))
    _finish(series, Conditions(0.0, secret))
    return series


def compare_pass_fail(metrics: tuple[MetricEntry, ...], run: RunArm, conditions: Conditions) -> Series:
    """Tasks as pairs: one run of each arm in either order, seeds and orders averaged within each task."""
    series = Series()
    first = coin(conditions.secret, 0)
    alpha = level_of_run(conditions.alpha, conditions.attempt)
    plans = {metric.name: plan_for(metric, alpha) for metric in metrics}
    pairs: list[dict[Arm, Rows]] = []
    try:
        seed = fresh_seed(conditions.secret, 0)  # the same tasks in both orders
        pairs += [_pair_in_order(series, run, one, seed) for one in (first, not first)]
        results = {}
        for metric in metrics:
            d = _averaged(metric, pairs, conditions.secret)
            series.differences[metric.name] = d
            for pair in pairs:
                _note_levels(series, metric, pair)
            results[metric.name] = compare_tasks(np.asarray(d, dtype=np.float64), plans[metric.name])
        series.effects = [_effect(series, metric, results[metric.name]) for metric in metrics]
    except PairFailedError as failure:
        _fail(series, metrics, {name: nothing_known(plan) for name, plan in plans.items()}, failure)
    _finish(series, conditions)
    return series


def _continued(series: Series, metric: MetricEntry, conditions: Conditions) -> PairedComparison:
    """The comparison with its earlier pairs replayed: the same process, and room for as many pairs again."""
    earlier = conditions.earlier.get(metric.name, ())
    plan = plan_for(metric, conditions.alpha)
    comparison = PairedComparison(plan.model_copy(update={"pairs": len(earlier) + plan.pairs}))
    for d in earlier:
        if comparison.outcome is None:
            comparison.add(d)
    series.differences[metric.name] = list(comparison.differences)
    return comparison


def _undecided(comparisons: tuple[PairedComparison, ...], *, needs_win: bool) -> bool:
    objectives = [one for one in comparisons if one.plan.role == "objective"]
    if needs_win and objectives and all(one.futile or one.outcome not in (None, "win") for one in objectives):
        return False
    return any(one.outcome is None for one in comparisons)


def plan_for(metric: MetricEntry, alpha: float) -> Plan:
    """The thresholds that a metric's configuration asks for."""
    return Plan(
        role=metric.role, alpha=alpha, effect=max(metric.effect, 1e-9), margin=metric.margin, pairs=metric.pairs
    )


def _pair(series: Series, run: RunArm, secret: bytes, number: int) -> dict[Arm, Rows]:
    return _pair_in_order(series, run, coin(secret, number), fresh_seed(secret, number))


def _pair_in_order(series: Series, run: RunArm, baseline_first: bool, seed: int) -> dict[Arm, Rows]:
    order: tuple[Arm, Arm] = ("baseline", "candidate") if baseline_first else ("candidate", "baseline")
    pair: dict[Arm, Rows] = {}
    for arm in order:
        pair[arm] = _run(series, run, arm, seed)
    series.log.append({"first": order[0], "seed": seed})
    at = _unlike(pair["baseline"], pair["candidate"])
    if at is not None and not series.varying:
        if _unlike(pair["baseline"], _run(series, run, "baseline", seed)) is None:
            raise PairFailedError("candidate", f"question {at + 1} is answered otherwise than by the base")
        series.varying = True
        detail = "the base itself answers otherwise from run to run: the work of the arms was not compared"
        series.alarms.append(Alarm(kind="answers vary", detail=detail))
    return pair


def _run(series: Series, run: RunArm, arm: Arm, seed: int) -> Rows:
    rows = run(arm, seed)
    series.trials += [rows.trial] if rows.trial else []
    series.blobs += rows.blobs
    if isinstance(rows, NoRows):
        raise PairFailedError(arm, rows.why)
    return rows


def _unlike(one: Rows, other: Rows) -> int | None:
    """The first question where two runs differ, in what was asked or answered; None when they are alike."""
    ours, theirs = one.said, other.said
    at = next((at for at, (mine, yours) in enumerate(zip(ours, theirs, strict=False)) if mine != yours), None)
    return min(len(ours), len(theirs)) if at is None and len(ours) != len(theirs) else at


def _tasks(metric: MetricEntry, arm: Arm, rows: Rows) -> Tasks:
    """Value by task, seeds averaged; logarithmic kinds by the geometric mean."""
    found = rows.values.get(metric.name)
    if found is None and metric.kind in rows.outside:
        found = {WHOLE: {"": rows.outside[metric.kind]}}
    if not found:
        raise PairFailedError(arm, f"{metric.name} was not printed, and nothing of its kind was read outside")
    averaged = {}
    for task, seeds in found.items():
        values = np.asarray(list(seeds.values()), dtype=np.float64)
        if metric.kind in LOGARITHMIC:
            if not (values > 0).all():
                raise PairFailedError(arm, f"{metric.name} of {task} is not above zero")
            values = np.log(values)
        elif metric.kind == "pass_fail" and not ((values >= 0) & (values <= 1)).all():
            raise PairFailedError(arm, f"{metric.name} of {task} is not between 0 and 1")
        averaged[task] = float(values.mean())
    return averaged


def _task_differences(metric: MetricEntry, pair: Mapping[Arm, Rows]) -> Tasks:
    base, cand = (_tasks(metric, arm, pair[arm]) for arm in ("baseline", "candidate"))
    if base.keys() != cand.keys():
        raise PairFailedError("candidate", f"{metric.name}: other tasks than the base's")
    sign = 1 if metric.direction == "higher" else -1
    return {task: sign * (cand[task] - base[task]) for task in base}


def _averaged(metric: MetricEntry, pairs: list[dict[Arm, Rows]], secret: bytes) -> list[float]:
    """Each task's difference over all pairs. The order must not depend on outcomes; nobody can prepare for this one."""
    rates = [_task_differences(metric, pair) for pair in pairs]
    if any(rate.keys() != rates[0].keys() for rate in rates):
        raise PairFailedError("candidate", f"{metric.name}: the tasks change from run to run")
    order = sorted(rates[0], key=lambda task: hashlib.blake2b(task.encode(), key=secret).digest())
    return [float(np.mean([rate[task] for rate in rates])) for task in order]


def _difference(metric: MetricEntry, pair: Mapping[Arm, Rows]) -> float:
    """The pair's difference, positive when the candidate is better: of logarithms for costs, else of values."""
    return float(np.mean(list(_task_differences(metric, pair).values())))


def _note(series: Series, metric: MetricEntry, pair: Mapping[Arm, Rows], d: float) -> None:
    series.differences[metric.name].append(d)
    series.log[-1][metric.name] = d
    _note_levels(series, metric, pair)


def _note_levels(series: Series, metric: MetricEntry, pair: Mapping[Arm, Rows]) -> None:
    levels = series.levels.setdefault(metric.name, {"baseline": [], "candidate": []})
    for arm, rows in pair.items():
        levels[arm].append(float(np.mean(list(_tasks(metric, arm, rows).values()))))


def _level(series: Series, metric: MetricEntry, arm: Arm) -> float | None:
    values = series.levels.get(metric.name, {}).get(arm)
    if not values:
        return None
    mean = float(np.mean(values))
    return math.exp(mean) if metric.kind in LOGARITHMIC else mean


def _effect(series: Series, metric: MetricEntry, result: PairedResult, outcome: EffectOutcome | None = None) -> Effect:
    return Effect(
        metric=metric.name,
        unit=metric.unit,
        kind=metric.kind,
        role=metric.role,
        exact=False,
        baseline=_level(series, metric, "baseline"),
        candidate=_level(series, metric, "candidate"),
        estimate=result.estimate,
        low=result.low,
        high=result.high,
        e_value=result.e_value,
        pairs=result.pairs,
        outcome=outcome or result.outcome,
        alpha=result.alpha if metric.role == "objective" else None,
        futile=result.futile,
        path=result.path,
    )


def _fail(
    series: Series,
    metrics: tuple[MetricEntry, ...],
    results: Mapping[str, PairedResult],
    failure: PairFailedError,
) -> None:
    """A candidate that breaks the benchmark is worse; a base that does leaves the question open."""
    outcome: EffectOutcome = "worse" if failure.arm == "candidate" else "inconclusive"
    series.effects = [_effect(series, metric, results[metric.name], outcome) for metric in metrics]
    series.alarms.append(Alarm(kind="benchmark failed", detail=f"{failure.arm}: {failure.why}"))


def _finish(series: Series, conditions: Conditions) -> None:
    log = {
        "secret": conditions.secret.hex(),
        "attempt": conditions.attempt,
        "earlier": {name: len(d) for name, d in conditions.earlier.items()},
        "pairs": series.log,
        "differences": series.differences,
    }
    series.blobs.append(canonical_json(log))
    series.coins = sha256(series.blobs[-1])
