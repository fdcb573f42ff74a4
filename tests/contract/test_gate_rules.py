"""Who may approve what under which policy: roles, paths, keys; stricter never admits more; bypasses are loud."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from gate_stage import REASON, Stage, build, git
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cli.verify import _words
from harness.errors import RefusedError
from harness.gate.approvals import BRANCH
from harness.gate.authorize import Passed, case_of, passed_run
from harness.gate.declared import declare_bypass
from harness.gate.rules import Case, barred, needed_approvals, shortfall
from harness.gate.signers import signers_lines
from harness.gate.statement import Predicate, Statement
from harness.gate.verify import VerifyReport, verify
from harness.policy import Policy
from harness.policy.load import Required
from harness.records import Decided, Finding, Landed, NotLanded
from harness.repo import Moved
from harness.target import ReviewerEntry, parse_config, set_reviewers

PEOPLE = ("ana", "bob", "cyd", "dan")
RULES = ("judge-changed", "unverified-tests", "size")
PATHS = ("src/pkg/a.py", "src/crypto/b.py", "docs/x")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Predicate]:
    """A real case and a real approval of it; the properties vary people, findings, paths and policy."""
    stage = build(tmp_path_factory.mktemp("stage"))
    number, _ = stage.waiting()
    found = passed_run(stage, stage.ledger.state.proposals[number])
    assert isinstance(found, Passed)
    case = case_of(stage, stage.ledger.state.proposals[number], found)
    decided = stage.approve(number)
    from harness.gate.statement import Envelope, read_statement

    statement = read_statement(
        Envelope.model_validate_json(stage.store.get(decided.statement or "")).statement.encode()
    )
    assert isinstance(statement, Statement)
    return case, statement.predicate


def admits(case: Case, predicate: Predicate, signers: frozenset[str]) -> bool:
    """Whether these people's approvals suffice, by everything but the signatures themselves."""
    valid = [
        predicate.model_copy(update={"reviewer": name, "key": name})
        for name in sorted(signers)
        if not barred(name, case)
        and predicate.not_after - predicate.issued <= timedelta(days=case.policy.approval_days)
    ]
    return shortfall(valid, case) == ""


roles = st.frozensets(st.sampled_from(["security", "lead"]), max_size=2)
required = st.builds(
    Required,
    paths=st.lists(st.sampled_from([*PATHS, "**", "src/crypto"]), min_size=1, max_size=2).map(tuple),
    approvals=st.integers(1, 3),
    roles=roles.map(lambda names: tuple(sorted(names))),
)
policies = st.fixed_dictionaries(
    {
        "approvals": st.integers(1, 3),
        "launcher_may_approve": st.booleans(),
        "second_reviewer_on": st.frozensets(st.sampled_from(RULES), max_size=2).map(lambda names: tuple(sorted(names))),
        "approval_days": st.sampled_from([7, 30]),
        "key_types": st.sampled_from([(), ("ssh-ed25519",), ("sk-ssh-ed25519@openssh.com",)]),
        "required": st.lists(required, max_size=2).map(tuple),
    }
)


def stricter(policy: Policy, draw: st.DataObject) -> Policy:
    """The policy with one rule more."""
    what = draw.draw(st.sampled_from(["approvals", "launcher", "second", "days", "keys", "required"]))
    change: dict[str, object] = {
        "approvals": {"approvals": policy.approvals + 1},
        "launcher": {"launcher_may_approve": False},
        "second": {"second_reviewer_on": (*policy.second_reviewer_on, draw.draw(st.sampled_from(RULES)))},
        "days": {"approval_days": draw.draw(st.integers(1, policy.approval_days))},
        "keys": {"key_types": policy.key_types or ("ssh-ed25519",)},
        "required": {"required": (*policy.required, draw.draw(required))},
    }[what]  # fmt: skip
    return policy.model_copy(update=change)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    change=policies, people=st.lists(roles, min_size=1, max_size=4), signers=st.frozensets(st.sampled_from(PEOPLE)),
    paths=st.frozensets(st.sampled_from(PATHS)), judges=st.booleans(), found=st.frozensets(st.sampled_from(RULES)),
    author=st.sampled_from(["agent:x", *PEOPLE]), launcher=st.sampled_from(["ci", *PEOPLE]), draw=st.data(),
)  # fmt: skip
def test_one_rule_more_never_admits_more(
    model: tuple[Case, Predicate],
    change: dict[str, object],
    people: list[frozenset[str]],
    signers: frozenset[str],
    paths: frozenset[str],
    judges: bool,
    found: frozenset[str],
    author: str,
    launcher: str,
    draw: st.DataObject,
) -> None:
    case, predicate = model
    findings = tuple(Finding(rule=rule, severity="low", path="x", line=0, message="m") for rule in sorted(found))
    entry = case.reviewers[0]
    reviewers = tuple(
        entry.model_copy(update={"name": name, "key": f"ssh-ed25519 {name}", "roles": tuple(sorted(has))})
        for name, has in zip(PEOPLE, people, strict=False)
    )
    loose = dataclasses.replace(
        case, policy=case.policy.model_copy(update=change), reviewers=reviewers, author=author, launcher=launcher,
        paths=tuple(sorted(paths)), judges=("tests/test_a.py",) if judges else (),
        evidence=case.evidence.model_copy(update={"findings": findings}),
    )  # fmt: skip
    strict = dataclasses.replace(loose, policy=stricter(loose.policy, draw))
    if admits(strict, predicate, signers):
        assert admits(loose, predicate, signers)
    if admits(loose, predicate, signers):
        assert signers - {author}, "never without a person other than the author"
        assert not judges or len(signers & {one.name for one in reviewers}) >= 2


def test_two_wherever_the_judge_is_changed(model: tuple[Case, Predicate]) -> None:
    policy = model[0].policy
    assert needed_approvals(policy, (), ()) == 1
    assert needed_approvals(policy, (), ("holdpoint.toml",)) == 2
    assert needed_approvals(policy.model_copy(update={"approvals": 3}), (), ("holdpoint.toml",)) == 3


def with_policy(stage: Stage, change: str, people: dict[str, tuple[str, ...]]) -> None:
    """The target's policy becomes a file of its own with one line changed, and its reviewers get roles; a new root."""
    from harness.data import data_dir
    from harness.gate.root import record_root

    tip = stage.tip()
    raw = stage.repo.read(tip, "holdpoint.toml")
    assert raw is not None
    entries = [entry.model_copy(update={"roles": people.get(entry.name, ())}) for entry in stage.reviewers()]
    text = set_reviewers(raw.decode(), entries)
    assert parse_config(text).reviewers == tuple(entries)
    policy = (data_dir("policies") / "default.toml").read_text().replace("required = []", change)
    for edits in ({"holdpoint.toml": text.replace('use = "default"', 'use = "policy.toml"').encode()},):
        base, _ = stage.repo.commit_edits(
            tip, {"policy.toml": policy.encode()}, message="x", author="ana", branch=None, at=stage.clock()
        )
        assert isinstance(stage.repo.land("main", base, tip), Moved)
        commit, _ = stage.repo.commit_edits(base, edits, message="x", author="ana", branch=None, at=stage.clock())
        assert isinstance(stage.repo.land("main", commit, base), Moved)
    for name in ("ana", "bob"):
        record_root(stage, name, stage.keys[name], terminal=False)


def test_paths_that_need_people_of_a_role(tmp_path: Path) -> None:
    stage = build(tmp_path)
    with_policy(
        stage, 'required = [{ paths = ["src/pkg/a.py"], approvals = 1, roles = ["security"] }]', {"bob": ("security",)}
    )
    number, _ = stage.waiting(edits={"src/pkg/a.py": b"value = 4\n"})
    stage.approve(number, "ana")
    outcome = stage.desk().merge(number)
    assert isinstance(outcome, NotLanded)
    assert "0 of 1 approvals by security that policy 'default' demands for src/pkg/a.py" in outcome.why
    stage.approve(number, "bob")
    assert isinstance(stage.desk().merge(number), Landed)
    other, _ = stage.waiting(edits={"src/pkg/b.py": b"other = 4\n"})
    stage.approve(other, "ana")
    assert isinstance(stage.desk().merge(other), Landed)


# -- declared bypasses


def checked(stage: Stage, where: Path) -> VerifyReport:
    return verify(stage.bare(where), signers=signers_lines(stage.reviewers()))


def stray(stage: Stage, text: str = "urgent") -> str:
    (stage.root / "fix").write_text(text)
    git(stage.root, "add", "fix")
    git(stage.root, "commit", "-qm", "an urgent repair")
    return stage.tip()


def test_a_bypass_is_declared_by_two_and_shown_loudly_for_ever(tmp_path: Path) -> None:
    stage = build(tmp_path)
    commit = stray(stage)
    assert not checked(stage, tmp_path / "b.git").ok
    made = declare_bypass(stage, commit, "ana", stage.keys["ana"], REASON, terminal=False)
    assert (made.signed_by, made.needed) == (("ana",), 2)
    report = checked(stage, tmp_path / "b.git")
    assert not report.ok
    assert "1 of 2 reviewers declared it" in report.merges[0].why
    again = declare_bypass(stage, commit, "ana", stage.keys["ana"], REASON, terminal=False)
    assert again.signed_by == ("ana",), "one person counts once"
    assert declare_bypass(stage, commit, "bob", stage.keys["bob"], REASON, terminal=False).signed_by == ("ana", "bob")
    stage.landed()
    report = checked(stage, tmp_path / "b.git")
    assert report.ok
    assert [one.bypass for one in report.merges] == [True, False]
    words = _words(report)
    assert f"!!!! {commit[:12]}  DECLARED BYPASS by ana, bob, not approved: {REASON}" in words
    assert "NOT APPROVED BY ANYBODY" in words
    assert not words.endswith("\nok")
    told = [entry.event.type for entry in stage.ledger.entries()]
    assert told.count("bypass.declared") == 2


@pytest.mark.parametrize("who", ["mallory", "nobody"])
def test_only_reviewers_declare_and_only_what_needs_it(tmp_path: Path, who: str) -> None:
    stage = build(tmp_path)
    root = stage.tip()
    merged = stage.landed()
    commit = stray(stage)
    for subject, name, key, reason, why in (
        (commit, who, "mallory", REASON, "is not a reviewer"),
        (commit, "ana", "mallory", REASON, "not ana's"),
        (commit, "ana", "ana", "short", "shorter than 20"),
        (merged, "ana", "ana", REASON, "it was approved"),
        (root, "ana", "ana", REASON, "not on the protected branch after its root"),
    ):
        with pytest.raises(RefusedError, match=why):
            declare_bypass(stage, subject, name, stage.keys[key], reason, terminal=False)
    assert not [path for path in stage.repo.read_branch(BRANCH) if path.startswith("bypasses/")]


@pytest.mark.parametrize("trick", ["other commit", "one name", "unsigned", "stray", "reviewers"])
def test_a_forged_declaration_is_none(tmp_path: Path, trick: str) -> None:
    stage = build(tmp_path)
    if trick == "reviewers":
        raw = stage.repo.read(stage.tip(), "holdpoint.toml")
        assert raw is not None
        from harness.gate.signing import public_key

        more = [*stage.reviewers(), ReviewerEntry(name="eve", key=public_key(stage.keys["mallory"]))]
        (stage.root / "holdpoint.toml").write_text(set_reviewers(raw.decode(), more))
        git(stage.root, "commit", "-aqm", "and a new friend")
        commit = stage.tip()
        signers = signers_lines(more[:2])
    else:
        commit = stray(stage)
        signers = signers_lines(stage.reviewers())
    for name in ("ana", "bob"):
        declare_bypass(stage, commit, name, stage.keys[name], REASON, terminal=False)
    if trick == "reviewers":
        report = verify(stage.bare(tmp_path / "r.git"), signers=signers)
        assert [one.why for one in report.merges] == [
            "it is a declared bypass, and changes the reviewers without a signed root"
        ]
        return
    files = {path: data for path, data in stage.repo.read_branch(BRANCH).items() if path.startswith("bypasses/")}
    new: dict[str, bytes | None]
    if trick == "other commit":
        other = stray(stage, "worse")
        new = {path.replace(commit, other): data for path, data in files.items()}
    elif trick == "one name":
        new = {f"bypasses/{commit}/bob.{end}": files[f"bypasses/{commit}/ana.{end}"] for end in ("json", "sig")}
    elif trick == "unsigned":
        new = {f"bypasses/{commit}/bob.sig": None}
    else:
        new = {f"bypasses/{commit}/note": b"x"}
    bare = stage.bare(tmp_path / "b.git")
    from harness.repo import Repo

    repo = Repo.open_bare(bare)
    tip = repo.tip(BRANCH)
    made, _ = repo.commit_edits(tip, new, message="x", author="x", branch=None, at=stage.clock())
    git(bare, "update-ref", f"refs/heads/{BRANCH}", made)
    report = verify(bare, signers=signers)
    assert not report.ok
    assert "declaration" in " ".join(one.why for one in report.merges)


def test_a_decision_that_says_no_is_signed_where_the_key_asks_nobody(tmp_path: Path) -> None:
    import subprocess

    stage = build(tmp_path)
    number, _ = stage.waiting()
    deferred = stage.desk().defer(number, "after the release")
    assert isinstance(deferred, Decided)
    assert deferred.statement is not None
    from harness.gate.statement import DecisionStatement, Envelope, read_plain

    said = read_plain(
        DecisionStatement, Envelope.model_validate_json(stage.store.get(deferred.statement)).statement.encode()
    )
    assert isinstance(said, DecisionStatement)
    assert (said.decision, said.reviewer, said.until is not None) == ("defer", "ana", True)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-f", stage.keys["ana"], "-N", "secret", "-P", ""], check=True, capture_output=True
    )
    rejected = stage.desk().reject(number, "it hides a call")
    assert isinstance(rejected, Decided)
    assert rejected.statement is None, "a no is never held up by a passphrase"
