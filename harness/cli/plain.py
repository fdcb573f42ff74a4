"""The review without a screen: the same steps in the same order, a question a line, for any terminal or reader."""

import contextlib
import sys
import termios
from time import monotonic

from harness.cli.look import effects_lines, finding_line, rationale_lines, sheet_words
from harness.cli.shell import Shell
from harness.errors import RefusedError
from harness.gate.protocol import VERDICTS, Watch, reviewed
from harness.patch.hunks import Diff, read_diff
from harness.records import Reviewed, ReviewSheet

_PASTE_MARKS_ON, _PASTE_MARKS_OFF = "\x1b[?2004h", "\x1b[?2004l"
_SIGNS = {"added": "+", "removed": "-", "context": " "}
_PASTED = "\x1b[200~"


def question(text: str, *, typed_only: bool = False) -> str:
    """One line from the person, asked on stderr. What was typed before it was asked is thrown away.

    RefusedError when the terminal closes, or when a `typed_only` answer was pasted (where the terminal says so).
    """
    if sys.stdin.isatty():
        with contextlib.suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    print(f"{_PASTE_MARKS_ON if typed_only else ''}{text}", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if typed_only:
        print(_PASTE_MARKS_OFF, end="", file=sys.stderr, flush=True)
    if not line:
        raise RefusedError("the terminal closed before an answer; nothing was decided.")
    if typed_only and _PASTED in line:
        raise RefusedError("pasting is refused here: read the tree hash and type it.", "run the command again")
    return line.rstrip("\n")


def plain_review(shell: Shell, sheet: ReviewSheet) -> Reviewed:
    """Leads through evidence, each hunk, each grave finding, a first verdict, the measurements and a nomination.

    RefusedError when the person stops; nothing is decided here.
    """
    began = monotonic()
    diff = read_diff(sheet.diff)
    watch = Watch.of(sheet)
    shell.words(sheet_words(sheet, sealed=True, whole=False), error=True)
    watch, spent = _hunks(shell, diff, watch)
    watch = _findings(shell, sheet, watch)
    while watch.verdict is None:
        scale = ", ".join(f"{number} {word}" for number, word in VERDICTS.items())
        answer = question(f"\nYour first verdict, before the measurements: may it land? ({scale}): ")
        watch = watch.judge(int(answer)) if answer.strip() in "12345" and answer.strip() else watch
    shell.words("\n".join(effects_lines(sheet)) or "A/B      nothing measured", error=True)
    while watch.nominated is None and watch.hunks:
        answer = question(f"\nAssume one hunk is hostile. Which would it be? (1 to {watch.hunks}): ").strip()
        watch = watch.nominate(int(answer) - 1) if answer.isascii() and answer.isdigit() else watch
    shell.words("\n".join(rationale_lines(sheet)), error=True)
    return reviewed(sheet, watch, "plain", seconds=monotonic() - began, hunk_seconds=spent)


def _hunks(shell: Shell, diff: Diff, watch: Watch) -> tuple[Watch, tuple[float, ...]]:
    spent = []
    for number, span in enumerate(diff.hunks):
        lines = [_SIGNS.get(one.kind, "") + one.text for one in diff.lines[span.start : span.end]]
        shell.words("\n".join((f"\n{span.path}  hunk {number + 1} of {len(diff.hunks)}", *lines)), error=True)
        began = monotonic()
        _go_on(f"[hunk {number + 1} of {len(diff.hunks)}] Enter when you have read it, q to stop: ")
        spent.append(monotonic() - began)
        watch = watch.saw(number)
    return watch, tuple(spent)


def _findings(shell: Shell, sheet: ReviewSheet, watch: Watch) -> Watch:
    for number in watch.grave:
        found = sheet.findings[number]
        shell.words(f"\n{finding_line(found)}", error=True)
        while question("Type ack to acknowledge this finding: ").strip() != "ack":
            pass
        watch = watch.acknowledge(number)
    return watch


def _go_on(text: str) -> None:
    if question(text).strip() == "q":
        raise RefusedError("the review was stopped; nothing was decided.")
