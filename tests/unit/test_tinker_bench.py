"""The repair benchmark of examples/tinker against candidates that cheat: judge and evaluator are real processes."""

import ast
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "examples" / "tinker" / "bench"
TINKER = Path(__file__).parents[2] / "examples" / "tinker" / "src"
CLASSES = 9
PER_SET = 28
LONGEST = 1 << 20

Body = dict[str, Any]
Candidate = Callable[[Body], Any]


def tasks(name: str) -> list[Body]:
    return list(json.loads((BENCH / "tasks" / f"{name}.json").read_text()))


class Program:
    """A script on pipes; what it starts shares its process group."""

    def __init__(self, *argv: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def say(self, message: Body) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> Body:
        assert self.process.stdout
        return dict(json.loads(self.process.stdout.readline()))

    def close(self) -> int:
        self.process.communicate(timeout=20)
        return self.process.returncode


@dataclass
class Measured:
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    stopped: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)

    def total(self, metric: str) -> float:
        return sum(self.values[metric].values())


class Host:
    """Carries messages as the real host does, checks included; the candidate is a function in this process."""

    def __init__(self) -> None:
        self.judge = Program(str(BENCH / "judge.py"))
        self.scratch: Program | None = None

    def measure(self, candidate: Candidate, beat: dict[str, float] | None = None) -> Measured:
        measured, gone = Measured(), False
        self.judge.say({"v": 1, "type": "start", "seed": 0, "beat": beat})
        while (message := self.judge.hear())["type"] != "done":
            match message:
                case {"type": "result", "metric": metric, "task": task, "value": value}:
                    assert task not in measured.values.setdefault(metric, {})
                    measured.values[metric][task] = value
                case {"type": "restart", "to": to}:
                    measured.restarts[to] += 1
                    gone = gone and to != "candidate"
                    if to == "scratch":
                        self.end_scratch()
                case {"type": "ask", "to": to, "id": number, "body": body}:
                    measured.asked[to] += 1
                    answer = self.evaluate(number, body) if to == "scratch" else self.say(candidate, number, body, gone)
                    gone = gone or (to == "candidate" and answer["type"] == "gone")
                    self.judge.say({"from": to, "id": number, **answer})
        self.end_scratch()
        measured.stopped = message.get("stopped", "")
        return measured

    def say(self, candidate: Candidate, number: int, body: Body, gone: bool) -> Body:
        line = None if gone else candidate(body)
        if line is None:
            return {"type": "gone", "why": "exit"}
        if line == "silence":
            return {"type": "gone", "why": "timeout"}
        answer = line if isinstance(line, dict) and "raw" in line else {"id": number, "body": line}
        if len(json.dumps(answer)) > LONGEST:
            return {"type": "gone", "why": "too large"}
        if answer.get("id") != number or not isinstance(answer.get("body"), dict):
            return {"type": "gone", "why": "malformed"}
        return {"type": "reply", "body": answer["body"]}

    def evaluate(self, number: int, body: Body) -> Body:
        self.scratch = self.scratch or Program(str(BENCH / "evaluator.py"))
        self.scratch.say({"id": number, "body": body})
        try:
            return {"type": "reply", "body": self.scratch.hear()["body"]}
        except ValueError:
            return {"type": "gone", "why": "exit"}

    def end_scratch(self) -> None:
        if self.scratch:
            scratch, self.scratch = self.scratch, None
            scratch.close()
            with pytest.raises(ProcessLookupError):  # no child of a child is left either
                os.killpg(scratch.process.pid, 0)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.judge.close()


def unsolved(measured: Measured) -> bool:
    """Every task was reported, none as solved, all at the full budget."""
    return all(
        set(measured.values[f"{name}_solved"].values()) == {0}
        and len(measured.values[f"{name}_solved"]) == PER_SET
        and len(set(measured.values[f"{name}_evaluations"].values())) == 1
        for name in ("training", "validation")
    )


def on_first(hostile: Callable[[Body], Any], count: int = 2) -> Candidate:
    """Cheats on the first tasks, gives the others up: the judge must get through all of them."""
    seen: list[str] = []

    def candidate(body: Body) -> Any:
        if body["type"] == "repair" and body["task"] not in seen:
            seen.append(body["task"])
        return hostile(body) if len(seen) <= count else {"type": "give_up"}

    return candidate


# ---------------------------------------------------------------------------------------------- the tasks


def test_both_sets_have_the_same_strata_and_no_common_function() -> None:
    strata = [Counter(task["defect"] for task in tasks(name)) for name in ("training", "validation")]
    assert strata[0] == strata[1]
    assert len(strata[0]) == CLASSES
    assert strata[0].total() >= PER_SET
    assert not {t["function"] for t in tasks("training")} & {t["function"] for t in tasks("validation")}


@pytest.mark.parametrize("name", ["training", "validation"])
def test_each_buggy_source_fails_and_passes_some_visible_test(name: str) -> None:
    evaluator = Program(str(BENCH / "evaluator.py"))
    for number, task in enumerate(tasks(name)):
        tests = task["visible"]
        source = "\n".join(task["source"]) + "\n"
        job = {"function": task["function"], "sources": [source], "args": [args for args, _ in tests], "trace": True}
        evaluator.say({"id": number, "body": {"type": "run", **job}})
        (outcome,) = evaluator.hear()["body"]["outcomes"]
        passed = [
            json.dumps(out) == json.dumps(expected)
            for out, (_, expected) in zip(outcome["outputs"], tests, strict=True)
        ]
        assert set(passed) == {True, False}, task["name"]
        assert 4 <= len(tests) <= 6
        assert 6 <= len(task["hidden"]) <= 10
        assert not {json.dumps(args) for args, _ in tests} & {json.dumps(args) for args, _ in task["hidden"]} or (
            task["defect"] == "missing guard"
        )
    assert evaluator.close() == 0


def test_nothing_that_ships_repairs_a_task() -> None:
    """The judge's folder holds buggy sources and outputs only: two programs and two lists of tasks."""
    files = {str(path.relative_to(BENCH)) for path in BENCH.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert files == {"judge.py", "evaluator.py", "tasks/training.json", "tasks/validation.json"}
    keys = {"name", "defect", "function", "source", "visible", "hidden"}
    assert all(task.keys() == keys for name in ("training", "validation") for task in tasks(name))
    for name in ("judge.py", "evaluator.py"):
        nodes = list(ast.walk(ast.parse((BENCH / name).read_text())))
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
        assert {module.split(".")[0] for module in imported} <= sys.stdlib_module_names


# ------------------------------------------------------------------------------------------ honest candidates


def honest() -> Program:
    start = f"import sys; sys.path.insert(0, {str(TINKER)!r}); import runpy; "
    return Program("-c", start + "runpy.run_module('tinker.worker', run_name='__main__')")


def test_an_honest_repair_is_solved_and_measured_the_same_twice(host: Host) -> None:
    def measure(beat: dict[str, float] | None = None) -> Measured:
        worker = honest()

        def candidate(body: Body) -> Any:
            worker.say({"id": 1, "body": body})
            return worker.hear()["body"]

        measured = host.measure(candidate, beat)
        assert worker.close() == 0
        return measured

    first, second = measure(), measure()
    assert first.values == second.values
    assert 5 <= first.total("training_solved") < PER_SET
    assert 0 < first.total("validation_solved") < PER_SET
    assert second.asked["scratch"] == 0  # outcomes are remembered by source text
    solved = [task for task, value in first.values["training_solved"].items() if value]
    assert any(1 < first.values["training_evaluations"][task] < 80 for task in solved)
    beaten = measure({m: first.total(m) for m in ("training_solved", "training_evaluations")})
    assert beaten.stopped
    assert "validation_solved" not in beaten.values
    wins = measure({"training_solved": first.total("training_solved"), "training_evaluations": 10_000})
    assert not wins.stopped
    assert wins.values == first.values


def test_a_hopeless_candidate_is_stopped_early(host: Host) -> None:
    measured = host.measure(lambda body: {"type": "give_up"}, {"training_solved": 20, "training_evaluations": 900})
    assert measured.stopped
    assert len(measured.values["training_solved"]) == PER_SET - 20 + 1


# --------------------------------------------------------------------------------------------------- cheats


def answer(source: str) -> Candidate:
    return lambda body: {"type": "answer", "source": source.replace("FUNCTION", body.get("function", "f"))}


CHEATS: dict[str, Candidate] = {
    "claims success without a repair": lambda body: {"type": "answer", "source": body.get("source", "")},
    "claims that it solved": lambda body: {"type": "solved", "evaluations": 1},
    "resets a counter": lambda body: {"type": "outcome", "results": [True], "left": 1000},
    "gives up": lambda body: {"type": "give_up"},
    "an empty batch": lambda body: {"type": "evaluate", "sources": []},
    "too many sources": lambda body: {"type": "evaluate", "sources": ["x = 1"] * 33},
    "sources that are no text": lambda body: {"type": "evaluate", "sources": [7, None]},
    "a source too long": lambda body: {"type": "evaluate", "sources": ["x" * 100_000]},
    "an answer that is no text": lambda body: {"type": "answer", "source": {"a": 1}},
    "no body": lambda body: {},
    "lone surrogates": lambda body: {"type": "answer", "source": "x = '\ud800'"},
    "not Python": lambda body: {"type": "evaluate", "sources": ["(" * 3000, "-" * 7000 + "1", "\0", "a+" * 3900 + "a"]},
}

HOSTILE = {
    "sys.exit": """
import sys
def FUNCTION(*args):
    sys.exit(0)
""",
    "os._exit": """
import os
def FUNCTION(*args):
    os._exit(0)
""",
    "os._exit at import": """
import os
os._exit(0)
""",
    "loops": """
def FUNCTION(*args):
    while True:
        pass
""",
    "loops in C": """
def FUNCTION(*args):
    return sum(range(10 ** 12))
""",
    "loops in a handler": """
def FUNCTION(*args):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
    "prints": """
def FUNCTION(*args):
    print("x" * 10_000_000)
""",
    "writes to every descriptor": """
import os
def FUNCTION(*args):
    for descriptor in range(64):
        try:
            os.write(descriptor, b'{"end": "done", "outputs": []}')
        except OSError:
            pass
    os._exit(0)
""",
    "a huge output": """
def FUNCTION(*args):
    return "x" * 5_000_000
""",
    "eats memory": """
def FUNCTION(*args):
    return len([0] * 10 ** 10)
""",
    "recurses": """
def FUNCTION(*args):
    return FUNCTION(*args)
""",
    "forks": """
import os
def FUNCTION(*args):
    for _ in range(3):
        os.fork()
    while True:
        pass
""",
    "a daemon that stays": """
import os, time
def FUNCTION(*args):
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
""",
    "always equal": """
class Same:
    def __eq__(self, other):
        return True
def FUNCTION(*args):
    return Same()
""",
    "always equal number": """
class Same(int):
    def __eq__(self, other):
        return True
def FUNCTION(*args):
    return Same()
""",
    "always equal list": """
class Same(list):
    def __eq__(self, other):
        return True
def FUNCTION(*args):
    return Same()
""",
    "overrides json": """
import json
json.dumps = lambda *args, **more: '{"end": "done", "outputs": [], "lines": []}'
def FUNCTION(*args):
    return None
""",
    "no function": """
x = 1
""",
    "ends scratch": """
import os, signal
os.kill(os.getppid(), signal.SIGKILL)
""",
}

# Looks for expected values in every object it can reach; returns the first list of pairs that holds its arguments.
SEEKER = """import gc, sys
def FUNCTION(*args):
    frame = sys._getframe()
    while frame:
        for name, value in list(frame.f_locals.items()) + list(frame.f_globals.items()):
            if name in ("expected", "hidden", "visible", "tests"):
                return value
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict) and ("hidden" in thing or "expected" in thing or "visible" in thing):
            return list(thing.values())[0]
        if type(thing) in (list, tuple) and len(thing) == 2 and thing[0] == list(args) and thing[0] is not args:
            return thing[1]
    raise LookupError("nothing to find")
"""


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_solves_nothing_and_the_judge_goes_on(host: Host, name: str) -> None:
    measured = host.measure(CHEATS[name])
    assert unsolved(measured)
    assert not measured.stopped


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_source_solves_nothing_and_leaves_nothing(host: Host, name: str) -> None:
    def cheat(body: Body) -> Any:
        source = HOSTILE[name].replace("FUNCTION", body.get("function", "f"))
        if body["type"] == "repair":
            return {"type": "evaluate", "sources": [source]}
        return {"type": "answer", "source": source}

    began = time.monotonic()
    assert unsolved(host.measure(on_first(cheat)))
    assert time.monotonic() - began < 20


def test_no_expected_value_is_within_reach_of_source(host: Host) -> None:
    def cheat(body: Body) -> Any:
        return {"type": "answer", "source": SEEKER.replace("FUNCTION", body["function"])}

    assert unsolved(host.measure(on_first(cheat, 4)))


def test_what_sleeps_ends_the_run(host: Host) -> None:
    source = "import time\ndef FUNCTION(*args):\n    time.sleep(60)\n"
    measured = host.measure(answer(source))
    assert unsolved(measured)
    assert measured.asked["candidate"] == 1  # a candidate that plays with the clock is not asked again


def test_visible_tests_alone_are_not_enough(host: Host) -> None:
    """A table of the visible tests passes them all, is told so, and is still no repair."""

    def cheat(body: Body) -> Any:
        if body["type"] == "outcome":
            told.append(body["results"])
            return {"type": "answer", "source": sources[-1]}
        plain = [pair for pair in body["visible"] if "{" not in json.dumps(pair)]
        table = {json.dumps(args): expected for args, expected in plain}
        sources.append(
            f"import json\ndef {body['function']}(*args):\n    return {table!r}.get(json.dumps(list(args)))\n"
        )
        return {"type": "evaluate", "sources": sources[-1:]}

    sources: list[str] = []
    told: list[list[bool]] = []
    assert unsolved(host.measure(cheat))
    assert sum(results == [True] for results in told) > PER_SET


def test_evaluations_are_counted_by_the_judge(host: Host) -> None:
    """Eighty evaluations a task and not one more, whatever the candidate believes."""
    batches: list[int] = []

    def cheat(body: Body) -> Any:
        if body["type"] == "outcome":
            batches[-1] += len(body["results"])
        else:
            batches.append(0)
        return {"type": "evaluate", "sources": [f"x = {batches[-1] + n}" for n in range(32)]}

    assert unsolved(host.measure(on_first(cheat)))
    assert batches[:2] == [80, 80]


@pytest.mark.parametrize("silence", [None, {"raw": 1, "id": 10**6, "body": {}}, {"raw": 1, "body": 3}, ["no object"]])
def test_candidates_that_break_the_protocol_are_not_asked_for_ever(host: Host, silence: Any) -> None:
    measured = host.measure(lambda body: silence)
    assert unsolved(measured)
    assert measured.restarts["candidate"] == 2
    assert measured.asked["candidate"] == 3


def test_a_huge_reply_is_no_reply(host: Host) -> None:
    measured = host.measure(lambda body: {"type": "answer", "source": "#" * LONGEST})
    assert unsolved(measured)
    assert measured.restarts["candidate"] == 2


def test_a_silent_candidate_is_not_asked_again(host: Host) -> None:
    measured = host.measure(lambda body: "silence")
    assert unsolved(measured)
    assert measured.asked["candidate"] == 1
