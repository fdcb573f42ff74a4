"""Everything that commands print about hostile proposals, at a real terminal: no byte of it may steer the terminal."""

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from hostile_port import EVERYTHING, PAYLOADS, bad
from terminals import forbidden

from harness.ledger.events import DecisionMade, ProposeIntended, ProposeRefused, RunFinished, RunIntended
from harness.records import (
    Alarm,
    Decision,
    Effect,
    Evidence,
    FileEdit,
    Finding,
    Patch,
    Proposal,
    TestsResult,
    canonical_json,
    sha256,
)
from harness.text import visible
from tests.shared.gate_stage import Stage, build
from tests.shared.terminal import Terminal

AT = datetime(2026, 3, 2, tzinfo=UTC)
OPTIONS: tuple[tuple[str, ...], ...] = ((), ("--json",))
# An argument cannot hold a NUL; two characters separate the arguments in the file that the child reads.
_ARGUMENT = "".join(char for char in bad("argument") if char not in "\0\x1e\x1f")
COMMANDS = (
    ("queue",), ("show", "P00001"), ("show", "P00002"), ("diff", "P00001"), ("diff", "P00002"), ("logs", "P00001"),
    ("log",), ("status",), ("verify",), ("reviewer", "list"), ("show", _ARGUMENT), ("approve", "P00002"),
    ("reject", "P00002", "--reason", _ARGUMENT), ("merge", "P00001"),
)  # fmt: skip


def hostile(stage: Stage) -> None:
    """A proposal that was run and one that was refused, with hostile text wherever a ledger can hold it."""
    found = Finding(rule=bad("rule"), severity="high", path=bad("path"), line=3, message=bad("message"))
    number = stage.propose(
        {"src/pkg/a.py": f"x = '{EVERYTHING}'\n".encode(errors="replace")},
        author=f"agent:{bad('author')}", launcher=bad("launcher"), findings=(found,),
    )  # fmt: skip
    view = stage.ledger.state.proposals[number]
    finished = stage.run(number)
    assert finished.evidence is not None
    effect = Effect(
        metric=bad("metric"), unit=bad("unit"), kind="score", role="objective", exact=True, baseline=1.0, candidate=2.0,
        estimate=1.0, low=None, high=None, e_value=None, pairs=3, outcome="win",
    )  # fmt: skip
    tests = TestsResult(expected=3, passed=0, failed=(bad("failed"),), missing=(bad("missing"),))
    evidence = Evidence.model_validate(
        stage.store.evidence(finished.evidence).model_dump(by_alias=True)
        | {
            "findings": (found,), "effects": (effect,), "tests": tests, "reasons": (bad("verdict reason"),),
            "alarms": (Alarm(kind=bad("alarm"), detail=bad("detail")),),
            "log": stage.store.put(bad("log").encode(errors="replace")),
        }
    )  # fmt: skip
    stage.ledger.append(RunIntended(id=number, tip=stage.tip()), AT)
    stage.ledger.append(
        RunFinished(
            id=number, tip=finished.tip, merge=finished.merge, tree=finished.tree, verdict="pass",
            reasons=(bad("verdict reason"),), tests=tests, effects=(effect,),
            evidence=stage.store.put_evidence(evidence), policy=finished.policy,
        ),
        AT,
    )  # fmt: skip
    decision = Decision(
        proposal=number, decision="defer", reviewer=bad("reviewer"), reason=bad("old reason"), tree=None,
        evidence=None, statement=None, at=AT, until=AT,
    )  # fmt: skip
    stage.ledger.append(DecisionMade(id=number, decision=decision), AT)
    patch = Patch(edits=(FileEdit(path=bad("new"), before=None, after=bad("code")),))
    proposal = Proposal(
        title=bad("title"), rationale=bad("rationale"), author=bad("author"), base=view.proposal.base,
        patch_digest=stage.store.put(canonical_json(patch)), created=AT,
    )  # fmt: skip
    second = stage.ledger.state.next_id()
    digest = sha256(canonical_json(proposal))
    stage.ledger.append(ProposeIntended(id=second, proposal=proposal, digest=digest, launcher=bad("launcher")), AT)
    stage.ledger.append(ProposeRefused(id=second, findings=(found,)), AT)


_RUN = """
import sys
from harness.cli import main
for number, line in enumerate(open(sys.argv[1], newline="\\n").read().split("\\x1e")):
    print(f"<<<{number}>>>", flush=True)
    sys.argv = ["holdpoint", *line.split("\\x1f")]
    try:
        main()
    except SystemExit:
        pass
print("<<<end>>>", flush=True)
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], bytes]:
    """What each command writes to a terminal, words and JSON; one process runs them all."""
    folder = tmp_path_factory.mktemp("hostile")
    stage = build(folder)
    hostile(stage)
    stage.ledger.close()
    lines = [("--repo", str(stage.root), *options, *command) for options in OPTIONS for command in COMMANDS]
    (folder / "commands").write_text("\x1e".join("\x1f".join(line) for line in lines), newline="\n")
    argv = [sys.executable, "-c", _RUN, str(folder / "commands")]
    root = str(Path(__file__).parents[2])
    terminal = Terminal(argv, (200, 50), os.environ | {"PYTHONPATH": root, "HOLDPOINT_REVIEWER": "ana"})
    until = monotonic() + 120
    while b"<<<end>>>" not in terminal.raw and monotonic() < until:
        terminal.read(0.2)
    terminal.close()
    parts = re.split(rb"<<<(?:\d+|end)>>>\r\n", terminal.raw)[1:-1]
    return dict(zip([line[2:] for line in lines], parts, strict=True))


@pytest.mark.parametrize("options", OPTIONS, ids=["words", "json"])
@pytest.mark.parametrize("command", COMMANDS, ids=[f"{number}-{name[0]}" for number, name in enumerate(COMMANDS)])
def test_no_command_prints_a_steering_byte(
    printed: dict[tuple[str, ...], bytes], command: tuple[str, ...], options: tuple[str, ...]
) -> None:
    raw = printed[*options, *command]
    assert raw
    lines = raw.replace(b"\r\n", b"\n").replace(b"\n", b" ").replace(b"\t", b" ")
    assert forbidden(lines) == []
    assert b"our bug" not in raw


def test_the_commands_do_print_the_payloads(printed: dict[tuple[str, ...], bytes]) -> None:
    said = "".join(printed[command].decode() for command in COMMANDS).replace("\r\n", "")
    tags = ("rule", "path", "message", "metric", "failed", "verdict reason", "alarm", "reviewer", "title", "author",
            "rationale", "code", "log", "launcher", "missing", "old reason", "detail")  # fmt: skip
    assert [tag for tag in tags if f"<{tag}>" not in said] == []
    assert [payload for payload in PAYLOADS if visible(payload).replace("\n", "") not in said] == []
