"""The rarer refusals: files out of place, wrong or unreadable keys, histories that do not fit; each with its words."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from attacks import checked, landed_by_hand, named, packet, predicate_of, pushed, record, refused, sealed, wrong
from gate_stage import REASON, START, Stage, build, git

from harness.errors import EnvironmentFault, IntegrityError, RefusedError, UsageError
from harness.gate.approvals import BRANCH
from harness.gate.authorize import Missing, authorize
from harness.gate.declared import Hand, No, signed_no
from harness.gate.desk import Desk
from harness.gate.merge import merge, recover
from harness.gate.root import record_root
from harness.gate.rules import approval, barred
from harness.gate.signers import signers_lines
from harness.gate.signing import (
    APPROVAL,
    KeyRefused,
    generate_key,
    public_key,
    ready,
    sign,
    signature_fault,
    signs_quietly,
)
from harness.gate.statement import DecisionStatement, Envelope, Predicate, Statement, read_plain, read_statement
from harness.gate.verify import verify
from harness.ledger.events import MergeIntended, MergeLanded
from harness.records import Decided, NotDecided, NotLanded, canonical_json
from harness.repo import Moved
from harness.target import ReviewerEntry, set_reviewers


class Stop(BaseException):
    """Ends a merge at a step, as a kill would."""


def stop_at(step: str) -> object:
    def stop(name: str) -> None:
        if name == step:
            raise Stop

    return stop


# -- what lies on the approvals branch


@pytest.fixture
def revoked(stage: Stage, tmp_path: Path) -> tuple[Stage, Path, str, dict[str, bytes]]:
    """An honest merge that was landed, and a revocation of it, made too late and not published."""
    number, run = stage.waiting()
    stage.approve(number)
    stage.desk().merge(number)
    bare = stage.bare(tmp_path / "clean.git")
    view = stage.ledger.state.proposals[number]
    signed_no(stage, Hand("ana", stage.keys["ana"], terminal=False), view, No("revoke", "too late"))
    files = {path: data for path, data in stage.repo.read_branch(BRANCH).items() if path.startswith("revocations/")}
    return stage, bare, run.merge or "", files


@pytest.mark.parametrize(
    ("trick", "why"),
    [
        ("no signature", "is missing, or does not belong there"),
        ("a note", "is missing, or does not belong there"),
        ("no statement", "no such statement"),
        ("another layout", "not the canonical text"),
        ("another name", "that is not its name"),
        ("another merge", "it is about something else"),
        ("a signature for something else", "does not verify"),
    ],
)
def test_a_revocation_that_is_none(revoked: tuple[Stage, Path, str, dict[str, bytes]], trick: str, why: str) -> None:
    stage, bare, merged, files = revoked
    text, seal = sorted(files)  # .json before .sig
    new: dict[str, bytes | None] = dict(files)
    if trick == "no signature":
        del new[seal]
    elif trick == "a note":
        new[f"revocations/{merged}/note"] = b"x"
    elif trick == "no statement":
        new[text] = b"{}"
    elif trick == "another layout":
        new[text] = files[text].replace(b",", b", ", 1)
    elif trick == "another name":
        new = {path.replace("ana-", "bob-"): data for path, data in files.items()}
    elif trick == "another merge":
        said = read_plain(DecisionStatement, files[text])
        assert isinstance(said, DecisionStatement)
        new[text] = canonical_json(said.model_copy(update={"merge": "0" * 40}))
    else:
        said = read_plain(DecisionStatement, files[text])
        assert isinstance(said, DecisionStatement)
        new[text] = canonical_json(said.model_copy(update={"reason": "another"}))
    pushed(bare, new)
    assert why in wrong(checked(stage, bare))


def test_a_revocation_of_a_merge_that_never_landed_is_nobodys_business(stage: Stage, tmp_path: Path) -> None:
    number, _ = stage.waiting()
    stage.approve(number)
    assert isinstance(stage.desk().revoke(number, "on second thoughts"), Decided)
    again = stage.approve(number, reason="a second look at every line of it leaves no doubt")
    assert again.statement is not None
    stage.desk().merge(number)
    report = checked(stage, stage.bare(tmp_path / "b.git"))
    assert report.ok
    assert report.merges[0].why == "approved"


def test_a_bypass_of_a_commit_that_is_not_there(stage: Stage, tmp_path: Path) -> None:
    bare = stage.bare(tmp_path / "b.git")
    pushed(bare, {f"bypasses/{'1' * 40}/ana.json": b"{}"})
    assert "the declared bypass 111111111111 is not on refs/heads/main" in wrong(checked(stage, bare))


def test_a_declaration_that_is_no_statement_or_not_signed(stage: Stage, tmp_path: Path) -> None:
    from harness.gate.declared import declare_bypass

    git(stage.root, "commit", "-q", "--allow-empty", "-m", "stray")
    commit = stage.tip()
    declare_bypass(stage, commit, "ana", stage.keys["ana"], REASON, terminal=False)
    files = {path: data for path, data in stage.repo.read_branch(BRANCH).items() if path.startswith("bypasses/")}
    text = next(path for path in files if path.endswith(".json"))
    for data, why in (
        (b"{}", "no such statement"),
        (files[text].replace(REASON.encode(), REASON[::-1].encode()), "does not verify"),
    ):
        bare = stage.bare(tmp_path / "b.git")
        pushed(bare, {text: data})
        assert why in wrong(checked(stage, bare))


def test_a_packet_without_any_approval(stage: Stage, tmp_path: Path) -> None:
    number, run = stage.waiting()
    said = predicate_of(stage, stage.approve(number))
    files = packet(stage, number, (said, sealed(stage, said, "ana")))
    left = {path: data for path, data in files.items() if "statement-" not in path}
    assert "it has no approval" in wrong(checked(stage, landed_by_hand(stage, tmp_path / "p.git", run, left)))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("verdict", "fail", "its evidence says fail"),
        ("base", "0" * 40, "another base or proposal"),
        ("manifest", "sha256:" + "0" * 64, "the content of its tree is not what was tested"),
        ("config", "sha256:" + "0" * 64, "holdpoint.toml at its base is not the one"),
    ],
)
def test_published_evidence_about_something_else(
    stage: Stage, tmp_path: Path, field: str, value: str, why: str
) -> None:
    number, run = stage.waiting()
    said = predicate_of(stage, stage.approve(number))
    files = packet(stage, number, (said, sealed(stage, said, "ana")))
    path = next(path for path in files if path.endswith("evidence.json"))
    bundle = stage.store.evidence(run.evidence or "")
    files[path] = canonical_json(bundle.model_copy(update={field: value}))
    assert why in wrong(checked(stage, landed_by_hand(stage, tmp_path / "p.git", run, files)))


def test_a_policy_file_exchanged_with_its_digest(stage: Stage, tmp_path: Path) -> None:
    """Evidence and policy agree with each other, and with nothing that the base has."""
    from harness.gate.rules import policy_text
    from harness.policy import load_policy
    from harness.records import sha256

    number, run = stage.waiting()
    said = predicate_of(stage, stage.approve(number))
    files = packet(stage, number, (said, sealed(stage, said, "ana")))
    loose, _ = load_policy("default", lambda _: None)
    mine = policy_text(loose.model_copy(update={"name": "mine"}))
    bundle = stage.store.evidence(run.evidence or "")
    for path in files:
        if path.endswith("policy.json"):
            files[path] = mine
        elif path.endswith("evidence.json"):
            files[path] = canonical_json(bundle.model_copy(update={"policy": sha256(mine)}))
    assert "its policy is not 'default' of its base" in wrong(
        checked(stage, landed_by_hand(stage, tmp_path / "p.git", run, files))
    )


@pytest.mark.parametrize("name", ["strict", "default"])
def test_a_looser_policy_under_the_name_of_the_packaged_one(tmp_path: Path, name: str) -> None:
    """Ana alone, where two must sign: with a policy of her own that is also called `strict`, and that she signs for."""
    from harness.gate.rules import policy_text
    from harness.policy import load_policy
    from harness.records import sha256

    stage = build(tmp_path, policy="strict")
    number, run = stage.waiting()
    said = predicate_of(stage, stage.approve(number))
    packaged, _ = load_policy(name, lambda _: None)
    mine = policy_text(packaged.model_copy(update={"approvals": 1, "name": "strict"}))
    bundle = stage.store.evidence(run.evidence or "").model_copy(update={"policy": sha256(mine)})
    changed = said.model_copy(update={"policy": sha256(mine), "evidence": sha256(canonical_json(bundle))})
    files = packet(stage, number, (changed, sealed(stage, changed, "ana")))
    for path in files:
        if path.endswith("policy.json"):
            files[path] = mine
        elif path.endswith("evidence.json"):
            files[path] = canonical_json(bundle)
    assert "its policy is not 'strict' of its base" in wrong(
        checked(stage, landed_by_hand(stage, tmp_path / "p.git", run, files))
    )


def test_reviewers_that_no_root_names(tmp_path: Path) -> None:
    """Committed past Holdpoint with no root signed, and then a merge on top that the new list approved."""
    stage = build(tmp_path)
    raw = stage.repo.read(stage.tip(), "holdpoint.toml")
    assert raw is not None
    more = [*stage.reviewers(), ReviewerEntry(name="eve", key=public_key(stage.keys["mallory"]))]
    signers = signers_lines(stage.reviewers())
    edits = {"holdpoint.toml": set_reviewers(raw.decode(), more).encode()}
    commit, _ = stage.repo.commit_edits(stage.tip(), edits, message="x", author="x", branch=None, at=START)
    assert isinstance(stage.repo.land("main", commit, stage.tip()), Moved)
    number, run = stage.waiting()
    said = _forged_by_eve(stage, number)
    bare = landed_by_hand(stage, tmp_path / "p.git", run, packet(stage, number, (said, sealed(stage, said, "mallory"))))
    report = verify(bare, signers=signers)
    assert [one.ok for one in report.merges] == [False, False]
    assert "the reviewers at its base are not those of the signed root" in report.merges[1].why
    outcome = stage.desk("ana").approve(number, (run.tree or "")[:8], REASON)
    assert "names other reviewers than the newest signed root" in getattr(outcome, "why", "")


def _forged_by_eve(stage: Stage, number: str) -> Predicate:
    """What eve would have to say about the proposal."""
    from harness.gate.authorize import Passed, case_of, passed_run
    from harness.gate.signing import fingerprint

    view = stage.ledger.state.proposals[number]
    found = passed_run(stage, view)
    assert isinstance(found, Passed)
    issued = stage.clock()
    return Predicate.model_validate(
        case_of(stage, view, found).words()
        | {
            "decision": "approve", "view": "sha256:" + "0" * 64, "ledger": stage.ledger.head(), "reviewer": "eve",
            "key": fingerprint(public_key(stage.keys["mallory"])), "reason": REASON, "nonce": "0" * 32,
            "issued": issued, "not_after": issued + timedelta(days=1),
        }
    )  # fmt: skip


def test_roots_without_configuration_or_twice_or_off_the_line(stage: Stage, tmp_path: Path) -> None:
    from harness.gate.statement import read_root

    files = {path: data for path, data in stage.repo.read_branch(BRANCH).items() if path.startswith("roots/")}
    first = read_root(next(data for path, data in files.items() if path.endswith("statement.json")))
    assert not isinstance(first, str)
    bare_tree = git(stage.root, "mktree", stdin="")
    empty = git(stage.root, "commit-tree", "-m", "x", "-p", stage.tip(), bare_tree)
    git(stage.root, "update-ref", "refs/heads/other", empty)
    for change, why in (
        ({"commit": empty, "previous": first.commit}, "has no holdpoint.toml"),
        ({"commit": empty}, "a second root follows nothing"),
    ):
        bare = stage.bare(tmp_path / "b.git")
        statement = first.model_copy(update={"repository": first.digest, **change})
        pushed(bare, {f"roots/{empty}/statement.json": canonical_json(statement)})
        assert why in wrong(checked(stage, bare))


def test_a_root_beside_the_protected_line(stage: Stage, tmp_path: Path) -> None:
    """Two reviewers signed a commit as root that never came onto the branch."""
    raw = stage.repo.read(stage.tip(), "holdpoint.toml")
    assert raw is not None
    edits = {"holdpoint.toml": raw + b"# more\n"}
    commit, _ = stage.repo.commit_edits(stage.tip(), edits, message="x", author="x", branch="side", at=START)
    for name in ("ana", "bob", "bob"):
        made = record_root(stage, name, stage.keys[name], commit=commit, terminal=False)
    assert made.signed_by == ("ana", "bob")
    assert f"the root {commit[:12]} is not on the first-parent line" in wrong(
        checked(stage, stage.bare(tmp_path / "b.git"))
    )
    path = f"roots/{commit}/statement.json"
    tip = stage.repo.tip(BRANCH)
    broken, _ = stage.repo.commit_edits(tip, {path: b"{}"}, message="x", author="x", branch=None, at=START)
    git(stage.root, "update-ref", f"refs/heads/{BRANCH}", broken)
    with pytest.raises(RefusedError, match="is damaged"):
        record_root(stage, "ana", stage.keys["ana"], commit=commit, terminal=False)


def test_a_root_with_a_key_that_does_not_sign(stage: Stage) -> None:
    """The public half names ana; the private half is somebody else's, as after a mix-up."""
    stage.keys["ana"].chmod(0o600)
    stage.keys["ana"].write_bytes(stage.keys["bob"].read_bytes())
    with pytest.raises(RefusedError, match="was not signed"):
        record_root(stage, "ana", stage.keys["ana"], terminal=False)


def test_an_approvals_branch_with_a_merge_in_it(stage: Stage, tmp_path: Path) -> None:
    bare = stage.bare(tmp_path / "b.git")
    tip = git(bare, "rev-parse", BRANCH)
    other = git(bare, "commit-tree", "-m", "x", f"{tip}^{{tree}}")
    made = git(bare, "commit-tree", "-m", "x", "-p", tip, "-p", other, f"{tip}^{{tree}}")
    git(bare, "update-ref", f"refs/heads/{BRANCH}", made)
    assert "has a merge at" in wrong(checked(stage, bare))


def test_a_protected_branch_that_never_passed_the_root(stage: Stage, tmp_path: Path) -> None:
    bare = stage.bare(tmp_path / "b.git")
    orphan = git(bare, "commit-tree", "-m", "x", "main^{tree}")
    git(bare, "update-ref", "refs/heads/main", orphan)
    assert "is not on the first-parent line" in wrong(checked(stage, bare))


def test_roots_that_do_not_fit(stage: Stage, tmp_path: Path) -> None:
    files = {path: data for path, data in stage.repo.read_branch(BRANCH).items() if path.startswith("roots/")}
    text = next(path for path in files if path.endswith("statement.json"))
    commit = text.split("/")[1]
    for new, why in (
        ({text.replace(commit, "2" * 40): files[text]}, "its statement is about"),
        ({f"roots/{commit}/eve.sig": b"x"}, "eve.sig does not belong there"),
    ):
        bare = stage.bare(tmp_path / "b.git")
        pushed(bare, dict(new))
        assert why in wrong(checked(stage, bare))
    bare = stage.bare(tmp_path / "b.git")
    pushed(bare, {text: b"{}"})
    assert "no root statement" in wrong(checked(stage, bare))


def test_a_signed_root_that_changes_more_than_the_configuration(stage: Stage, tmp_path: Path) -> None:
    """Signed by both reviewers; a root is no way to land code."""
    from harness.gate.root import current_chain
    from harness.gate.signing import ROOT, Signature
    from harness.gate.statement import RootStatement
    from harness.records import sha256

    raw = stage.repo.read(stage.tip(), "holdpoint.toml")
    assert raw is not None
    tip = stage.tip()
    edits = {"holdpoint.toml": raw + b"# x\n", "src/pkg/a.py": b"evil = 1\n"}
    commit, _ = stage.repo.commit_edits(tip, edits, message="x", author="x", branch=None, at=START)
    chain = current_chain(stage, "main")
    root = RootStatement(
        repository=chain.repository, previous=tip, ref="refs/heads/main", commit=commit, nonce="0" * 32,
        config=sha256(edits["holdpoint.toml"]), reviewers=stage.reviewers(), issued=START,
    )  # fmt: skip
    text = canonical_json(root)
    files: dict[str, bytes | None] = {f"roots/{commit}/statement.json": text}
    for entry in stage.reviewers():
        made = sign(stage.keys[entry.name], ROOT, text, entry, terminal=False)
        assert isinstance(made, Signature)
        files[f"roots/{commit}/{entry.name}.sig"] = made.armored.encode()
    git(stage.root, "update-ref", "refs/heads/main", commit)
    bare = stage.bare(tmp_path / "b.git")
    pushed(bare, files)
    assert "it is a signed root, and changes more than holdpoint.toml" in wrong(checked(stage, bare))
    twin = canonical_json(root.model_copy(update={"repository": "sha256:" + "0" * 64}))
    pushed(bare, {f"roots/{commit}/statement.json": twin})
    assert "it belongs to another repository" in wrong(checked(stage, bare))


# -- keys


def test_keys_that_are_none(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="never overwritten"):
        generate_key(stage.keys["ana"])
    with pytest.raises(UsageError, match="cannot be read"):
        public_key(tmp_path / "nothing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(UsageError, match="no OpenSSH key"):
        public_key(tmp_path / "text")
    alone = tmp_path / "alone"
    alone.write_bytes(stage.keys["ana"].read_bytes())
    alone.chmod(0o600)
    assert public_key(alone) == stage.reviewers()[0].key
    (tmp_path / "file").write_text("")
    for nowhere in ("/proc/nowhere/key", "/proc/key"):
        with pytest.raises(EnvironmentFault, match="folder"):
            generate_key(Path(nowhere))
    assert not signs_quietly(tmp_path / "nothing")
    assert not signs_quietly(tmp_path / "text")
    assert signs_quietly(alone)
    armor = "-----BEGIN SSH SIGNATURE-----\nAAA\n-----END SSH SIGNATURE-----\n"
    assert "one true form" in signature_fault(stage.reviewers()[0], APPROVAL, b"x", armor)


def test_a_machine_without_ssh_keygen(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "git").symlink_to(next(p for part in os.environ["PATH"].split(":") if (p := Path(part) / "git").exists()))
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(EnvironmentFault, match="ssh-keygen is missing"):
        ready()
    with pytest.raises(EnvironmentFault, match="ssh-keygen is missing"):
        sign(stage.keys["ana"], APPROVAL, b"x", stage.reviewers()[0], terminal=False)
    with pytest.raises(EnvironmentFault, match="ssh-keygen is missing"):
        verify(stage.repo, signers=signers_lines(stage.reviewers()))


def test_a_key_that_waits_for_ever(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A hardware key that nobody touches: here a program in ssh-keygen's place that never ends."""
    slow = tmp_path / "ssh-keygen"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("harness.gate.signing._PATIENCE", 0.3)
    monkeypatch.setattr("harness.gate.signing._ssh_keygen.__kwdefaults__", {
        **_defaults(), "patience": 0.3,
    })  # fmt: skip
    refusal = sign(stage.keys["ana"], APPROVAL, b"x", stage.reviewers()[0], terminal=False)
    assert isinstance(refusal, KeyRefused)
    assert "no signature came within" in refusal.why


def _defaults() -> dict[str, object]:
    from harness.gate import signing

    return dict(signing._ssh_keygen.__kwdefaults__ or {})


def test_a_revocation_with_another_persons_key_or_none(stage: Stage) -> None:
    number, _ = stage.waiting()
    stage.approve(number)
    for key, why in ((stage.keys["bob"], "is not ana's"), (None, "no key is known here")):
        outcome = Desk(stage, "ana", key, terminal=False).revoke(number, "on second thoughts")
        assert isinstance(outcome, NotDecided)
        assert why in outcome.why
    assert stage.ledger.state.proposals[number].state == "approved"
    locked = Desk(stage, "ana", stage.keys["bob"], terminal=False).defer(number, "later")
    assert isinstance(locked, Decided)
    assert locked.statement is None


def test_a_desk_without_a_person_key_or_proposal(stage: Stage) -> None:
    number, run = stage.waiting()
    nobody = Desk(stage, "", None)
    assert (nobody.identity(), nobody.key) == ("nobody", None)
    keyless = Desk(stage, "ana", None, terminal=True).approve(number, (run.tree or "")[:8], REASON)
    assert isinstance(keyless, NotDecided)
    assert "no key of ana" in keyless.why
    for act in (stage.desk().sheet, lambda name: merge(stage, name)):
        with pytest.raises(UsageError, match="no proposal"):
            act("P99999")
    git(stage.root, "checkout", "-q", "--detach")
    git(stage.root, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(UsageError, match="protected branch is missing"):
        stage.desk().reject(number, "because")


def test_a_statement_in_another_name_than_it_is_filed_under(stage: Stage) -> None:
    number, _ = stage.waiting()
    said = predicate_of(stage, stage.approve(number, "bob"))
    record(stage, number, "ana", sealed(stage, said, "bob"))
    stage.desk("bob").revoke(number, "so that only the forged one is left")
    assert "it names 'bob' as reviewer, not 'ana'" in refused(stage, number)


def test_a_statement_whose_subject_is_another_merge(stage: Stage) -> None:
    number, _ = stage.waiting()
    said = predicate_of(stage, stage.approve(number))
    other = Statement.of(said.model_copy(update={"merge": "0" * 40}))
    mixed = canonical_json(Statement.of(said).model_copy(update={"subject": other.subject}))
    assert "its subject is not the merge" in str(read_statement(mixed))


def test_an_agent_among_the_reviewers_of_a_case(stage: Stage) -> None:
    """The configuration refuses such a name; the rule does not rely on it."""
    import dataclasses

    from harness.gate.authorize import Passed, case_of, passed_run

    number, _ = stage.waiting()
    decided = stage.approve(number)
    view = stage.ledger.state.proposals[number]
    found = passed_run(stage, view)
    assert isinstance(found, Passed)
    case = case_of(stage, view, found)
    entry = ReviewerEntry.model_construct(name="agent:x", key=case.reviewers[0].key, roles=())
    agents = dataclasses.replace(case, reviewers=(*case.reviewers, entry))
    assert barred("agent:x", agents) == "an agent never approves"
    said = named(stage, predicate_of(stage, decided), "agent:x", "ana")
    assert approval("agent:x", sealed(stage, said, "ana"), agents) == "an agent never approves"


# -- merges and histories that do not fit


def test_authorisation_of_what_was_not_run_or_has_no_root(tmp_path: Path) -> None:
    stage = build(tmp_path)
    number, _ = stage.waiting()
    stage.approve(number)
    view = stage.ledger.state.proposals[number]
    assert view.run is not None
    for run, why in (
        (None, "was not run yet"),
        (view.run.model_copy(update={"verdict": "fail"}), "verdict is fail"),
        (view.run.model_copy(update={"merge": view.run.tip}), "another merge"),
    ):
        found = authorize(stage, view._replace(run=run))
        assert isinstance(found, Missing)
        assert why in found.reasons[0]
    git(stage.root, "update-ref", "-d", f"refs/heads/{BRANCH}")
    found = authorize(stage, view)
    assert isinstance(found, Missing)
    assert "no root is signed yet" in found.reasons[0]


def test_evidence_that_would_not_travel(stage: Stage) -> None:
    number = stage.propose()
    run = stage.run(number)
    bundle = stage.store.evidence(run.evidence or "")
    large = stage.store.put_evidence(bundle.model_copy(update={"reasons": ("x" * (1 << 20),)}))
    stage.ledger.append(run.model_copy(update={"evidence": large}), stage.clock())
    outcome = stage.desk().approve(number, (run.tree or "")[:8], REASON)
    assert "larger than 1 MiB" in getattr(outcome, "why", "")


def test_a_run_that_names_a_merge_of_other_parents(stage: Stage) -> None:
    number = stage.propose()
    run = stage.run(number)
    odd = git(stage.root, "commit-tree", "-m", "x", "-p", run.tip, run.tree or "")
    bundle = stage.store.evidence(run.evidence or "")
    forged = stage.store.put_evidence(bundle.model_copy(update={"merge": odd}))
    stage.ledger.append(run.model_copy(update={"evidence": forged, "merge": odd}), stage.clock())
    outcome = stage.desk().approve(number, (run.tree or "")[:8], REASON)
    assert "not the one that was tested" in getattr(outcome, "why", "")


def test_the_ref_moves_between_the_last_look_and_the_landing(stage: Stage) -> None:
    number, run = stage.waiting()
    stage.approve(number)

    def interfere(step: str) -> None:
        if step == "intended":
            other = git(stage.root, "commit-tree", "-m", "x", "-p", run.tip, f"{run.tip}^{{tree}}")
            git(stage.root, "update-ref", "refs/heads/main", other)

    outcome = merge(stage, number, interfere)
    assert isinstance(outcome, NotLanded)
    assert "base moved" in outcome.why
    assert recover(stage) == ()


def test_a_crash_after_which_the_evidence_or_the_approval_is_gone(tmp_path: Path) -> None:
    """The ref moved, and what would justify it is not there any more: said, and never published as approved."""
    for what in ("evidence", "statement"):
        stage = build(tmp_path / what)
        number, run = stage.waiting()
        decided = stage.approve(number)
        with pytest.raises(Stop):
            merge(stage, number, stop_at("moved"))  # type: ignore[arg-type]
        if what == "evidence":
            stage.ledger.append(run.model_copy(update={"verdict": "fail"}), stage.clock())
        else:
            said = predicate_of(stage, decided).model_copy(update={"tree": "0" * 40})
            record(stage, number, "ana", sealed(stage, said, "ana"))
        with pytest.raises(IntegrityError, match=r"cannot be published|is not valid"):
            recover(stage)
        assert not [path for path in stage.repo.read_branch(BRANCH) if path.startswith("merges/")]


@pytest.mark.parametrize(
    "how", ["a void approval", "other approvals", "a landing that is not on the branch", "no decision"]
)
def test_a_ledger_that_tells_another_story(stage: Stage, tmp_path: Path, how: str) -> None:
    number, run = stage.waiting()
    decided = stage.approve(number)
    said = predicate_of(stage, decided)
    envelope = Envelope.model_validate_json(stage.store.get(decided.statement or ""))
    if how == "no decision":
        envelope = sealed(stage, said.model_copy(update={"nonce": "0" * 32}), "ana")
        read = read_statement(envelope.statement.encode())
        assert isinstance(read, Statement)
        said = read.predicate
    moved = {"id": number, "ref": "refs/heads/main", "old": run.tip, "new": run.merge or ""}
    if how == "a void approval":
        stage.desk().reject(number, "it hides a call")
    stage.ledger.append(MergeIntended(**moved), stage.clock())
    statements = ("sha256:" + "0" * 64,) if how == "other approvals" else (envelope.digest,)
    stage.ledger.append(MergeLanded(**moved, statements=statements), stage.clock())
    bare = stage.bare(tmp_path / "b.git")
    if how != "a landing that is not on the branch":
        bare = landed_by_hand(stage, tmp_path / "p.git", run, packet(stage, number, (said, envelope)))
    text = wrong(checked(stage, bare, ledger=stage.state.ledger))
    assert {
        "a void approval": "was revoked or void when it landed", "other approvals": "has other approvals for",
        "a landing that is not on the branch": "landed, and it is not on refs/heads/main",
        "no decision": "does not have every decision behind",
    }[how] in text  # fmt: skip


def test_a_ledger_that_cannot_be_folded(stage: Stage, tmp_path: Path) -> None:
    """A perfect chain whose events contradict each other."""
    stage.landed()
    path = tmp_path / "ledger.sqlite"
    import sqlite3

    from harness.ledger import Head
    from harness.ledger.entry import chained
    from harness.ledger.schema import SCHEMA

    events = [entry.event for entry in stage.ledger.entries()]
    _, rows = chained([*events, events[2], events[2]], START, Head(index=0, hash="0" * 64))
    with sqlite3.connect(stage.state.ledger) as source, sqlite3.connect(path) as target:
        source.backup(target)
        for name in SCHEMA:
            if name != "event":
                target.execute(f"DROP TRIGGER {name}")
        target.execute("DELETE FROM event")
        target.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
        for name, sql in SCHEMA.items():
            if name != "event":
                target.execute(sql)
    source.close()
    target.close()
    assert "numbers a second proposal" in wrong(checked(stage, stage.bare(tmp_path / "b.git"), ledger=path))


def test_a_target_that_was_not_initialised_to_its_end(stage: Stage, tmp_path: Path) -> None:
    from dataclasses import replace

    from harness.ledger import Ledger

    blank = replace(stage, ledger=Ledger.open(tmp_path / "blank.sqlite", create=True))
    with pytest.raises(UsageError, match="did not finish"):
        record_root(blank, "ana", stage.keys["ana"], terminal=False)
    with pytest.raises(UsageError, match="full commit id"):
        verify(stage.repo, pinned_root="abc")


def test_reviewers_added_after_the_start_sign_the_first_root_at_the_tip(tmp_path: Path) -> None:
    stage = build(tmp_path, reviewers=("ana",), root=False)
    raw = stage.repo.read(stage.tip(), "holdpoint.toml")
    assert raw is not None
    more = [*stage.reviewers(), ReviewerEntry(name="bob", key=public_key(stage.keys["mallory"]))]
    edits = {"holdpoint.toml": set_reviewers(raw.decode(), more).encode()}
    commit, _ = stage.repo.commit_edits(stage.tip(), edits, message="x", author="ana", branch=None, at=START)
    assert isinstance(stage.repo.land("main", commit, stage.tip()), Moved)
    stage.landed()
    assert [event.commit for event in stage.ledger.state.roots] == [commit]
