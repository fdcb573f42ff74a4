"""Measures a repair agent by what it returns; it never imports the agent, and tells nobody a hidden test.

It speaks with the host in JSON lines: `ask` goes to the candidate (the agent) or to scratch (`evaluator.py`), which
only runs code. Counting, comparing and deciding happen here. No solution of any task exists in this folder.
"""

import ast
import hashlib
import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

BUDGET = 80  # evaluations a task
CHUNK = 12  # sources a message to scratch
MOST = 32  # sources a message from the candidate
LONGEST = 8_000  # characters of one source
PATIENCE = 100  # sources of one run that end by a signal (time, memory): honest ones rarely do, and they cost most
RESTARTS = 2  # candidates that crash get a new container so often in one run
FLEETING = "signal 9"  # an end that the machine may have caused: never remembered
SETS = ("training", "validation")


class Gone(Exception):
    """The candidate gave no usable answer; `final` means that no further task is worth asking."""

    def __init__(self, why: str, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class Stopped(Exception):
    """The run can no longer win, or has nothing left to do."""


def same(value: Any) -> str:
    """The text by which two outputs are compared: exact types, so True is not 1."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Task:
    """One buggy function; a test is a list of arguments and the output expected, both in the evaluator's encoding."""

    set: str
    name: str
    function: str
    source: str
    visible: tuple[tuple[Any, Any], ...]
    hidden: tuple[tuple[Any, Any], ...]


def load(folder: Path) -> Iterator[Task]:
    """All tasks, training first."""
    for name in SETS:
        for task in json.loads((folder / f"{name}.json").read_text(encoding="utf-8")):
            tests = {key: tuple((args, expected) for args, expected in task[key]) for key in ("visible", "hidden")}
            yield Task(name, task["name"], task["function"], "\n".join(task["source"]) + "\n", **tests)


class Host:
    """The line protocol with the host: strictly one question, one answer."""

    def __init__(self) -> None:
        self.asked = 0

    def say(self, message: Mapping[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    def hear(self) -> dict[str, Any]:
        line = sys.stdin.buffer.readline()
        if not line:
            raise SystemExit(0)
        return dict(json.loads(line))

    def ask(self, to: str, body: Mapping[str, Any]) -> Any:
        """The body of the answer, or `Gone`."""
        self.asked += 1
        self.say({"type": "ask", "to": to, "id": self.asked, "body": body})
        reply = self.hear()
        if reply["type"] != "reply":
            raise Gone(str(reply.get("why")), final=reply.get("why") == "timeout")
        return reply["body"]

    def restart(self, to: str) -> None:
        self.say({"type": "restart", "to": to})


class Outcomes:
    """Runs sources through scratch, compares, and remembers complete outcomes by task and normalised source."""

    def __init__(self, host: Host) -> None:
        self.host, self.patience = host, PATIENCE
        self.by_text: dict[bytes, bool] = {}
        self.by_tree: dict[bytes, bool] = {}
        self.facts: dict[str, dict[str, dict[str, int]]] = {}

    def visible(self, task: Task, sources: Sequence[str]) -> list[bool]:
        """For each source whether all visible tests pass; the list ends at the first success."""
        known = [self.recall("visible", task, source) for source in sources]
        end = known.index(True) + 1 if True in known else len(known)
        open_ = [index for index in range(end) if known[index] is None]
        while open_:
            some = open_[:CHUNK]
            results = self.run(task, "visible", [sources[index] for index in some])
            for index, result in zip(some, results, strict=False):
                known[index] = result
            open_ = [] if True in results else open_[len(results) :]
        done = known.index(True) + 1 if True in known else len(known)
        return [bool(result) for result in known[:done]]

    def everything(self, task: Task, source: str) -> bool:
        """Whether visible and hidden tests pass."""
        known = self.recall("all", task, source)
        return self.run(task, "all", [source])[0] if known is None else known

    def recall(self, which: str, task: Task, source: str) -> bool | None:
        text = self.key(which, task, source)
        if text not in self.by_text:
            tree = self.tree(which, task, source)
            if tree is None:
                self.by_text[text] = False  # not Python: no test can pass
            elif tree in self.by_tree:
                self.by_text[text] = self.by_tree[tree]
        return self.by_text.get(text)

    def key(self, which: str, task: Task, content: str) -> bytes:
        text = f"{which}\0{task.set}\0{task.name}\0{content}"
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def tree(self, which: str, task: Task, source: str) -> bytes | None:
        normal = normalised(source)
        return None if normal is None else self.key(which, task, normal)

    def run(self, task: Task, which: str, sources: Sequence[str]) -> list[bool]:
        """At least one result, at most one a source."""
        tests = task.visible if which == "visible" else task.visible + task.hidden
        results = []
        for source, outcome in zip(sources, self.scratch(task, sources, tests), strict=False):
            end = str(outcome.get("end"))
            self.patience -= end.startswith("signal")
            if end == "wall" or self.patience < 0:
                raise Gone("sources that sleep, or use up their time", final=True)  # seconds are not reproducible
            result = end == "done" and same(outcome.get("outputs")) == same([out for _, out in tests])
            results.append(result)
            if end != FLEETING:
                self.by_text[self.key(which, task, source)] = result
                if tree := self.tree(which, task, source):
                    self.by_tree[tree] = result
        return results

    def scratch(
        self, task: Task, sources: Sequence[str], tests: Sequence[tuple[Any, Any]], trace: bool = False
    ) -> list[dict[str, Any]]:
        """What scratch saw; a source that ends scratch itself ends the run."""
        job = {"type": "run", "function": task.function, "args": [args for args, _ in tests], "trace": trace}
        for some in (sources, sources[:1]):
            try:
                outcomes = self.host.ask("scratch", {**job, "sources": list(some)})["outcomes"]
                if outcomes and all(isinstance(outcome, dict) for outcome in outcomes):
                    return list(outcomes)
            except (Gone, KeyError, TypeError):
                pass
            self.host.restart("scratch")
        raise Gone("a source that ends scratch", final=True)

    def located(self, task: Task) -> dict[str, dict[str, int]]:
        """How many failing and how many passing visible tests run each line of the buggy source."""
        if task.name not in self.facts:
            counts: dict[str, dict[str, int]] = {"failing": {}, "passing": {}}
            (outcome,) = self.scratch(task, [task.source], task.visible, trace=True)
            for (_, expected), output, lines in zip(task.visible, outcome["outputs"], outcome["lines"], strict=True):
                side = counts["passing" if same(output) == same(expected) else "failing"]
                for line in lines:
                    side[str(line)] = side.get(str(line), 0) + 1
            self.facts[task.name] = counts
        return self.facts[task.name]


class Run:
    """One measurement of one candidate."""

    def __init__(self, host: Host, outcomes: Outcomes, tasks: Sequence[Task], beat: Mapping[str, float] | None) -> None:
        self.host, self.outcomes, self.tasks, self.beat = host, outcomes, tasks, beat
        self.solved, self.used = dict.fromkeys(SETS, 0), dict.fromkeys(SETS, 0)
        self.restarts, self.over, outcomes.patience = RESTARTS, False, PATIENCE

    def all(self) -> None:
        for number, task in enumerate(self.tasks):
            if self.beat is not None:
                self.stop_if_lost([other.set for other in self.tasks[number:]])
            evaluations = None if self.over else self.attempt(task)
            solved = evaluations is not None
            self.solved[task.set] += solved
            self.used[task.set] += BUDGET if evaluations is None else evaluations
            for metric, value in (("solved", int(solved)), ("evaluations", evaluations if solved else BUDGET)):
                name = f"{task.set}_{metric}"
                self.host.say({"type": "result", "metric": name, "task": task.name, "value": value})

    def stop_if_lost(self, left: Sequence[str]) -> None:
        """Training must become strictly better than `beat`: more solved, or as many with fewer evaluations."""
        assert self.beat is not None
        todo = left.count("training")
        best = (self.solved["training"] + todo, -(self.used["training"] + todo))  # a repair costs one or more
        if best <= (self.beat["training_solved"], -self.beat["training_evaluations"]):
            raise Stopped("training cannot become better")

    def attempt(self, task: Task) -> int | None:
        """Evaluations used, or None when the task is not solved."""
        try:
            return self.dialogue(task)
        except Gone as gone:
            self.over = gone.final or self.restarts == 0
            if not self.over and str(gone) != "malformed body":
                self.restarts -= 1
                self.host.restart("candidate")
            return None

    def dialogue(self, task: Task) -> int | None:
        used, evaluated = 0, set[str]()
        body: dict[str, Any] = {
            "type": "repair",
            "task": task.name,
            "function": task.function,
            "source": task.source,
            "visible": task.visible,
            "facts": self.outcomes.located(task),
            "budget": BUDGET,
        }
        while True:
            reply = self.host.ask("candidate", body)
            match reply:
                case {"type": "evaluate", "sources": list() as sources} if 0 < len(sources) <= MOST:
                    if used >= BUDGET:
                        return None
                    sources = [check(source) for source in sources][: BUDGET - used]
                    results = self.outcomes.visible(task, sources)
                    used += len(results)
                    evaluated.update(sources[: len(results)])
                    body = {"type": "outcome", "results": results, "left": BUDGET - used}
                case {"type": "answer", "source": source}:
                    used += check(source) not in evaluated  # our own look at it is an evaluation too
                    return used if used <= BUDGET and self.outcomes.everything(task, source) else None
                case {"type": "give_up"}:
                    return None
                case _:
                    malformed()


@lru_cache(maxsize=MOST)
def normalised(source: str) -> str | None:
    """The source without layout and comments; None when it is not Python."""
    try:
        return ast.dump(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def check(source: Any) -> str:
    if not isinstance(source, str) or len(source) > LONGEST:
        malformed()
    return source


def malformed() -> NoReturn:
    raise Gone("malformed body")


def main() -> None:
    warnings.simplefilter("ignore", SyntaxWarning)
    host = Host()
    outcomes, tasks = Outcomes(host), list(load(Path(__file__).parent / "tasks"))
    while True:  # one process serves many candidates: what it keeps are outcomes of source text, never of candidates
        start = host.hear()
        try:
            Run(host, outcomes, tasks, start.get("beat")).all()
            host.say({"type": "done"})
        except Stopped as stopped:
            host.say({"type": "done", "stopped": str(stopped)})


if __name__ == "__main__":
    main()
