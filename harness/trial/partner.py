"""One side of a benchmark's dialogue (candidate or scratch): a question out, an answer or a reason back.

Everything that comes back is hostile. After a reason the container is gone, and stays so until a restart
is asked for.
"""

import json
from collections.abc import Callable
from typing import Any, Final, Literal

from harness.container import Ended, Finished, Line, Overflow, Session, Silence
from harness.records import Record
from harness.trial.inputs import parse_object

LONGEST: Final = 1024 * 1024  # bytes of one message
_FAREWELL: Final = 1.0  # seconds

Why = Literal["timeout", "exit", "malformed", "too large"]


class Answer(Record):
    """The body of a well-formed answer to the question asked."""

    body: dict[str, Any]


class Gone(Record):
    """There is no answer, and no container any more."""

    why: Why


class Partner:
    """Holds at most one container, started at the first question; `start` gives one that has its tree.

    How its containers ended is kept when `recorded`; reading that costs a few dozen milliseconds each.
    """

    def __init__(self, start: Callable[[], Session], silence: float, recorded: bool) -> None:
        self._start = start
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
        self._session.send(encode({"id": number, "body": body}))
        reading = self._session.read_line(min(self._silence, max(0.0, seconds)), LONGEST)
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
