"""Reads what the oracle reports of its pytest sessions, one after another; it compares with nothing.

The oracle runs no candidate code, but shows what that code gave it: texts are hostile, and order is checked.
"""

from typing import Any, Final

from harness.trial.inputs import clean
from harness.trial.report import Listener, Outcome

_MOST_WORDS: Final = 200
_MOST_LOG: Final = 256 * 1024


class Sessions:
    """One `Listener` a session; `tallies` by test id, "" for what lies outside of tests."""

    def __init__(self) -> None:
        self.tallies: dict[str, dict[str, int]] = {}
        self.ended = False
        self._listeners: list[Listener] = []
        self._odd: list[str] = []
        self._status: int | None = None

    def begin(self) -> None:
        """The next events are of a new session."""
        self._close()
        self._listeners.append(Listener(b""))

    def hear(self, line: bytes, event: dict[str, Any]) -> None:
        """One event of the oracle."""
        if event == {"e": "end"}:
            self._close()
            self.ended = True
        elif not self._listeners:
            self._wonder("the oracle reported before its first session")
        else:
            self._hear(self._listeners[-1], line, event)

    def place(self) -> str:
        """The test that is being run, or where else the session is."""
        return self._listeners[-1].place if self._listeners else "before the first test"

    def outcomes(self) -> dict[str, tuple[Outcome, str]]:
        """(outcome, body) by id; an id that two sessions report is a problem."""
        found: dict[str, tuple[Outcome, str]] = {}
        for listener in self._listeners:
            report = listener.report()
            for name, outcome, body in zip(report.ids, report.outcomes, report.bodies, strict=True):
                if name in found:
                    self._wonder(f"{name} was reported by two sessions")
                found[name] = (outcome, body)
        return found

    def whys(self) -> dict[str, str]:
        """The first line of what each failed test failed with; hostile text."""
        return {name: why for listener in self._listeners for name, why in listener.whys.items()}

    def problems(self) -> tuple[str, ...]:
        """Sentences about sessions that did not go as they should."""
        told = [problem for listener in self._listeners for problem in listener.report().problems]
        return tuple(dict.fromkeys((*self._odd, *told)))

    def log(self) -> str:
        """The sessions' own output, bounded; hostile text."""
        texts = [text for listener in self._listeners for text in [listener.report().log] if text]
        return "\n".join(texts)[-_MOST_LOG:]

    def _hear(self, listener: Listener, line: bytes, event: dict[str, Any]) -> None:
        match event:
            case {"e": "tally", "n": int() as number, "t": dict() as words}:
                self._tally(listener.name_of(number), words)
            case {"e": "child", "status": int() as status}:
                self._status = status
            case {"e": "output"}:
                listener.hear(b"s " + line)
            case _:
                listener.hear(b"c " + line)

    def _close(self) -> None:
        """A session has ended once its process has, with whatever status."""
        if self._listeners and self._status is not None:
            self._listeners[-1].hear(b's {"e": "end", "status": %d, "stopped": ""}' % self._status)
        self._status = None

    def _tally(self, name: str, words: dict[str, Any]) -> None:
        kept = self.tallies.setdefault(name, {})
        for word, count in words.items():
            if type(count) is not int or count < 0 or (len(kept) >= _MOST_WORDS and word not in kept):
                self._wonder("the oracle counted in a way that cannot be read")
                return
            kept[clean(word)[:200]] = kept.get(clean(word)[:200], 0) + count

    def _wonder(self, sentence: str) -> None:
        if sentence not in self._odd:
            self._odd.append(sentence)
