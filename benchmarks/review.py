"""How fast the review screen paints and answers keys at a real terminal, beside a bare Textual app; decides nothing.

Times run from a byte written to bytes at a pseudo-terminal: to the first of them, and `settled` to the last before a
pause. The screen runs as it always does, sanitiser on. `slowdown` is the bare app's first paint in this run over the
154 ms of the machine that the targets were set on.
"""

import argparse
import fcntl
import json
import os
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

QUIET = 0.06  # seconds without a byte after which a screen counts as settled
REFERENCE = 154.0  # ms: first paint of the bare app where the targets were set
START = b"<<<start>>>"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TARGETS = {
    "first_paint_10k_p95_ms": 300, "first_paint_100k_p95_ms": 500, "queue_key_p95_ms": 16, "diff_open_p95_ms": 50,
    "diff_open_settled_p95_ms": 150, "diff_key_p95_ms": 16, "diff_key_settled_p95_ms": 50, "memory_mib": 120,
}  # fmt: skip

APPS = (("bare_first_paint", "bare", 0), ("first_paint_10k", "review", 10_000), ("first_paint_100k", "review", 100_000))


def _source(number: int, *, changed: bool) -> list[str]:
    lines = []
    for line in range(500):
        value = line + (1 if changed and line % 3 == 0 else 0)
        lines.append(f'def function_{number}_{line}(x: int) -> str:  return f"{{x + {value}}}"  # line {line}')
    return lines


def _sheet_and_texts(files: int) -> tuple[object, dict[str, str]]:
    from difflib import unified_diff

    from harness.records import Finding, ReviewSheet, TestsResult

    texts, parts = {}, []
    for number in range(files):
        path = f"src/pkg/module_{number}.py"
        before, after = _source(number, changed=False), _source(number, changed=True)
        texts[path] = "\n".join(after) + "\n"
        parts += list(unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm=""))
    finding = Finding(rule="file-write", severity="high", path="src/pkg/module_0.py", line=4, message="opens a file")
    sheet = ReviewSheet(
        proposal="P00001", title="A change of five thousand lines", author="agent:bench", launcher="bench",
        state="waiting", base="5" * 40, ref="main", commit="6" * 40, merge="7" * 40, tree="8" * 40,
        diff="\n".join(parts) + "\n", findings=(finding,), tests=TestsResult(expected=3, passed=3), effects=(),
        alarms=(), verdict="pass", reasons=("all tests pass",), evidence=None, rationale="because",
        log_tail="3 passed\n", decisions=(), lineage=(), notices=(), sandbox="none",
    )  # fmt: skip
    return sheet, texts


def child(kind: str, rows: int) -> None:
    """Runs one app at this process's terminal; a marker tells the parent when it starts."""
    from textual.app import App, ComposeResult
    from textual.binding import BindingType
    from textual.widgets import Static

    from harness.records import QueueRow
    from harness.tui.app import run_review

    class Bare(App[None]):
        """One line of text, and a key that changes it."""

        ENABLE_COMMAND_PALETTE = False
        BINDINGS: ClassVar[list[BindingType]] = [("j", "more", "more"), ("q", "quit", "leave")]
        count = 0

        def compose(self) -> ComposeResult:
            yield Static("10000 waiting")

        def action_more(self) -> None:
            self.count += 1
            self.query_one(Static).update(f"10000 waiting {self.count}")

    sheet, texts = _sheet_and_texts(10)
    waiting = tuple(
        QueueRow(
            proposal=f"P{number + 1:05d}", title=f"proposal number {number}", author="agent:bench", state="waiting",
            verdict="pass", risk="low", added=number % 90, removed=number % 40, effect="win solved +3",
            since=NOW - timedelta(minutes=number),
        )
        for number in range(rows)
    )  # fmt: skip

    class Port:
        """Ten thousand rows, and one sheet for all of them."""

        def identity(self) -> str:
            return "bench"

        def queue(self) -> tuple[QueueRow, ...]:
            return waiting

        def sheet(self, _proposal: str) -> object:
            return sheet

        def source(self, _proposal: str, path: str) -> str | None:
            return texts.get(path)

    os.write(1, START)
    if kind == "bare":
        Bare().run()
    else:
        run_review(Port())  # type: ignore[arg-type]


class Screen:
    """One app at one pseudo-terminal."""

    def __init__(self, kind: str, rows: int) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 130, 0, 0))
        argv = [sys.executable, __file__, "--child", kind, "--rows", str(rows)]
        environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environ.pop("NO_COLOR", None)
        self._process = subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environ
        )
        os.close(theirs)

    def _read(self, seconds: float) -> bytes:
        if not select.select([self._ours], [], [], seconds)[0]:
            return b""
        try:
            return os.read(self._ours, 1 << 20)
        except OSError as error:
            raise SystemExit("the screen has ended") from error

    def first_paint(self, text: bytes) -> float:
        """Milliseconds from the start of the app to this text."""
        data = b""
        while START not in data:
            data += self._read(60)
        began = time.perf_counter()
        while text not in data:
            data += self._read(60)
        painted = 1000 * (time.perf_counter() - began)
        self.settle()
        return painted

    def settle(self) -> None:
        """Until nothing comes."""
        while self._read(0.4):
            pass

    def press(self, key: bytes) -> tuple[float, float]:
        """Milliseconds from the key to the first byte, and to the last one."""
        began = time.perf_counter()
        os.write(self._ours, key)
        if not self._read(5):
            raise SystemExit(f"key {key!r} changed nothing")
        first = last = time.perf_counter()
        while self._read(QUIET):
            last = time.perf_counter()
        return 1000 * (first - began), 1000 * (last - began)

    def memory(self) -> float:
        """Peak resident memory in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def close(self) -> None:
        """Ends the app."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


def _quantiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return round(statistics.median(ordered), 1), round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1)


def measure(starts: int, keys: int) -> dict[str, float]:
    """Every number of the table."""
    samples: dict[str, list[float]] = {}

    def take(name: str, value: float) -> None:
        samples.setdefault(name, []).append(value)

    memory = 0.0
    for number in range(starts):
        for name, kind, rows in APPS:
            if rows == 100_000 and number >= max(1, starts // 2):
                continue
            screen = Screen(kind, rows)
            take(name, screen.first_paint(b"0000 waiting"))
            _keys(screen, name, keys, take)
            memory = max(memory, screen.memory() if rows == 10_000 else 0.0)
            screen.close()
    found: dict[str, float] = {}
    for name, values in samples.items():
        found[f"{name}_p50_ms"], found[f"{name}_p95_ms"] = _quantiles(values)
    found["memory_mib"] = round(memory, 1)
    found["slowdown"] = round(found["bare_first_paint_p50_ms"] / REFERENCE, 2)
    return found


def _keys(screen: Screen, name: str, keys: int, take: Callable[[str, float], None]) -> None:
    if name == "bare_first_paint":
        for _ in range(keys):
            take("bare_key", screen.press(b"j")[0])
    elif name == "first_paint_10k":
        for number in range(keys):
            take("queue_key", screen.press(b"jjjk"[number % 4 : number % 4 + 1])[0])
        for _ in range(3):
            first, settled = screen.press(b"\r")
            take("diff_open", first)
            take("diff_open_settled", settled)
            screen.settle()
            for key in (b" ", b"n", b"j", b"j", b"p", b" ") * (keys // 6):
                first, settled = screen.press(key)
                take("diff_key", first)
                take("diff_key_settled", settled)
            screen.press(b"q")
            screen.settle()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, for checks")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.rows)
        return
    found = measure(*((2, 24) if options.quick else (10, 60)))
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'':26}{'p50 ms':>9}{'p95 ms':>9}{'target':>9}{'target × slowdown':>20}")
    for name in sorted({key.rsplit("_", 2)[0] for key in found if key.endswith("_ms")}):
        target = TARGETS.get(f"{name}_p95_ms")
        scaled = "" if target is None else f"{target * max(1.0, found['slowdown']):.0f}"
        print(f"{name:26}{found[f'{name}_p50_ms']:>9}{found[f'{name}_p95_ms']:>9}{target or '':>9}{scaled:>20}")
    print(f"{'memory_mib':26}{'':9}{found['memory_mib']:>9}{TARGETS['memory_mib']:>9}")
    print(f"slowdown {found['slowdown']} (the bare app's first paint here over {REFERENCE:.0f} ms)")


if __name__ == "__main__":
    main()
