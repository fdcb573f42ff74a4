"""All metrics of one run: which benchmark gives which, exact or by pairs; the verdict is formed elsewhere.

The error rate of a win is shared: each of k noisy objectives gets alpha/k. Guardrails only veto.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.container import Engine
from harness.records import Alarm, Arm, Effect, Record, TrialRecord
from harness.target import MetricEntry
from harness.trial.bench import COSTS, BenchResult, BenchRunner
from harness.trial.exact import exact_effects, same_values, undecided
from harness.trial.inputs import TrialInputs
from harness.trial.noisy import Conditions, RunArm, Series, compare_noisy, compare_pass_fail, record_noise
from harness.trial.script import NoRows, Rows, Script, run_script

NOT_DETERMINISTIC = "not deterministic"


@dataclass(frozen=True)
class BenchArms:
    """One [[bench]] ready to measure: its runner, what each arm ships, and the baseline of its exact metrics."""

    runner: BenchRunner
    baseline_files: Mapping[str, bytes]
    candidate_files: Mapping[str, bytes]
    baseline: BenchResult | None = None


@dataclass(frozen=True)
class Terms:
    """The terms of a comparison: level of a win, early stop of losers, earlier pairs, seed of exact benchmarks.

    With `beat` the judge may stop a candidate that can no longer beat the baseline, and pairs end that cannot bring a
    win; only sensible when one is needed. `over` is the commit of the baseline arm where that is not the base: a parent
    whose gain the candidate inherits. `earlier` are the differences of the same comparison's pairs in `attempt`
    earlier runs, to be continued.
    """

    alpha: float = 0.05
    beat: bool = False
    earlier: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    attempt: int = 0
    over: str = ""
    seed: int = 0


class Measured(Record):
    """Effects in the order of the configuration, and all that belongs in the evidence with them.

    `results` are the candidate's exact measurements by benchmark (or script), for comparisons yet to come. `coins` are
    the digests of the blobs that log the coin flips.
    """

    effects: tuple[Effect, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    trials: tuple[TrialRecord, ...] = ()
    blobs: tuple[bytes, ...] = ()
    differences: Mapping[str, tuple[float, ...]] = {}
    results: Mapping[str, BenchResult] = {}
    coins: tuple[str, ...] = ()


def exact_baseline(runner: BenchRunner, files: Mapping[str, bytes], seed: int = 0) -> BenchResult:
    """The base measured twice; `broken` says so when the two differ, and then no exact metric can be decided."""
    first = runner.measure(files, arm="baseline", seed=seed)
    second = runner.measure(files, arm="baseline", seed=seed)
    if first.broken or same_values(first, second, runner.exact):
        return first
    return first.model_copy(update={"broken": f"two measurements of the base differ: {NOT_DETERMINISTIC}"})


def measure_all(
    engine: Engine, inputs: TrialInputs, benches: Mapping[str, BenchArms], terms: Terms | None = None
) -> Measured:
    """Measures every configured metric; a [[bench]] of the configuration must be among `benches`."""
    terms = terms or Terms()
    metrics = inputs.config.metrics
    objectives = [metric for metric in metrics if metric.role == "objective"]
    alpha = terms.alpha / max(1, sum(not metric.exact for metric in objectives))
    parts: list[Measured] = []
    for name in dict.fromkeys(metric.bench for metric in metrics if metric.bench):
        arms = benches[name]
        mine = tuple(metric for metric in metrics if metric.bench == name)
        parts.append(_exact(name, _chosen(mine, exact=True), _BenchSource(arms, terms.seed), arms.baseline, terms))
        parts.append(_noisy(mine, _BenchSource(arms, terms.seed).rows, alpha, _alone(terms, mine, objectives)))
    for script, mine in _scripts(metrics):
        source = _ScriptSource(engine, inputs, script, terms.over or inputs.base_commit)
        parts.append(_exact(script.path, _chosen(mine, exact=True), source, None, terms))
        parts.append(_noisy(mine, source.rows, alpha, _alone(terms, mine, objectives)))
        parts.append(Measured(alarms=_read_inside(mine, source)))
    measured = _joined(parts, metrics)
    return measured.model_copy(
        update={"effects": tuple(effect.model_copy(update={"over": terms.over}) for effect in measured.effects)}
    )


def _read_inside(metrics: tuple[MetricEntry, ...], source: "_ScriptSource") -> tuple[Alarm, ...]:
    """A cost that the script printed is a claim: it shares its process with the candidate."""
    why = "printed by a script in the candidate's process, not read outside; a [[bench]] would be"
    claims = [m.name for m in metrics if m.kind in COSTS and not m.exact and m.name in source.printed]
    return tuple(Alarm(kind="read inside", detail=f"{name}: {why}") for name in claims)


def measure_noise(
    engine: Engine, inputs: TrialInputs, benches: Mapping[str, BenchArms], metrics: tuple[MetricEntry, ...], count: int
) -> tuple[Series, ...]:
    """`count` pairs of each benchmark that has any of these metrics, as they would be measured; nothing is decided."""
    sources: list[tuple[tuple[MetricEntry, ...], _BenchSource | _ScriptSource]] = [
        (tuple(metric for metric in metrics if metric.bench == name), _BenchSource(arms, 0))
        for name, arms in benches.items()
    ]
    sources += [(mine, _ScriptSource(engine, inputs, script, inputs.base_commit)) for script, mine in _scripts(metrics)]
    return tuple(record_noise(mine, one.rows, secrets.token_bytes(32), count) for mine, one in sources if mine)


def _scripts(metrics: tuple[MetricEntry, ...]) -> tuple[tuple[Script, tuple[MetricEntry, ...]], ...]:
    """What is to be run, and the metrics that it gives."""
    groups: dict[tuple[str, str | None], list[MetricEntry]] = {}
    for metric in metrics:
        if metric.run is not None:
            groups.setdefault((metric.run, metric.suite), []).append(metric)
    return tuple(
        (Script(path=path, suite=suite, metrics={metric.name: metric.kind for metric in mine}), tuple(mine))
        for (path, suite), mine in groups.items()
    )


def _alone(terms: Terms, mine: tuple[MetricEntry, ...], objectives: list[MetricEntry]) -> Terms:
    """The terms for pairs: these may end for want of a win only if no other objective can still bring one."""
    pairs = [metric for metric in mine if not metric.exact and metric.kind != "pass_fail"]
    return replace(terms, beat=terms.beat and all(metric in pairs for metric in objectives))


class _BenchSource:
    """Measures an arm through the benchmark's runner."""

    def __init__(self, arms: BenchArms, seed: int) -> None:
        self._arms = arms
        self._seed = seed

    def result(self, arm: Arm, beat: Mapping[str, float] | None = None, seed: int | None = None) -> BenchResult:
        files = self._arms.baseline_files if arm == "baseline" else self._arms.candidate_files
        return self._arms.runner.measure(files, arm=arm, seed=self._seed if seed is None else seed, beat=beat)

    def rows(self, arm: Arm, seed: int | None = None) -> Rows | NoRows:
        result = self.result(arm, seed=seed)
        trial = result.trials[-1] if result.trials else None
        if not result.whole:
            return NoRows(why=result.broken or result.stopped, trial=trial, blobs=result.blobs)
        values = {m: {task: {"": value} for task, value in tasks.items()} for m, tasks in result.values.items()}
        return Rows(values=values, outside=result.outside, trial=trial, blobs=result.blobs, said=result.said)


class _ScriptSource:
    """Measures an arm by running a base-owned script on it."""

    def __init__(self, engine: Engine, inputs: TrialInputs, script: Script, baseline: str) -> None:
        self._engine = engine
        self._inputs = inputs
        self._script = script
        self.printed: set[str] = set()
        source = inputs.config.target.source
        self._files: dict[Arm, Mapping[str, bytes]] = {
            "baseline": inputs.read(baseline, source),
            "candidate": inputs.read(inputs.merge_commit, source),
        }

    def rows(self, arm: Arm, seed: int | None = None) -> Rows | NoRows:
        """What the script printed; its inputs are its own, whatever the seed."""
        rows = run_script(self._engine, self._inputs, self._script, arm, self._files[arm])
        if isinstance(rows, Rows):
            self.printed.update(rows.values)
        return rows

    def result(self, arm: Arm, beat: Mapping[str, float] | None = None) -> BenchResult:
        rows = self.rows(arm)
        trials = (rows.trial,) if rows.trial else ()
        if isinstance(rows, NoRows):
            return BenchResult(values={}, broken=rows.why, trials=trials, blobs=rows.blobs)
        values = {m: {t: sum(seeds.values()) for t, seeds in tasks.items()} for m, tasks in rows.values.items()}
        return BenchResult(values=values, trials=trials, blobs=rows.blobs)


def _exact(
    name: str,
    metrics: tuple[MetricEntry, ...],
    source: _BenchSource | _ScriptSource,
    baseline: BenchResult | None,
    terms: Terms,
) -> Measured:
    """One measurement of each arm, a win confirmed by a second one in fresh containers."""
    if not metrics:
        return Measured()
    names = {metric.name for metric in metrics}
    alarms: list[Alarm] = []
    results: list[BenchResult] = []
    if baseline is None:
        baseline, again = source.result("baseline"), source.result("baseline")
        results += [baseline, again]
        if not baseline.broken and not same_values(baseline, again, names):
            baseline = baseline.model_copy(update={"broken": f"the base is {NOT_DETERMINISTIC}"})
    beat = {m.name: baseline.total(m.name) for m in metrics} if terms.beat and baseline.whole else None
    candidate = source.result("candidate", beat)
    results.append(candidate)
    effects = exact_effects(metrics, baseline, candidate)
    for arm, result in (("baseline", baseline), ("candidate", candidate)):
        if result.broken:
            alarms.append(Alarm(kind="benchmark failed", detail=f"{arm}: {result.broken}"))
    if candidate.stopped:
        alarms.append(Alarm(kind="stopped early", detail=candidate.stopped))
    if any(effect.outcome == "win" for effect in effects):
        confirmed = source.result("candidate")
        results.append(confirmed)
        if not same_values(candidate, confirmed, names):
            effects = undecided(effects)
            detail = "a second measurement of the candidate gave other values"
            alarms.append(Alarm(kind=NOT_DETERMINISTIC, detail=detail))
    return Measured(
        effects=effects,
        alarms=tuple(alarms),
        trials=tuple(trial for result in results for trial in result.trials),
        blobs=tuple(blob for result in results for blob in result.blobs),
        results={name: candidate},
    )


def _noisy(metrics: tuple[MetricEntry, ...], run: RunArm, alpha: float, terms: Terms) -> Measured:
    """Pairs for what varies, tasks for what passes or fails; each with a secret of its own."""
    parts = []
    rest = _chosen(metrics, exact=False)
    by_pairs = tuple(metric for metric in rest if metric.kind != "pass_fail")
    by_tasks = tuple(metric for metric in rest if metric.kind == "pass_fail")

    def conditions(*, needs_win: bool) -> Conditions:
        return Conditions(alpha, secrets.token_bytes(32), terms.earlier, terms.attempt, needs_win)

    if by_pairs:
        parts.append(compare_noisy(by_pairs, run, conditions(needs_win=terms.beat)))
    if by_tasks:
        parts.append(compare_pass_fail(by_tasks, run, conditions(needs_win=False)))
    return _joined([_measured(part) for part in parts], metrics)


def _chosen(metrics: tuple[MetricEntry, ...], *, exact: bool) -> tuple[MetricEntry, ...]:
    return tuple(metric for metric in metrics if metric.exact == exact)


def _measured(series: Series) -> Measured:
    return Measured(
        effects=tuple(series.effects),
        alarms=tuple(series.alarms),
        trials=tuple(series.trials),
        blobs=tuple(series.blobs),
        differences={name: tuple(d) for name, d in series.differences.items()},
        coins=(series.coins,),
    )


def _joined(parts: list[Measured], metrics: tuple[MetricEntry, ...]) -> Measured:
    place = {metric.name: number for number, metric in enumerate(metrics)}
    effects = sorted((e for part in parts for e in part.effects), key=lambda effect: place[effect.metric])
    return Measured(
        effects=tuple(effects),
        alarms=tuple(alarm for part in parts for alarm in part.alarms),
        trials=tuple(trial for part in parts for trial in part.trials),
        blobs=tuple(blob for part in parts for blob in part.blobs),
        differences={name: d for part in parts for name, d in part.differences.items()},
        results={name: result for part in parts for name, result in part.results.items()},
        coins=tuple(digest for part in parts for digest in part.coins),
    )
