"""Whoever holds the repository tries to make an unapproved merge look approved, one byte or one push at a time."""

import secrets
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from gate_stage import START, Stage, build, git

from harness.errors import UsageError
from harness.gate.approvals import BRANCH, merge_files, sort_files
from harness.gate.root import read_roots, record_root
from harness.gate.rules import policy_text
from harness.gate.signers import anchored, read_signers, signers_lines
from harness.gate.signing import APPROVAL, ROOT, Signature, fingerprint, public_key, sign
from harness.gate.statement import Envelope, Predicate, RootStatement, Statement, read_statement
from harness.gate.verify import VerifyReport, recorded_root, verify
from harness.ledger import Head
from harness.records import Landed, canonical_json, sha256
from harness.repo import Moved, Repo
from harness.target import ReviewerEntry, render_config


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A target with two approved merges; read-only for the tests."""
    stage = build(tmp_path_factory.mktemp("model"))
    stage.landed()
    stage.landed(edits={"src/pkg/b.py": b"other = 7\n"}, author="bob")
    stage.bare(stage.root.parent / "clone.git")
    return stage


@pytest.fixture
def bare(model: Stage, tmp_path: Path) -> Path:
    """A bare clone of one's own, to tamper with."""
    return Path(shutil.copytree(model.root.parent / "clone.git", tmp_path / "clone.git"))


def signers_of(stage: Stage) -> bytes:
    return signers_lines(stage.reviewers())


def says(report: VerifyReport) -> str:
    """Everything that is wrong, in one text."""
    parts = [*report.why, *(check.why for check in report.merges if not check.ok)]
    if report.ledger is not None and not report.ledger.ok:
        parts.append(report.ledger.why)
    return "; ".join(parts)


def wrong(report: VerifyReport) -> str:
    """The words of a report that must not be ok."""
    assert not report.ok, report
    text = says(report)
    assert text
    return text


def rewrite(where: Path, edits: dict[str, bytes | None], branch: str = BRANCH, *, orphan: bool = False) -> None:
    """Puts other files on a branch: as one more commit, or (orphan) as if it had always been so."""
    repo = Repo.open_bare(where)
    tip = repo.tip(branch)
    assert tip is not None
    base: str | None = tip
    content = dict(edits)
    if orphan:
        kept: dict[str, bytes | None] = dict(repo.read_branch(branch))
        content = {path: data for path, data in (kept | content).items() if data is not None}
        base = None
    commit, _ = repo.commit_edits(base, content, message="x", author="x", branch=None, at=START)
    git(where, "update-ref", f"refs/heads/{branch}", commit)


def push(where: Path, edits: dict[str, bytes | None]) -> str:
    """A commit made directly on the protected branch."""
    repo = Repo.open_bare(where)
    commit, _ = repo.commit_edits(repo.tip("main"), edits, message="x", author="x", branch=None, at=START)
    git(where, "update-ref", "refs/heads/main", commit)
    return commit


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]


# -- what is true


def test_a_fresh_bare_clone_verifies_with_signers_or_a_pinned_root(model: Stage, bare: Path) -> None:
    report = verify(bare, signers=signers_of(model))
    assert report.ok, says(report)
    assert [(check.ok, check.proposal) for check in report.merges] == [(True, "P00001"), (True, "P00002")]
    assert report.ledger is None
    pinned = recorded_root(model.state.ledger)
    assert report.root == pinned
    assert verify(bare, pinned_root=pinned).ok
    plain = b"# ours\n" + b"".join(f"{one.name} {one.key} {one.name}@host\n".encode() for one in model.reviewers())
    assert verify(bare, signers=plain).ok
    with pytest.raises(UsageError, match="whom to trust"):
        verify(bare)


def test_the_target_itself_verifies_with_its_ledger(model: Stage) -> None:
    report = verify(model.repo, signers=signers_of(model), ledger=model.state.ledger, since=model.ledger.head())
    assert report.ok, says(report)
    assert report.ledger is not None
    assert report.ledger.events > 10


def test_another_pinned_root_or_other_signers_are_not_believed(model: Stage, bare: Path) -> None:
    assert "pinned root" in wrong(verify(bare, pinned_root="0" * 40))
    ana, bob = model.reviewers()
    mallory = ReviewerEntry(name="mallory", key=public_key(model.keys["mallory"]))
    for entries in ([ana], [bob], [ana, bob, mallory], [mallory], [ana, bob.model_copy(update={"key": mallory.key})]):
        assert "does not agree" in wrong(verify(bare, signers=signers_lines(entries)))


# -- one byte


def approval_paths() -> list[str]:
    merge = (
        "statement-ana.json",
        "statement-ana.sig",
        "evidence.json",
        "policy.json",
        "proposal.json",
        "checkpoint.json",
    )
    return [*(f"merges/{name}" for name in merge), "roots/statement.json", "roots/ana.sig"]


@pytest.mark.parametrize("name", approval_paths())
@pytest.mark.parametrize("orphan", [False, True], ids=["one-more-commit", "history-rewritten"])
def test_a_flipped_byte_in_any_approval_file_is_found(model: Stage, bare: Path, name: str, orphan: bool) -> None:
    files = Repo.open_bare(bare).read_branch(BRANCH)
    kind, _, file = name.partition("/")
    path = next(found for found in sorted(files) if found.startswith(kind) and found.endswith("/" + file))
    data = files[path]
    for at in {len(data) - 1, secrets.randbelow(len(data))}:
        rewrite(bare, {path: flipped(data, at)}, orphan=orphan)
        assert wrong(verify(bare, signers=signers_of(model))), (path, at)
        rewrite(bare, {path: data}, orphan=True)
    assert verify(bare, signers=signers_of(model)).ok


@pytest.mark.parametrize("name", approval_paths())
def test_a_missing_approval_file_is_found(model: Stage, bare: Path, name: str) -> None:
    files = Repo.open_bare(bare).read_branch(BRANCH)
    kind, _, file = name.partition("/")
    path = next(found for found in sorted(files) if found.startswith(kind) and found.endswith("/" + file))
    rewrite(bare, {path: None}, orphan=True)
    assert wrong(verify(bare, signers=signers_of(model)))


def test_a_file_that_has_no_place_is_found(model: Stage, bare: Path) -> None:
    merge = model.tip()
    for path in (
        "README",
        f"merges/{merge}/extra.json",
        f"merges/{merge}/statement-bob.sig",
        f"merges/{'0' * 40}/x",
        "roots/x/y",
    ):
        rewrite(bare, {path: b"{}"})
        assert wrong(verify(bare, signers=signers_of(model))), path
        shutil.rmtree(bare)
        shutil.copytree(model.root.parent / "clone.git", bare)


def test_a_change_that_was_taken_back_is_still_a_change(model: Stage, bare: Path) -> None:
    """The branch ends as it was; that it was ever otherwise shows that it can be written to."""
    path, data = next(iter(Repo.open_bare(bare).read_branch(BRANCH).items()))
    rewrite(bare, {path: flipped(data, 3)})
    rewrite(bare, {path: data})
    assert "changed or removed" in wrong(verify(bare, signers=signers_of(model)))


def loose(where: Path, oid: str) -> Path:
    return where / "objects" / oid[:2] / oid[2:]


def objects_behind(where: Path) -> list[str]:
    """Every object that the verified line, its trees and the approvals consist of."""
    listed = git(where, "rev-list", "--objects", "main", BRANCH).splitlines()
    return [line.split()[0] for line in listed]


def test_a_flipped_byte_in_any_object_is_found(model: Stage, bare: Path) -> None:
    objects = objects_behind(bare)
    assert len(objects) > 25
    for oid in objects:
        path = loose(bare, oid)
        whole = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(flipped(whole, secrets.randbelow(len(whole))))
        assert wrong(verify(bare, signers=signers_of(model))), oid
        path.write_bytes(whole)
    assert verify(bare, signers=signers_of(model)).ok


def test_an_object_swapped_for_a_sound_one_is_found(model: Stage, bare: Path) -> None:
    """Valid zlib, valid header, other content: only hashing finds it."""
    repo = Repo.open_bare(bare)
    tip = repo.tip("main")
    assert tip is not None
    files = repo.files(tip)
    victim, other = files["src/pkg/a.py"].blob, files["src/pkg/b.py"].blob
    loose(bare, victim).chmod(0o644)
    shutil.copyfile(loose(bare, other), loose(bare, victim))
    assert victim[:12] in wrong(verify(bare, signers=signers_of(model)))


def test_a_flipped_byte_in_a_pack_is_found(model: Stage, bare: Path) -> None:
    git(bare, "repack", "-adq")
    pack = next((bare / "objects/pack").glob("*.pack"))
    whole = pack.read_bytes()
    pack.chmod(0o644)
    assert verify(bare, signers=signers_of(model)).ok
    for _ in range(6):
        at = 12 + secrets.randbelow(len(whole) - 12 - 20)  # header and trailer are git's own concern
        pack.write_bytes(flipped(whole, at))
        report = verify(bare, signers=signers_of(model))
        if report.ok:  # a byte of an object that nothing verified needs (another branch's)
            assert git(bare, "fsck", "--full", check=False) is not None
            continue
        assert says(report)


def test_every_flipped_byte_of_the_signers_file_is_found(model: Stage, bare: Path) -> None:
    repo = Repo.open_bare(bare)
    chain = read_roots(repo, sort_files(repo.read_branch(BRANCH)).roots, "refs/heads/main")
    whole = signers_of(model)
    for at in range(len(whole)):
        found = read_signers(flipped(whole, at))
        assert isinstance(found, str) or anchored(found, chain), at
    for at in (0, len(whole) // 2, len(whole) - 1):
        assert wrong(verify(bare, signers=flipped(whole, at)))
    for other in (
        b"",
        b"\n",
        b"\xff\xfe",
        b"cert-authority ana ssh-ed25519 AAAA\n",
        whole + whole,
        whole.replace(b"ana ", b"* "),
    ):
        assert wrong(verify(bare, signers=other)), other


# -- the ledger


def ledger_copy(model: Stage, tmp_path: Path) -> Path:
    model.ledger.head()
    target = tmp_path / "ledger.sqlite"
    with sqlite3.connect(model.state.ledger) as source, sqlite3.connect(target) as copy:
        source.backup(copy)
    copy.close()
    source.close()
    return target


def edit_ledger(path: Path, change: Callable[[sqlite3.Connection], object]) -> None:
    with sqlite3.connect(path) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        change(connection)
        for _, sql in triggers:
            connection.execute(sql)
    connection.close()


def test_a_changed_ledger_is_found(model: Stage, bare: Path, tmp_path: Path) -> None:
    path = ledger_copy(model, tmp_path)
    assert verify(bare, signers=signers_of(model), ledger=path).ok
    database = sqlite3.connect(path)
    rows = database.execute("SELECT seq, payload FROM event").fetchall()
    database.close()
    for seq, payload in (rows[0], rows[len(rows) // 2], rows[-1]):
        other = flipped(bytes(payload), secrets.randbelow(len(payload)))
        edit_ledger(path, lambda db, s=seq, p=other: db.execute("UPDATE event SET payload = ? WHERE seq = ?", (p, s)))  # type: ignore[misc]
        assert wrong(verify(bare, signers=signers_of(model), ledger=path))
        edit_ledger(path, lambda db, s=seq, p=payload: db.execute("UPDATE event SET payload = ? WHERE seq = ?", (p, s)))  # type: ignore[misc]
    assert verify(bare, signers=signers_of(model), ledger=path).ok


def test_a_shortened_foreign_or_missing_ledger_is_found(model: Stage, bare: Path, tmp_path: Path) -> None:
    path = ledger_copy(model, tmp_path)
    last = model.ledger.head()
    edit_ledger(path, lambda db: db.execute("DELETE FROM event WHERE seq > ?", (last.index - 1,)))
    text = wrong(verify(bare, signers=signers_of(model), ledger=path))
    assert "does not know" in text
    assert wrong(verify(bare, signers=signers_of(model), ledger=path, since=last))
    other = build(tmp_path / "other")
    assert wrong(verify(bare, signers=signers_of(model), ledger=other.state.ledger))
    assert wrong(verify(bare, signers=signers_of(model), ledger=tmp_path / "nothing"))
    (tmp_path / "garbage").write_bytes(b"garbage" * 1000)
    assert wrong(verify(bare, signers=signers_of(model), ledger=tmp_path / "garbage"))
    assert wrong(verify(bare, signers=signers_of(model), since=Head(index=1, hash="0" * 64)))


# -- pushes


def test_a_commit_pushed_without_approval_is_found(model: Stage, bare: Path) -> None:
    commit = push(bare, {"src/pkg/a.py": b"evil = 1\n"})
    report = verify(bare, signers=signers_of(model))
    assert "no approval" in wrong(report)
    assert [check.ok for check in report.merges] == [True, True, False]
    assert report.merges[-1].merge == commit


def test_an_amended_merge_is_found(model: Stage, bare: Path) -> None:
    tip = git(bare, "rev-parse", "main")
    parents = git(bare, "rev-parse", "main^1", "main^2").split()
    evil, tree = Repo.open_bare(bare).commit_edits(
        tip, {"src/pkg/a.py": b"evil\n"}, message="x", author="x", branch=None, at=START
    )
    assert evil
    amended = git(bare, "commit-tree", "-m", "P00002", "-p", parents[0], "-p", parents[1], tree)
    git(bare, "update-ref", "refs/heads/main", amended)
    text = wrong(verify(bare, signers=signers_of(model)))
    assert "no approval" in text
    assert "is not on refs/heads/main" in text


@pytest.mark.parametrize("orphan", [False, True])
def test_an_approval_of_one_merge_is_not_one_of_another(model: Stage, bare: Path, orphan: bool) -> None:
    """The files are copied to the folder of an unapproved merge: same branch, same reviewers, signed by them."""
    repo = Repo.open_bare(bare)
    tip = repo.tip("main")
    assert tip is not None
    proposal, _ = repo.commit_edits(tip, {"src/pkg/a.py": b"evil\n"}, message="x", author="x", branch=None, at=START)
    made = repo.merge(tip, proposal, message="m", at=START)
    git(bare, "update-ref", "refs/heads/main", getattr(made, "commit", ""))
    files = repo.read_branch(BRANCH)
    copied = {path.replace(tip, getattr(made, "commit", "")): data for path, data in files.items() if tip in path}
    rewrite(bare, dict(copied), orphan=orphan)
    assert "another merge" in wrong(verify(bare, signers=signers_of(model)))


def test_a_ref_that_was_set_back_is_found(model: Stage, bare: Path) -> None:
    git(bare, "update-ref", "refs/heads/main", git(bare, "rev-parse", "main^1"))
    assert "is not on refs/heads/main" in wrong(verify(bare, signers=signers_of(model)))


def test_a_branch_without_approvals_or_without_itself_is_found(model: Stage, bare: Path) -> None:
    assert "there is no branch" in wrong(verify(bare, ref="release", signers=signers_of(model)))
    git(bare, "update-ref", "refs/heads/release", "main")
    assert "refs/heads/main" in wrong(verify(bare, ref="release", signers=signers_of(model)))
    git(bare, "update-ref", "-d", f"refs/heads/{BRANCH}")
    assert "no signed root" in wrong(verify(bare, signers=signers_of(model)))


def test_an_approval_from_a_twin_repository_does_not_count(tmp_path: Path) -> None:
    """Same content, same keys, same merge commit; another target all the same."""
    one, two = build(tmp_path / "one", root=False), build(tmp_path / "two", root=False)
    merge = one.landed()
    bare = two.bare(tmp_path / "two.git")
    number, _ = two.waiting()
    two.approve(number)
    own_root = {path: data for path, data in two.repo.read_branch(BRANCH).items() if path.startswith("roots/")}
    git(bare, "fetch", "-q", str(one.root), "main:main", "--update-head-ok")
    git(bare, "fetch", "-q", str(one.root), f"{BRANCH}:{BRANCH}")
    assert verify(bare, signers=signers_of(two)).ok  # the whole of the other one is the other one
    foreign = {path: data for path, data in one.repo.read_branch(BRANCH).items() if path.startswith("merges/")}
    mine: dict[str, bytes | None] = {**own_root, **foreign}
    git(
        bare,
        "update-ref",
        f"refs/heads/{BRANCH}",
        Repo.open_bare(bare).commit_edits(None, mine, message="x", author="x", branch=None, at=START)[0],
    )
    report = verify(bare, signers=signers_of(two))
    assert "another repository" in wrong(report)
    assert report.merges[0].merge == merge


def test_a_replace_ref_does_not_hide_an_unapproved_commit(model: Stage, bare: Path) -> None:
    good = git(bare, "rev-parse", "main")
    evil = push(bare, {"src/pkg/a.py": b"evil\n"})
    git(bare, "replace", evil, good)
    assert "no approval" in wrong(verify(bare, signers=signers_of(model)))


def test_the_repository_s_own_configuration_is_not_asked_whom_to_trust(
    model: Stage, bare: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "signers"
    mine.write_bytes(signers_lines([ReviewerEntry(name="mallory", key=public_key(model.keys["mallory"]))]))
    for key, value in (("gpg.format", "ssh"), ("gpg.ssh.allowedSignersFile", str(mine)), ("gpg.ssh.program", "true")):
        git(bare, "config", key, value)
    assert verify(bare, signers=signers_of(model)).ok
    push(bare, {"src/pkg/a.py": b"evil\n"})
    assert wrong(verify(bare, signers=signers_of(model)))


# -- forged by people with keys of their own


def signed_packet(stage: Stage, said: Predicate, key: str, number: str) -> dict[str, bytes | None]:
    """The files of a merge, approved by whoever holds `key` in whatever name the predicate has."""
    raw = canonical_json(Statement.of(said))
    entry = ReviewerEntry(name=said.reviewer, key=public_key(stage.keys[key]))
    signature = sign(stage.keys[key], APPROVAL, raw, entry, terminal=False)
    assert isinstance(signature, Signature)
    envelope = Envelope(statement=raw.decode(), signature=signature.armored)
    view = stage.ledger.state.proposals[number]
    assert view.run is not None
    assert view.run.evidence is not None
    rules = stage.rules_at(view.run.tip)
    return dict(
        merge_files(
            said.merge,
            [(said, envelope)],
            stage.store.get(view.run.evidence),
            policy_text(rules.policy),
            canonical_json(view.proposal),
        )
    )


@pytest.mark.parametrize("who", ["author", "wrong-fingerprint"])
def test_a_published_approval_by_the_wrong_person_is_found(tmp_path: Path, who: str) -> None:
    """The gate is bypassed: files are put on the branch by hand, the ref is moved by hand."""
    stage = build(tmp_path)
    number, run = stage.waiting(author="ana" if who == "author" else "agent:x")
    decided = stage.approve(number, "bob")
    assert decided.statement is not None
    honest = read_statement(Envelope.model_validate_json(stage.store.get(decided.statement)).statement.encode())
    assert isinstance(honest, Statement)
    mark = fingerprint(public_key(stage.keys["bob" if who == "wrong-fingerprint" else "ana"]))
    said = honest.predicate.model_copy(update={"reviewer": "ana", "key": mark})
    bare = stage.bare(tmp_path / "bare.git")
    rewrite(bare, signed_packet(stage, said, "ana", number))
    git(bare, "update-ref", "refs/heads/main", run.merge or "")
    text = wrong(verify(bare, signers=signers_of(stage)))
    assert {"author": "author", "wrong-fingerprint": "another key"}[who] in text


def test_reviewers_changed_without_their_root_are_found(model: Stage, bare: Path, tmp_path: Path) -> None:
    """Pushed directly, and pushed with a root that only the newcomer signed."""
    entries = [*model.reviewers(), ReviewerEntry(name="mallory", key=public_key(model.keys["mallory"]))]
    text = render_config(("src/pkg",), ("tests",), "main", entries)
    commit = push(bare, {"holdpoint.toml": text.encode()})
    assert "no approval" in wrong(verify(bare, signers=signers_of(model)))
    repo = Repo.open_bare(bare)
    chain = read_roots(repo, sort_files(repo.read_branch(BRANCH)).roots, "refs/heads/main")
    root = RootStatement(
        repository=chain.repository, previous=chain.roots[0].statement.commit, ref="refs/heads/main", commit=commit,
        config=model.rules_at(model.tip()).config_digest, reviewers=tuple(entries), nonce="0" * 32, issued=START,
    )  # fmt: skip
    raw = canonical_json(root.model_copy(update={"config": sha256(text.encode())}))
    signature = sign(model.keys["mallory"], ROOT, raw, entries[-1], terminal=False)
    assert isinstance(signature, Signature)
    rewrite(bare, {f"roots/{commit}/statement.json": raw, f"roots/{commit}/mallory.sig": signature.armored.encode()})
    said = wrong(verify(bare, signers=signers_of(model)))
    assert "0 of 2 signatures" in said
    assert "does not agree" in wrong(verify(bare, signers=signers_lines(entries)))


def test_a_root_that_hands_over_to_the_trusted_ones_is_not_trusted(tmp_path: Path) -> None:
    """Eve's own first root, then a second by her, naming exactly the people in the verifier's file."""
    stage = build(tmp_path, reviewers=("eve",))
    keys = build(tmp_path / "real").keys
    people = [ReviewerEntry(name=name, key=public_key(keys[name])) for name in ("ana", "bob")]
    number, run = stage.waiting()
    stage.approve(number, "eve")
    assert isinstance(stage.desk("eve").merge(number), Landed)
    text = render_config(("src/pkg",), ("tests",), "main", people)
    commit, _ = stage.repo.commit_edits(
        stage.tip(), {"holdpoint.toml": text.encode()}, message="x", author="x", branch=None, at=START
    )
    assert isinstance(stage.repo.land("main", commit, stage.tip()), Moved)
    record_root(stage, "eve", stage.keys["eve"], terminal=False)
    bare = stage.bare(tmp_path / "bare.git")
    assert verify(bare, pinned_root=commit).ok  # in itself it is consistent
    assert "signed the root" in wrong(verify(bare, signers=signers_lines(people)))
    assert run.merge


def test_a_merge_that_brings_its_own_reviewers_is_found(tmp_path: Path) -> None:
    """Two honest approvals of a proposal that adds a reviewer still need the root to be signed."""
    stage = build(tmp_path)
    entries = [*stage.reviewers(), ReviewerEntry(name="mallory", key=public_key(stage.keys["mallory"]))]
    text = render_config(("src/pkg",), ("tests",), "main", entries)
    number, _ = stage.waiting(edits={"holdpoint.toml": text.encode()})
    for who in ("ana", "bob"):  # it changes what judges, so one is not enough
        stage.approve(number, who)
    assert isinstance(stage.desk().merge(number), Landed)
    signers = signers_lines(entries[:2])
    assert "changes the reviewers without a signed root" in wrong(
        verify(stage.bare(tmp_path / "b.git"), signers=signers)
    )
