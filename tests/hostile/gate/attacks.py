"""What attackers on the gate share: a target, statements signed by whom they like, and branches written by hand."""

from collections.abc import Mapping
from pathlib import Path

from gate_stage import START, Stage, git

from harness.gate.approvals import BRANCH, merge_files
from harness.gate.rules import policy_text
from harness.gate.signers import signers_lines
from harness.gate.signing import APPROVAL, Namespace, Signature, fingerprint, public_key, sign
from harness.gate.statement import Envelope, Predicate, Statement, read_statement
from harness.gate.verify import VerifyReport, verify
from harness.ledger.events import DecisionMade, RunFinished
from harness.records import Decided, Decision, NotLanded, canonical_json
from harness.repo import Repo
from harness.target import ReviewerEntry


def predicate_of(stage: Stage, decided: Decided) -> Predicate:
    """What an honest approval said."""
    assert decided.statement is not None
    envelope = Envelope.model_validate_json(stage.store.get(decided.statement))
    statement = read_statement(envelope.statement.encode())
    assert isinstance(statement, Statement)
    return statement.predicate


def sealed(stage: Stage, said: Predicate, key: str, *, namespace: Namespace = APPROVAL) -> Envelope:
    """A statement signed with a key, in whatever name it speaks."""
    raw = canonical_json(Statement.of(said))
    entry = ReviewerEntry(name="x", key=public_key(stage.keys[key]))
    signature = sign(stage.keys[key], namespace, raw, entry, terminal=False)
    assert isinstance(signature, Signature)
    return Envelope(statement=raw.decode(), signature=signature.armored)


def named(stage: Stage, said: Predicate, who: str, key: str | None = None, **other: object) -> Predicate:
    """The same statement in another person's name, with their fingerprint."""
    mark = fingerprint(public_key(stage.keys[key or who]))
    return said.model_copy(update={"reviewer": who, "key": mark, **other})


def record(stage: Stage, number: str, who: str, envelope: Envelope) -> None:
    """Writes an approval into ledger and store, as somebody does who holds them."""
    run = stage.ledger.state.proposals[number].run
    assert run is not None
    decision = Decision(
        proposal=number, decision="approve", reviewer=who, reason="x" * 30, tree=run.tree, evidence=run.evidence,
        statement=stage.store.put(canonical_json(envelope)), at=stage.clock(),
    )  # fmt: skip
    stage.ledger.append(DecisionMade(id=number, decision=decision), stage.clock())


def refused(stage: Stage, number: str) -> str:
    """Why the merge is refused; it must be, and nothing may move."""
    before = stage.tip()
    outcome = stage.desk().merge(number)
    assert isinstance(outcome, NotLanded), outcome
    assert stage.tip() == before
    assert stage.ledger.state.proposals[number].state != "merged"
    return outcome.why


def packet(stage: Stage, number: str, *envelopes: tuple[Predicate, Envelope]) -> dict[str, bytes]:
    """The files that publish these approvals of a proposal's last run."""
    view = stage.ledger.state.proposals[number]
    assert view.run is not None
    assert view.run.evidence is not None
    return merge_files(
        envelopes[0][0].merge,
        envelopes,
        stage.store.get(view.run.evidence),
        policy_text(stage.rules_at(view.run.tip).policy),
        canonical_json(view.proposal),
    )


def pushed(where: Path, files: Mapping[str, bytes | None], branch: str = BRANCH) -> str:
    """Files put on a branch of a bare repository by whoever may push there."""
    repo = Repo.open_bare(where)
    commit, _ = repo.commit_edits(repo.tip(branch), files, message="x", author="x", branch=None, at=START)
    git(where, "update-ref", f"refs/heads/{branch}", commit)
    return commit


def landed_by_hand(stage: Stage, where: Path, run: RunFinished, files: Mapping[str, bytes]) -> Path:
    """A bare clone in which an attacker moved the ref to the merge and published these files."""
    bare = stage.bare(where)
    pushed(bare, dict(files))
    git(bare, "update-ref", "refs/heads/main", run.merge or "")
    return bare


def checked(stage: Stage, bare: Path, **more: object) -> VerifyReport:
    """A stranger's verification of a bare clone."""
    return verify(bare, signers=signers_lines(stage.reviewers()), **more)  # type: ignore[arg-type]


def wrong(report: VerifyReport) -> str:
    """What is wrong with it; something must be."""
    assert not report.ok, report
    parts = [*report.why, *(one.why for one in report.merges if not one.ok)]
    if report.ledger is not None and not report.ledger.ok:
        parts.append(report.ledger.why)
    assert "; ".join(parts)
    return "; ".join(parts)
