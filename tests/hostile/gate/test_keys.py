"""Signatures by the wrong key, at the wrong time, or by too few persons: refused on landing and by every verifier."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from attacks import checked, landed_by_hand, named, packet, predicate_of, pushed, record, refused, sealed, wrong
from gate_stage import REASON, START, Stage, build, git

from harness.gate.approvals import BRANCH
from harness.gate.merge import merge
from harness.gate.root import record_root
from harness.gate.signers import signers_lines
from harness.gate.signing import DECISION, ROOT, public_key
from harness.gate.statement import Predicate
from harness.gate.verify import verify
from harness.ledger import Head
from harness.ledger.events import MergeIntended, MergeLanded, RunFinished
from harness.records import Decided, Finding, Landed, NotDecided, NotLanded
from harness.repo import Moved
from harness.target import ReviewerEntry, parse_config, set_reviewers


def honest(stage: Stage, who: str = "bob", **how: object) -> tuple[str, RunFinished, Predicate]:
    """A proposal that somebody entitled approved; the attack then uses another statement instead."""
    number, run = stage.waiting(**how)
    return number, run, predicate_of(stage, stage.approve(number, who))


def by_hand(stage: Stage, tmp_path: Path, number: str, run: RunFinished, *said: tuple[Predicate, str]) -> str:
    """What a verifier says when these statements, signed with these keys, were pushed with the merge."""
    signed = [(one, sealed(stage, one, key)) for one, key in said]
    return wrong(checked(stage, landed_by_hand(stage, tmp_path / "pushed.git", run, packet(stage, number, *signed))))


@pytest.mark.parametrize("namespace", [ROOT, DECISION])
def test_a_key_used_outside_the_namespace(stage: Stage, namespace: str, tmp_path: Path) -> None:
    number, run, said = honest(stage)
    mine = named(stage, said, "ana")
    envelope = sealed(stage, mine, "ana", namespace=namespace)  # type: ignore[arg-type]
    record(stage, number, "ana", envelope)
    stage.desk("bob").revoke(number, "so that only the forged one is left")
    assert "does not verify with ana's key" in refused(stage, number)
    files = packet(stage, number, (mine, envelope))
    assert "does not verify" in wrong(checked(stage, landed_by_hand(stage, tmp_path / "p.git", run, files)))


def test_a_stranger(stage: Stage, tmp_path: Path) -> None:
    number, run, said = honest(stage)
    mine = named(stage, said, "mallory")
    record(stage, number, "mallory", sealed(stage, mine, "mallory"))
    stage.desk("bob").revoke(number, "so that only the forged one is left")
    assert "mallory is not a reviewer" in refused(stage, number)
    assert "mallory is not a reviewer" in by_hand(stage, tmp_path, number, run, (mine, "mallory"))


def test_a_strangers_key_in_a_reviewers_name(stage: Stage, tmp_path: Path) -> None:
    number, run, said = honest(stage)
    mine = named(stage, said, "ana")
    record(stage, number, "ana", sealed(stage, mine, "mallory"))
    stage.desk("bob").revoke(number, "so that only the forged one is left")
    assert "does not verify with ana's key" in refused(stage, number)
    assert "does not verify with ana's key" in by_hand(stage, tmp_path, number, run, (mine, "mallory"))


def test_an_expired_approval(stage: Stage) -> None:
    number, _, _ = honest(stage)
    late = dataclasses.replace(stage, clock=lambda: START + timedelta(days=31))
    assert "bob's approval expired" in refused(late, number)


def test_an_expired_approval_that_is_landed_past_the_harness(stage: Stage, tmp_path: Path) -> None:
    """The attacker holds ledger and repository, and writes the entries that a merge writes."""
    number, run, said = honest(stage)
    envelope = sealed(stage, said, "bob")
    view = stage.ledger.state.proposals[number]
    statement = view.approvals[0].statement
    assert statement is not None
    at = START + timedelta(days=40)
    moved = {"id": number, "ref": "refs/heads/main", "old": run.tip, "new": run.merge or ""}
    stage.ledger.append(MergeIntended(**moved), at)
    stage.ledger.append(MergeLanded(**moved, statements=(statement,)), at)
    from harness.gate.statement import Envelope

    envelope = Envelope.model_validate_json(stage.store.get(statement))
    bare = landed_by_hand(stage, tmp_path / "pushed.git", run, packet(stage, number, (said, envelope)))
    assert "bob's approval of" in (why := wrong(checked(stage, bare, ledger=stage.state.ledger)))
    assert "had expired when it landed" in why


def test_an_approval_for_longer_than_the_policy_allows(stage: Stage, tmp_path: Path) -> None:
    number, run, said = honest(stage)
    long = said.model_copy(update={"not_after": said.issued + timedelta(days=3650)})
    record(stage, number, "bob", sealed(stage, long, "bob"))
    assert "for longer than the 30 days" in refused(stage, number)
    assert "for longer than the 30 days" in by_hand(stage, tmp_path, number, run, (long, "bob"))


def test_an_approval_that_ends_before_it_begins(stage: Stage, tmp_path: Path) -> None:
    number, run, said = honest(stage)
    none = said.model_copy(update={"not_after": said.issued})
    record(stage, number, "bob", sealed(stage, none, "bob"))
    assert "expired before it was issued" in refused(stage, number)
    assert "expired before it was issued" in by_hand(stage, tmp_path, number, run, (none, "bob"))


def without_ana(stage: Stage) -> None:
    """Ana's right to sign ends: a new root, signed by both."""
    tip = stage.tip()
    raw = stage.repo.read(tip, "holdpoint.toml")
    assert raw is not None
    left = [entry for entry in stage.reviewers() if entry.name != "ana"]
    left.append(ReviewerEntry(name="cyd", key=public_key(stage.keys["mallory"])))
    text = set_reviewers(raw.decode(), left)
    commit, _ = stage.repo.commit_edits(
        tip, {"holdpoint.toml": text.encode()}, message="x", author="bob", branch=None, at=stage.clock()
    )
    assert isinstance(stage.repo.land("main", commit, tip), Moved)
    for name in ("ana", "bob"):
        record_root(stage, name, stage.keys[name], terminal=False)


def test_a_revoked_reviewer(stage: Stage, tmp_path: Path) -> None:
    without_ana(stage)
    number, run, said = honest(stage)
    mine = named(stage, said, "ana")
    record(stage, number, "ana", sealed(stage, mine, "ana"))
    stage.desk("bob").revoke(number, "so that only the forged one is left")
    assert "ana is not a reviewer in the base's holdpoint.toml" in refused(stage, number)
    assert "ana is not a reviewer" in by_hand(stage, tmp_path, number, run, (mine, "ana"))


def test_a_revoked_reviewer_who_backdates(stage: Stage, tmp_path: Path) -> None:
    """The dates say that it was given while ana could still sign; its place after the root says otherwise."""
    early = stage.clock()
    without_ana(stage)
    number, run, said = honest(stage)
    mine = named(stage, said, "ana", issued=early, not_after=early + timedelta(days=29))
    record(stage, number, "ana", sealed(stage, mine, "ana"))
    stage.desk("bob").revoke(number, "so that only the forged one is left")
    assert "ana is not a reviewer" in refused(stage, number)
    assert "ana is not a reviewer" in by_hand(stage, tmp_path, number, run, (mine, "ana"))


def test_a_place_in_the_ledger_before_what_it_is_based_on(stage: Stage, tmp_path: Path) -> None:
    stage.landed(edits={"src/pkg/b.py": b"other = 2\n"})
    number, run, said = honest(stage)
    first = next(iter(stage.ledger.entries()))
    early = said.model_copy(update={"ledger": Head(index=1, hash=first.hash)})
    assert "backdated" in by_hand(stage, tmp_path, number, run, (early, "bob"))


def test_an_approval_that_was_revoked(stage: Stage, tmp_path: Path) -> None:
    """Pushed past the harness all the same: the revocation travels with the repository."""
    number, run = stage.waiting()
    given = stage.approve(number)
    said = predicate_of(stage, given)
    assert isinstance(stage.desk().revoke(number, "I overlooked the second loop"), Decided)
    assert "waiting, not approved" in refused(stage, number)
    from harness.gate.statement import Envelope

    assert given.statement is not None
    envelope = Envelope.model_validate_json(stage.store.get(given.statement))
    bare = landed_by_hand(stage, tmp_path / "pushed.git", run, packet(stage, number, (said, envelope)))
    assert "ana revoked that approval before it landed" in wrong(checked(stage, bare))


def test_a_revocation_that_is_taken_off_the_branch(stage: Stage, tmp_path: Path) -> None:
    number, run = stage.waiting()
    given = stage.approve(number)
    said = predicate_of(stage, given)
    stage.desk().revoke(number, "I overlooked the second loop")
    from harness.gate.statement import Envelope

    assert given.statement is not None
    envelope = Envelope.model_validate_json(stage.store.get(given.statement))
    bare = landed_by_hand(stage, tmp_path / "pushed.git", run, packet(stage, number, (said, envelope)))
    gone = [path for path in stage.repo.read_branch(BRANCH) if path.startswith("revocations/")]
    assert len(gone) == 2
    pushed(bare, dict.fromkeys(gone))
    assert "was changed or removed on holdpoint/approvals" in wrong(checked(stage, bare))


def test_a_revocation_after_the_merge_changes_nothing_and_is_told(stage: Stage, tmp_path: Path) -> None:
    number, _ = stage.waiting()
    stage.approve(number)
    twin = build(tmp_path / "twin")
    assert twin
    stage.desk().merge(number)
    view = stage.ledger.state.proposals[number]
    from harness.gate.declared import Hand, No, signed_no

    signed_no(stage, Hand("ana", stage.keys["ana"], terminal=False), view, No("revoke", "too late"))
    report = checked(stage, stage.bare(tmp_path / "bare.git"))
    assert report.ok
    assert "revoked it after it had landed" in report.merges[0].why


def test_a_revocation_by_somebody_else(stage: Stage, tmp_path: Path) -> None:
    """Bob cannot take back what ana gave: neither at his desk nor with a file of his own."""
    number, _ = stage.waiting()
    stage.approve(number, "ana")
    assert isinstance(stage.desk("bob").revoke(number, "not mine to take"), NotDecided)
    assert isinstance(stage.desk().merge(number), Landed)


def test_one_person_with_two_keys_in_one_name(stage: Stage) -> None:
    """The configuration refuses a second table of one name, in any letter case."""
    raw = stage.repo.read(stage.tip(), "holdpoint.toml")
    assert raw is not None
    text = raw.decode() + f'\n[[reviewer]]\nname = "ANA"\nkey = "{public_key(stage.keys["mallory"])}"\n'
    with pytest.raises(Exception, match="twice"):
        parse_config(text)


def test_one_person_with_two_keys_counted_twice(tmp_path: Path) -> None:
    """Both statements in ana's name, with two keys of hers: one is not hers by the base, and one person is one."""
    stage = build(tmp_path, policy="strict")
    number, run = stage.waiting()
    said = predicate_of(stage, stage.approve(number, "ana"))
    second = named(stage, said, "ana", "mallory")
    record(stage, number, "ana", sealed(stage, second, "mallory"))
    assert "another key than ana's" in refused(stage, number)
    stage.approve(number, "bob")
    assert "1 of 2" in refused(stage, number)
    assert "1 of 2" in by_hand(stage, tmp_path, number, run, (said, "ana"))


def test_two_names_with_one_key(stage: Stage) -> None:
    raw = stage.repo.read(stage.tip(), "holdpoint.toml")
    assert raw is not None
    text = raw.decode() + f'\n[[reviewer]]\nname = "cyd"\nkey = "{public_key(stage.keys["ana"])}"\n'
    with pytest.raises(Exception, match="twice"):
        parse_config(text)


def test_an_agents_key(tmp_path: Path) -> None:
    """Even an agent whose key somebody put among the reviewers does not approve its own work."""
    stage = build(tmp_path, reviewers=("ana", "tinker"))
    number, run = stage.waiting(author="tinker")
    outcome = stage.desk("tinker").approve(number, (run.tree or "")[:8], REASON)
    assert isinstance(outcome, NotDecided)
    assert "author" in outcome.why
    said = named(stage, predicate_of(stage, stage.approve(number, "ana")), "tinker")
    record(stage, number, "tinker", sealed(stage, said, "tinker"))
    stage.desk("ana").revoke(number, "so that only the forged one is left")
    assert "tinker is the proposal's author" in refused(stage, number)
    assert "tinker is the proposal's author" in by_hand(stage, tmp_path, number, run, (said, "tinker"))


def test_an_agent_as_reviewer_by_name(stage: Stage) -> None:
    with pytest.raises(ValueError, match="name"):
        ReviewerEntry(name="agent:tinker", key=public_key(stage.keys["mallory"]))


def test_the_launchers_key_where_excluded(tmp_path: Path) -> None:
    stage = build(tmp_path, policy="self")
    number, run = stage.waiting(launcher="ana")
    said = named(stage, predicate_of(stage, stage.approve(number, "bob")), "ana")
    record(stage, number, "ana", sealed(stage, said, "ana"))
    stage.desk("bob").revoke(number, "so that only the forged one is left")
    assert "ana is the proposal's launcher" in refused(stage, number)
    assert "ana is the proposal's launcher" in by_hand(stage, tmp_path, number, run, (said, "ana"))


def test_a_launcher_who_names_somebody_else_in_one_of_two_statements(tmp_path: Path) -> None:
    stage = build(tmp_path, policy="strict")
    number, run = stage.waiting(launcher="ana")
    said = predicate_of(stage, stage.approve(number, "bob"))
    mine = named(stage, said, "ana", launcher="ci")
    why = by_hand(stage, tmp_path, number, run, (mine, "ana"), (said, "bob"))
    assert "another launcher" in why


def test_a_kind_of_key_that_the_policy_does_not_take(tmp_path: Path) -> None:
    stage = build(tmp_path)
    raw = stage.repo.read(stage.tip(), "holdpoint.toml")
    from harness.data import data_dir

    text = (data_dir("policies") / "default.toml").read_text()
    text = text.replace("key_types = []", 'key_types = ["sk-ssh-ed25519@openssh.com"]')
    assert raw is not None
    edits = {
        "holdpoint.toml": raw.replace(b'use = "default"', b'use = "policy.toml"'), "policy.toml": text.encode(),
    }  # fmt: skip
    commit, _ = stage.repo.commit_edits(stage.tip(), edits, message="x", author="ana", branch=None, at=stage.clock())
    assert isinstance(stage.repo.land("main", commit, stage.tip()), Moved)
    number, run = stage.waiting()
    outcome = stage.desk().approve(number, (run.tree or "")[:8], REASON)
    assert isinstance(outcome, NotDecided)
    assert "wants a key of type sk-ssh-ed25519@openssh.com, not ssh-ed25519" in outcome.why


def test_too_few_where_the_judge_is_changed_whatever_the_policy_says(stage: Stage, tmp_path: Path) -> None:
    """No finding says so and the policy wants one person; the path alone decides."""
    number, run = stage.waiting(edits={"tests/test_a.py": b"def test_a(): pass  # weaker\n"})
    said = predicate_of(stage, stage.approve(number, "ana"))
    assert "1 of 2 approvals" in (why := refused(stage, number))
    assert "tests/test_a.py, which judges changes" in why
    assert "two persons at least must sign" in " ".join(stage.desk("bob").sheet(number).notices)
    assert "1 of 2 approvals" in by_hand(stage, tmp_path, number, run, (said, "ana"))
    stage.approve(number, "bob")
    assert isinstance(stage.desk().merge(number), Landed)


@pytest.mark.parametrize("path", ["holdpoint.toml", ".github/workflows/x.yml", "conftest.py", "sub/CONFTEST.py"])
def test_what_judges_needs_two(stage: Stage, path: str) -> None:
    raw = stage.repo.read(stage.tip(), "holdpoint.toml")
    assert raw is not None
    number, _ = stage.waiting(edits={path: raw + b"# x\n" if path == "holdpoint.toml" else b"x = 1\n"})
    stage.approve(number)
    assert "1 of 2" in refused(stage, number)


def test_a_second_reviewer_after_a_finding(stage: Stage, tmp_path: Path) -> None:
    finding = Finding(rule="judge-changed", severity="high", path="tests/test_a.py", line=0, message="x")
    number, run, said = honest(stage, findings=(finding,))
    assert "1 of 2" in refused(stage, number)
    assert "1 of 2" in by_hand(stage, tmp_path, number, run, (said, "bob"))


def test_a_snapshot_that_still_shows_a_revoked_approval(stage: Stage) -> None:
    """Whoever edits the snapshots beside the ledger lands nothing by it: a merge asks the chain alone."""
    import sqlite3

    from harness.ledger.events import SignersChanged
    from harness.ledger.snapshots import EVERY

    number, _ = stage.waiting()
    stage.approve(number)
    for _ in range(EVERY):
        stage.ledger.append(SignersChanged(commit="x", statement=None, by="x"), stage.clock())
    stage.desk().revoke(number, "I overlooked the second loop")
    for _ in range(EVERY):
        stage.ledger.append(SignersChanged(commit="x", statement=None, by="x"), stage.clock())
    stage.ledger.close()
    path = stage.state.ledger.with_name("ledger.sqlite-snapshots")
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT value FROM kept WHERE kind='proposal' ORDER BY seq").fetchall()
        assert len(rows) > 1
        connection.execute("UPDATE kept SET value = ? WHERE kind = 'proposal'", rows[0])
    connection.close()
    again = stage.reopened()
    assert again.ledger.state.proposals[number].state == "approved", "the lie is believed where only people look"
    outcome = merge(again, number)
    assert isinstance(outcome, NotLanded)
    assert "waiting, not approved" in outcome.why
    report = verify(again.repo, signers=signers_lines(again.reviewers()), ledger=again.state.ledger)
    assert "snapshot" in wrong(report)
    assert git(again.root, "rev-parse", "main") == again.tip()
