"""What a probe is: one attack, the protection that is to stop it, and a control that shows the attack works; runs none.

A probe whose control does not fire proves nothing, whatever the attack did: a missing program looks blocked too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from harness.records import Record

if TYPE_CHECKING:  # the engine's client: every command reads this file for its documents
    from harness.doctor.bench import Bench

Group = Literal["resource", "network", "kernel", "lifetime", "artifacts", "reviewer", "git"]
GROUPS: Final[tuple[Group, ...]] = get_args(Group)


class Fired(Record):
    """The attack worked; `detail` is what it got."""

    detail: str


class Blocked(Record):
    """The attack was tried and failed; `detail` is how."""

    detail: str


class Unclear(Record):
    """The attack could not be tried; `detail` is why. Counts as no proof at all."""

    detail: str


Outcome = Fired | Blocked | Unclear
Act = Callable[["Bench"], Outcome]


@dataclass(frozen=True)
class Probe:
    """One line of the doctor's table and of SECURITY.md.

    `tries` and `control_is` are words for people. `settings` are the names in harness/container/settings.py that the
    probe falls without; empty where our own code is the protection. A state probe reads a setting back that another
    layer masks. `quick` ones are run before a trial on an engine that nobody has examined; `alone` ones while no other
    probe runs.
    """

    id: str
    group: Group
    threat: str
    tries: str
    control_is: str
    attack: Act
    control: Act
    settings: tuple[str, ...] = ()
    kind: Literal["attack", "state"] = "attack"
    quick: bool = False
    alone: bool = False


class ProbeResult(Record):
    """How one probe went: held only if the attack was blocked and its control fired."""

    id: str
    group: Group
    held: bool
    attack: Literal["blocked", "fired", "unclear"]
    control: Literal["fired", "unproven"]
    detail: str
    control_detail: str
    settings: tuple[str, ...]
    seconds: float

    @property
    def fell(self) -> bool:
        """Whether the protection is missing, or could not be tried: not merely unproven."""
        return self.attack != "blocked"
