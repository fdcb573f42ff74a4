"""Runs the review screen at the terminal it is started on, over a port in memory, and reports what was decided as JSON.

Started by tests: `python at_terminal.py PORT REPORT`. The variable WITHOUT names protections to take away first (rows,
content, filter), so that the tests can show that each of them is needed.
"""

import fcntl
import json
import os
import sys
import termios
from pathlib import Path

from hostile_port import HostilePort, bad
from memory_port import MemoryPort, sheet
from rich.text import Text
from textual.app import App

from harness.records import ReviewSheet
from harness.tui import diffview, lines, rows
from harness.tui.app import ReviewApp, run_review


class FaultyPort(MemoryPort):
    """Has a bug, with a candidate's text at hand."""

    def sheet(self, proposal: str) -> ReviewSheet:
        text = bad("local value")
        raise ZeroDivisionError(text)


def port_named(name: str) -> MemoryPort:
    match name:
        case "hostile":
            return HostilePort()
        case "clickable":
            return MemoryPort(sheet(1, title="[@click=app.quit]press[/]"))
        case "faulty":
            return FaultyPort(sheet(1))
        case "prompting":
            port = MemoryPort(sheet(1))
            port.prompt = Path("/dev/tty")
            return port
        case _:
            return MemoryPort(sheet(1), sheet(2))


def take_away(layers: str) -> None:
    """Undoes protections of the screen in this process."""
    if "rows" in layers:
        rows.visible = lambda text: text
        diffview.visible = lambda text: text
    if "content" in layers:
        lines.LinesView.segments = lambda self, index: list(  # type: ignore[method-assign]
            Text.from_markup(self.rows[index].text, end="").render(self.app.console)
        )
    if "filter" in layers:
        ReviewApp.get_line_filters = App.get_line_filters  # type: ignore[method-assign]


def main() -> None:
    take_away(os.environ.get("WITHOUT", ""))
    name, report = sys.argv[1:3]
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    port = port_named(name)
    error = ""
    try:
        run_review(port)
    except ZeroDivisionError as fault:
        error = type(fault).__name__
    decided = [[one.decision, one.reason] for one in port.decisions]
    Path(report).write_text(json.dumps({"decisions": decided, "prompted": port.prompted, "error": error}))


if __name__ == "__main__":
    main()
