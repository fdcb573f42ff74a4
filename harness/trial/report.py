"""Reads what a guest says about a test session, line by line and strictly; it compares with nothing.

Everything here is hostile input. A line out of order ends the reading: what follows it counts as not
reported.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, Literal

from harness.container import Artifact, ArtifactReader, Refused
from harness.records import Record
from harness.trial.inputs import clean, parse_object

Outcome = Literal["passed", "failed", "skipped", "xfailed", "xpassed", "missing"]

_MOST_IDS: Final = 200_000
_LONGEST_ID: Final = 1200
_LONGEST_WHY: Final = 300
_MOST_LOG: Final = 256 * 1024


class SessionReport(Record):
    """A test session as it was reported: parallel tuples over the collected ids, and what was wrong with it.

    `bodies` says for each test how its function ended and a digest of its code; `problems` are sentences, and `hit`
    are sentences about limits that were reached, which is no problem for a session that went well.
    """

    ids: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    bodies: tuple[str, ...]
    problems: tuple[str, ...]
    log: str
    hit: tuple[str, ...] = ()


class Listener:
    """The state machine: ids, then for each id in order set-up, call and tear-down, then the end.

    `stops` and `hits` are the sentences for what the supervisor may say of limits (see `harness.trial.limits`);
    without `artifacts` the supervisor may bring none.
    """

    def __init__(
        self,
        word: bytes,
        stops: Mapping[str, str] = {},
        hits: Mapping[str, str] = {},
        artifacts: ArtifactReader | None = None,
    ) -> None:
        self._word = word
        self._stops, self._hits = stops, hits
        self._hit: list[str] = []
        self._ids: list[str] = []
        self._outcomes: list[Outcome] = []
        self._bodies: list[str] = []
        self._started = False
        self._stopped = False
        self._phase = "setup"
        self._phases: list[tuple[str, bool]] = []
        self._whys: dict[str, str] = {}
        self.calls: dict[str, dict[str, Any]] | None = None  # by test; only who asks for recordings hears any
        self._body = ""
        self._exit: int | None = None
        self._ended = False
        self._problems: list[str] = []
        self._logs: list[str] = []
        self._output = ""
        self._room = _MOST_LOG
        self._artifacts = artifacts
        self._brought: list[Artifact | Refused] = []

    def hear(self, line: bytes) -> None:
        """One line of the guest's stdout, in the order of arrival."""
        who, text = line[len(self._word) : len(self._word) + 2], line[len(self._word) + 2 :]
        if self._ended or not line.startswith(self._word) or who not in (b"c ", b"s "):
            self._problem("something wrote to the report without the supervisor's word")
            return
        event = parse_object(text)
        if event is None:
            self._derail("a line is no JSON object")
        elif who == b"s ":
            self._supervisor(event)
        elif not self._stopped:
            self._child(event)

    def brought(self) -> tuple[Artifact | Refused, ...]:
        """What the guest left for the reader, and what of it was not taken; to be asked for once, at the end."""
        late = self._artifacts.end() if self._artifacts is not None else ()
        return (*self._brought, *late)

    @property
    def place(self) -> str:
        """The id of the test that is being run, or words for where else the session is."""
        if not self._started:
            return "while collecting"
        return self.name_of(len(self._outcomes)) or "after the last test"

    @property
    def whys(self) -> dict[str, str]:
        """The first line of what each failed test failed with; hostile text."""
        return self._whys

    def name_of(self, number: int) -> str:
        """The id with this number, "" for what is no test of this session."""
        return self._ids[number] if 0 <= number < len(self._ids) else ""

    def report(self, problems: tuple[str, ...] = ()) -> SessionReport:
        """What was heard; `problems` are what the host knows about the container besides."""
        if not self._ended:
            self._problem("the supervisor did not report the end")
        elif self._exit is None:
            self._problem("the session did not finish")
        unheard = len(self._ids) - len(self._outcomes)
        return SessionReport(
            ids=tuple(self._ids),
            outcomes=(*self._outcomes, *(["missing"] * unheard)),
            bodies=(*self._bodies, *([""] * unheard)),
            problems=tuple(dict.fromkeys((*problems, *self._problems))),
            log=self._log(),
            hit=tuple(self._hit),
        )

    def _log(self) -> str:
        # The summary repeats the single logs, so these are only for sessions that did not get that far.
        parts = [self._output] if self._exit is not None else [*self._logs, self._output]
        return "\n".join(part for part in parts if part)

    def _problem(self, sentence: str) -> None:
        if sentence not in self._problems:
            self._problems.append(sentence)

    def _derail(self, sentence: str) -> None:
        self._problem(sentence)
        self._stopped = True

    def _supervisor(self, event: dict[str, Any]) -> None:
        match event:
            case {"e": "output", "text": str() as text}:
                self._output = clean(text)
            case {"e": "artifacts", "data": str() as data} if self._artifacts is not None:
                self._bring(self._artifacts, data)
            case {"e": "end", "status": status, "stopped": str() as stopped}:
                self._ended = True
                self._note_limits(event.get("hit"))
                if stopped:
                    self._problem(self._stops.get(stopped, "the session was stopped"))
                elif status != self._exit and self._exit is not None:
                    self._problem("the session's exit status is not the one it reported")
                elif status != 0 and self._exit is None:
                    self._problem(f"the session's process ended by itself ({int(status or 0)})")
            case _:
                self._derail("the supervisor said something unknown")

    def _bring(self, reader: ArtifactReader, data: str) -> None:
        try:
            self._brought += reader.feed(base64.b64decode(data, validate=True))
        except (binascii.Error, ValueError):
            self._derail("a piece of the artifacts is no base64")

    def _note_limits(self, said: Any) -> None:
        names = said if isinstance(said, list) else []
        for name, sentence in self._hits.items():
            if name == "memory" and name in names:
                self._problem(sentence)  # the engine may learn of it too late: with a process gone, nothing is sure
            elif name in names:
                self._hit.append(sentence)

    def _child(self, event: dict[str, Any]) -> None:
        match event:
            case {"e": "collected", "ids": list() as ids} if not self._started:
                self._collect(ids)
            case {"e": "start", "count": int() as count} if not self._started:
                self._started = True
                if count != len(self._ids) or len(set(self._ids)) != count:
                    self._derail("the collected ids do not add up, or one appears twice")
            case {"e": "collect-error", "id": str() as name}:
                self._problem(f"{clean(name)[:_LONGEST_ID]} could not be collected")
            case {"e": "phase"} if self._started and self._exit is None:
                self._phase_of(event)
            case {"e": "log", "id": str() as name, "text": str() as text}:
                kept = clean(f"{name}\n{text}")[: self._room]
                self._room -= len(kept)
                self._logs += [kept] if kept else []
            case {"e": "calls", "id": str() as name} if self.calls is not None:
                self.calls[name] = event
            case {"e": "finished", "exit": int() as code} if self._exit is None:
                self._exit = int(code)
                if self._exit not in (0, 1):
                    self._problem(f"pytest ended with exit status {self._exit}")
            case _:
                self._derail("an event came out of order")

    def _collect(self, ids: list[Any]) -> None:
        fine = [clean(name) for name in ids if isinstance(name, str) and len(name) <= _LONGEST_ID]
        self._ids += fine
        if len(fine) != len(ids) or len(self._ids) > _MOST_IDS:
            self._derail("the collected ids are too long, too many or no text")

    def _phase_of(self, event: dict[str, Any]) -> None:
        number, when, outcome = event.get("n"), event.get("when"), event.get("outcome")
        in_order = type(number) is int and number == len(self._outcomes) < len(self._ids) and when == self._phase
        if not in_order or outcome not in ("passed", "failed", "skipped"):
            self._derail("a test was reported out of order, twice, or without having been collected")
            return
        self._phases.append((str(outcome), event.get("wasxfail") is True))
        why = event.get("why")
        if outcome == "failed" and isinstance(why, str):
            self._whys.setdefault(self._ids[len(self._outcomes)], clean(why)[:_LONGEST_WHY])
        body = event.get("body")
        if when == "call" and isinstance(body, list):
            self._body = clean(":".join(map(str, body)))[:40]
        if when == "teardown":
            self._outcomes.append(_fold(self._phases))
            self._bodies.append(self._body)
            self._phases, self._body = [], ""
        following = {"setup": "call" if outcome == "passed" else "teardown", "call": "teardown"}
        self._phase = following.get(str(when), "setup")


def _fold(phases: list[tuple[str, bool]]) -> Outcome:
    """A test's outcome: any failed phase fails it, then any skip skips it; a mark makes these xfail and xpass."""
    outcomes = [outcome for outcome, _ in phases]
    if "failed" in outcomes:
        return "failed"
    if "skipped" in outcomes:
        return "xfailed" if ("skipped", True) in phases else "skipped"
    return "xpassed" if ("passed", True) in phases else "passed"
