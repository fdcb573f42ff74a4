"""The three-container benchmark with real containers: honest dialogue, hostile answers, limits, speed."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.container import Engine, ensure_sandbox_image
from harness.repo import matches
from harness.target import BenchEntry, TargetConfig, TargetSection
from harness.trial.bench import BenchRunner
from harness.trial.inputs import TrialInputs

pytestmark = pytest.mark.engine

JUDGE = """\
import json, sys
from pathlib import Path
NUMBERS = json.loads((Path(__file__).parent / "numbers.json").read_text())
asked, served = 0, 0

def say(message):
    print(json.dumps(message), flush=True)

def hear():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)

def ask(to, body):
    global asked
    asked += 1
    say({"type": "ask", "to": to, "id": asked, "body": body})
    return hear()

while True:
    start = hear()
    served += 1
    solved = 0
    for n in NUMBERS * start["seed"]:
        reply = ask("candidate", {"double": n})
        if reply["type"] == "gone":
            say({"type": "restart", "to": "candidate"})
            value = 0
        else:
            claim = reply["body"].get("value")
            value = int(ask("scratch", {"check": [n, claim]})["body"]["right"]) if isinstance(claim, int) else 0
        solved += value
        say({"type": "result", "metric": "right", "task": f"t{n}", "value": value})
        if "beat" in start and not solved:
            break
    say({"type": "result", "metric": "served", "task": "all", "value": served})
    say({"type": "done", "stopped": "cannot win"} if "beat" in start and not solved else {"type": "done"})
"""
SCRATCH = """\
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    n, claim = message["body"]["check"]
    print(json.dumps({"id": message["id"], "body": {"right": claim == 2 * n}}), flush=True)
"""
WORKER = """\
import json, sys
from dbl import double
for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps({"id": message["id"], "body": {"value": double(message["body"]["double"])}}), flush=True)
"""
BASE = {
    "bench/judge.py": JUDGE.encode(),
    "bench/scratch.py": SCRATCH.encode(),
    "bench/numbers.json": b"[1, 2, 3]",
    "src/dbl/__init__.py": b"def double(n):\n    return 2 * n\n",
    "src/dbl/worker.py": WORKER.encode(),
}
BENCH = BenchEntry(
    name="doubles", judge="bench/judge.py", candidate="dbl.worker", ships=("src/**",), scratch="bench/scratch.py",
    files=("bench/numbers.json",), timeout=5.0, total=30.0,
)  # fmt: skip


def inputs_of(engine: Engine) -> TrialInputs:
    image = ensure_sandbox_image(engine, print)
    return TrialInputs(
        base_commit="base",
        merge_commit="merge",
        config=TargetConfig(target=TargetSection(source=("src/dbl",), tests=("tests",)), benches=(BENCH,)),
        image=image,
        judge=image,
        run_id="contract-trial",
        read=lambda _, patterns: {path: data for path, data in BASE.items() if matches(path, patterns)},
    )


@pytest.fixture(scope="module")
def runner() -> Iterator[BenchRunner]:
    with Engine.connect() as engine, BenchRunner(engine, inputs_of(engine), BENCH) as made:
        made.measure(shipped(), seed=1)
        yield made


def shipped(package: str | None = None, worker: str | None = None) -> dict[str, bytes]:
    return {
        "src/dbl/__init__.py": BASE["src/dbl/__init__.py"] if package is None else package.encode(),
        "src/dbl/worker.py": (WORKER if worker is None else worker).encode(),
    }


def test_honest_candidate_and_one_judge_for_all(runner: BenchRunner) -> None:
    first, second = runner.measure(shipped(), seed=1), runner.measure(shipped(), seed=1)
    assert first.values["right"] == {"t1": 1, "t2": 1, "t3": 1}
    assert first.total("right") == 3
    assert first.whole
    assert first.gone == ()
    assert second.values["served"]["all"] == first.values["served"]["all"] + 1
    assert [trial.state.exit_code for trial in first.trials] == [0]
    assert first.trials[0].purpose == "metric"


def test_a_wrong_candidate_scores_nothing_and_may_be_stopped(runner: BenchRunner) -> None:
    wrong = shipped("def double(n):\n    return n\n")
    assert runner.measure(wrong, seed=1).total("right") == 0
    stopped = runner.measure(wrong, seed=1, beat={"right": 3})
    assert stopped.stopped == "cannot win"
    assert len(stopped.values["right"]) == 1
    assert not stopped.whole


HOSTILE = """\
import json, os, sys, time
n = json.loads(sys.stdin.readline())["body"]["double"]
if n == 1:
    os._exit(0)
print('{"id": 1, "body": ' + '[' * 100000 if n == 2 else 'x' * (2 << 20), flush=True)
time.sleep(60)
"""


def test_hostile_answers_are_no_answers(runner: BenchRunner) -> None:
    result = runner.measure(shipped(worker=HOSTILE), seed=1)
    assert result.gone == ("candidate: exit", "candidate: malformed", "candidate: too large")
    assert result.total("right") == 0
    assert result.broken == ""
    assert len(result.trials) == 3


@pytest.mark.parametrize(
    "answers",
    [
        ['{"id": 999, "body": {"value": 2}}', '{"id": true, "body": {"value": 2}}', '{"type": "done"}'],
        ['{"id": 5, "body": {"value": NaN}}', '{"id": 5, "body": [2]}', ""],
        ['{"id": 1, "body": {}, "type": "result"}', "null", "{} {}"],
    ],
)
def test_answers_out_of_form_are_malformed(runner: BenchRunner, answers: list[str]) -> None:
    worker = (
        f"import json, sys\nn = json.loads(input())['body']['double']\nprint({answers}[n - 1], flush=True)\ninput()\n"
    )
    assert runner.measure(shipped(worker=worker), seed=1).gone == ("candidate: malformed",) * 3


def test_silence_and_total_time_are_bounded_and_the_next_candidate_is_served() -> None:
    hasty = BENCH.model_copy(update={"timeout": 1.5, "total": 3.0})
    with Engine.connect() as engine, BenchRunner(engine, inputs_of(engine), hasty) as runner:
        began = time.monotonic()
        result = runner.measure(shipped("while True: pass\n"), seed=1, beat={"right": 3})
        assert result.gone == ("candidate: timeout",)
        assert runner.measure(shipped(), seed=1).total("right") == 3
        slow = runner.measure(shipped("import time\ndef double(n):\n    time.sleep(1.2)\n    return 2 * n\n"), seed=1)
        assert slow.broken == "the benchmark used up its total time"
        assert not slow.whole
        assert time.monotonic() - began < 20
        assert runner.measure(shipped(), seed=1).total("right") == 3


def judged_by(engine: Engine, judge: str) -> TrialInputs:
    files = {**BASE, "bench/judge.py": judge.encode()}
    return replace(inputs_of(engine), read=lambda _, patterns: {p: d for p, d in files.items() if matches(p, patterns)})


def broken_by(engine: Engine, judge: str) -> str:
    with BenchRunner(engine, judged_by(engine, judge), BENCH, ahead=0) as runner:
        return runner.measure(shipped(), seed=1).broken


def test_a_judge_that_fails_is_said_to_fail() -> None:
    with Engine.connect() as engine:
        assert "RuntimeError: no tasks" in broken_by(engine, "input()\nraise RuntimeError('no tasks')\n")
        assert "outside the protocol" in broken_by(engine, 'input()\nprint(\'{"type": "win"}\', flush=True)\n')
        twice = 'print(\'{"type":"result","metric":"m","task":"t","value":1}\', flush=True)\n'
        assert "twice" in broken_by(engine, "input()\n" + twice * 2)


def test_a_thousand_questions_take_about_a_millisecond_each() -> None:
    quiet = JUDGE.replace("""say({"type": "result", "metric": "right", "task": f"t{n}", "value": value})""", "pass")
    with Engine.connect() as engine, BenchRunner(engine, judged_by(engine, quiet), BENCH, ahead=0) as runner:
        runner.measure(shipped(), seed=1)
        began = time.monotonic()
        result = runner.measure(shipped(), seed=167)
        seconds = time.monotonic() - began
    assert (result.asked, result.broken) == (1002, "")
    assert seconds < 4  # .9 on a quiet machine, two container starts included
