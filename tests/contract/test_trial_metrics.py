"""Metrics measured in real containers: scripts by pairs, benchmarks exactly."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from harness.container import Engine, ensure_sandbox_image, judge_image
from harness.repo import matches
from harness.target import BenchEntry, MetricEntry, SandboxSection, TargetConfig, TargetSection
from harness.trial.bench import BenchResult, BenchRunner
from harness.trial.inputs import TrialInputs, scope_links
from harness.trial.metrics import BenchArms, Measured, Terms, exact_baseline, measure_all
from harness.trial.script import NoRows, Rows, Script, run_script
from harness.trial.verdict import tie_breakers

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
PYTEST_BENCHMARK = """\
import pytest, work

@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.benchmark(group="right")
def test_right(benchmark, n):
    assert benchmark(work.right, n) == n % 2

def test_steps(benchmark):
    benchmark.extra_info["x"] = 1
    assert benchmark.pedantic(work.steps, setup=lambda: ((), {}), rounds=2) == 100

def test_without():
    assert work.right(1) == 1
"""
ASV = """\
import work

class Right:
    params = [[1, 2], ["a", "b"]]
    param_names = ["n", "word"]
    def setup(self, n, word):
        if (n, word) == (2, "b"):
            raise NotImplementedError
        self.n = n
    def time_right(self, n, word):
        work.right(self.n)
    def track_right(self, n, word):
        return work.right(n)

def time_steps():
    work.steps()
"""
BASE = {
    "bench/pb/test_speed.py": PYTEST_BENCHMARK.encode(),
    "bench/speed/__init__.py": b"",
    "bench/speed/right.py": ASV.encode(),
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
    assert effect.low is None or effect.low < effect.estimate < effect.high  # seven pairs can win and bound nothing
    assert 7 <= effect.pairs <= 20
    assert len(effect.path) == effect.pairs
    assert len(result.trials) == 2 * effect.pairs
    assert {trial.arm for trial in result.trials} == {"baseline", "candidate"}
    assert len(result.differences["seconds"]) == effect.pairs
    assert [(alarm.kind, alarm.detail.split(":")[0]) for alarm in result.alarms] == [("read inside", "seconds")]


def test_a_gain_is_one_over_the_parent_where_there_is_one(engine: Engine) -> None:
    """The candidate is as fast as its parent and ten times faster than the base: it has gained nothing itself."""
    steps = tuple(m.model_copy(update={"exact": False, "pairs": 3}) for m in COUNTED)
    fast = SLOW.replace("100", "10")
    inputs = inputs_for(engine, fast, steps)
    read = inputs.read
    trees = {"parent": "merge", "base": "base", "merge": "merge"}
    inputs = replace(inputs, read=lambda commit, patterns: read(trees[commit], patterns))
    for over, estimate in (("", 90.0), ("parent", 0.0)):
        (effect,) = measure_all(engine, inputs, {}, Terms(over=over)).effects
        assert (effect.estimate, effect.over) == (estimate, over)


def test_a_candidate_that_breaks_the_script_is_worse(engine: Engine) -> None:
    result = measured(engine, "import os\nos._exit(3)\n", TIMED)
    assert [effect.outcome for effect in result.effects] == ["worse"]
    assert "exit status 3" in result.alarms[0].detail


def test_an_added_row_spoils_the_run(engine: Engine) -> None:
    row = """print('{"metric": "seconds", "task": "all", "seed": 1, "value": 0.000001}')\n"""
    inputs = inputs_for(engine, SLOW + row, TIMED)
    rows = run_script(engine, inputs, Script(path="bench/bench.py"), "candidate", inputs.read("merge", ("src/work",)))
    assert isinstance(rows, NoRows)
    assert "twice" in rows.why


def test_a_pytest_benchmark_suite_is_a_metric_source(engine: Engine) -> None:
    suite = metric("seconds", kind="time", run="bench/pb", suite="pytest-benchmark")
    inputs = inputs_for(engine, SLOW, (suite,))
    script = Script(path="bench/pb", suite="pytest-benchmark", metrics={"seconds": "time"})
    rows = run_script(engine, inputs, script, "candidate", inputs.read("merge", ("src/work",)))
    assert isinstance(rows, Rows), rows
    tasks = rows.values["seconds"]
    assert sorted(task.rpartition("::")[2] for task in tasks) == ["test_right[1]", "test_right[2]", "test_steps"]
    assert all(0 < value < 10 for seeds in tasks.values() for value in seeds.values())
    assert next(seeds[""] for task, seeds in tasks.items() if "steps" in task) >= 0.01
    broken = run_script(engine, inputs, script, "candidate", {"src/work/__init__.py": b"def right(n): return 7\n"})
    assert isinstance(broken, NoRows)


def test_an_asv_suite_is_a_metric_source(engine: Engine) -> None:
    wanted = {"seconds": "time", "right": "score"}
    inputs = inputs_for(
        engine, SLOW, tuple(metric(n, kind=k, run="bench/speed", suite="asv") for n, k in wanted.items())
    )
    script = Script(path="bench/speed", suite="asv", metrics=wanted)
    rows = run_script(engine, inputs, script, "candidate", inputs.read("merge", ("src/work",)))
    assert isinstance(rows, Rows), rows
    where = "speed.right.Right"
    combinations = [f"{where}.time_right({n}, {word!r})" for n, word in ((1, "a"), (1, "b"), (2, "a"))]
    assert sorted(rows.values["seconds"]) == [*combinations, "speed.right.time_steps"]
    tracked = {task.rpartition(".")[2]: seeds[""] for task, seeds in rows.values["right"].items()}
    assert tracked == {"track_right(1, 'a')": 1.0, "track_right(1, 'b')": 1.0, "track_right(2, 'a')": 0.0}


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


BUSY = """\
import time, resource
burn, real = time.process_time, time.sleep
time.perf_counter = time.monotonic = time.process_time = lambda: 0.0  # what is read outside does not care
resource.getrusage = None
def steps():
    until = burn() + 0.1
    while burn() < until:
        pass
    real(0.1)
    steps.kept = bytearray(64 << 20)
    return 100
def right(n):
    return n % 2
"""
COSTLY = tuple(metric(kind, kind=kind, bench="b", pairs=20) for kind in ("time", "cpu", "memory"))


def test_costs_are_read_where_the_candidate_has_no_say(engine: Engine) -> None:
    inputs = inputs_for(engine, BUSY, COSTLY)
    patient = BENCH.model_copy(update={"timeout": 30.0, "total": 90.0})
    with BenchRunner(engine, inputs, patient, ahead=0) as runner:
        costs = [runner.measure(inputs.read(commit, BENCH.ships)).outside for commit in ("base", "merge")]
    light, heavy = costs
    assert light.keys() == heavy.keys() == {"time", "cpu", "memory"}
    assert heavy["time"] >= 3 * 0.2  # three questions, each with a tenth of a second of work and one of sleep
    assert heavy["cpu"] >= 3 * 0.1
    assert heavy["memory"] >= 64 << 20
    assert light["memory"] < heavy["memory"]


def test_a_cost_is_compared_only_while_the_answers_are_the_bases(engine: Engine) -> None:
    """A candidate that does less, and answers otherwise, has lost after one pair; its judge need not know better."""
    cpu = metric("cpu", kind="cpu", bench="b")
    wrong = measured(engine, "def steps():\n    return 100\ndef right(n):\n    return 0\n", (cpu,))
    assert (wrong.effects[0].outcome, wrong.effects[0].pairs) == ("worse", 0)
    assert "question 2 is answered otherwise" in wrong.alarms[0].detail


@pytest.mark.soak
def test_outside_costs_are_compared_by_pairs(engine: Engine) -> None:
    result = measured(engine, BUSY, COSTLY)
    assert [effect.outcome for effect in result.effects] == ["worse", "worse", "worse"]
    assert {effect.pairs for effect in result.effects} < set(range(5, 21))
    assert all(effect.baseline is not None and effect.candidate > effect.baseline for effect in result.effects)


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
