"""The three-container benchmark: a judge that never meets the candidate asks it through the host; decides
nothing.

The judge (base-owned) is one process for many candidates and may keep what it learned of source text.
Candidate and scratch are fresh for each candidate. The host only carries messages, and checks size, form,
id and time.
"""

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self

from harness.container import ContainerSpec, Engine, Line, Pool, Session, stream
from harness.records import Arm, Record, TrialRecord, canonical_json
from harness.target import BenchEntry
from harness.trial.inputs import WORK, TrialInputs, clean, parse_object, trial_record
from harness.trial.partner import LONGEST, Answer, Gone, Meter, Partner, encode

COSTS: Final = frozenset({"time", "cpu", "memory"})  # read outside the candidate where its judge does not tell them
_MOST_RESULTS: Final = 100_000
_GRACE: Final = (
    30.0  # seconds that a container may outlive the benchmark's total, so that ours is the clock that ends it
)


class BenchResult(Record):
    """One measurement: value by metric and task; `stopped` and `broken` say why it is not whole, else empty.

    `outside` are the candidate's costs as the host read them, by kind of metric. `said` is all that the candidate was
    asked and what came back, in order, each as a digest, where the benchmark has costs only: these are comparable
    only while the work is the same. With another metric it is the judge that says what an answer is worth.
    """

    values: Mapping[str, Mapping[str, float]]
    stopped: str = ""
    broken: str = ""
    asked: int = 0
    gone: tuple[str, ...] = ()
    seconds: float = 0.0
    trials: tuple[TrialRecord, ...] = ()
    blobs: tuple[bytes, ...] = ()
    outside: Mapping[str, float] = {}
    said: tuple[tuple[str, str], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the judge went through all tasks."""
        return not self.stopped and not self.broken

    def total(self, metric: str) -> float:
        """The sum over the tasks."""
        return math.fsum(self.values.get(metric, {}).values())


class BenchBrokenError(Exception):
    """The judge cannot go on; the sentence is for the person, the session is discarded."""


class BenchRunner:
    """Measures candidates one after another with one judge; for one thread at a time. `exact` are its exact metrics."""

    def __init__(
        self, engine: Engine, inputs: TrialInputs, bench: BenchEntry, warm: tuple[str, ...] = (), ahead: int = 1
    ) -> None:
        mine = [metric for metric in inputs.config.metrics if metric.bench == bench.name]
        self.exact = frozenset(metric.name for metric in mine if metric.exact)
        self._metered = any(metric.kind in COSTS and not metric.exact for metric in mine)
        self._costs_only = self._metered and all(metric.kind in COSTS for metric in mine)
        self._engine = engine
        self._inputs = inputs
        self._bench = bench
        self._judge: Session | None = None
        self._judge_files = inputs.read(inputs.base_commit, (*bench.files, bench.judge))
        self._scratch_files = inputs.read(inputs.base_commit, (bench.scratch,)) if bench.scratch is not None else {}
        life = bench.total + _GRACE
        self._specs = {
            "candidate": inputs.spec(inputs.image, "candidate", warm, life, talks=True),
            "scratch": inputs.spec(inputs.image, "scratch", timeout=life, talks=True),
        }
        self._specs["judge"] = inputs.spec(inputs.image, "judge", timeout=life, talks=True)
        self._stack = ExitStack()
        self._take: dict[str, Callable[[], Session]] = {}
        for role in ("candidate", "scratch") if bench.scratch is not None else ("candidate",):
            # A container that starts meanwhile would be in the way of what is being timed.
            self._take[role] = self._source(self._specs[role], 0 if self._metered else ahead)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the judge and the containers that wait. Idempotent."""
        self._drop_judge()
        self._stack.close()

    def measure(
        self,
        files: Mapping[str, bytes],
        *,
        arm: Arm = "candidate",
        seed: int = 0,
        beat: Mapping[str, float] | None = None,
    ) -> BenchResult:
        """One measurement of the shipped files; with `beat` (totals) the judge may stop when it is out of reach."""
        began = time.monotonic()
        dialogue = _Dialogue(self._partners(files), began + self._bench.total)
        broken = ""
        try:
            judge = self._judging()
            start = {"v": 1, "type": "start", "seed": seed}
            judge.send(encode(start if beat is None else {**start, "beat": dict(beat)}))
            dialogue.run(judge)
        except BenchBrokenError as error:
            broken = str(error)
            self._drop_judge()
        except BaseException:
            self._drop_judge()  # it is in the middle of a sentence
            raise
        finally:
            dialogue.close()
        ended, meter = dialogue.partners["candidate"].ended, dialogue.partners["candidate"].meter
        outside = meter.costs() if meter is not None else {}
        report = canonical_json(
            {"values": dialogue.values, "stopped": dialogue.stopped, "gone": dialogue.gone, "outside": outside}
        )
        return BenchResult(
            values=dialogue.values,
            stopped=dialogue.stopped,
            broken=broken,
            asked=dialogue.asked,
            gone=tuple(dialogue.gone),
            seconds=round(time.monotonic() - began, 4),
            trials=tuple(trial_record(arm, "metric", self._specs["candidate"], one, report) for one in ended),
            blobs=(report, *(one.stderr for one in ended)),
            outside=outside,
            said=tuple(dialogue.said) if self._costs_only else (),
        )

    def _partners(self, files: Mapping[str, bytes]) -> dict[str, Partner]:
        bench = self._bench
        serve = {"role": "serve", "module": bench.candidate, "roots": _module_roots(files, bench.candidate)}
        partners = {"candidate": Partner(self._take["candidate"], stream(serve, files), bench.timeout, True)}
        partners["candidate"].meter = Meter() if self._metered else None
        if bench.scratch is not None:
            script = {"role": "script", "path": f"{WORK}/{bench.scratch}", "roots": []}
            partners["scratch"] = Partner(
                self._take["scratch"], stream(script, self._scratch_files), bench.timeout, False
            )
        return partners

    def _source(self, spec: ContainerSpec, ahead: int) -> Callable[[], Session]:
        if ahead < 1:
            return lambda: self._engine.start(spec)
        return self._stack.enter_context(Pool(self._engine, spec, ahead)).take

    def _judging(self) -> Session:
        """The judge, started if need be, with a fresh wall clock."""
        if self._judge is None:
            folder = self._bench.judge.rpartition("/")[0]
            roots = [f"{WORK}/{folder}", WORK] if folder else [WORK]
            header = {"role": "script", "path": f"{WORK}/{self._bench.judge}", "roots": roots}
            self._judge = self._engine.start(self._specs["judge"])
            self._judge.send(stream(header, self._judge_files))
        self._judge.renew()
        return self._judge

    def _drop_judge(self) -> None:
        if self._judge is not None:
            judge, self._judge = self._judge, None
            judge.close()


class _Dialogue:
    """Carries the messages of one measurement."""

    def __init__(self, partners: dict[str, Partner], deadline: float) -> None:
        self.partners = partners
        self.values: dict[str, dict[str, float]] = {}
        self.stopped = ""
        self.gone: list[str] = []
        self.said: list[tuple[str, str]] = []
        self.asked = 0
        self._deadline = deadline
        self._count = 0

    def run(self, judge: Session) -> None:
        """Until the judge is done; `BenchBrokenError` when it cannot be."""
        while True:
            message = self._next(judge)
            match message:
                case {"type": "ask", "to": str() as to, "id": int() as number, "body": dict() as body} if (
                    to in self.partners
                ):
                    judge.send(encode(self._carry(to, number, body)))
                case {"type": "restart", "to": str() as to} if to in self.partners:
                    self.partners[to].restart()
                case {"type": "result", "metric": str() as metric, "task": str() as task, "value": value}:
                    self._note(clean(metric), clean(task), value)
                case {"type": "done"}:
                    self.stopped = clean(str(message.get("stopped", "")))[:200]
                    return
                case _:
                    raise BenchBrokenError("the benchmark's judge said something outside the protocol")

    def close(self) -> None:
        for partner in self.partners.values():
            partner.close()

    def _next(self, judge: Session) -> dict[str, Any]:
        reading = judge.read_line(self._left(), LONGEST)
        if not isinstance(reading, Line):
            word = type(reading).__name__.lower()
            raise BenchBrokenError(f"the benchmark's judge gave no answer ({word}){_last_words(judge)}")
        message = parse_object(reading.data)
        if message is None:
            raise BenchBrokenError("the benchmark's judge sent a line that is no JSON object")
        return message

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise BenchBrokenError("the benchmark used up its total time")
        return left

    def _carry(self, to: str, number: int, body: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        answer = self.partners[to].ask(number, body, self._left())
        if to == "candidate":
            self.said.append((_digest(body), _digest(answer.model_dump(mode="json"))))
        match answer:
            case Answer(body=reply):
                return {"type": "reply", "from": to, "id": number, "body": reply}
            case Gone(why=why):
                self.gone.append(f"{to}: {why}")
                return {"type": "gone", "from": to, "id": number, "why": why}

    def _note(self, metric: str, task: str, value: Any) -> None:
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        tasks = self.values.setdefault(metric, {})
        self._count += 1
        if not number or task in tasks or self._count > _MOST_RESULTS:
            raise BenchBrokenError(f"the benchmark's judge reported {metric} of {task} twice, or no number")
        tasks[task] = float(value)


def _digest(value: Any) -> str:
    return hashlib.blake2b(canonical_json(value), digest_size=12).hexdigest()


def _module_roots(files: Mapping[str, bytes], module: str) -> list[str]:
    """Where the module's package starts among the shipped files; the usual places when it is not there."""
    tail = module.replace(".", "/")
    for path in sorted(files):
        for ending in (f"{tail}.py", f"{tail}/__init__.py", f"{tail}/__main__.py"):
            if path == ending or path.endswith(f"/{ending}"):
                return [f"{WORK}/{path[: -len(ending)]}".rstrip("/")]
    return [WORK, f"{WORK}/src"]


def _last_words(judge: Session) -> str:
    text = judge.kill().stderr.decode("utf-8", "replace").strip().splitlines()
    return f": {clean(text[-1])[:200]}" if text else ""
