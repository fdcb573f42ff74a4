"""What a reviewer is shown about a proposal, from a real ledger, repository and evidence store."""

from pathlib import Path

import pytest

from harness.gate.behaviour import replay_words
from harness.gate.meaning import change_words, changed_tests, meaning_lines, summary
from harness.ledger.events import MergeIntended, ProposeIntended, ProposeRefused, RunFinished, RunIntended
from harness.patch.hunks import read_diff
from harness.records import (
    BehaviourDifference,
    CapabilityChange,
    Effect,
    Evidence,
    FileEdit,
    Patch,
    Proposal,
    Replayed,
    Semantic,
    SemanticChange,
    canonical_json,
)
from tests.shared.gate_stage import Stage, build


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return build(tmp_path)


def effect(metric: str, **said: object) -> Effect:
    fields = {"unit": "s", "kind": "score", "role": "objective", "exact": True, "baseline": 1.0, "candidate": 2.0}
    known = {"estimate": 1.0, "low": None, "high": None, "e_value": None, "pairs": 0, "outcome": "no worse"}
    return Effect.model_validate({"metric": metric, **fields, **known, **said})


def again(stage: Stage, number: str, **changed: object) -> None:
    """The same run with other evidence, as a second run would leave it."""
    run = stage.ledger.state.proposals[number].run
    assert run is not None
    assert run.evidence is not None
    evidence = stage.store.evidence(run.evidence).model_copy(update=changed)
    digest = stage.store.put_evidence(Evidence.model_validate(evidence.model_dump()))
    known = {key: value for key, value in changed.items() if key == "effects"}
    stage.ledger.append(RunIntended(id=number, tip=run.tip), stage.clock())
    stage.ledger.append(run.model_copy(update={"evidence": digest, **known}), stage.clock())


def refused(stage: Stage, patch: Patch | None) -> str:
    """A proposal that the policy refused: there is no branch, and perhaps no readable patch."""
    number = stage.ledger.state.next_id()
    digest = stage.store.put(canonical_json(patch)) if patch else "sha256:" + "0" * 64
    proposal = Proposal(
        title="t", rationale="r", author="agent:x", base=stage.tip(), patch_digest=digest, created=stage.clock()
    )
    stage.ledger.append(ProposeIntended(id=number, proposal=proposal, digest=digest, launcher="ci"), stage.clock())
    stage.ledger.append(ProposeRefused(id=number, findings=()), stage.clock())
    return number


def test_the_queue_counts_lines_and_names_wins_first(stage: Stage) -> None:
    number, _ = stage.waiting()
    plain, _ = stage.waiting()
    desk = stage.desk()
    (first, second) = desk.queue()
    assert {(row.added, row.removed) for row in (first, second)} == {(1, 1)}
    assert [row.added for row in desk.queue()] == [1, 1]  # the second time they are remembered
    effects = (effect("b"), effect("a", outcome="win", low=0.5, high=1.5))
    again(stage, number, effects=effects)
    assert [row.proposal for row in desk.queue()] == [number, plain]
    assert desk.queue()[0].effect == "win a +1 [+0.5, +1.5]; no worse b +1"


def test_a_proposal_without_a_branch_shows_its_patch_or_nothing(stage: Stage) -> None:
    edit = FileEdit(path="src/pkg/a.py", before=b"value = 0\n", after=b"value = 1\n")
    shown = stage.desk().sheet(refused(stage, Patch(edits=(edit,))))
    assert "+value = 1" in shown.diff
    assert (shown.commit, shown.tree, shown.state, shown.log_tail) == (None, None, "refused", "")
    assert stage.desk().sheet(refused(stage, None)).diff == ""


def test_a_proposal_that_was_not_run_shows_its_branch(stage: Stage) -> None:
    number = stage.propose({"src/pkg/a.py": b"value = 7\n"})
    shown = stage.desk().sheet(number)
    assert "+value = 7" in shown.diff
    assert shown.verdict is None
    assert shown.log_tail == ""


def test_the_log_is_the_one_that_was_written_or_the_streams_that_were_kept(stage: Stage) -> None:
    number, _ = stage.waiting()
    assert stage.desk().sheet(number).log_tail == "2 passed\n\n2 passed\n"
    again(stage, number, log=stage.store.put(b"x" * 9_000 + b"the end"))
    tail = stage.desk().sheet(number).log_tail
    assert tail.endswith("xthe end")
    assert len(tail) == 6_000
    run = stage.ledger.state.proposals[number].run
    assert run is not None
    assert run.evidence is not None
    (trial,) = stage.store.evidence(run.evidence).trials
    lost = trial.model_copy(update={"stdout": "sha256:" + "1" * 64})
    again(stage, number, log="", trials=(lost,))
    assert stage.desk().sheet(number).log_tail == "2 passed\n"


def test_a_run_that_ended_in_an_error_has_no_evidence_to_show(stage: Stage) -> None:
    number = stage.propose()
    stage.ledger.append(RunIntended(id=number, tip=stage.tip()), stage.clock())
    stage.ledger.append(
        RunFinished(
            id=number, tip=stage.tip(), merge=None, tree=None, verdict="error", reasons=("the disk is full",),
            tests=None, effects=(), evidence=None, policy="sha256:" + "2" * 64,
        ),
        stage.clock(),
    )  # fmt: skip
    shown = stage.desk().sheet(number)
    assert (shown.verdict, shown.reasons, shown.evidence) == ("error", ("the disk is full",), None)


def test_ancestors_without_a_decision_are_passed_over(stage: Stage) -> None:
    first, _ = stage.waiting()
    stage.desk().request_changes(first, "say why, in a comment of its own", ())
    commit = stage.ledger.state.proposals[first].candidate
    assert commit is not None
    second = stage.propose({"src/pkg/a.py": b"value = 2\n"}, base=commit.commit, parent=first)
    between = stage.ledger.state.proposals[second].candidate
    assert between is not None
    third = stage.propose({"src/pkg/a.py": b"value = 3\n"}, base=between.commit, parent=second)
    shown = stage.desk().sheet(third)
    assert shown.lineage == (second, first)
    assert shown.revises is not None
    assert shown.revises.proposal == first


def test_notices_say_what_the_reviewer_must_know(stage: Stage) -> None:
    number, run = stage.waiting(edits={"tests/test_a.py": b"def test_a(): assert True\n"}, launcher="ana")
    notices = " ".join(stage.desk("ana").sheet(number).notices)
    assert "0 of 2 approvals" in notices
    assert "It changes tests/test_a.py, which judges changes" in notices
    assert "You launched this proposal" in notices
    assert run.merge is not None
    stage.ledger.append(MergeIntended(id=number, ref="main", old=run.tip, new=run.merge), stage.clock())
    assert "A merge of this was interrupted" in " ".join(stage.desk("bob").sheet(number).notices)


def test_a_change_of_the_proposing_agent_is_said(stage: Stage) -> None:
    config = stage.repo.read(stage.tip(), "holdpoint.toml")
    assert config is not None
    with_agent = config + b'\n[agent]\nmodule = "pkg"\nships = ["src/pkg/a.py"]\n'
    commit, _ = stage.repo.commit_edits(
        stage.tip(), {"holdpoint.toml": with_agent}, message="an agent", author="ana", branch=None, at=stage.clock()
    )
    stage.repo.land("main", commit, stage.tip())
    touched, _ = stage.waiting(edits={"src/pkg/a.py": b"value = 5\n"})
    aside, _ = stage.waiting(edits={"src/pkg/b.py": b"other = 5\n"})
    said = "This changes the agent that proposes changes"
    assert said in " ".join(stage.desk().sheet(touched).notices)
    assert said not in " ".join(stage.desk().sheet(aside).notices)
    assert said not in " ".join(stage.desk().sheet(refused(stage, None)).notices)


def test_replay_in_words() -> None:
    assert replay_words(None) == ()
    assert replay_words(Replayed(why="there is no suite")) == ("not run: there is no suite",)
    quiet = Replayed(seed="s", scripts=3, calls=9, functions=2, ran=("clock",), not_ran=("network",))
    (head,) = replay_words(quiet)
    assert head == (
        "no difference that always shows (3 scripts about 2 functions, 9 answers, seed s; surroundings: clock; "
        "not run: network)"
    )
    one = BehaviourDifference(
        function="pkg.f", kind="value", inputs="unusual", script="x = 1\npkg.f(x)", base="1", candidate="2", count=4,
        where="another clock", declared=True,
    )  # fmt: skip
    found = replay_words(quiet.model_copy(update={"differing": ("pkg.f",), "differences": (one,), "ran": ()}))
    assert found[0].startswith("behaviour differences: 1 functions (3 scripts")
    assert "surroundings: none;" in found[0]
    assert found[1:] == (
        "pkg.f: value differs on unusual inputs, only with another clock, declared (4 seen)",
        "    x = 1",
        "    pkg.f(x)",
        "    base: 1",
        "    candidate: 2",
    )


def change(kind: str, before: str = "", after: str = "") -> SemanticChange:
    return SemanticChange.model_validate(
        {"path": "a.py", "line": 3, "name": "f", "kind": kind, "before": before, "after": after}
    )


def test_a_meaning_in_words() -> None:
    assert change_words(change("added", after="(x)")) == "f(x) added"
    assert change_words(change("removed", before="(x)")) == "f(x) removed"
    assert change_words(change("renamed", before="f", after="g")) == "f renamed to g"
    assert change_words(change("moved", before="a.f", after="b.f")) == "a.f moved to b.f"
    assert change_words(change("raises", before="KeyError")) == "f: −raises KeyError"
    assert change_words(change("raises", before="A", after="B")) == "f: −raises A  +raises B"

    gained = CapabilityChange(kind="network", name="socket", path="a.py", line=1)
    allowed = CapabilityChange(kind="filesystem", name="open", path="a.py", line=2, declared=True)
    lost = CapabilityChange(kind="process", name="os.system", path="a.py", line=9, gone=True)
    found = Semantic(
        files=2, changes=(change("added", after="()"), change("calls", after="g"), change("removed", before="()")),
        capabilities=(allowed, lost, gained), unresolved=("x()",), faults=("b.py: no syntax",), more=4,
    )  # fmt: skip
    assert summary(None) == (("dim", "not compared: it was not run"),)
    assert summary(Semantic()) == (("dim", "no Python file changed"),)
    assert summary(Semantic(files=1)) == (("dim", "no function, class, call or reach changed"),)
    assert summary(found) == (
        ("bad", "+network: socket"),
        ("bad", "1 files could not be read"),
        ("bad", "1 calls lead nobody knows where"),
        ("plain", "f() removed"),
        ("plain", "f: +calls g"),
        ("plain", "f() added"),
    )
    assert list(meaning_lines(None)) == []
    assert [(grave, place) for grave, place, _ in meaning_lines(found)] == [
        ("bad", "a.py:1"),
        ("plain", "a.py:2"),
        ("plain", "a.py:9"),
        *[("plain", "a.py:3")] * 3,
        ("bad", "unresolved"),
        ("bad", "not read"),
        ("bad", "left out"),
    ]
    assert [line for *_, line in meaning_lines(found)][1:3] == [
        "+filesystem: open (an import that people allow)",
        "−process: os.system",
    ]
    assert "left out" not in [place for _, place, _ in meaning_lines(found.model_copy(update={"more": 0}))]


def test_files_that_judge_are_named() -> None:
    paths = ("src/a.py", "tests/b.txt", "test_c.py", "conftest.py", "src/test_d.txt")
    diff = "".join(f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n" for path in paths)
    assert changed_tests(read_diff(diff)) == ("tests/b.txt", "test_c.py", "conftest.py")
