"""Probes of what a reviewer gets to see: hostile text as our screen and command line show it, and as it is.

Each text is rendered by what everything passes on its way to a terminal, `visible` of the command line, the screen's
rows and its `Sanitiser`, and written to the small terminal of `harness.doctor.terminal`, never to a real one.
"""

import unicodedata
from itertools import pairwise
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from harness import text as ours
from harness.doctor.bench import Bench
from harness.doctor.probe import Act, Blocked, Fired, Outcome, Probe
from harness.doctor.terminal import Terminal
from harness.tui import rows

WIDTH: Final = 80
_EVIL: Final = "os.system('x')"


def rendered(payload: str) -> tuple[str, ...]:
    """A text on its two ways to a reviewer: printed by a command, and as a row of the screen past its last filter."""
    return ours.visible(payload), _text(_filtered([Segment(rows.row(payload).text)]))


def _text(segments: list[Segment]) -> str:
    return "".join(part.text for part in segments)


def _filtered(segments: list[Segment]) -> list[Segment]:
    from harness.tui import sanitiser  # brings Textual, which nobody needs who only looks up a probe

    return sanitiser.filtered(segments)


def _steers(payload: str) -> Act:
    """Blocked when the terminal did nothing but show, and every character of the payload left something to see."""

    def act(_: Bench) -> Outcome:
        by_mistake = _text(_filtered([Segment(payload)]))  # a widget that forgot to make it a row: cut, but harmless
        for shown in (*rendered(payload), by_mistake):
            terminal = Terminal()
            terminal.write(shown)
            if terminal.did:
                return Fired(detail=terminal.did[0])
            if shown is not by_mistake and not _all_there(payload, terminal.seen):
                return Fired(detail="some of the text is not to be seen")
        return Blocked(detail=f"shown as {ours.visible_line(payload, 60)}")

    return act


def _all_there(payload: str, seen: str) -> bool:
    """Whether the plain characters stand there in order, and something else for each of the others."""
    plain = [char for char in payload if 0x20 < ord(char) < 0x7F]
    at = 0
    for char in plain:
        at = seen.find(char, at) + 1
        if not at:
            return False
    return len(seen) >= len(payload.rstrip())


def _obeyed(payload: str) -> Act:
    """The control: the raw text, as `print` or `cat` would send it."""

    def act(_: Bench) -> Outcome:
        terminal = Terminal()
        terminal.write(payload)
        if terminal.did:
            return Fired(detail="; ".join(dict.fromkeys(terminal.did))[:200])
        return Blocked(detail="the raw text did nothing")

    return act


def _unnoticed(payload: str, looks_like: str) -> Act:
    """The control: on a terminal the raw text cannot be told from another one."""

    def act(_: Bench) -> Outcome:
        terminal = Terminal()
        terminal.write(payload)
        same = _skeleton(terminal.seen) == looks_like != payload
        return Fired(detail=f"it looks like {looks_like!r}") if same else Blocked(detail="it can be told apart")

    return act


# Letters of the probes that look like Latin ones in any font.
_LOOKALIKES: Final = str.maketrans({"\u0430": "a", "\u0435": "e", "\u03bf": "o"})


def _skeleton(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)


def _tells_apart(payload: str, looks_like: str) -> Act:
    def act(_: Bench) -> Outcome:
        for shown in rendered(payload):
            terminal = Terminal()
            terminal.write(shown)
            if _skeleton(terminal.seen) == looks_like:
                return Fired(detail=f"it is shown as {looks_like!r}")
        return Blocked(detail=f"shown as {ours.visible_line(payload, 60)}")

    return act


PUSHED: Final = "size = 1" + " " * 300 + "; " + _EVIL


def _wrapped(_: Bench) -> Outcome:
    """The screen breaks the line; every piece fits and none is dropped."""
    row = rows.row(PUSHED)
    cuts = [0, *rows.breaks(row.text, WIDTH, 0, words=False), len(row.text)]
    pieces = [row.text[start:end] for start, end in pairwise(cuts)]
    if max(map(cell_len, pieces)) > WIDTH or _EVIL not in "".join(pieces):
        return Fired(detail="part of the line is beyond the edge")
    return Blocked(detail=f"the line is shown on {len(pieces)} lines of {WIDTH} columns")


def _cropped(_: Bench) -> Outcome:
    console = Console(width=WIDTH, file=None, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(Text(PUSHED), no_wrap=True, overflow="crop", crop=True)
    lost = _EVIL not in capture.get()
    return Fired(detail="the call is beyond the edge") if lost else Blocked(detail="the whole line was shown")


LONG: Final = "x" * 100_000


def _cut(_: Bench) -> Outcome:
    shown = ours.visible_line(LONG)
    if len(shown) > 500 or "characters)" not in shown:
        return Fired(detail=f"a name of {len(shown)} characters was shown")
    return Blocked(detail=f"cut, and the rest counted: {shown[400:]}")


def _flooded(_: Bench) -> Outcome:
    terminal = Terminal()
    terminal.write(LONG)
    lines = len(terminal.seen) // WIDTH
    return Fired(detail=f"one name takes {lines} lines") if lines > 1000 else Blocked(detail=f"{lines} lines")


MARKED: Final = "src/[link=https://example.invalid][@click=app.quit]a[/][/link].py"


def _judge_segments(segments: list[Segment], path: str) -> Outcome:
    styles = [part.style for part in segments if part.style is not None]
    if any(style.link or any(key.startswith("@") for key in style.meta) for style in styles):
        return Fired(detail="the path became a link or an action")
    if _text(segments).rstrip("\n") != path:
        return Fired(detail="the path is shown with parts of it gone")
    return Blocked(detail=f"shown as it is: {path}")


def _plain(_: Bench) -> Outcome:
    return _judge_segments(_filtered([Segment(part.text) for part in rows.row(MARKED).parts]), MARKED)


def _interpreted(_: Bench) -> Outcome:
    console = Console(width=200, force_terminal=True, color_system="truecolor")
    return _judge_segments(list(Text.from_markup(MARKED).render(console)), MARKED)


def _linked(_: Bench) -> Outcome:
    """Our own screen hands a widget a link or an action by mistake: the last filter takes it off."""
    style = Style(link="https://example.invalid") + Style.from_meta({"@click": "app.quit"})
    return _judge_segments(_filtered([Segment("a.py", style)]), "a.py")


def _linked_unfiltered(_: Bench) -> Outcome:
    style = Style(link="https://example.invalid") + Style.from_meta({"@click": "app.quit"})
    return _judge_segments([Segment("a.py", style)], "a.py")


def _probe(name: str, tries: str, control_is: str, attack: Act, control: Act) -> Probe:
    return Probe(
        id=f"reviewer.{name}",
        group="reviewer",
        threat="terminal",
        tries=tries,
        control_is=control_is,
        attack=attack,
        control=control,
    )


def _sent(name: str, tries: str, payload: str) -> Probe:
    return _probe(name, tries, "the raw text on a small terminal of ours", _steers(payload), _obeyed(payload))


def _posing(name: str, tries: str, payload: str, looks_like: str) -> Probe:
    control = _unnoticed(payload, looks_like)
    return _probe(name, tries, "the raw text looks like another one", _tells_apart(payload, looks_like), control)


PROBES: Final[tuple[Probe, ...]] = (
    _sent("osc52", "put text into the reviewer's clipboard (OSC 52)", "ok\x1b]52;c;cm0gLXJmIH4=\x07"),
    _sent("osc0", "rename the reviewer's window (OSC 0)", "ok\x1b]0;approved\x07"),
    _sent("osc8", "hide an address behind a word (OSC 8)", "\x1b]8;;https://example.invalid\x1b\\docs\x1b]8;;\x1b\\"),
    _sent("csi", "clear the screen and draw a verdict (CSI)", "fail\x1b[2J\x1b[1A\x1b[32mpass"),
    _sent("c1", "the same with single C1 characters", "fail\x9b2J\x9d0;approved\x9cpass"),
    _sent("carriage_return", "overwrite a line with a harmless one", f"{_EVIL}  \rprint('all good')"),
    _sent("backspace", "take characters back", "exec(x)" + "\b" * 7 + "safe(x)"),
    _sent("bidi", "show code in another order than it runs in", "access = 'user\u202e \u2066# admin\u2069 \u2066'"),
    _posing("zero_width", "a name with invisible characters in it", "is_ad\u200bmin\u2060()", "is_admin()"),
    _posing("homoglyph", "a name with a Cyrillic and a Greek letter", "\u0430dmin(t\u03bfken)", "admin(token)"),
    _posing("compatible", "a name of full-width letters, which Python reads as plain ones", "\uff45val(x)", "eval(x)"),
    _probe(
        "push_off",
        "push code over the edge with spaces",
        "a view that crops long lines, as tables do",
        _wrapped,
        _cropped,
    ),
    _probe(
        "long_name",
        "fill the screen with one name of a hundred thousand characters",
        "printed without a limit",
        _cut,
        _flooded,
    ),
    _probe("markup", "a path that is markup", "the path rendered with Rich's markup", _plain, _interpreted),
    _probe(
        "action",
        "a link and an action in a style that reaches the screen",
        "the same without the last filter",
        _linked,
        _linked_unfiltered,
    ),
)
