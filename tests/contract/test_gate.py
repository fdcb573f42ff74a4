"""The gate's promises, with real git and real ssh-keygen: who may approve what, and what lands."""

import dataclasses
import os
from datetime import timedelta
from pathlib import Path

import pytest
from gate_stage import REASON, START, Stage, build, git

from harness.errors import IntegrityError, RefusedError
from harness.gate.authorize import Authorization, Missing, Passed, authorize, case_of, passed_run
from harness.gate.merge import merge, recover
from harness.gate.root import record_root
from harness.gate.rules import barred
from harness.gate.signing import APPROVAL, ROOT, KeyRefused, Signature, generate_key, public_key, sign, signature_fault
from harness.gate.statement import Envelope, Statement, read_statement, root_schema, statement_schema
from harness.ledger.events import DecisionMade, RunFinished
from harness.records import Decided, Decision, Finding, Landed, NotDecided, NotLanded, canonical_json
from harness.target import ReviewerEntry, render_config


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return build(tmp_path)


def tree_of(run: RunFinished) -> str:
    assert run.tree is not None
    return run.tree


def statement_of(stage: Stage, decided: Decided) -> Statement:
    assert decided.statement is not None
    envelope = Envelope.model_validate_json(stage.store.get(decided.statement))
    statement = read_statement(envelope.statement.encode())
    assert isinstance(statement, Statement)
    return statement


# -- the way through


def test_an_approved_merge_lands_exactly_what_was_tested(stage: Stage) -> None:
    number, run = stage.waiting()
    decided = stage.approve(number)
    said = statement_of(stage, decided).predicate
    assert (said.merge, said.tree, said.base, said.evidence) == (run.merge, run.tree, run.tip, run.evidence)
    assert said.repository.startswith("sha256:")
    assert said.ledger.index > 0
    outcome = stage.desk().merge(number)
    assert outcome == Landed(proposal=number, merge=run.merge or "", ref="refs/heads/main")
    assert stage.tip() == run.merge
    assert stage.ledger.state.proposals[number].state == "merged"
    assert git(stage.root, "status", "--porcelain") == ""
    names = {
        path.split("/")[-1] for path in stage.repo.read_branch("holdpoint/approvals") if path.startswith("merges/")
    }
    assert names == {
        "statement-ana.json", "statement-ana.sig", "evidence.json", "policy.json", "proposal.json", "checkpoint.json",
    }  # fmt: skip
    assert isinstance(stage.desk().merge(number), NotLanded)


def test_a_merge_without_an_approval_is_refused_with_the_next_step(stage: Stage) -> None:
    number, _ = stage.waiting()
    outcome = stage.desk().merge(number)
    assert isinstance(outcome, NotLanded)
    assert "not approved" in outcome.why
    assert outcome.next_step == f"holdpoint approve {number}"


@pytest.mark.parametrize("verdict", ["fail", "inconclusive", "error"])
def test_nothing_but_a_pass_can_be_approved(stage: Stage, verdict: str) -> None:
    number = stage.propose()
    run = stage.run(number, verdict)  # type: ignore[arg-type]
    outcome = stage.desk().approve(number, tree_of(run)[:8], REASON)
    assert isinstance(outcome, NotDecided)
    assert isinstance(stage.desk().merge(number), NotLanded)


# -- what a person must do


def test_approving_takes_a_terminal_the_hash_and_a_reason_of_its_own(stage: Stage) -> None:
    number, run = stage.waiting()
    tree = tree_of(run)
    for typed in ("", tree[:7], "0" * 8 if tree[0] != "0" else "1" * 8, tree[1:9], tree + "00"):
        assert isinstance(stage.desk().approve(number, typed, REASON), NotDecided), typed
    assert isinstance(stage.desk(terminal=False).approve(number, tree[:8], REASON), NotDecided)
    assert isinstance(stage.desk().approve(number, tree[:8], "looks good to me   "), NotDecided)
    assert stage.ledger.state.proposals[number].state == "waiting"
    assert isinstance(stage.desk().approve(number, f" {tree[:8].upper()} ", REASON), Decided)
    second, other = stage.waiting(edits={"src/pkg/b.py": b"other = 2\n"})
    again = stage.desk().approve(second, tree_of(other)[:8], f"  {REASON.upper()}  Indeed.")
    assert isinstance(again, NotDecided)
    assert "last five" in again.why


def test_a_base_that_moved_is_neither_approved_nor_merged(stage: Stage) -> None:
    number, run = stage.waiting()
    early, _ = stage.waiting(edits={"src/pkg/b.py": b"other = 1\n"})
    stage.approve(early)
    (stage.root / "README").write_text("x")
    git(stage.root, "add", "README")
    git(stage.root, "commit", "-qm", "meanwhile")
    outcome = stage.desk().approve(number, tree_of(run)[:8], REASON)
    assert isinstance(outcome, NotDecided)
    assert (outcome.why, outcome.next_step) == ("the base moved since it was tested", f"holdpoint run {number}")
    merged = stage.desk().merge(early)
    assert isinstance(merged, NotLanded)
    assert "base moved" in merged.why
    stage.run(early)
    assert stage.ledger.state.proposals[early].state == "waiting"  # no vote is carried over
    assert isinstance(stage.desk().merge(early), NotLanded)


# -- who may


def test_the_author_never_approves_whatever_the_spelling_or_the_key(stage: Stage) -> None:
    for author in ("ana", "ANA", " Ana <ana@example.org>", "ＡＮＡ"):
        number, run = stage.waiting(author=author)
        outcome = stage.desk("ana").approve(number, tree_of(run)[:8], REASON)
        assert isinstance(outcome, NotDecided), author
        assert "author" in outcome.why
        stage.approve(number, "bob")


def test_a_second_name_with_the_authors_key_is_the_author(stage: Stage) -> None:
    """The configuration refuses such twins; the gate does not rely on it."""
    number, run = stage.waiting(author="ana")
    view = stage.ledger.state.proposals[number]
    found = passed_run(stage, view)
    assert isinstance(found, Passed)
    case = case_of(stage, view, found)
    ana, bob = case.reviewers
    twins = dataclasses.replace(case, reviewers=(ana, bob, bob.model_copy(update={"name": "anb", "key": ana.key})))
    assert barred("bob", twins) == ""
    assert "author" in barred("anb", twins)
    assert run.tree == found.tree


@pytest.mark.parametrize("who", ["mallory", "agent:tinker", "", "Ana"])
def test_only_a_named_reviewer_approves(stage: Stage, who: str) -> None:
    number, run = stage.waiting()
    outcome = stage.desk(who, key="mallory").approve(number, tree_of(run)[:8], REASON)
    assert isinstance(outcome, NotDecided)
    assert "not a reviewer" in outcome.why


def test_another_persons_key_signs_nothing(stage: Stage) -> None:
    number, run = stage.waiting()
    for key in ("mallory", "bob"):
        outcome = stage.desk("ana", key=key).approve(number, tree_of(run)[:8], REASON)
        assert isinstance(outcome, NotDecided)
        assert "not ana's" in outcome.why
    assert stage.ledger.state.proposals[number].approvals == ()


def test_the_launcher_is_excluded_where_the_policy_says_so_and_told_where_not(tmp_path: Path) -> None:
    for policy, allowed in (("default", True), ("self", False)):
        stage = build(tmp_path / policy, policy=policy)
        number, run = stage.waiting(launcher="Ana")
        notices = " ".join(stage.desk("ana").sheet(number).notices)
        assert f"policy '{policy}' {'allows' if allowed else 'does not allow'} you to approve it" in notices
        outcome = stage.desk("ana").approve(number, tree_of(run)[:8], REASON)
        assert isinstance(outcome, Decided if allowed else NotDecided)
        assert "You launched" not in " ".join(stage.desk("bob").sheet(number).notices)


def test_two_persons_where_the_policy_demands_two(tmp_path: Path) -> None:
    stage = build(tmp_path, policy="strict")
    number, run = stage.waiting()
    stage.approve(number, "ana")
    outcome = stage.desk().merge(number)
    assert isinstance(outcome, NotLanded)
    assert "1 of 2 approvals" in outcome.why
    again = stage.desk("ana").approve(number, tree_of(run)[:8], f"a second time, differently: {'x y z ' * 20}")
    assert isinstance(again, NotDecided)
    stage.approve(number, "bob")
    assert isinstance(stage.desk().merge(number), Landed)


def test_a_changed_judge_needs_one_person_more(stage: Stage) -> None:
    finding = Finding(rule="judge-changed", severity="high", path="tests/test_a.py", line=0, message="x")
    number, _ = stage.waiting(findings=(finding,))
    stage.approve(number, "ana")
    assert isinstance(stage.desk().merge(number), NotLanded)
    assert "1 of 2" in " ".join(stage.desk().sheet(number).notices)
    stage.approve(number, "bob")
    assert isinstance(stage.desk().merge(number), Landed)


# -- what an approval is good for


def test_an_approval_expires_and_is_revoked(stage: Stage) -> None:
    number, _ = stage.waiting()
    stage.approve(number)
    late = dataclasses.replace(stage, clock=lambda: START + timedelta(days=31))
    outcome = late.desk().merge(number)
    assert isinstance(outcome, NotLanded)
    assert "expired" in outcome.why
    assert isinstance(stage.desk("bob").revoke(number, "not mine to take"), NotDecided)
    assert isinstance(stage.desk().revoke(number, "I overlooked the second loop"), Decided)
    outcome = stage.desk().merge(number)
    assert isinstance(outcome, NotLanded)
    assert stage.ledger.state.proposals[number].state == "waiting"


def test_a_decision_in_the_ledger_without_a_valid_signature_lands_nothing(stage: Stage) -> None:
    """Whoever can write the database still cannot approve."""
    other, _ = stage.waiting(edits={"src/pkg/b.py": b"other = 1\n"})
    borrowed = stage.approve(other).statement
    number, run = stage.waiting()
    forged = stage.store.put(canonical_json(Envelope(statement="{}", signature="x")))
    for statement in (None, borrowed, forged):
        decision = Decision(
            proposal=number, decision="approve", reviewer="ana", reason=REASON, tree=run.tree, evidence=run.evidence,
            statement=statement, at=stage.clock(),
        )  # fmt: skip
        stage.ledger.append(DecisionMade(id=number, decision=decision), stage.clock())
        assert stage.ledger.state.proposals[number].state == "approved"
        outcome = stage.desk().merge(number)
        assert isinstance(outcome, NotLanded), statement
        assert stage.tip() == run.tip


@pytest.mark.parametrize(
    "field",
    [
        "merge",
        "evidence",
        "config",
        "manifest",
        "commit",
        "proposal_digest",
    ],
)
def test_a_signed_statement_about_anything_else_does_not_count(stage: Stage, field: str) -> None:
    """Signed by the right person, for the right purpose, bound to something else."""
    number, run = stage.waiting()
    decided = stage.approve(number)
    assert decided.statement is not None
    envelope = Envelope.model_validate_json(stage.store.get(decided.statement))
    said = statement_of(stage, decided).predicate
    value = getattr(said, field)
    other = value[:-1] + ("0" if value[-1] != "0" else "1")
    raw = canonical_json(Statement.of(said.model_copy(update={field: other})))
    signature = sign(stage.keys["ana"], APPROVAL, raw, stage.reviewers()[0], terminal=False)
    assert isinstance(signature, Signature)
    swapped = stage.store.put(canonical_json(Envelope(statement=raw.decode(), signature=signature.armored)))
    decision = Decision(
        proposal=number, decision="approve", reviewer="ana", reason=REASON, tree=run.tree, evidence=run.evidence,
        statement=swapped, at=stage.clock(),
    )  # fmt: skip
    stage.ledger.append(DecisionMade(id=number, decision=decision), stage.clock())
    allowed = authorize(stage, stage.ledger.state.proposals[number])
    assert isinstance(allowed, Missing)
    assert field.replace("_", " ") in " ".join(allowed.reasons)
    assert envelope.digest == decided.statement


def test_evidence_that_is_gone_or_changed_stops_the_merge(stage: Stage) -> None:
    number, run = stage.waiting()
    stage.approve(number)
    digest = (run.evidence or "").removeprefix("sha256:")
    path = stage.state.evidence / digest[:2] / digest[2:]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b'"pass"', b'"fail"'))
    with pytest.raises(IntegrityError):
        stage.desk().merge(number)
    assert stage.tip() == run.tip


def test_nobody_but_the_gate_makes_an_authorization() -> None:
    with pytest.raises(IntegrityError):
        Authorization("P00001", "refs/heads/main", "a" * 40, "b" * 40, (), object())


# -- the other decisions


def test_the_other_decisions_say_no_and_need_a_reviewer_and_a_reason(stage: Stage) -> None:
    number, _ = stage.waiting()
    assert isinstance(stage.desk().reject(number, "  "), NotDecided)
    assert isinstance(stage.desk("mallory").reject(number, "because"), NotDecided)
    assert isinstance(stage.desk().defer(number, "later", START), NotDecided)
    assert isinstance(stage.desk().defer(number, "later"), Decided)
    assert [row.proposal for row in stage.desk().queue()] == []
    assert isinstance(stage.desk().request_changes(number, "smaller, please"), Decided)
    assert stage.ledger.state.proposals[number].state == "changes"
    other, _ = stage.waiting()
    stage.approve(other)
    assert isinstance(stage.desk("bob").reject(other, "it hides a call"), Decided)
    assert isinstance(stage.desk().merge(other), NotLanded)
    merged = stage.landed(edits={"src/pkg/b.py": b"other = 5\n"})
    assert merged == stage.tip()
    last = next(view for view in stage.ledger.state.proposals.values() if view.merged)
    assert isinstance(stage.desk().reject(last.id, "too late"), NotDecided)


def test_queue_and_sheet_show_what_would_land(stage: Stage) -> None:
    first, _ = stage.waiting()
    second, run = stage.waiting(edits={"src/pkg/b.py": b"other = 1\nmore = 2\n"}, author="agent:\x1b[2J")
    refused = stage.propose()
    rows = stage.desk().queue()
    assert [row.proposal for row in rows] == [first, second]
    assert (rows[1].added, rows[1].removed, rows[1].verdict) == (2, 1, "pass")
    sheet = stage.desk().sheet(second)
    assert "+more = 2" in sheet.diff
    assert (sheet.tree, sheet.merge, sheet.ref) == (run.tree, run.merge, "main")
    assert "2 passed" in sheet.log_tail
    assert "no network" in sheet.sandbox
    assert stage.desk().sheet(refused).tree is None
    assert "ana (SHA256:" in stage.desk().identity()
    (stage.root / "x").write_text("x")
    git(stage.root, "add", "x")
    git(stage.root, "commit", "-qm", "x")
    assert any("base moved" in notice for notice in stage.desk().sheet(second).notices)


# -- crashes


class Stop(BaseException):
    """Ends the harness at a step, as a kill would."""


@pytest.mark.parametrize("step", ["intended", "moved", "published", "recorded"])
def test_a_killed_merge_is_finished_or_undone(stage: Stage, tmp_path: Path, step: str) -> None:
    number, run = stage.waiting()
    stage.approve(number)
    stage.ledger.close()
    pid = os.fork()
    if pid == 0:
        merge(stage.reopened(), number, lambda name: os.kill(os.getpid(), 9) if name == step else None)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    after = stage.reopened()
    recover(after)
    if step == "intended":
        assert after.tip() == run.tip
        assert after.ledger.state.proposals[number].state == "approved"
        assert isinstance(after.desk().merge(number), Landed)
    assert after.ledger.state.proposals[number].state == "merged"
    assert after.tip() == run.merge
    assert git(after.root, "status", "--porcelain") == ""
    assert f"merges/{run.merge}/statement-ana.sig" in after.repo.read_branch("holdpoint/approvals")
    assert recover(after) == ()
    landed = [entry for entry in after.ledger.entries() if entry.event.type == "merge.landed"]
    assert len(landed) == 1


def test_a_merge_killed_between_files_and_ref_is_undone_and_can_be_made_again(stage: Stage) -> None:
    number, run = stage.waiting(edits={"src/pkg/a.py": b"value = 9\n", "src/pkg/c.py": b"c = 1\n"})
    stage.approve(number)
    with pytest.raises(Stop):
        merge(stage, number, _stop_at("intended"))
    git(stage.root, "update-index", "-q", "--refresh")
    git(stage.root, "read-tree", "-m", "-u", run.tip, run.merge or "")
    assert git(stage.root, "status", "--porcelain") != ""
    assert "undone" in recover(stage)[0]
    assert git(stage.root, "status", "--porcelain") == ""
    assert isinstance(stage.desk().merge(number), Landed)


def _stop_at(step: str):  # type: ignore[no-untyped-def]
    def stop(name: str) -> None:
        if name == step:
            raise Stop

    return stop


def test_a_dirty_work_tree_refuses_and_keeps_the_approval(stage: Stage) -> None:
    number, run = stage.waiting()
    stage.approve(number)
    (stage.root / "src/pkg/b.py").write_text("mine\n")
    outcome = stage.desk().merge(number)
    assert isinstance(outcome, NotLanded)
    assert "src/pkg/b.py" in outcome.why
    assert stage.tip() == run.tip
    git(stage.root, "checkout", "-q", "src/pkg/b.py")
    assert isinstance(stage.desk().merge(number), Landed)


# -- roots


def test_a_root_is_signed_by_who_is_named_and_changes_nothing_else(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="not a reviewer"):
        record_root(stage, "mallory", stage.keys["mallory"], terminal=False)
    with pytest.raises(RefusedError, match="not ana's"):
        record_root(stage, "ana", stage.keys["bob"], terminal=False)
    commit, _ = stage.repo.commit_edits(
        stage.tip(), {"src/pkg/a.py": b"evil = 1\n"}, message="x", author="x", branch=None, at=START
    )
    stage.repo.land("main", commit, stage.tip())
    with pytest.raises(RefusedError, match=r"changes more than holdpoint\.toml"):
        record_root(stage, "ana", stage.keys["ana"], terminal=False)


def test_changed_reviewers_hold_until_their_root_is_signed_by_two(stage: Stage) -> None:
    entries = [*stage.reviewers(), ReviewerEntry(name="mallory", key=public_key(stage.keys["mallory"]))]
    text = render_config(("src/pkg",), ("tests",), "main", entries)
    commit, _ = stage.repo.commit_edits(
        stage.tip(), {"holdpoint.toml": text.encode()}, message="more", author="ana", branch=None, at=START
    )
    stage.repo.land("main", commit, stage.tip())
    number, run = stage.waiting()
    outcome = stage.desk("mallory").approve(number, tree_of(run)[:8], REASON)
    assert isinstance(outcome, NotDecided)
    assert "newest signed root" in outcome.why
    first = record_root(stage, "ana", stage.keys["ana"], terminal=False)
    assert (first.signed_by, first.needed) == (("ana",), 2)
    assert isinstance(stage.desk("mallory").approve(number, tree_of(run)[:8], REASON), NotDecided)
    record_root(stage, "mallory", stage.keys["mallory"], terminal=False)  # a newcomer's signature does not count
    assert isinstance(stage.desk("mallory").approve(number, tree_of(run)[:8], REASON), NotDecided)
    second = record_root(stage, "bob", stage.keys["bob"], terminal=False)
    assert set(second.signed_by) == {"ana", "bob", "mallory"}
    assert isinstance(stage.desk("mallory").approve(number, tree_of(run)[:8], REASON), Decided)
    assert isinstance(stage.desk().merge(number), Landed)


def test_the_first_approval_signs_the_root_where_nobody_did(tmp_path: Path) -> None:
    stage = build(tmp_path, root=False)
    assert not stage.ledger.state.roots
    first = stage.tip()
    merged = stage.landed()
    assert [event.commit for event in stage.ledger.state.roots] == [first]
    assert merged == stage.tip()


# -- signatures


def test_signatures_are_for_one_key_one_purpose_one_text_in_one_form(stage: Stage) -> None:
    ana, bob = stage.reviewers()
    made = sign(stage.keys["ana"], APPROVAL, b"text", ana, terminal=False)
    assert isinstance(made, Signature)
    good = made.armored
    assert signature_fault(ana, APPROVAL, b"text", good) == ""
    assert signature_fault(bob, APPROVAL, b"text", good)
    assert signature_fault(ana, ROOT, b"text", good)
    assert signature_fault(ana, APPROVAL, b"text ", good)
    assert signature_fault(ana, APPROVAL, b"text", "")
    for form in (good.rstrip("\n"), good + "\n", good.replace("\n", "\r\n"), " " + good, good.replace("\n", "", 2)):
        assert signature_fault(ana, APPROVAL, b"text", form)
    raw = good.encode()
    for at in range(0, len(raw), 7):
        flipped = (raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]).decode("latin-1")
        assert signature_fault(ana, APPROVAL, b"text", flipped), at


def test_signing_leaves_no_file_and_refuses_in_words(stage: Stage, tmp_path: Path) -> None:
    ana = stage.reviewers()[0]
    before = sorted(path.name for path in (tmp_path / "keys").iterdir())
    assert isinstance(sign(stage.keys["ana"], APPROVAL, b"x", ana, terminal=False), Signature)
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == before
    refused = sign(tmp_path / "nowhere", APPROVAL, b"x", ana, terminal=False)
    assert isinstance(refused, KeyRefused)
    locked = tmp_path / "locked"
    generate_key(locked)
    import subprocess

    subprocess.run(["ssh-keygen", "-q", "-p", "-f", locked, "-N", "secret", "-P", ""], check=True, capture_output=True)
    refused = sign(locked, APPROVAL, b"x", ana, terminal=False)  # must not hang, must not ask
    assert isinstance(refused, KeyRefused)


def test_the_statement_is_an_in_toto_statement_with_a_schema(stage: Stage) -> None:
    number, run = stage.waiting()
    decided = stage.approve(number)
    assert decided.statement is not None
    import json

    content = json.loads(Envelope.model_validate_json(stage.store.get(decided.statement)).statement)
    assert content["_type"] == "https://in-toto.io/Statement/v1"
    assert content["predicateType"] == "tag:holdpoint,2026:approval/1"
    assert content["subject"][0] == {"name": "refs/heads/main", "digest": {"gitCommit": run.merge}}
    assert set(content["subject"][1]["digest"]) == {"sha256"}
    assert "_type" in statement_schema()["properties"]
    assert "reviewers" in root_schema()["properties"]
