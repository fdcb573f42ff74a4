"""The last filter before the terminal: whatever a widget was handed, no steering character, link or action gets past.

It leans on `App.get_line_filters`, which Textual does not promise; tests/tui/test_terminal.py holds it in place.
"""

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from harness.text import visible


@lru_cache(maxsize=8192)
def _clean_text(text: str) -> str:
    return visible(text).replace("\n", "␊").replace("\t", "␉")


@lru_cache(maxsize=4096)
def _clean_style(style: Style) -> Style:
    kept = {key: value for key, value in style.meta.items() if not key.startswith("@")}
    bare = style.clear_meta_and_links()
    return bare + Style.from_meta(kept) if kept else bare


@lru_cache(maxsize=4096)
def _is_clean(style: Style | None) -> bool:
    return style is None or (style.link is None and not any(key.startswith("@") for key in style.meta))


class Sanitiser(LineFilter):
    """Replaces C0, C1, bidi and zero-width characters by marks; drops links and `@click` and its kin.

    The width of a line stays what the layout took it for: marks that need more room push text over the edge.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line, safe to write to a terminal."""
        text_clean = all(not s.control and (s.text.isascii() and s.text.isprintable()) for s in segments)
        if text_clean and all(_is_clean(segment.style) for segment in segments):
            return segments
        cleaned = [
            Segment(_clean_text(text), style if style is None or _is_clean(style) else _clean_style(style))
            for text, style, control in segments
            if not control
        ]
        if text_clean or [s.text for s in cleaned] == [s.text for s in segments]:
            return cleaned
        return Segment.adjust_line_length(cleaned, Segment.get_line_length(segments))


SANITISER = Sanitiser()  # one instance: Textual caches filtered lines by filter


def filtered(segments: list[Segment]) -> list[Segment]:
    """What the filter lets through, for who has no screen (the doctor); no background matters to it."""
    return SANITISER.apply(segments, Color(0, 0, 0))
