"""Planted effects on a millisecond workload in real containers, costs read outside: wins, losses, and luck.

Prints the pairs used; run with -s to see them. HOLDPOINT_REPEATS says how often A/A is repeated: 200 without it, some
forty minutes.
"""

import os
from collections.abc import Iterator, Mapping

import pytest

from harness.cli.words import effect_words
from harness.container import Engine, ensure_sandbox_image, judge_image
from harness.records import Effect
from harness.repo import matches
from harness.report import path_line
from harness.target import BenchEntry, MetricEntry, SandboxSection, TargetConfig, TargetSection
from harness.trial.bench import BenchRunner
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.metrics import BenchArms, Terms, measure_all

pytestmark = [pytest.mark.engine, pytest.mark.soak]

JUDGE = """\
import json, sys
for line in sys.stdin:
    for n in range(100):
        print(json.dumps({"type": "ask", "to": "candidate", "id": n, "body": {"n": n}}), flush=True)
        if json.loads(sys.stdin.readline())["body"]["wrapped"] != 40:
            sys.exit("wrong answer")
    print(json.dumps({"type": "done"}), flush=True)
"""
WORKER = """\
import json, sys, work
for line in sys.stdin:
    print(json.dumps({"id": json.loads(line)["id"], "body": {"wrapped": work.work()}}), flush=True)
"""
WORK = """\
import textwrap
TEXT = "the quick brown fox jumps over the lazy dog and runs away from it all " * 2
def work():
    for _ in range(UNITS):
        textwrap.wrap(TEXT, 30)
    return 40
"""
BENCH = BenchEntry(name="b", judge="bench/judge.py", candidate="work", ships=("src/**",), timeout=60.0, total=300.0)
UNITS = 200  # some 5 ms a question


def source(units: int, comment: str = "") -> bytes:
    return WORK.replace("UNITS", str(units)).encode() + comment.encode()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected


def compared(
    engine: Engine, candidate: bytes, kind: str, *, claimed: bool, units: int = UNITS, repeats: int = 1, **terms: float
) -> list[Effect]:
    """The effect on one cost, so often; a claimed gain stops when there can be none. `terms` are the metric's."""
    base = {
        "bench/judge.py": JUDGE.encode(),
        "src/work/__init__.py": source(units),
        "src/work/__main__.py": WORKER.encode(),
    }
    trees: dict[str, Mapping[str, bytes]] = {"base": base, "merge": {**base, "src/work/__init__.py": candidate}}
    image = ensure_sandbox_image(engine, print)
    metric = MetricEntry.model_validate(
        {"name": kind, "kind": kind, "direction": "lower", "bench": "b", "margin": 0.01, "pairs": 240, **terms}
    )
    inputs = TrialInputs(
        base_commit="base",
        merge_commit="merge",
        config=TargetConfig(
            target=TargetSection(source=("src/work",), tests=("tests",)),
            sandbox=SandboxSection(timeout=300.0),
            metrics=(metric,),
            benches=(BENCH,),
        ),
        image=image,
        judge=judge_image(engine, image, {"bench/judge.py": JUDGE.encode()}, scope_links(("src/work",))),
        run_id="real-gain",
        read=lambda commit, patterns: {p: d for p, d in trees[commit].items() if matches(p, patterns)},
    )
    with BenchRunner(engine, inputs, BENCH) as runner:
        arms = BenchArms(runner, inputs.read("base", BENCH.ships), inputs.read("merge", BENCH.ships))
        found = []
        for _ in range(repeats):
            measured = measure_all(engine, inputs, {"b": arms}, Terms(beat=claimed))
            assert not measured.alarms, measured.alarms
            found += measured.effects
            print(effect_words(found[-1]), path_line(found[-1]))
    return found


@pytest.mark.parametrize("kind", ["cpu", "time"])
def test_ten_per_cent_less_work_wins(engine: Engine, kind: str) -> None:
    (effect,) = compared(engine, source(UNITS * 90 // 100), kind, claimed=True)
    assert effect.outcome == "win"


@pytest.mark.parametrize("kind", ["cpu", "time"])
def test_five_per_cent_more_work_is_worse(engine: Engine, kind: str) -> None:
    (effect,) = compared(engine, source(UNITS * 105 // 100), kind, claimed=False)
    assert effect.outcome == "worse"


def test_a_comment_wins_no_more_often_than_luck_may(engine: Engine) -> None:
    repeats = int(os.environ.get("HOLDPOINT_REPEATS", "200"))
    effects = compared(
        engine, source(100, "# the same\n"), "cpu", claimed=True, units=100, repeats=repeats, effect=0.05, pairs=60
    )
    wins = sum(effect.outcome == "win" for effect in effects)
    assert wins / repeats <= 0.05 + 3 * (0.05 * 0.95 / repeats) ** 0.5, f"{wins} of {repeats}"
