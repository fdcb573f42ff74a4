"""How far the statistics keep their promises: simulated and recorded noise, the alternatives beside it, controls that
must fail. Seeded; it measures nothing but, with `--record`, new traces of this machine's noise.

An experiment is up to 60 pairs of runs (120 runs), looked at after every pair. Which arm of a pair ran first is a coin,
unless a control leaves it out.
"""

import argparse
import hashlib
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from stats_parts.noise import NOISE, Generator, Noise, coins, record, recorded
from stats_parts.rules import (
    ALPHA,
    BETA,
    EFFECT,
    PAIRS,
    Flags,
    first_at,
    flip_rule,
    group_sequential,
    paired_t,
    peeking_t,
    stored_welch,
)

from harness.stats.campaign import ELond, Gamma
from harness.stats.flip import SPAN_BETS, e_path, interval
from harness.stats.passfail import discordant_e

TRACES = Path(__file__).parent / "traces"
HEAVY = ("pareto 1.5", "student 1.5", "spikes")
EFFECTS = (0.02, 0.03, 0.05, 0.08)


def allowed(rate: float, count: int) -> float:
    """A promised rate and three standard errors of the binomial."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / count)


def seeded(*names: object) -> Generator:
    """A generator of its own for each cell, so that a cell's numbers do not depend on which others are run."""
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(repr(names).encode(), digest_size=8).digest()))


def false_wins(name: str, noise: Noise, count: int) -> dict[str, Any]:
    """How often each rule calls A/A a win; the last three are the negative controls."""
    rng = seeded("false", name)
    runs = noise(rng, (count, PAIRS, 2))
    d = coins(rng, runs)
    later = noise(rng, (count, PAIRS, 2)).reshape(count, -1)
    return {
        "noise": name,
        "flip": float((e_path(d) * ALPHA >= 1).any(axis=1).mean()),
        "flip_with_stops": float(flip_rule(d, futility=True).wins.mean()),
        "paired_t30": float(paired_t(d).wins.mean()),
        "group_sequential": float(group_sequential(d).wins.mean()),
        "peeking_t": float(peeking_t(d).wins.mean()),
        "stored_baseline": float(stored_welch(runs.reshape(count, -1), later).wins.mean()),
        "fixed_order": float((e_path(runs[..., 1] - runs[..., 0]) * ALPHA >= 1).any(axis=1).mean()),
    }


def power(name: str, noise: Noise, effect: float, count: int) -> dict[str, Any]:
    """Power and runs at a true effect: with the default limit, and with t-30's own 30 pairs."""
    rng = seeded("power", name, effect)
    d = coins(rng, noise(rng, (count, PAIRS, 2))) + effect
    row: dict[str, Any] = {"noise": name, "effect": effect}
    rules = {
        "flip_60": flip_rule(d),
        "flip_60_futility": flip_rule(d, futility=True),
        "flip_30": flip_rule(d, 30),
        "paired_t30": paired_t(d),
        "group_sequential": group_sequential(d),
    }
    for rule, told in rules.items():
        row[rule] = {"power": float(told.wins.mean()), "runs": float(2 * told.pairs.mean())}
    return row


def coverage(name: str, noise: Noise, effect: float, count: int) -> dict[str, Any]:
    """How often the interval at the stopping time holds the true effect; of some, by the interval's own grid."""
    rng = seeded("coverage", name, effect)
    d = coins(rng, noise(rng, (count, PAIRS, 2))) + effect
    stops = flip_rule(d, futility=True).pairs
    refuted = np.maximum(e_path(d - effect, SPAN_BETS), e_path(effect - d, SPAN_BETS)) * ALPHA >= 2
    held = first_at(refuted) >= stops
    some = max(5, count // 125)
    ends = [interval(series[: int(n)], ALPHA) for series, n in zip(d[:some], stops[:some], strict=True)]
    inside = [(low is None or low <= effect) and (high is None or high >= effect) for low, high in ends]
    widths = [high - low for low, high in ends if low is not None and high is not None]
    return {
        "noise": name,
        "effect": effect,
        "coverage": float(held.mean()),
        "by_grid": float(np.mean(inside)),
        "width": float(np.median(widths)) if widths else None,
        "unbounded": 1 - len(widths) / len(ends),
    }


def campaign(noise: Noise, candidates: int, gamma: Gamma, rng: Generator) -> tuple[dict[str, float], dict[str, float]]:
    """85 % of the candidates do nothing, 10 % gain 3 %, 5 % gain 8 %; e-LOND, and t-30 without control."""
    kind = rng.choice(3, candidates, p=(0.85, 0.10, 0.05))
    d = coins(rng, noise(rng, (candidates, PAIRS, 2))) + np.array([0.0, 0.03, 0.08])[kind][:, None]
    gain = e_path(d)
    end = np.minimum(first_at(e_path(-d) * ALPHA >= 1), first_at(e_path(EFFECT - d) * BETA >= 1))
    budget = ELond(alpha=ALPHA, horizon=candidates, gamma=gamma)
    wins, used = np.zeros(candidates, dtype=bool), np.zeros(candidates)
    for t in range(candidates):
        win = first_at(gain[t : t + 1] * budget.level() >= 1)[0]
        wins[t] = win < PAIRS and win <= end[t]
        used[t] = min(win, end[t], PAIRS - 1) + 1
        budget = budget.after(bool(wins[t]))

    def summary(found: Flags, runs: float) -> dict[str, float]:
        false = float((found & (kind == 0)).sum() / max(1, found.sum()))
        at_3, at_8 = (float(found[kind == size].mean()) for size in (1, 2))
        return {"fdr": false, "at_3": at_3, "at_8": at_8, "runs": runs}

    return summary(wins, float(2 * used.mean())), summary(paired_t(d).wins, 60.0)


def campaigns(name: str, candidates: int, gamma: Gamma) -> dict[str, Any]:
    """Means over five campaigns: a false discovery rate is one."""
    both = [campaign(NOISE[name], candidates, gamma, seeded("campaign", name, candidates, n)) for n in range(5)]
    means = [{key: float(np.mean([one[key] for one in rule])) for key in rule[0]} for rule in zip(*both, strict=True)]
    return {"noise": name, "gamma": gamma, "e_lond": means[0], "paired_t30": means[1]}


def pass_fail(count: int) -> dict[str, float]:
    """A change that moves single tasks and none on average: tasks as pairs, and seeds as pairs (the control)."""
    rng = seeded("pass or fail")
    by_task = by_seed = 0
    for _ in range(count):
        shift = rng.normal(0, 0.4, (60, 1))
        rates = [np.clip(0.5 + on * shift, 0, 1) for on in (0, 1)]
        base, candidate = ((rng.random((60, 8)) < rate).astype(float) for rate in rates)
        by_task += discordant_e((candidate - base).mean(axis=1)) * ALPHA >= 1
        by_seed += discordant_e((candidate - base).ravel()) * ALPHA >= 1
    return {"by_task": by_task / count, "by_seed": by_seed / count}


def measured(count: int, candidates: int) -> dict[str, Any]:
    """Every table."""
    traces = {f"recorded: {path.stem}": recorded(path) for path in sorted(TRACES.glob("*.json"))}
    noises = {**NOISE, **traces}
    return {
        "schema": "holdpoint/benchmark-stats/1",
        "experiments": count,
        "candidates": candidates,
        "alpha": ALPHA,
        "false_wins": [false_wins(name, noise, count) for name, noise in noises.items()],
        "by_effect": [power(name, noise, effect, count // 2) for name, noise in noises.items() for effect in EFFECTS],
        "coverage": [coverage(name, noise, e, count // 2) for name, noise in noises.items() for e in (0.0, 0.05)],
        "campaigns": [
            campaigns("normal", candidates, "even"),
            campaigns("normal", candidates, "decreasing"),
            campaigns("pareto 1.5", candidates, "even"),
            campaigns("drift, order bias", candidates, "even"),
        ],
        "pass_fail": pass_fail(max(200, count // 5)),
    }


def judged(found: dict[str, Any]) -> dict[str, Any]:
    """The headline figures, and whether each promise was kept and each control failed."""
    count, false, tasks = found["experiments"], found["false_wins"], found["pass_fail"]
    heavy = [row for row in found["by_effect"] if row["noise"] in HEAVY and row["effect"] == 0.05]
    saved = min(1 - row["flip_30"]["runs"] / row["paired_t30"]["runs"] for row in heavy)
    head = found["campaigns"][0]["e_lond"]
    worst = max(max(row["flip"], row["flip_with_stops"]) for row in false)
    fdr = max(row["e_lond"]["fdr"] for row in found["campaigns"])
    once, often = allowed(ALPHA, count), allowed(ALPHA, max(200, count // 5))
    checks = {
        "false wins": worst <= once,
        "peeking t exceeds alpha": all(row["peeking_t"] > once for row in false),
        "stored baseline exceeds alpha": max(row["stored_baseline"] for row in false) > once,
        "fixed order exceeds alpha": max(row["fixed_order"] for row in false) > once,
        "seeds as pairs exceed alpha": tasks["by_seed"] > often,
        "tasks as pairs": tasks["by_task"] <= often,
        "coverage": all(1 - row["coverage"] <= allowed(ALPHA, count // 2) for row in found["coverage"]),
        "coverage as shown": np.mean([row["by_grid"] for row in found["coverage"]]) >= 1 - ALPHA,
        "runs saved": saved >= 0.4,
        "power of t-30": all(row["flip_30"]["power"] >= row["paired_t30"]["power"] for row in heavy),
        "campaign fdr": fdr <= ALPHA,
        "campaign power": head["at_3"] >= 0.70 and head["at_8"] >= 0.99,
    }
    return {
        **found,
        "worst_false_positive": worst,
        "fdr": fdr,
        "power": {"+3%": head["at_3"], "+8%": head["at_8"], "runs": head["runs"]},
        "runs_saved": saved,
        "checks": {name: bool(kept) for name, kept in checks.items()},
        "ok": bool(all(checks.values())),
    }


# Words.


def table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Plain columns under a title."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    return "\n".join([f"\n{title}", *(line.rstrip() for line in lines)])


def rate(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value < 1 else "1"


def words(found: dict[str, Any]) -> str:
    """The whole answer for people."""
    rules = ("flip", "flip_with_stops", "paired_t30", "group_sequential", "peeking_t", "stored_baseline", "fixed_order")
    parts = [
        table(
            f"A/A: how often a win is declared (promise {ALPHA}, {found['experiments']} experiments a cell; "
            "the last three are controls)",
            ("noise", *rules),
            [(row["noise"], *(rate(row[rule]) for rule in rules)) for row in found["false_wins"]],
        )
    ]
    tests = ("flip_60", "flip_60_futility", "flip_30", "paired_t30", "group_sequential")
    parts.append(
        table(
            "a true effect: power / runs used",
            ("noise", "effect", *tests),
            [
                (
                    row["noise"],
                    f"+{row['effect'] * 100:.0f} %",
                    *(f"{rate(row[test]['power'])} / {row[test]['runs']:.0f}" for test in tests),
                )
                for row in found["by_effect"]
            ],
        )
    )
    parts.append(
        table(
            f"intervals at the stopping time (promise {1 - ALPHA})",
            ("noise", "effect", "coverage", "by grid", "median width", "unbounded"),
            [
                (
                    row["noise"],
                    f"{row['effect']:+.2f}",
                    rate(row["coverage"]),
                    rate(row["by_grid"]),
                    "-" if row["width"] is None else f"{row['width']:.3f}",
                    rate(row["unbounded"]),
                )
                for row in found["coverage"]
            ],
        )
    )
    parts.append(
        table(
            f"campaigns of {found['candidates']} candidates: FDR, power at +3 % / +8 %, runs a candidate",
            ("noise", "gamma", "e-LOND", "paired t-30 without control"),
            [
                (row["noise"], row["gamma"], *(told(row[rule]) for rule in ("e_lond", "paired_t30")))
                for row in found["campaigns"]
            ],
        )
    )
    tasks = found["pass_fail"]
    parts.append(f"\npass/fail without an effect on average: tasks as pairs {rate(tasks['by_task'])}, ")
    parts[-1] += f"seeds as pairs (control) {rate(tasks['by_seed'])}"
    parts.append("")
    parts += [f"{'kept  ' if kept else 'BROKEN'}  {name}" for name, kept in found["checks"].items()]
    parts.append(f"runs saved against paired t-30 at +5 % on heavy tails: {found['runs_saved']:.0%} or more")
    return "\n".join(parts)


def told(row: dict[str, float]) -> str:
    return f"{rate(row['fdr'])}  {rate(row['at_3'])} / {rate(row['at_8'])}  {row['runs']:.0f}"


def main() -> None:
    """Runs the simulations and prints the tables; exit code 1 when a promise is broken or a control holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few experiments: seconds")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--record", action="store_true", help="record new traces of this machine first")
    options = parser.parse_args()
    if options.record:
        record(TRACES)
    began = time.monotonic()
    found = judged(measured(*((800, 600) if options.quick else (10_000, 2_000))))
    found["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(found) if options.json else words(found))
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
