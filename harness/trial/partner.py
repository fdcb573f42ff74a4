"""One side of a benchmark's dialogue (candidate or scratch): a question out, an answer or a reason back.

Everything that comes back is hostile. After a reason the container is gone, and stays so until a restart
is asked for.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final, Literal

from harness.container import Ended, Finished, Line, Overflow, Session, Silence, Usage
from harness.records import Record
from harness.trial.inputs import parse_object

LONGEST: Final = 1024 * 1024  # bytes of one message
_FAREWELL: Final = 1.0  # seconds
_SETTLING: Final = 2.0  # seconds at most that a fresh container may take to come to rest
_QUIET, _IDLE = 0.03, 0.001  # at rest: in so many seconds less processor time than this

Why = Literal["timeout", "exit", "malformed", "too large"]


class Answer(Record):
    """The body of a well-formed answer to the question asked."""

    body: dict[str, Any]


class Gone(Record):
    """There is no answer, and no container any more."""

    why: Why


class Meter:
    """Costs of one side, read by the host: time between question and answer, and the kernel's account of containers."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._cpu: float | None = 0.0
        self._memory: int | None = 0
        self._before: Usage | None = None

    def begin(self, session: Session) -> None:
        """A container is there that has not got its tree; the start of its interpreter is let end, and is no cost."""
        until = time.monotonic() + _SETTLING
        before, at_rest = session.usage(), False
        while not at_rest and time.monotonic() < until:
            time.sleep(_QUIET)
            now = session.usage()
            at_rest = now is None if before is None else now is not None and now.cpu - before.cpu < _IDLE
            before = now
        self._before = before

    def end(self, session: Session | None) -> None:
        """Its last answer is here; None when it is gone, and with it the account."""
        after = session.usage() if session is not None else None
        if after is None or self._before is None:
            self._cpu = self._memory = None
            return
        if self._cpu is not None:
            self._cpu += after.cpu - self._before.cpu
        if self._memory is not None:
            self._memory = None if after.memory is None else max(self._memory, after.memory)

    def costs(self) -> dict[str, float]:
        """What could be read, by kind of metric: seconds, seconds, bytes."""
        found = {"time": self.seconds, "cpu": self._cpu, "memory": self._memory}
        return {kind: float(value) for kind, value in found.items() if value}


class Partner:
    """Holds at most one container, started at the first question; `start` gives one that has its tree.

    How its containers ended is kept when `recorded`; reading that costs a few dozen milliseconds each. A `meter` counts
    everything from the moment that a container's tree is sent. No warm-up is left out: what a candidate did in one
    would be free.
    """

    def __init__(self, start: Callable[[], Session], tree: bytes, silence: float, recorded: bool) -> None:
        self._start = start
        self._tree = tree
        self.meter: Meter | None = None
        self._silence = silence
        self._recorded = recorded
        self._session: Session | None = None
        self._lost = False
        self.ended: list[Finished] = []

    def ask(self, number: int, body: dict[str, Any], seconds: float) -> Answer | Gone:
        """Sends one question and waits for its answer, at most `seconds` and the allowed silence."""
        if self._lost:
            return Gone(why="exit")
        if self._session is None:
            self._session = self._start()
            if self.meter is not None:
                self.meter.begin(self._session)
            self._session.send(self._tree)
        asked = time.monotonic()
        self._session.send(encode({"id": number, "body": body}))
        reading = self._session.read_line(min(self._silence, max(0.0, seconds)), LONGEST)
        if self.meter is not None:
            self.meter.seconds += time.monotonic() - asked
        match reading:
            case Line(data=data):
                answer = parse_object(data)
                if answer is not None and _fits(answer, number):
                    return Answer(body=answer["body"])
                return self._gone("malformed")
            case Silence():
                return self._gone("timeout")
            case Overflow():
                return self._gone("too large")
            case Ended():
                return self._gone("exit")

    def restart(self) -> None:
        """The next question goes to a fresh container."""
        self.close()
        self._lost = False

    def close(self) -> None:
        """Ends the container, if there is one, and keeps how it ended."""
        if self._session is not None:
            session, self._session = self._session, None
            if self.meter is not None:
                self.meter.end(None if self._lost else session)
            try:
                if self._recorded:
                    self.ended.append(session.kill() if self._lost else _let_end(session))
            finally:
                session.close()

    def _gone(self, why: Why) -> Gone:
        self._lost = True
        self.close()
        return Gone(why=why)


def _let_end(session: Session) -> Finished:
    """The end of its input ends an honest guest; another is killed."""
    session.close_stdin()
    return session.finish() if isinstance(session.read_line(_FAREWELL, LONGEST), Ended) else session.kill()


def encode(message: dict[str, Any]) -> bytes:
    """One message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _fits(answer: dict[str, Any], number: int) -> bool:
    same = type(answer.get("id")) is int and answer["id"] == number
    return same and isinstance(answer.get("body"), dict) and len(answer) == 2
