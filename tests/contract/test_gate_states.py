"""Random interleavings of propose, run, decide, expire, base moved, merge, crash and restart, against a simple model.

Real git, real signatures, a real ledger. Whatever the order, the gate lands exactly what the model says is authorised.
"""

import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from gate_stage import Clock, build, git
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from harness.gate.merge import merge
from harness.gate.signers import signers_lines
from harness.gate.verify import verify
from harness.records import Decided, Landed, VerdictWord

NEEDED = {"default": 1, "strict": 2}
DAYS = {"default": 30, "strict": 7}
people = st.sampled_from(["ana", "bob"])
any_number = st.integers(0, 2)


class Stop(BaseException):
    """Ends a merge at a step, as a kill would."""


@dataclass
class Known:
    """What the model knows of one proposal; `passed_on` is the tip that its last run passed on."""

    author: str
    passed_on: str | None = None
    approvals: dict[str, datetime] = field(default_factory=dict)
    open: bool = True
    merged: bool = False


class Interleavings(RuleBasedStateMachine):
    """The gate and its model, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="holdpoint-states-")
        self.known: dict[str, Known] = {}
        self.landed: list[str] = []
        self.strays: list[str] = []
        self.reasons = 0

    @initialize(policy=st.sampled_from(["default", "strict"]))
    def begin(self, policy: str) -> None:
        self.stage = build(Path(self.folder.name), policy=policy)
        self.clock = self.stage.clock
        self.policy = policy
        self.tip = self.stage.tip()

    # -- what may happen

    @precondition(lambda self: len(self.known) < 3)
    @rule(author=st.sampled_from(["agent:tinker", "ana"]))
    def propose(self, author: str) -> None:
        path = f"src/pkg/{'abc'[len(self.known)]}.py"
        number = self.stage.propose(edits={path: f"value = {len(self.known) + 100}\n".encode()}, author=author)
        self.known[number] = Known(author)

    @precondition(lambda self: self.known)
    @rule(which=any_number, verdict=st.sampled_from(["pass", "pass", "pass", "fail", "error"]))
    def is_run(self, which: int, verdict: VerdictWord) -> None:
        number, known = self._chosen(which)
        if known.merged:
            return
        self.stage.run(number, verdict)
        known.passed_on = self.tip if verdict == "pass" else None
        known.approvals, known.open = {}, verdict == "pass"

    @precondition(lambda self: self.known)
    @rule(which=any_number, who=people, right=st.booleans() | st.just(True))
    def approve(self, which: int, who: str, right: bool) -> None:
        number, known = self._chosen(which)
        view = self.stage.ledger.state.proposals[number]
        tree = view.run.tree if view.run and view.run.tree else "0" * 40
        self.reasons += 1
        reason = f"{git(self.stage.root, 'hash-object', '--stdin', stdin=str(self.reasons)) * 2} is why"
        outcome = self.stage.desk(who).approve(number, tree[:8] if right else "f" * 8, reason)
        may = (
            right and known.open and not known.merged and known.passed_on == self.tip and who != known.author
            and who not in known.approvals
        )  # fmt: skip
        assert isinstance(outcome, Decided) == may, (outcome, known, self.tip)
        if may:
            known.approvals[who] = self._now() + timedelta(days=DAYS[self.policy])

    @precondition(lambda self: self.known)
    @rule(which=any_number, who=people)
    def revoke(self, which: int, who: str) -> None:
        number, known = self._chosen(which)
        outcome = self.stage.desk(who).revoke(number, "on second thoughts")
        assert isinstance(outcome, Decided) == (who in known.approvals and not known.merged), (outcome, known)
        if isinstance(outcome, Decided):
            del known.approvals[who]

    @precondition(lambda self: self.known)
    @rule(which=any_number, who=people)
    def reject(self, which: int, who: str) -> None:
        number, known = self._chosen(which)
        outcome = self.stage.desk(who).reject(number, "it hides a call")
        if isinstance(outcome, Decided):
            assert not known.merged
            known.approvals, known.open = {}, False

    @rule(days=st.sampled_from([1, 8, 31]))
    def time_passes(self, days: int) -> None:
        assert isinstance(self.clock, Clock)
        self.clock.now += timedelta(days=days)

    @rule()
    def the_base_moves(self) -> None:
        """Somebody commits to the protected branch past Holdpoint."""
        path = self.stage.root / f"stray{len(self.strays)}"
        path.write_text("x")
        git(self.stage.root, "add", path.name)
        git(self.stage.root, "commit", "-qm", "past the gate")
        self.tip = self.stage.tip()
        self.strays.append(self.tip)

    @precondition(lambda self: self.known)
    @rule(which=any_number)
    def merge(self, which: int) -> None:
        number, known = self._chosen(which)
        expected = self._authorised(known)
        outcome = merge(self.stage, number)
        assert isinstance(outcome, Landed) == expected, (outcome, known, self._now())
        if isinstance(outcome, Landed):
            self._has_landed(known, outcome.merge)

    @precondition(lambda self: self.known)
    @rule(which=any_number, at=st.sampled_from(["intended", "moved", "published", "recorded"]))
    def crash_while_merging(self, which: int, at: str) -> None:
        number, known = self._chosen(which)
        expected = self._authorised(known)
        run = self.stage.ledger.state.proposals[number].run
        try:
            merge(self.stage, number, lambda step: self._die(step, at))
        except Stop:
            assert expected, "a merge began without authorisation"
            assert run is not None
            if at != "intended":
                self._has_landed(known, run.merge or "")
        else:
            assert not expected
        self.restart()

    @rule()
    def restart(self) -> None:
        self.stage.ledger.close()
        self.stage = self.stage.reopened()
        self.stage.clock = self.clock

    # -- what must hold

    @invariant()
    def nothing_lands_by_itself(self) -> None:
        if hasattr(self, "stage"):
            assert self.stage.tip() == self.tip

    def teardown(self) -> None:
        try:
            if hasattr(self, "stage"):
                self._all_is_proven()
        finally:
            self.folder.cleanup()

    def _all_is_proven(self) -> None:
        from harness.gate.merge import recover

        recover(self.stage)
        report = verify(
            self.stage.repo, signers=signers_lines(self.stage.reviewers()), ledger=self.stage.state.ledger
        )  # fmt: skip
        assert [one.merge for one in report.merges if one.ok] == self.landed
        assert [one.merge for one in report.merges if not one.ok] == self.strays
        assert report.why == ()
        assert report.ledger is not None
        assert report.ledger.ok, report.ledger
        for number, known in self.known.items():
            assert (self.stage.ledger.state.proposals[number].state == "merged") == known.merged

    def _chosen(self, which: int) -> tuple[str, Known]:
        number = list(self.known)[which % len(self.known)]
        return number, self.known[number]

    def _now(self) -> datetime:
        assert isinstance(self.clock, Clock)
        return self.clock.now

    def _authorised(self, known: Known) -> bool:
        """The whole of the gate in one line: passed on this very tip, and enough people whose word still holds."""
        valid = [who for who, until in known.approvals.items() if until > self._now() + timedelta(seconds=5)]
        return not known.merged and known.open and known.passed_on == self.tip and len(valid) >= NEEDED[self.policy]

    def _has_landed(self, known: Known, commit: str) -> None:
        known.merged, self.tip = True, commit
        self.landed.append(commit)

    def _die(self, step: str, at: str) -> None:
        if step == at:
            raise Stop


def interleavings(count: int, steps: int) -> None:
    run_state_machine_as_test(
        Interleavings,
        settings=settings(
            max_examples=count, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_few_interleavings() -> None:
    interleavings(6, 12)


@pytest.mark.soak
def test_thousands_of_interleavings() -> None:
    interleavings(2000, 15)
