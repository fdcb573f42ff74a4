"""The doctor's probes of what a reviewer sees: each holds, and falls when our rendering is taken away."""

from typing import cast

import pytest
from rich.segment import Segment

from harness.doctor import reviewer
from harness.doctor.bench import Bench
from harness.doctor.examine import examine_one
from harness.doctor.probe import Fired, Probe
from harness.doctor.reviewer import PROBES
from harness.doctor.terminal import Terminal
from harness.text import visible

NO_BENCH = cast("Bench", None)  # these probes need no engine

each = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.id)


@each
def test_holds(probe: Probe) -> None:
    result = examine_one(NO_BENCH, probe)
    assert result.held, result


class Unfiltered:
    """Shows everything as it came."""

    def visible(self, text: str) -> str:
        return text

    def visible_line(self, text: str, limit: int = 400) -> str:
        return text

    class row:  # noqa: N801 - stands in for the function
        def __init__(self, text: str) -> None:
            self.text = text

        @property
        def parts(self) -> tuple[Segment, ...]:
            return tuple(reviewer.Text.from_markup(self.text).render(reviewer.Console(width=200)))

    def breaks(self, *_: object, **__: object) -> tuple[int, ...]:
        return ()


@each
def test_falls_without_our_rendering(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewer, "ours", Unfiltered())
    monkeypatch.setattr(reviewer, "rows", Unfiltered())
    monkeypatch.setattr(reviewer, "_filtered", lambda segments: segments)
    assert isinstance(probe.attack(NO_BENCH), Fired)


def test_the_small_terminal_shows_plain_text_and_does_nothing() -> None:
    terminal = Terminal()
    terminal.write("one\ttwo\nthree ␛]52;c;aGk=␇ é\n")
    assert terminal.did == []
    assert terminal.seen == "one two\nthree ␛]52;c;aGk=␇ é\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u0430dmin", "<U+0430>dmin"),
        ("\uff45val", "<U+FF45>val"),
        ("привет", "привет"),
        ("naïve café Ångström", "naïve café Ångström"),
        ("日本語abc", "日本語abc"),
        ("5 µs", "5 µs"),
    ],
)
def test_only_letters_that_pose_as_others_are_marked(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown
