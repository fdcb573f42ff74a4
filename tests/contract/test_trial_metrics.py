"""Metrics measured in real containers: scripts by pairs, benchmarks exactly."""

from collections.abc import Iterator, Mapping

import pytest

from harness.container import Engine, ensure_sandbox_image, judge_image
from harness.repo import matches
from harness.target import BenchEntry, MetricEntry, SandboxSection, TargetConfig, TargetSection
from harness.trial.bench import BenchResult, BenchRunner
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.metrics import BenchArms, Measured, exact_baseline, measure_all, tie_breakers
from harness.trial.script import NoRows, run_script

pytestmark = pytest.mark.engine

SCRIPT = """\
import json, time
import work
started = time.perf_counter()
steps = work.steps()
print("measured")
print(json.dumps({"metric": "seconds", "task": "all", "seed": 1, "value": time.perf_counter() - started}))
print(json.dumps({"metric": "steps", "task": "all", "seed": 1, "value": steps}))
"""
JUDGE = """\
import json, sys
for line in sys.stdin:
    for n in range(3):
        print(json.dumps({"type": "ask", "to": "candidate", "id": n, "body": {"n": n}}), flush=True)
        body = json.loads(sys.stdin.readline()).get("body", {})
        for metric in ("right", "cost"):
            value = body.get(metric, 0)
            print(json.dumps({"type": "result", "metric": metric, "task": f"t{n}", "value": value}), flush=True)
    print(json.dumps({"type": "done"}), flush=True)
"""
WORKER = """\
import json, sys, work
for line in sys.stdin:
    n = json.loads(line)["id"]
    body = {"right": work.right(n), "cost": work.steps()}
    print(json.dumps({"id": n, "body": body}), flush=True)
"""
SLOW = "import time\ndef steps():\n    time.sleep(0.01)\n    return 100\ndef right(n):\n    return n % 2\n"
BASE = {
    "bench/bench.py": SCRIPT.encode(),
    "bench/judge.py": JUDGE.encode(),
    "src/work/__init__.py": SLOW.encode(),
    "src/work/__main__.py": WORKER.encode(),
}
BENCH = BenchEntry(name="b", judge="bench/judge.py", candidate="work", ships=("src/**",), timeout=2.0, total=10.0)


def metric(name: str, **fields: object) -> MetricEntry:
    return MetricEntry.model_validate({"name": name, "kind": "count", "direction": "lower", **fields})


TIMED = (metric("seconds", kind="time", run="bench/bench.py", unit="s", pairs=20),)
COUNTED = (metric("steps", run="bench/bench.py", exact=True),)
BENCHED = (
    metric("right", direction="higher", bench="b", exact=True, then="cost"),
    metric("cost", bench="b", exact=True),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        yield connected


def inputs_for(engine: Engine, candidate: str, metrics: tuple[MetricEntry, ...]) -> TrialInputs:
    image = ensure_sandbox_image(engine, print)
    kept = {path: data for path, data in BASE.items() if path.startswith("bench/")}
    trees: dict[str, Mapping[str, bytes]] = {
        "base": BASE,
        "merge": {**BASE, "src/work/__init__.py": candidate.encode()},
    }
    return TrialInputs(
        base_commit="base",
        merge_commit="merge",
        config=TargetConfig(
            target=TargetSection(source=("src/work",), tests=("tests",)),
            sandbox=SandboxSection(timeout=10.0),
            metrics=metrics,
            benches=(BENCH,),
        ),
        image=image,
        judge=judge_image(engine, image, kept, scope_links(("src/work",))),
        run_id="contract-trial",
        read=lambda commit, patterns: {p: d for p, d in trees[commit].items() if matches(p, patterns)},
    )


def measured(
    engine: Engine, candidate: str, metrics: tuple[MetricEntry, ...], known: BenchResult | None = None
) -> Measured:
    inputs = inputs_for(engine, candidate, metrics)
    with BenchRunner(engine, inputs, BENCH, ahead=0) as runner:
        files = {commit: inputs.read(commit, BENCH.ships) for commit in ("base", "merge")}
        baseline = known if any(m.bench for m in metrics) else None
        arms = BenchArms(runner, files["base"], files["merge"], baseline)
        return measure_all(engine, inputs, {"b": arms})


@pytest.fixture(scope="module")
def base_result(engine: Engine) -> BenchResult:
    inputs = inputs_for(engine, SLOW, BENCHED)
    with BenchRunner(engine, inputs, BENCH, ahead=0) as runner:
        return exact_baseline(runner, inputs.read("base", BENCH.ships))


def test_a_faster_candidate_wins_by_pairs(engine: Engine) -> None:
    result = measured(engine, SLOW.replace("0.01", "0.002"), TIMED)
    (effect,) = result.effects
    assert effect.outcome == "win"
    assert effect.estimate > 0.2
    assert effect.low is not None
    assert 7 <= effect.pairs <= 20
    assert len(result.trials) == 2 * effect.pairs
    assert {trial.arm for trial in result.trials} == {"baseline", "candidate"}
    assert len(result.differences["seconds"]) == effect.pairs


def test_a_candidate_that_breaks_the_script_is_worse(engine: Engine) -> None:
    result = measured(engine, "import os\nos._exit(3)\n", TIMED)
    assert [effect.outcome for effect in result.effects] == ["worse"]
    assert "exit status 3" in result.alarms[0].detail


def test_an_added_row_spoils_the_run(engine: Engine) -> None:
    row = """print('{"metric": "seconds", "task": "all", "seed": 1, "value": 0.000001}')\n"""
    inputs = inputs_for(engine, SLOW + row, TIMED)
    rows = run_script(engine, inputs, "bench/bench.py", "candidate", inputs.read("merge", ("src/work",)))
    assert isinstance(rows, NoRows)
    assert "twice" in rows.why


def test_a_counted_script_is_compared_exactly_and_confirmed(engine: Engine) -> None:
    result = measured(engine, SLOW.replace("100", "99"), COUNTED)
    (effect,) = result.effects
    assert (effect.outcome, effect.estimate, effect.baseline, effect.candidate) == ("win", 1.0, 100.0, 99.0)
    assert [trial.arm for trial in result.trials] == ["baseline", "baseline", "candidate", "candidate"]


@pytest.mark.parametrize(
    ("candidate", "outcomes"),
    [
        (SLOW.replace("n % 2", "1"), ["win", "no worse"]),
        (SLOW.replace("100", "90"), ["win", "win"]),
        (SLOW, ["no worse", "no worse"]),
        ("raise SystemExit\n", ["worse", "win"]),
    ],
)
def test_a_benchmark_is_compared_exactly_with_ties_broken(
    engine: Engine, base_result: BenchResult, candidate: str, outcomes: list[str]
) -> None:
    result = measured(engine, candidate, BENCHED, base_result)
    assert [effect.outcome for effect in result.effects] == outcomes
    assert result.results["b"].total("cost") == result.effects[1].candidate
    assert tie_breakers(BENCHED) == {"cost"}


def test_a_win_that_does_not_repeat_is_none(engine: Engine, base_result: BenchResult) -> None:
    random = SLOW.replace("100", "int.from_bytes(__import__('os').urandom(4), 'big') / 2**27")
    result = measured(engine, random, BENCHED, base_result)
    assert [effect.outcome for effect in result.effects] == ["inconclusive", "inconclusive"]
    assert [alarm.kind for alarm in result.alarms] == ["not deterministic"]


def test_a_base_that_does_not_repeat_decides_nothing(engine: Engine) -> None:
    inputs = inputs_for(engine, SLOW, BENCHED)
    chance = {**BASE, "src/work/__init__.py": SLOW.replace("100", "__import__('os').urandom(4)[0]").encode()}
    with BenchRunner(engine, inputs, BENCH, ahead=0) as runner:
        baseline = exact_baseline(runner, chance)
        arms = BenchArms(runner, chance, chance, baseline)
        result = measure_all(engine, inputs, {"b": arms})
    assert "differ" in baseline.broken
    assert [effect.outcome for effect in result.effects] == ["inconclusive", "inconclusive"]
