"""What the lab is asked about one candidate, and what it answers; pure, and light to import."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from harness.records import Alarm, Effect, Replayed, TestsResult, TrialRecord
from harness.target import TargetConfig

if TYPE_CHECKING:  # the client of the engine takes longer to import than most commands to run
    from harness.container import Artifact

NOT_RUN: Final = TestsResult(expected=0, passed=0, run=False)


@dataclass(frozen=True)
class Question:
    """What is asked: does this merge hold on this base, and, if it claims a gain, is it there?

    With a `parent`, a claimed gain is one over the parent, which itself passed on the base. With a claim the metrics
    come first, and tests are not run for what did not gain: it has failed already. `earlier` are the pairs that an
    earlier run of the same question has measured, the last of `attempt` runs. A win is declared at `level`.
    `declares` names functions that are meant to answer otherwise.
    """

    base: str
    merge: str
    parent: str | None
    config: TargetConfig
    claims_gain: bool
    earlier: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    declares: tuple[str, ...] = ()
    level: float = 0.05
    attempt: int = 0


@dataclass(frozen=True)
class Examined:
    """What the sandbox showed; a fault of the engine is raised instead, and the proposal may be run again."""

    tests: TestsResult
    effects: tuple[Effect, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    trials: tuple[TrialRecord, ...] = ()
    blobs: tuple[bytes, ...] = ()
    log: bytes = b""
    differences: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    coins: tuple[str, ...] = ()
    image: str = ""
    profile: str = ""
    artifacts: "tuple[Artifact, ...]" = ()
    replay: Replayed | None = None

    @classmethod
    def untested(cls) -> "Examined":
        """Nothing was asked of the sandbox: a blocking finding decided already."""
        return cls(tests=NOT_RUN)
