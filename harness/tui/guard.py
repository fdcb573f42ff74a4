"""The type-ahead guard: says whether a decision key was meant for what is on the screen; decides nothing else."""

from time import monotonic

from textual.widget import Widget

DEAD_AFTER_PAINT = 0.5  # seconds; review-ui.md, "Hostile text"
QUIET_AFTER_KEY = 0.08  # seconds without further input before a decision key counts


class TypeAhead:
    """Decision keys are dead until the screen has been painted for a while, and while more input is arriving.

    A key arrives at the application, travels to a widget and comes back as the key that is being acted on; others may
    have arrived meanwhile. Keys are compared by identity, because a burst may share one time.
    """

    def __init__(self, dead: float = DEAD_AFTER_PAINT) -> None:
        self.dead = dead
        self.latest: object = None
        self.acting: object = None
        self._at = 0.0
        self._painted: float | None = None

    def blank(self) -> None:
        """What is on the screen is about to change: nothing typed from here on was meant for it."""
        self._painted = None

    def painted(self, at: float) -> None:
        """The new screen was written to the terminal at this time."""
        self._painted = at

    def arrived(self, key: object) -> None:
        """One more key or paste was read from the terminal."""
        self.latest = key

    def acting_on(self, key: object, at: float) -> None:
        """This key, read at this time, is what the next act answers to."""
        self.acting, self._at = key, at

    def live(self) -> bool:
        """Whether the key being acted on came late enough after the paint to be an answer to it."""
        return self._painted is not None and self._at - self._painted >= self.dead

    def alone(self, key: object) -> bool:
        """Whether nothing has arrived since this key."""
        return self.latest is key


class Guarded(Widget):
    """Part of every screen: tells the guard when it was painted. Textual's key times are monotonic, as these are."""

    guard: TypeAhead

    def on_screen_resume(self) -> None:
        """The screen is in front, but not painted yet."""
        self.guard.blank()
        self.call_after_refresh(self._was_painted)

    def _was_painted(self) -> None:
        self.guard.painted(monotonic())
