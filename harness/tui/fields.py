"""Input fields that nobody can fill by accident: a typed-only field refuses every kind of paste."""

from textual import events
from textual.message import Message
from textual.widgets import Input


class Field(Input):
    """A one-line input. `typed_only` blocks pasting: what it asks for must be read and typed."""

    DEFAULT_CSS = """
    Field { height: 1; border: none; padding: 0 1; background: $panel; }
    Field:focus { border: none; background: $surface-lighten-2; }
    """

    class PasteRefused(Message):
        """Something tried to paste into a typed-only field."""

    def __init__(self, *, id: str, hint: str = "", typed_only: bool = False, allowed: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id, placeholder=hint, restrict=allowed, select_on_focus=False)
        self.cursor_blink = False
        self.typed_only = typed_only

    def _on_paste(self, event: events.Paste) -> None:
        # Textual calls every class's handler in turn: only prevent_default keeps Input's own from running.
        if self.typed_only:
            event.prevent_default()
            event.stop()
            self.post_message(self.PasteRefused())

    def action_paste(self) -> None:
        """Textual's own clipboard is a paste as well."""
        if self.typed_only:
            self.post_message(self.PasteRefused())
        else:
            super().action_paste()


class SearchField(Field):
    """The search line at the foot of a screen; hidden until it is asked for."""

    DEFAULT_CSS = "SearchField { display: none; } SearchField.asked { display: block; }"

    class Wanted(Message):
        """Look for this; empty when the search was given up."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(id="search", hint="search, Enter to go, Escape to give up")

    def ask(self) -> None:
        """Shows itself and takes the keys."""
        self.value = ""
        self.add_class("asked")
        self.focus()

    def on_key(self, event: events.Key) -> None:
        """Escape gives up without leaving the screen."""
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self._finish("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter looks for what was typed."""
        event.stop()
        self._finish(event.value)

    def _finish(self, text: str) -> None:
        self.remove_class("asked")
        self.post_message(self.Wanted(text))
