"""Runs the base's tests in a container that never sees the candidate, which answers from another through the host.

J is the oracle (judge image, pytest, proxies), W the worker (the arm's files). Each line of W is checked before J gets
it; what is wrong ends that worker, and J hears of a fault. Compares nothing: `lanes.py` does.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from harness.container import Ended, Finished, Line, Overflow, Session, Silence, stream
from harness.container import Limits as ContainerLimits
from harness.records import Alarm, Arm, Record, TrialRecord
from harness.trial.crossing import Breach
from harness.trial.floor import LONGEST_LINE, Floor, parsed
from harness.trial.inputs import JUDGE, clean, parse_object, trial_record
from harness.trial.limits import limits_hit, out_of_time
from harness.trial.partner import encode
from harness.trial.replay.recorder import Recorder
from harness.trial.report import Outcome
from harness.trial.sessions import Sessions
from harness.trial.shipping import Shipment
from harness.trial.transcript import Transcript
from harness.trial.workshop import STARTING, Workshop

# Seconds without a message before a test is ended; the base gets fewer, so that no candidate is near its limit.
_PATIENCE: Final[Mapping[Arm, float]] = {"baseline": 5.0, "candidate": 30.0}
_MOST_MESSAGES: Final[Mapping[Arm, int]] = {"baseline": 30_000, "candidate": 300_000}  # of one test
_MOST_LOST: Final = 3  # workers that may break the protocol before no new one is started


@dataclass(frozen=True)
class Order:
    """What a run is asked for: test files (or single tests) in order, a seed for the order in each; not the `skip`."""

    files: tuple[str, ...]
    seed: int | None
    skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class Served:
    """Who answers: an arm, its files of the editable scope, and how the base's classes are built.

    `data` are files of the scope that lie beside the tests as well: the base's own, and no code.
    """

    arm: Arm
    files: Mapping[str, bytes]
    shapes: Any = None
    data: Mapping[str, bytes] = field(default_factory=dict)


class OracleRun(Record):
    """What the oracle reported of one arm, by test id; `problems` are sentences about the whole.

    `tallies` count what the candidate decided in each test; the id "" stands for what lies outside of tests. `whys` is
    the first line of what each failed test failed with, which is hostile text.
    """

    outcomes: Mapping[str, tuple[Outcome, str]]
    tallies: Mapping[str, Mapping[str, int]]
    problems: tuple[str, ...]
    alarms: tuple[Alarm, ...]
    log: str
    lines: int
    bytes_: int
    seconds: float
    trial: TrialRecord
    blobs: tuple[bytes, ...] = ()
    whys: Mapping[str, str] = {}


def run_oracle(shop: Workshop, served: Served, order: Order, recorder: Recorder | None = None) -> OracleRun:
    """The base's tests on an arm's source; whatever happens is in the result. The recorder hears every message."""
    tree = _tree(shop.goods, served.files)
    header = {
        "role": "oracle",
        "packages": list(shop.goods.packages),
        "files": list(order.files),
        "tests": list(shop.tests),
        "root": JUDGE,
        "timeout": shop.total,
        "seed": order.seed,
        "fresh": shop.fresh,
        "skip": list(order.skip),
        "patience": _PATIENCE[served.arm],
        "most": _MOST_MESSAGES[served.arm],
        "shapes": served.shapes,
        "roots": list(shop.roots),
    }
    began = time.monotonic()
    with shop.judge() as judge:
        judge.send(stream(header, served.data))
        relay = Relay(judge, lambda: _started(shop, tree), shop.end, Limits(shop.limit, began + shop.total))
        relay.recorder = recorder
        try:
            relay.run()
        finally:
            relay.close()
        finished = judge.kill() if relay.problem else judge.finish()
        hit = relay.limits_hit(shop.named)
    transcript = relay.transcript.blob(order.seed, order.files)
    problems = [*([relay.problem] if relay.problem else []), *hit, *relay.sessions.problems()]
    return OracleRun(
        outcomes=relay.sessions.outcomes(),
        tallies=relay.sessions.tallies,
        problems=tuple(problems),
        alarms=tuple(relay.alarms),
        log=relay.sessions.log(),
        lines=relay.transcript.lines,
        bytes_=relay.transcript.size,
        seconds=round(time.monotonic() - began, 4),
        trial=trial_record(served.arm, "tests", shop.judging, finished, transcript),
        blobs=(transcript, finished.stderr),
        whys=relay.sessions.whys(),
    )


def ask_shapes(shop: Workshop, files: Mapping[str, bytes]) -> Any:
    """How the classes of the base are built, from a worker with the base's own code; None when it cannot say."""
    question = {"q": 1, "op": "shapes", "a": [["t", *shop.goods.packages]]}
    floor = Floor()
    floor.from_oracle(question)
    with _started(shop, _tree(shop.goods, files)) as worker:
        if not _is_ready(worker, STARTING):
            return None
        worker.send(encode(question))
        reading = worker.read_line(shop.limit, LONGEST_LINE)
    if not isinstance(reading, Line):
        return None
    floor.from_worker(reading.data)
    match parsed(reading.data).get("v"):
        case ["d", int(), *parts]:
            return ["d", 0, *parts]  # no worker to come knows that container by its number
    return None


def _tree(goods: Shipment, files: Mapping[str, bytes]) -> bytes:
    header = {"role": "worker", "packages": list(goods.packages), "roots": list(goods.roots)}
    return stream(header, {**goods.around, **files})


def _is_ready(worker: Session, seconds: float) -> bool:
    reading = worker.read_line(seconds, LONGEST_LINE)
    return isinstance(reading, Line) and reading.data == b'{"ready":1}'


def _started(shop: Workshop, tree: bytes) -> Session:
    session = shop.worker()
    session.send(tree)
    return session


@dataclass(frozen=True)
class Limits:
    """Seconds for one reply of the worker, and the moment at which all has to be over."""

    reply: float
    deadline: float


class Relay:
    """Carries lines between one oracle and its workers, one after another."""

    def __init__(
        self,
        judge: Session,
        start: Callable[[], Session],
        end: "Callable[[Session], Future[Finished]]",
        limits: Limits,
    ) -> None:
        self.sessions = Sessions()
        self.transcript = Transcript()
        self.alarms: list[Alarm] = []
        self.problem = ""
        self.recorder: Recorder | None = None
        self._judge = judge
        self._start = start
        self._end = end
        self._limits = limits
        self._worker: Session | None = None
        self._floor = Floor()
        self._lost = 0
        self._slow = False
        self._ended: list[Future[Finished]] = []
        self._why = "no worker was asked for"

    def run(self) -> None:
        """Until the oracle has come to its end, or cannot; then `problem` says why."""
        while not self.problem and not self.sessions.ended:
            reading = self._judge.read_line(self._left(), LONGEST_LINE)
            match reading:
                case Line(data=line):
                    self._heard(line)
                case Silence():
                    self.problem = "the oracle ran out of time"
                case Overflow():
                    self.problem = "the oracle said more than allowed"
                case Ended():
                    self.problem = "the oracle ended before its end"

    def close(self) -> None:
        """Ends the worker that is left."""
        self._dismiss()

    def limits_hit(self, limits: ContainerLimits) -> tuple[str, ...]:
        """Which limits the workers met, in words; waits until all have ended."""
        slow = (out_of_time(limits),) if self._slow else ()
        told = [sentence for one in self._ended for sentence in limits_hit(one.result().state, limits)]
        return tuple(dict.fromkeys((*slow, *told)))

    def _heard(self, line: bytes) -> None:
        frame = parse_object(line)
        if frame is None:
            self.problem = "the oracle sent a line that is no JSON object"
        elif "q" in frame or "r" in frame:
            self._carry(line, frame)
        elif "fresh" in frame:
            self._dismiss()
            self._renew()
            self.sessions.begin()
            self._judge.send(encode({"fresh": frame["fresh"]}))
        else:
            self.sessions.hear(line, frame)

    def _carry(self, line: bytes, frame: dict[str, Any]) -> None:
        """A line of the oracle to the worker, and the worker's next line back."""
        if self._worker is None:
            self._answer_for_the_lost(frame)
            return
        try:
            self._floor.from_oracle(frame)
        except Breach as breach:
            self.problem = f"the oracle left its own protocol: {breach}"
            return
        self.transcript.note(b"J", line)
        if self.recorder is not None:
            self.recorder.hear("J", frame)
        if self._worker.buffered:
            self._lose(self._worker, Breach("out of turn", "a message that nobody asked for"))
            return
        self._worker.send(line + b"\n")
        reading = self._worker.read_line(min(self._limits.reply, self._left()), LONGEST_LINE)
        if not isinstance(reading, Line):
            self._lose(self._worker, _breach_of(reading))
            return
        self.transcript.note(b"W", reading.data)
        try:
            self._floor.from_worker(reading.data)
        except Breach as breach:
            self._lose(self._worker, breach)
            return
        if self.recorder is not None:
            self.recorder.hear("W", parsed(reading.data))
        self._judge.send(reading.data + b"\n")

    def _answer_for_the_lost(self, frame: dict[str, Any]) -> None:
        number = frame["q"] if "q" in frame else self._floor.abandon()
        if number is not None:
            self._judge.send(encode({"r": number, "f": self._why}))

    def _lose(self, worker: Session, breach: Breach) -> None:
        """Ends a worker that broke a rule; whoever waits for it hears of a fault."""
        self._lost += 1
        self._worker = None
        self._slow = self._slow or breach.kind == "time"
        self._ended.append(self._end(worker))
        self._why = f"the worker is gone: {breach.kind}"
        place = self.sessions.place()
        self.alarms.append(Alarm(kind=f"worker: {breach.kind}", detail=clean(f"{place}: {breach}")[:500], place=place))
        self.transcript.breach(place, breach)
        if breach.kind in ("time", "ended"):
            self._lost += _MOST_LOST  # once is enough: what hangs in one file may hang in each
        number = self._floor.abandon()
        if number is not None:
            self._judge.send(encode({"r": number, "f": self._why}))

    def _dismiss(self) -> None:
        if self._worker is not None:
            worker, self._worker = self._worker, None
            if worker.unread():
                place = self.sessions.place()
                self.alarms.append(
                    Alarm(kind="worker: out of turn", detail=f"{place}: a message that nobody asked for", place=place)
                )
            self._ended.append(self._end(worker))

    def _renew(self) -> None:
        """A fresh worker that says it is ready; none after too many were lost."""
        if self.recorder is not None:
            self.recorder.fresh()
        self._floor = Floor()
        if self._lost >= _MOST_LOST:
            return
        worker = self._start()
        if _is_ready(worker, min(STARTING, self._left())):
            self._worker = worker
        else:
            self._lose(worker, Breach("start", "the worker did not begin as agreed"))

    def _left(self) -> float:
        return max(0.0, self._limits.deadline - time.monotonic())


def _breach_of(reading: Silence | Overflow | Ended) -> Breach:
    match reading:
        case Silence(seconds=seconds):
            return Breach("time", f"no answer within {seconds:.0f} s")
        case Overflow():
            return Breach("size", "a line too long, or more output than allowed")
        case Ended():
            return Breach("ended", "the worker's process ended")
