"""The steps of a review at the gate: what was shown is what is signed for; what was asked comes with the next one."""

from pathlib import Path

import pytest

from harness.gate.protocol import Watch, reviewed, unfinished, view_digest
from harness.gate.statement import Envelope, read_statement
from harness.ledger import ProposalView
from harness.records import Decided, Finding, LineComment, NotDecided, Reviewed, ReviewSheet
from tests.shared.gate_stage import Stage, build

REASON = "The loop bound was wrong and the new one matches the specification."
GRAVE = tuple(
    Finding(rule=f"rule-{n}", severity=severity, path="src/pkg/a.py", line=n, message="m")  # type: ignore[arg-type]
    for n, severity in enumerate(("high", "critical", "low"), 1)
)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return build(tmp_path)


def looked(sheet: ReviewSheet) -> Watch:
    """Everything done, in its order."""
    watch = Watch.of(sheet)
    for hunk in range(watch.hunks):
        watch = watch.saw(hunk)
    for finding in watch.grave:
        watch = watch.acknowledge(finding)
    return watch.judge(4).nominate(0)


def view(stage: Stage, number: str) -> ProposalView:
    return stage.ledger.state.proposals[number]


def approve(stage: Stage, number: str, done: Reviewed, reason: str = REASON) -> Decided | NotDecided:
    run = view(stage, number).run
    assert run is not None
    assert run.tree is not None
    return stage.desk().approve(number, run.tree[:8], reason, done)


def test_a_finished_review_approves_and_its_view_is_signed(stage: Stage) -> None:
    number, _ = stage.waiting(findings=GRAVE)
    sheet = stage.desk().sheet(number)
    done = reviewed(sheet, looked(sheet), "screen", seconds=61.23, hunk_seconds=(61.23,))
    outcome = approve(stage, number, done)
    assert isinstance(outcome, Decided)
    assert outcome.statement is not None
    envelope = Envelope.model_validate_json(stage.store.get(outcome.statement))
    statement = read_statement(envelope.statement.encode())
    assert not isinstance(statement, str)
    assert statement.predicate.view == done.view == view_digest(sheet)
    kept = view(stage.reopened(), number).decisions[-1].reviewed
    assert kept == done
    assert (kept.seen, kept.hunks, kept.first_verdict, kept.seconds) == (1, 1, 4, 61.2)
    assert kept.acknowledged == ("rule-1 src/pkg/a.py:1", "rule-2 src/pkg/a.py:2")
    assert kept.nominated == "src/pkg/a.py:1"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"view": "sha256:" + "0" * 64}, "has changed"),
        ({"seen": 0}, "have not been on your screen"),
        ({"acknowledged": ("rule-1 src/pkg/a.py:1",)}, "1 of 2 HIGH findings"),
        ({"acknowledged": ()}, "2 of 2 HIGH findings"),
        ({"first_verdict": None}, "first verdict"),
        ({"first_verdict": 6}, "first verdict"),
        ({"nominated": ""}, "no hunk is nominated"),
    ],
)
def test_a_review_that_lacks_a_step_approves_nothing(stage: Stage, change: dict[str, object], why: str) -> None:
    number, _ = stage.waiting(findings=GRAVE)
    sheet = stage.desk().sheet(number)
    done = reviewed(sheet, looked(sheet), "plain")
    assert unfinished(sheet, done) == ""
    outcome = approve(stage, number, done.model_copy(update=change))
    assert isinstance(outcome, NotDecided)
    assert why in outcome.why
    assert view(stage, number).decisions == ()


def test_what_changed_while_it_was_read_must_be_read_again(stage: Stage) -> None:
    number, _ = stage.waiting()
    before = stage.desk().sheet(number)
    stage.desk("bob").defer(number, "bob is not sure yet")
    outcome = approve(stage, number, reviewed(before, looked(before), "screen"))
    assert isinstance(outcome, NotDecided)
    assert "changed since" in outcome.why
    after = stage.desk().sheet(number)
    assert isinstance(approve(stage, number, reviewed(after, looked(after), "screen")), Decided)


def test_the_order_of_the_steps_is_kept() -> None:
    watch = Watch(hunks=2, grave=(0,))
    assert watch.judge(3).verdict is None
    watch = watch.saw(0).saw(1).saw(7)
    assert watch.judge(3).verdict is None
    watch = watch.acknowledge(4).acknowledge(0)
    assert watch.acknowledged == {0}
    assert watch.sealed
    watch = watch.judge(0).judge(3).judge(5)
    assert watch.verdict == 3
    assert "nominated" in watch.missing
    assert watch.nominate(9).missing == watch.missing
    assert watch.nominate(1).missing == ""


def test_comments_and_category_are_kept_and_the_next_revision_shows_its_difference(stage: Stage) -> None:
    number, _ = stage.waiting()
    comment = LineComment(path="src/pkg/a.py", line=1, side="new", text="[@click=app.quit]why not 2?\x1b[2J")
    asked = stage.desk().request_changes(number, "not yet", (comment,))
    assert isinstance(asked, Decided)
    first = view(stage, number)
    assert first.decisions[-1].comments == (comment,)
    assert first.candidate is not None
    answer = stage.propose({"src/pkg/a.py": b"value = 2\n"}, base=first.candidate.commit)
    assert stage.desk().sheet(answer).revises is None  # it names no parent
    second = stage.propose({"src/pkg/a.py": b"value = 3\n"}, base=first.candidate.commit, parent=number)
    stage.run(second)
    revises = stage.desk().sheet(second).revises
    assert revises is not None
    assert (revises.proposal, revises.decision.comments) == (number, (comment,))
    assert "+value = 3" in revises.diff
    assert isinstance(stage.desk().reject(second, "no", "gaming"), Decided)
    assert [one.category for one in stage.desk().history()] == ["gaming", ""]


def test_a_file_is_read_as_it_would_land(stage: Stage) -> None:
    number = stage.propose({"src/pkg/a.py": b"value = 'new'\n"})
    stage.run(number)
    assert stage.desk().source(number, "src/pkg/a.py") == "value = 'new'\n"
    assert stage.desk().source(number, "src/pkg/none.py") is None


def test_what_was_not_nominated_is_not_named(stage: Stage) -> None:
    number, _ = stage.waiting()
    sheet = stage.desk().sheet(number)
    done = reviewed(sheet, Watch.of(sheet).saw(0), "screen")
    assert (done.nominated, done.seen, done.first_verdict) == ("", 1, None)
