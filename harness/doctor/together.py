"""An attack and its control that share one costly event, for instance the restart of an engine; runs nothing else."""

from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from harness.doctor.bench import Bench
from harness.doctor.probe import Blocked, Fired, Outcome

_TRIES: Final = 3


class Together:
    """`event` answers what came of the attack and of the control; it takes place when the attack is tried."""

    def __init__(self, event: Callable[[Bench], tuple[Outcome, Outcome]]) -> None:
        self._event = event
        self._controls: WeakKeyDictionary[Bench, Outcome] = WeakKeyDictionary()

    def attack(self, bench: Bench) -> Outcome:
        """What came of the attack, now."""
        outcome, self._controls[bench] = self._happens(bench)
        return outcome

    def control(self, bench: Bench) -> Outcome:
        """What came of the control in the same event."""
        return self._controls.pop(bench) if bench in self._controls else self._happens(bench)[1]

    def _happens(self, bench: Bench) -> tuple[Outcome, Outcome]:
        """Once more where the control shows nothing: another harness that starts just then may clean up after it."""
        for _ in range(_TRIES):
            attack, control = self._event(bench)
            if isinstance(control, Fired) or not isinstance(attack, Blocked):
                break
        return attack, control
