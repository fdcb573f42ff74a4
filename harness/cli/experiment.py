"""`holdpoint experiment selfcheck`: what this machine's noise admits, from A/A trials; it judges no proposal."""

import time
from typing import Annotated

import numpy as np
import typer

from harness.cli.documents import NoiseCheck
from harness.cli.opened import laboratory, opened
from harness.cli.shell import DONE, REFUSED, shell_of
from harness.cli.words import columns, in_unit
from harness.errors import UsageError
from harness.stats.flip import Floats, e_path
from harness.stats.paired import Plan
from harness.stats.planning import POWER, pairs_needed, smallest_effect, spread
from harness.target import MetricEntry, TargetConfig
from harness.trial.noisy import Series, plan_for
from harness.trial.question import Question

FACTORS = (0.5, 1.0, 2.0, 4.0)
SEED = 20_261_126  # of the simulation, so that the same pairs say the same


def register(app: typer.Typer) -> None:
    """Adds the command group."""
    group = typer.Typer(help="Measuring itself.", no_args_is_help=True)
    group.command("selfcheck")(selfcheck)
    group.callback()(_group)
    app.add_typer(group, name="experiment")


def _group() -> None:
    """Measuring itself."""


def selfcheck(
    context: typer.Context,
    metric: Annotated[list[str] | None, typer.Option("--metric", help="Only this metric; may be repeated.")] = None,
    pairs: Annotated[int, typer.Option(min=5, max=2000, help="A/A pairs to run of each benchmark.")] = 30,
) -> None:
    """Run the base against itself and say whether this machine's noise admits the effects that the metrics ask for.

    Exit code 1 when a metric's smallest effect would be found less than four times of five within its pairs.
    """
    shell = shell_of(context)
    with opened(shell, lock="run") as work:
        tip = work.tip()
        config = work.rules_at(tip).config
        chosen = _chosen(config, metric)
        shell.progress(f"{pairs} pairs of the base against itself: {', '.join(entry.name for entry in chosen)}")
        began = time.monotonic()
        with laboratory(shell, work) as lab:
            question = Question(base=tip, merge=tip, parent=None, config=config, claims_gain=False)
            found = lab.noise(question, chosen, pairs)
        seconds = round(time.monotonic() - began, 1)
    checks = tuple(_check(entry, series) for series in found for entry in chosen if entry.name in series.differences)
    ok = all(check.admits for check in checks)
    content = {"checks": checks, "ok": ok, "base": tip, "seconds": seconds}
    shell.finish("selfcheck", content, lambda: "\n".join(map(in_words, checks)), DONE if ok else REFUSED)


def _chosen(config: TargetConfig, names: list[str] | None) -> tuple[MetricEntry, ...]:
    noisy = {entry.name: entry for entry in config.metrics if not entry.exact and entry.kind != "pass_fail"}
    if not noisy:
        raise UsageError("This target has no metric that is compared by pairs.", "add a [[metric]] that is not exact")
    unknown = [name for name in names or () if name not in noisy]
    if unknown:
        raise UsageError(f"{unknown[0]} is no metric that is compared by pairs.", f"allowed: {', '.join(noisy)}")
    return tuple(noisy[name] for name in dict.fromkeys(names or noisy))


def _check(entry: MetricEntry, series: Series) -> NoiseCheck:
    """What the recorded pairs of one metric say."""
    noise = np.asarray(series.differences[entry.name], dtype=np.float64)
    plan = plan_for(entry, Plan.model_fields["doubt"].default)
    why = series.alarms[0].detail if series.alarms else ""
    if not len(noise):
        return NoiseCheck(
            metric=entry.name, kind=entry.kind, unit=entry.unit, pairs=0, limit=plan.pairs, effect=plan.effect, why=why
        )
    rng = np.random.default_rng(SEED)
    needed = tuple(pairs_needed(noise, factor * plan.effect, plan, rng) for factor in FACTORS)
    power = needed[FACTORS.index(1.0)].power
    return NoiseCheck(
        metric=entry.name,
        kind=entry.kind,
        unit=entry.unit,
        pairs=len(noise),
        limit=plan.pairs,
        effect=plan.effect,
        spread=spread(noise),
        order_bias=_order_bias(noise, series),
        e_value=float(e_path(noise).max()),
        needed=needed,
        detectable=smallest_effect(noise, plan, rng),
        admits=power >= POWER and not why,
        why=why or ("" if power >= POWER else f"a gain of {plan.effect:g} is found in {power:.0%} of comparisons only"),
    )


def _order_bias(noise: Floats, series: Series) -> float:
    """By how much the second run of a pair is better than the first; the coin makes it harmless, not invisible."""
    first = np.array([1.0 if pair["first"] == "baseline" else -1.0 for pair in series.log[: len(noise)]])
    return float(np.median(first * noise))


def in_words(check: NoiseCheck) -> str:
    """One metric for people."""
    verdict = "admits" if check.admits else "does not admit"

    def size(value: float) -> str:
        return in_unit(value, check.kind, check.unit)

    head = f"{check.metric}: the noise {verdict} an effect of {size(check.effect)} within {check.limit} pairs"
    lines = [head + (f": {check.why}" if check.why else "")]
    if check.spread is None:
        return lines[0]
    smallest = "none" if check.detectable is None else size(check.detectable)
    lines.append(
        f"  {check.pairs} A/A pairs: spread {size(check.spread)}, second run better by {size(check.order_bias)}, "
        f"largest e-value {check.e_value:.3g} (a win needs 20)"
    )
    lines.append(f"  smallest effect that is found four times of five: about {smallest}")
    rows = [
        (
            size(one.effect),
            f"{one.power:.0%}",
            "more than the limit" if one.pairs is None else str(one.pairs),
            f"{one.mean_pairs:.0f}",
        )
        for one in check.needed
    ]
    return "\n".join([*lines, *columns(("effect", "found", "pairs for 80 %", "pairs on average"), rows)])
