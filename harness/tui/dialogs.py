"""The dialogs over the review: a form to fill in order, and a note to read. No button exists that could be focused."""

from collections.abc import Callable, Sequence
from typing import ClassVar, assert_never

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from harness.tui.fields import Field
from harness.tui.forms import Answer, Cancelled, Form
from harness.tui.guard import Guarded, TypeAhead
from harness.tui.lines import LinesView
from harness.tui.rows import Row, row
from harness.tui.session import Filling, Submit, Wrong

_CSS = """
%(name)s { align: center middle; background: $background 60%%; }
%(name)s > Vertical {
    width: 76; max-width: 100%%; height: auto; max-height: 100%%; padding: 0 1;
    background: $surface; border: round $primary;
}
%(name)s LinesView { background: $surface; }
"""


def dialog_css(name: str) -> str:
    """The look of a dialog of this class name."""
    return _CSS % {"name": name}


class FormDialog(Guarded, ModalScreen[Answer | Cancelled]):
    """Asks for the fields of a form in order. Enter goes on, and submits only from the last field."""

    CSS = dialog_css("FormDialog") + "FormDialog .label { margin-top: 1; }"
    # Priority: the focus must have moved before the next key of a fast typist is handed out.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "advance", "next field, or submit from the last", priority=True, id="form.advance"),
        Binding("tab", "step(1)", "next field", priority=True, id="form.next"),
        Binding("shift+tab", "step(-1)", "previous field", priority=True, id="form.previous"),
        Binding("escape", "cancel", "go back, decide nothing", id="form.cancel"),
    ]

    def __init__(
        self, guard: TypeAhead, form: Form, when_settled: Callable[[Callable[[], None], Callable[[str], None]], None]
    ) -> None:
        super().__init__()
        self.guard = guard
        self._form = form
        self._filling = Filling(form)
        self._when_settled = when_settled

    def compose(self) -> ComposeResult:
        """Title, what it means, the fields, what is wrong."""
        with Vertical():
            yield LinesView(id="what", fit=9)
            for number, ask in enumerate(self._form.asks):
                yield LinesView(id=f"label{number}", fit=2)
                yield Field(id=f"field{number}", hint=ask.hint, typed_only=ask.typed_only, allowed=ask.allowed)
            yield LinesView(id="said", fit=3)

    def on_mount(self) -> None:
        """Fills in the words; the first field has the focus."""
        self.query_one("#what", LinesView).show([row((self._form.title, "head")), *self._form.rows])
        for number, ask in enumerate(self._form.asks):
            self.query_one(f"#label{number}", LinesView).show([row(""), row((ask.label, "strong"))])
        last = "Enter on the last field submits" if len(self._form.asks) > 1 else "Enter submits"
        self.say(f"{last}. Escape goes back and decides nothing.", "dim")
        self._to(0)

    def say(self, text: str, role: str = "bad") -> None:
        """One line below the fields."""
        shown = row("") if not text else row((text, "dim" if role == "dim" else "bad"))
        self.query_one("#said", LinesView).show([row(""), shown])

    def _field(self, number: int) -> Field:
        return self.query_one(f"#field{number}", Field)

    def on_field_paste_refused(self) -> None:
        """Says why nothing happened."""
        self.say("Pasting is refused here: read it and type it.")

    def _to(self, number: int) -> None:
        # Widget.focus would only take effect after the keys that are queued now.
        self.set_focus(self._field(number))

    def _here(self) -> Filling:
        """The filling, at the field that has the focus: a click may have moved it."""
        fields = range(len(self._form.asks))
        self._filling.focus = next((number for number in fields if self._field(number).has_focus), 0)
        return self._filling

    def action_step(self, step: int) -> None:
        """To another field; at either end it stays."""
        self._to(self._here().step(step))

    def action_advance(self) -> None:
        """Goes to the next field, or from the last one submits."""
        filling = self._here()
        if not filling.last:
            number = filling.focus
            self._to(filling.step(1))
            # What was typed just before is still on its way into the field.
            self.call_later(self._check, number)
        elif isinstance(key := self.guard.latest, events.Key):
            self.guard.acting_on(key, key.time)
            self._when_settled(self._submit, self.say)

    def _check(self, number: int) -> None:
        self._told(self._filling.check(number, self._field(number).value))

    def _told(self, wrong: Wrong | None) -> None:
        self.say(wrong.why if wrong else "")
        if wrong:
            self._to(wrong.field)

    def _submit(self) -> None:
        values = tuple(self._field(number).value for number in range(len(self._form.asks)))
        match self._filling.submit(values):
            case Wrong() as wrong:
                self._told(wrong)
            case Submit(values=values):
                self.dismiss(Answer(self._form.decision, values))
            case _ as never:
                assert_never(never)

    def action_cancel(self) -> None:
        """Back to the review."""
        self.dismiss(Cancelled())


class Note(Guarded, ModalScreen[Cancelled]):
    """Something to read: an outcome, an error, the keys. Any of Enter, Escape and q closes it."""

    CSS = dialog_css("Note")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape,q", "close", "close", id="note.close"),
        Binding("j,down", "move(1)", show=False, id="note.down"),
        Binding("k,up", "move(-1)", show=False, id="note.up"),
        Binding("space,pagedown", "move(10)", show=False, id="note.page-down"),
        Binding("pageup", "move(-10)", show=False, id="note.page-up"),
    ]

    def __init__(self, guard: TypeAhead, rows: Sequence[Row]) -> None:
        super().__init__()
        self.guard = guard
        self._rows = rows

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        with Vertical():
            yield LinesView(id="note", fit=max(3, self.app.size.height - 4))
            yield LinesView(id="how", fit=1)

    def on_mount(self) -> None:
        """Fills in the words."""
        self.query_one("#note", LinesView).show(self._rows)
        self.query_one("#how", LinesView).show([row(("Enter closes", "dim"))])

    def on_click(self, event: events.Click) -> None:
        """Clicks do nothing: a note is closed on purpose."""
        event.stop()

    def action_move(self, lines: int) -> None:
        """Scrolls a long note."""
        self.query_one("#note", LinesView).move(lines)

    def action_close(self) -> None:
        """Back to what was below."""
        self.dismiss(Cancelled())
