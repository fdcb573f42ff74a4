"""Workers of both arms that can be asked series of scripts, each series by fresh ones; compares nothing."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from harness.container import Session
from harness.records import Arm
from harness.trial.replay.answers import Answer, shapes_by_name
from harness.trial.replay.asking import Terms, answers
from harness.trial.replay.scripts import Recording, Script
from harness.trial.replay.surroundings import Surroundings, worker_in
from harness.trial.workshop import Workshop

_AT_ONCE: Final = 3


@dataclass(frozen=True)
class Series:
    """Scripts in the order in which one arm's worker is asked them, where, and how many seconds a reply may take.

    After `enough` seconds, from its first question, the worker is asked the last script only.
    """

    arm: Arm
    scripts: tuple[Script, ...]
    around: Surroundings | None = None
    reply: float = 1.5
    enough: float | None = None


@dataclass(frozen=True)
class Material:
    """What is known of the base: what its suite asks, and how its classes are built."""

    recording: Recording
    shapes: Any


class Panel:
    """A context manager. `asked` counts steps, `ran` the surroundings that were in force."""

    def __init__(
        self, shop: Workshop, files: Mapping[Arm, Mapping[str, bytes]], known: Material, seconds: float
    ) -> None:
        self.asked = 0
        self.ran: set[str] = set()
        self._shop = shop
        self.files = files  # of each arm, as its workers get them
        self._shapes = shapes_by_name(known.shapes)
        self._properties = known.recording.properties
        self._deadline = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE, "holdpoint-replay")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def ask(self, *series: Series) -> list[tuple[Answer, ...]]:
        """All at once, as far as there are hands."""
        return list(self._pool.map(self._one, series))

    def left(self) -> float:
        """Seconds until no more questions are asked."""
        return self._deadline - time.monotonic()

    def _one(self, series: Series) -> tuple[Answer, ...]:
        if not series.scripts:
            return ()
        goods = self._shop.goods
        header = {"role": "worker", "packages": list(goods.packages), "roots": list(goods.roots)}
        files = {**goods.around, **self.files[series.arm]}

        words: tuple[str, ...] = ()

        def start() -> Session:
            nonlocal words
            session, words = worker_in(self._shop, series.around, header, files)
            return session

        told = answers(
            start, series.scripts, Terms(series.reply, self._deadline, self._shapes, self._properties, series.enough)
        )
        with self._lock:
            self.ran |= set(words) if any(answer.seen for answer in told) else set()
            self.asked += sum(len(answer.seen) for answer in told)
        return told
