"""The command palette: finds a key's action by its words. Decisions are not in it; they have keys of their own."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from harness.tui.dialogs import dialog_css
from harness.tui.fields import Field
from harness.tui.guard import Guarded, TypeAhead
from harness.tui.lines import LinesView
from harness.tui.outcomes import key_names
from harness.tui.rows import row

# Whatever decides, or is a step towards a decision, is done by its own key only.
_NEVER = ("approve", "reject", "request-changes", "defer", "merge", "acknowledge", "verdict", "nominate")


def commands_of(bindings: Sequence[BindingType]) -> tuple[Binding, ...]:
    """The bindings that a palette may offer."""
    named = (one for one in bindings if isinstance(one, Binding) and one.description and one.id)
    return tuple(one for one in named if not any(word in (one.id or "") for word in _NEVER))


class Commands(Guarded, ModalScreen[str]):
    """Type some words of what is wanted; Enter does the first that fits. Gives back its action, or nothing."""

    CSS = dialog_css("Commands")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", id="commands.leave"),
        Binding("down", "move(1)", show=False, priority=True, id="commands.down"),
        Binding("up", "move(-1)", show=False, priority=True, id="commands.up"),
    ]

    def __init__(self, guard: TypeAhead, bindings: Sequence[BindingType]) -> None:
        super().__init__()
        self.guard = guard
        self._all = commands_of(bindings)
        self._shown = self._all
        self._at = 0

    def compose(self) -> ComposeResult:
        """What is wanted, and what fits."""
        with Vertical():
            yield Field(id="wanted", hint="what do you want to do?")
            yield LinesView(id="found", fit=14)

    def on_mount(self) -> None:
        """All of them at first."""
        self.query_one("#wanted", Field).focus()
        self._show()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Those that have every word."""
        words = event.value.casefold().split()
        self._shown = tuple(one for one in self._all if all(word in one.description.casefold() for word in words))
        self._at = 0
        self._show()

    def action_move(self, step: int) -> None:
        """To another one of what fits."""
        self._at = max(0, min(len(self._shown) - 1, self._at + step))
        self._show()

    def _show(self) -> None:
        rows = [
            row(
                ("▸ " if number == self._at else "  ", "key"),
                (f"{key_names(one.key):<18}", "dim"),
                one.description,
                indent=20,
            )
            for number, one in enumerate(self._shown)
        ]
        found = self.query_one("#found", LinesView)
        found.show(rows or [row(("nothing is called so", "dim"))])
        found.reveal(max(0, self._at - 10))

    def on_input_submitted(self) -> None:
        """Does it."""
        self.dismiss(self._shown[self._at].action if self._shown else "")

    def action_leave(self) -> None:
        """Does nothing."""
        self.dismiss("")
