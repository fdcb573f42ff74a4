"""Harnesses that merge at once, and harnesses killed while they merge or append: one lands, nothing is half done."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from attacks import checked
from gate_stage import Stage, build, git

from harness.gate.merge import merge, recover
from harness.gate.signers import signers_lines
from harness.gate.verify import verify
from harness.ledger import check_ledger
from harness.ledger.events import SignersChanged
from harness.records import Landed


def forked(act: Callable[[], object]) -> tuple[int, int]:
    """A child in a session of its own that does this; its pid, and where its answer comes."""
    hear, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        return pid, hear
    os.setsid()
    os.close(hear)
    code = 9
    try:
        answer = act()
        os.write(tell, json.dumps(answer).encode())
        code = 0
    finally:
        os._exit(code)


def answer_of(child: tuple[int, int]) -> list[str]:
    pid, hear = child
    with os.fdopen(hear, "rb") as said:
        text = said.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    found: list[str] = json.loads(text)
    return found


def merging(stage: Stage, number: str, start: float) -> Callable[[], list[str]]:
    def act() -> list[str]:
        mine = stage.reopened()
        while time.time() < start:
            pass
        outcome = merge(mine, number)
        return [type(outcome).__name__, getattr(outcome, "why", "")]

    return act


def test_two_harnesses_that_merge_the_same_proposal(stage: Stage) -> None:
    """Neither holds the target's lock, as if they were on two machines that share it."""
    number, run = stage.waiting()
    stage.approve(number)
    stage.ledger.close()
    start = time.time() + 0.3
    answers = [answer_of(child) for child in [forked(merging(stage, number, start)) for _ in range(2)]]
    after = stage.reopened()
    recover(after)
    assert after.tip() == run.merge
    assert after.ledger.state.proposals[number].state == "merged"
    assert "Landed" in [name for name, _ in answers]
    assert git(after.root, "status", "--porcelain") == ""
    report = verify(after.repo, signers=signers_lines(after.reviewers()), ledger=after.state.ledger)
    assert report.ok, report


def test_two_harnesses_that_merge_two_proposals_of_one_base(stage: Stage) -> None:
    first, one = stage.waiting()
    second, two = stage.waiting(edits={"src/pkg/b.py": b"other = 2\n"})
    for number in (first, second):
        stage.approve(number)
    stage.ledger.close()
    start = time.time() + 0.3
    answers = [answer_of(child) for child in [forked(merging(stage, name, start)) for name in (first, second)]]
    after = stage.reopened()
    recover(after)
    landed = [name for name, _ in answers].count("Landed")
    assert landed == 1, answers
    assert after.tip() in (one.merge, two.merge)
    why = next(why for name, why in answers if name != "Landed")
    assert "base moved" in why
    assert checked(after, after.bare(stage.root.parent / "clone.git")).ok


def killed(act: Callable[[], object], delay: float) -> None:
    """The child and whatever it started die at one moment, as when a machine's container is killed."""
    pid, hear = forked(act)
    time.sleep(delay)
    os.killpg(pid, signal.SIGKILL) if _has_session(pid) else os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(hear)


def _has_session(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def kill_and_look(folder: Path, kills: int, seed: int) -> None:
    """Merges of one target killed again and again; each time: recovered, whole, and verified."""
    pick = random.Random(seed)
    stage = build(folder)
    landed = 0
    number = ""
    span = 0.15
    for attempt in range(kills):
        if not number:
            number, _ = stage.waiting(
                edits={"src/pkg/a.py": f"value = {attempt}\n".encode(), f"src/pkg/n{attempt}.py": b""}
            )
            stage.approve(number)
            stage.ledger.close()
        began = time.monotonic()
        killed(lambda name=number, mine=stage: isinstance(merge(mine.reopened(), name), Landed), pick.uniform(0, span))
        stage = stage.reopened()
        recover(stage)
        assert git(stage.root, "status", "--porcelain") == "", (seed, attempt)
        merged = stage.ledger.state.proposals[number].state == "merged"
        report = verify(stage.repo, signers=signers_lines(stage.reviewers()), ledger=stage.state.ledger)
        assert report.ok, (seed, attempt, report)
        landed += merged
        assert len(report.merges) == landed, (seed, attempt)
        span = max(span, 0.0) * (0.9 if merged else 1.1)  # kills should hit the middle, however busy the machine is
        assert time.monotonic() - began < 60
        if merged:
            number = ""
        else:
            stage.ledger.close()
    assert landed > 0
    assert landed < kills


def kill_while_appending(path: Path, kills: int, seed: int) -> None:
    """What a child said it had appended is there after its end, and the chain is whole."""
    from gate_stage import START

    from harness.ledger import Ledger

    pick = random.Random(seed)
    Ledger.open(path, create=True).close()
    known = 0
    for attempt in range(kills):
        hear, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(hear)
            with Ledger.open(path) as ledger:
                while True:
                    entry = ledger.append(SignersChanged(commit="c" * 40, statement=None, by="x"), START)
                    os.write(tell, b"%d\n" % entry.seq)
        os.close(tell)
        said = os.read(hear, 64)  # it has begun
        time.sleep(pick.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(hear, "rb") as rest:
            said += rest.read()
        acknowledged = max(int(word) for word in said.split(b"\n")[:-1])
        check = check_ledger(path)
        assert check.ok, (seed, attempt, check.why)
        assert check.events >= max(known, acknowledged), (seed, attempt)
        known = check.events
    assert known >= kills
    with Ledger.open(path) as ledger:
        assert len(ledger.state.roots) == known
        assert ledger.check_snapshots() == ""


def test_fifteen_kills_of_merges(tmp_path: Path) -> None:
    kill_and_look(tmp_path, 15, 5)


def test_thirty_five_kills_of_appends(tmp_path: Path) -> None:
    kill_while_appending(tmp_path / "ledger.sqlite", 35, 5)


@pytest.mark.soak
def test_a_thousand_kills_of_merges_and_appends(tmp_path: Path) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")  # shown when it fails
    for part in range(14):
        kill_and_look(tmp_path / f"merges-{part}", 50, seed + part)
    kill_while_appending(tmp_path / "ledger.sqlite", 300, seed)
