"""Runs the review screen at the terminal it is started on, over a port in memory, and reports what was decided as JSON.

Started by test_terminal.py: `python at_terminal.py PORT REPORT`.
"""

import fcntl
import json
import sys
import termios
from pathlib import Path

from hostile_port import HostilePort, bad
from memory_port import MemoryPort, sheet

from harness.records import ReviewSheet
from harness.tui.app import run_review


class FaultyPort(MemoryPort):
    """Has a bug, with a candidate's text at hand."""

    def sheet(self, proposal: str) -> ReviewSheet:
        text = bad("local value")
        raise ZeroDivisionError(text)


def port_named(name: str) -> MemoryPort:
    match name:
        case "hostile":
            return HostilePort()
        case "faulty":
            return FaultyPort(sheet(1))
        case "prompting":
            port = MemoryPort(sheet(1))
            port.prompt = Path("/dev/tty")
            return port
        case _:
            return MemoryPort(sheet(1), sheet(2))


def main() -> None:
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
