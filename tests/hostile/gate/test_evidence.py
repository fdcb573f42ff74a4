"""Evidence exchanged behind a person's back: before the landing, and on the branch that travels."""

import json
from pathlib import Path

import pytest
from attacks import checked, landed_by_hand, packet, predicate_of, refused, sealed, wrong
from gate_stage import Stage, git

from harness.errors import IntegrityError
from harness.records import Evidence, canonical_json
from harness.repo import Merged


def path_of(stage: Stage, digest: str) -> Path:
    name = digest.removeprefix("sha256:")
    return stage.state.evidence / name[:2] / name[2:]


def test_evidence_overwritten_in_the_store(stage: Stage) -> None:
    number, run = stage.waiting()
    stage.approve(number)
    failed = path_of(stage, run.evidence or "")
    failed.chmod(0o600)
    failed.write_bytes(failed.read_bytes().replace(b'"passed":2', b'"passed":3'))
    with pytest.raises(IntegrityError, match=r"stored bytes of sha256:.* have changed"):
        stage.desk().merge(number)
    assert stage.tip() == run.tip


def test_evidence_of_another_run_named_in_the_ledger(stage: Stage) -> None:
    """A true bundle, of another proposal that passed: its digest is put where this one's belongs."""
    good, other = stage.waiting(edits={"src/pkg/b.py": b"other = 3\n"})
    number = stage.propose()
    mine = stage.run(number, "fail")
    stage.ledger.append(mine.model_copy(update={"verdict": "pass", "evidence": other.evidence}), stage.clock())
    outcome = stage.desk().approve(number, (mine.tree or "")[:8], "it looked all right to me, in the end")
    assert "evidence is about something else" in getattr(outcome, "why", "")
    assert good != number


def test_a_verdict_turned_round_in_a_bundle_of_ones_own(stage: Stage) -> None:
    """The forger writes a new bundle that says pass, and an entry that names it; nobody signed for it."""
    number = stage.propose()
    run = stage.run(number, "fail")
    failed = stage.store.evidence(run.evidence or "")
    forged = stage.store.put_evidence(failed.model_copy(update={"verdict": "pass", "base": "0" * 40}))
    stage.ledger.append(run.model_copy(update={"verdict": "pass", "evidence": forged}), stage.clock())
    outcome = stage.desk().approve(number, (run.tree or "")[:8], "it looked all right to me, in the end")
    assert "about something else" in getattr(outcome, "why", "")


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("manifest", "tree is not the one that was tested"),
        ("diff", "difference is not the one in the evidence"),
        ("policy", "another merge"),
        ("config", "policy or configuration of the base"),
        ("tree", "another merge"),
    ],
)
def test_a_bundle_about_other_content(stage: Stage, field: str, why: str) -> None:
    number = stage.propose()
    run = stage.run(number)
    bundle = stage.store.evidence(run.evidence or "")
    other = "0" * 40 if field == "tree" else "sha256:" + "0" * 64
    forged = stage.store.put_evidence(bundle.model_copy(update={field: other}))
    stage.ledger.append(run.model_copy(update={"evidence": forged}), stage.clock())
    outcome = stage.desk().approve(number, (run.tree or "")[:8], "it looked all right to me, in the end")
    assert why in getattr(outcome, "why", ""), outcome


def test_evidence_exchanged_after_the_signature(stage: Stage) -> None:
    number, run = stage.waiting()
    stage.approve(number)
    bundle = stage.store.evidence(run.evidence or "")
    forged = stage.store.put_evidence(bundle.model_copy(update={"reasons": ("all tests pass, honestly",)}))
    view = stage.ledger.state.proposals[number]
    stage.ledger.append(run.model_copy(update={"evidence": forged}), stage.clock())
    approved = view.approvals[0].model_copy(update={"evidence": forged})
    from harness.ledger.events import DecisionMade

    stage.ledger.append(DecisionMade(id=number, decision=approved), stage.clock())
    assert "another evidence" in refused(stage, number)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("evidence.json", "given for another evidence"),
        ("policy.json", "policy.json is not the policy"),
        ("proposal.json", "proposal.json is not the proposal"),
        ("checkpoint.json", "checkpoint.json is not the newest ledger entry"),
    ],
)
def test_another_file_beside_a_true_signature(stage: Stage, tmp_path: Path, name: str, why: str) -> None:
    number, run = stage.waiting()
    said = predicate_of(stage, stage.approve(number))
    files = packet(stage, number, (said, sealed(stage, said, "ana")))
    path = next(path for path in files if path.endswith(name))
    content = json.loads(files[path])
    if name == "evidence.json":
        content["reasons"] = ["all tests pass, honestly"]
        Evidence.model_validate(content)
    elif name == "checkpoint.json":
        content["ledger"]["index"] += 1
    elif name == "policy.json":
        content["approvals"] = 7
    else:
        content["title"] = "harmless"
    files[path] = canonical_json(content)
    assert why in wrong(checked(stage, landed_by_hand(stage, tmp_path / "pushed.git", run, files)))


def test_a_submodule_whose_content_nobody_tested(stage: Stage, tmp_path: Path) -> None:
    number = stage.propose()
    view = stage.ledger.state.proposals[number]
    assert view.candidate is not None
    tip = stage.tip()
    entries = git(stage.root, "ls-tree", f"{view.candidate.commit}:src/pkg")
    inner = git(stage.root, "mktree", stdin=f"{entries}\n160000 commit {tip}\tvendored\n")
    middle = git(stage.root, "mktree", stdin=f"040000 tree {inner}\tpkg\n")
    top = [
        line for line in git(stage.root, "ls-tree", view.candidate.commit).splitlines() if not line.endswith("\tsrc")
    ]
    tree = git(stage.root, "mktree", stdin="\n".join([*top, f"040000 tree {middle}\tsrc"]) + "\n")
    commit = git(stage.root, "commit-tree", "-m", "x", "-p", tip, tree)
    from harness.ledger.events import ProposeAccepted

    candidate = view.candidate.model_copy(update={"commit": commit, "tree": tree})
    stage.ledger.append(ProposeAccepted(id=number, candidate=candidate, findings=()), stage.clock())
    assert isinstance(stage.repo.merge(tip, commit, message="x", at=stage.clock()), Merged)
    run = stage.run(number)
    outcome = stage.desk().approve(number, (run.tree or "")[:8], "it looked all right to me, in the end")
    assert "submodule src/pkg/vendored" in getattr(outcome, "why", "")
