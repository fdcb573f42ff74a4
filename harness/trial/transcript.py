"""What went over the pipe between oracle and worker, in bounded form: counts, a digest, first lines; judges nothing."""

import hashlib
from typing import Any, Final

from harness.records import canonical_json
from harness.trial.crossing import Breach

_FIRST: Final = 200
_KEPT: Final = 400  # bytes of a line


class Transcript:
    """Fed with each line that was relayed."""

    def __init__(self) -> None:
        self.lines = 0
        self.size = 0
        self._digest = hashlib.sha256()
        self._first: list[str] = []
        self._breaches: list[dict[str, str]] = []
        self._last = b""

    def note(self, who: bytes, line: bytes) -> None:
        """One line of J or W, before it is checked."""
        self.lines += 1
        self.size += len(line) + 1
        self._digest.update(who)
        self._digest.update(line)
        self._last = line
        if len(self._first) < _FIRST:
            self._first.append(_shown(who, line))

    def breach(self, place: str, breach: Breach) -> None:
        """What was wrong with the last line."""
        if len(self._breaches) < _FIRST:
            self._breaches.append(
                {"place": place, "kind": breach.kind, "what": str(breach), "line": _shown(b"", self._last)}
            )

    def blob(self, seed: int | None, files: tuple[str, ...]) -> bytes:
        """For the evidence, with the order in which the tests ran; what came over the pipe is ASCII here."""
        found: dict[str, Any] = {
            "seed": seed,
            "files": list(files),
            "lines": self.lines,
            "bytes": self.size,
            "sha256": self._digest.hexdigest(),
            "breaches": self._breaches,
            "first": self._first,
        }
        return canonical_json(found)


def _shown(who: bytes, line: bytes) -> str:
    more = f"… ({len(line)} bytes)" if len(line) > _KEPT else ""
    return f"{who.decode()} {line[:_KEPT].decode('ascii', 'backslashreplace')}{more}".strip()
