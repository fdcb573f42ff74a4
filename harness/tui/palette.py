"""What each role looks like: blue and orange only, readable in grey, and without colour where NO_COLOR asks for it."""

from dataclasses import dataclass

from rich.style import Style
from rich.syntax import SyntaxTheme
from textual.theme import Theme

from harness.tui.rows import Role

TokenType = tuple[str, ...]


def _styles(**given: str) -> dict[str, Style]:
    return {name: Style.parse(text) for name, text in given.items()}


_PLAIN = Style.null()


class CodeTheme(SyntaxTheme):
    """A few quiet syntax colours, found by the first names of a token's type."""

    def __init__(self, styles: dict[str, Style]) -> None:
        self._styles = styles
        self._found: dict[TokenType, Style] = {}
        self.colours = bool(styles)

    def get_style_for_token(self, token_type: TokenType) -> Style:
        """The style of the most specific name that we know."""
        if token_type not in self._found:
            names = (".".join(token_type[:size]) for size in (3, 2, 1))
            self._found[token_type] = next((self._styles[name] for name in names if name in self._styles), _PLAIN)
        return self._found[token_type]

    def get_background_style(self) -> Style:
        """None: the line's own background shows added and removed."""
        return Style.null()


@dataclass(frozen=True)
class Palette:
    """Styles by role, for one kind of terminal."""

    roles: dict[str, Style]
    code: CodeTheme
    added_line: Style
    removed_line: Style
    hunk_line: Style
    cursor: Style
    match: Style
    odd: Style
    added_word: Style
    removed_word: Style

    def __getitem__(self, role: Role) -> Style:
        return self.roles[role]


DARK = Palette(
    roles=_styles(
        plain="", dim="#8a94a3", strong="bold", head="bold #6cb6ff", key="bold #6cb6ff",
        added="bold #6cb6ff", removed="bold #f0a04b", notice="bold #14181f on #f0a04b",
        critical="bold #ffffff on #a8430b", high="bold #ff9f45", medium="#e8c268", low="#8cc4ff", info="#8a94a3",
        good="#8cc4ff", bad="bold #ff9f45",
    ),
    code=CodeTheme(_styles(**{
        "Comment": "italic #8a94a3", "Keyword": "#b9a3f5", "Literal.String": "#c9d68b", "Literal.Number": "#e8c268",
        "Name.Function": "bold #e6edf3", "Name.Class": "bold #e6edf3", "Name.Decorator": "#b9a3f5",
        "Name.Builtin": "#8fd3d1", "Operator.Word": "#b9a3f5",
    })),
    added_line=Style.parse("on #12304a"), removed_line=Style.parse("on #43290f"),
    hunk_line=Style.parse("#8a94a3 on #1c232c"), cursor=Style.parse("bold on #24405c"),
    match=Style.parse("underline on #5a4a12"), odd=Style.parse("bold underline #ff9f45"),
    added_word=Style.parse("bold on #1f5a8a"), removed_word=Style.parse("bold on #7d4a14"),
)  # fmt: skip

LIGHT = Palette(
    roles=_styles(
        plain="", dim="#5b6572", strong="bold", head="bold #0a4f94", key="bold #0a4f94",
        added="bold #0a4f94", removed="bold #9a4b00", notice="bold #ffffff on #9a4b00",
        critical="bold #ffffff on #8a2c00", high="bold #9a4b00", medium="#7a5a00", low="#0a4f94", info="#5b6572",
        good="#0a4f94", bad="bold #9a4b00",
    ),
    code=CodeTheme(_styles(**{
        "Comment": "italic #5b6572", "Keyword": "#5b3fa8", "Literal.String": "#4b5d00", "Literal.Number": "#7a5a00",
        "Name.Function": "bold #14181f", "Name.Class": "bold #14181f", "Name.Decorator": "#5b3fa8",
        "Name.Builtin": "#00605c", "Operator.Word": "#5b3fa8",
    })),
    added_line=Style.parse("on #d6e8fb"), removed_line=Style.parse("on #fbe3cb"),
    hunk_line=Style.parse("#5b6572 on #e6e9ee"), cursor=Style.parse("bold on #cfe2f7"),
    match=Style.parse("underline on #f7e7a1"), odd=Style.parse("bold underline #9a4b00"),
    added_word=Style.parse("bold on #a5cdf5"), removed_word=Style.parse("bold on #f5c48f"),
)  # fmt: skip

PLAIN = Palette(
    roles=_styles(
        plain="", dim="", strong="bold", head="bold", key="bold", added="bold", removed="bold", notice="bold reverse",
        critical="bold reverse", high="bold underline", medium="bold", low="", info="", good="", bad="bold underline",
    ),
    code=CodeTheme({}),
    added_line=Style.null(), removed_line=Style.null(), hunk_line=Style.parse("bold"), cursor=Style.parse("reverse"),
    match=Style.parse("underline"), odd=Style.parse("bold underline"), added_word=Style.parse("bold underline"),
    removed_word=Style.parse("bold underline"),
)  # fmt: skip

THEMES = (
    Theme(
        name="holdpoint-dark", primary="#6cb6ff", secondary="#2f6fad", warning="#f0a04b", error="#ff9f45",
        success="#6cb6ff", accent="#f0a04b", foreground="#dbe1e8", background="#11151a", surface="#171c23",
        panel="#1c232c", dark=True,
    ),
    Theme(
        name="holdpoint-light", primary="#0a4f94", secondary="#2f6fad", warning="#9a4b00", error="#8a2c00",
        success="#0a4f94", accent="#9a4b00", foreground="#14181f", background="#fbfbfa", surface="#f1f2f4",
        panel="#e6e9ee", dark=False,
    ),
)  # fmt: skip
