"""The same gate without a screen: `holdpoint approve` asks the same steps in the same order, at a real terminal."""

import os
import sys
from pathlib import Path

import pytest

from harness.records import Finding
from tests.shared.gate_stage import Stage, build
from tests.shared.terminal import Terminal

ROOT = Path(__file__).parents[2]
REASON = "read every hunk, order only"
GRAVE = (Finding(rule="hidden-name", severity="high", path="src/pkg/a.py", line=1, message="look here"),)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return build(tmp_path)


def run(stage: Stage, number: str) -> Terminal:
    argv = [sys.executable, "-m", "harness.cli", "--repo", str(stage.root), "approve", number,
            "--reviewer", "ana", "--key", str(stage.keys["ana"])]  # fmt: skip
    return Terminal(argv, (100, 60), os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb"})


def answer(terminal: Terminal, *steps: tuple[str, str]) -> None:
    """Answers each question once it stands there; a question that comes twice is answered where it stands last."""
    seen = 0
    for question, text in steps:
        terminal.wait(lambda _, q=question: q in terminal.raw[seen:].decode(errors="replace"), 30)  # noqa: B023
        seen = len(terminal.raw)
        terminal.settle(0.1)
        terminal.type(text)


def waiting(stage: Stage) -> tuple[str, str]:
    number, finished = stage.waiting(findings=GRAVE)
    stage.ledger.close()
    assert finished.tree is not None
    return number, finished.tree


def decisions(stage: Stage, number: str) -> list[str]:
    return [one.decision for one in stage.reopened().ledger.state.proposals[number].decisions]


def steps(digits: str, reason: str = REASON) -> list[tuple[str, str]]:
    return [
        ("Enter when you have read it", "\r"),
        ("Type ack", "ack\r"),
        ("Your first verdict", "4\r"),
        ("Which would it be", "1\r"),
        ("eight hex digits", f"{digits}\r"),
        ("Why may this land", f"{reason}\r"),
    ]


def test_step_by_step_to_a_signed_approval(stage: Stage) -> None:
    number, tree = waiting(stage)
    terminal = run(stage, number)
    asked = steps(tree[:8])
    asked[1:2] = [("Type ack", "y\r"), ("Type ack", "ack\r")]
    asked.insert(4, ("Your first verdict", "4\r"))
    asked[3] = ("Your first verdict", "9\r")
    answer(terminal, *asked)
    assert terminal.close() == 0, terminal.text
    (one,) = stage.reopened().ledger.state.proposals[number].decisions
    assert one.reviewed is not None
    assert (one.decision, one.reviewed.mode, one.reviewed.first_verdict) == ("approve", "plain", 4)
    said = terminal.raw.decode()
    order = ["tree ", "HIGH", "MEANING" if "MEANING" in said else "TESTS", "hunk 1 of 1", "Type ack", "first verdict"]
    assert sorted(order, key=said.index) == order


_SOAK = pytest.mark.soak  # three seconds each


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([("Enter when you have read it", "q\r")], id="stopped", marks=_SOAK),
        pytest.param(steps("00000000"), id="another tree", marks=_SOAK),
        pytest.param([*steps("")[:4], ("eight hex digits", "\x1b[200~TREE\x1b[201~\r")], id="pasted"),
        pytest.param(steps("TREE", "short"), id="no reason", marks=_SOAK),
        pytest.param([*steps("")[:2], ("Your first verdict", "\x04")], id="closed", marks=_SOAK),
    ],
)
def test_what_is_left_out_decides_nothing(stage: Stage, given: list[tuple[str, str]]) -> None:
    number, tree = waiting(stage)
    terminal = run(stage, number)
    answer(terminal, *((question, text.replace("TREE", tree[:8])) for question, text in given))
    assert terminal.close() == 1, terminal.text
    assert decisions(stage, number) == []


def test_what_was_typed_ahead_answers_nothing(stage: Stage) -> None:
    number, tree = waiting(stage)
    terminal = run(stage, number)
    terminal.type("".join(text for _, text in steps(tree[:8])))
    terminal.wait("Enter when you have read it", 30)
    terminal.settle(0.5)
    assert "Type ack" not in terminal.text
    terminal.type("q\r")
    assert terminal.close() == 1
    assert decisions(stage, number) == []
