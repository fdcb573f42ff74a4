"""A target with a ledger, two reviewers with real keys and proposals that were "run": the gate's stage, without engine.

The evidence is built here as the pipeline builds it; what it says about tests is made up, its digests are true.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.evidence import EvidenceStore
from harness.gate.desk import Desk
from harness.gate.root import record_root
from harness.gate.signing import generate_key, public_key
from harness.ledger import Ledger
from harness.ledger.events import ProposeAccepted, ProposeIntended, RunFinished, RunIntended, TargetInitialised
from harness.policy import Policy, load_policy
from harness.records import (
    Candidate,
    ContainerState,
    Decided,
    Evidence,
    Finding,
    Landed,
    Proposal,
    TestsResult,
    TrialRecord,
    VerdictWord,
    canonical_json,
    sha256,
)
from harness.repo import Merged, Moved, Repo
from harness.target import ReviewerEntry, StateDir, TargetConfig, parse_config, render_config

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REASON = "The loop bound was wrong and the new one matches the specification."


def git(where: Path, *args: str, check: bool = True, stdin: str | None = None) -> str:
    """Plain git, free of this machine's configuration."""
    base = {"HOME": str(where), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    name = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    ran = subprocess.run(
        ["git", *args], cwd=where, env=base | name, capture_output=True, text=True, check=False, input=stdin
    )
    assert ran.returncode == 0 or not check, ran.stderr
    return ran.stdout.strip()


@dataclass(frozen=True)
class Rules:
    """What the workspace reads at a commit."""

    config: TargetConfig
    config_digest: str
    policy: Policy
    policy_digest: str


class Clock:
    """Time that moves a second each time it is asked, so that order is visible."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@dataclass
class Stage:
    """One target on stage; fits harness.gate.ports.Work."""

    repo: Repo
    state: StateDir
    ledger: Ledger
    store: EvidenceStore
    keys: Mapping[str, Path]
    clock: Callable[[], datetime] = field(default_factory=Clock)

    @property
    def root(self) -> Path:
        assert self.repo.root is not None
        return self.repo.root

    def rules_at(self, commit: str) -> Rules:
        raw = self.repo.read(commit, "holdpoint.toml")
        assert raw is not None
        config = parse_config(raw.decode())
        policy, digest = load_policy(config.policy.use, lambda path: self.repo.read(commit, path))
        return Rules(config, sha256(raw), policy, digest)

    def tip(self) -> str:
        found = self.repo.tip("main")
        assert found is not None
        return found

    def desk(self, who: str = "ana", *, key: str | None = None, terminal: bool = True) -> Desk:
        return Desk(self, who, self.keys[key or who], terminal)

    def propose(
        self,
        edits: Mapping[str, bytes | None] | None = None,
        *,
        author: str = "agent:tinker",
        launcher: str = "ci",
        findings: tuple[Finding, ...] = (),
        base: str | None = None,
        parent: str | None = None,
    ) -> str:
        """A proposal that is committed on its branch."""
        number = self.ledger.state.next_id()
        content = edits or {"src/pkg/a.py": f"value = {number!r}\n".encode()}
        base = base or self.tip()
        proposal = Proposal(
            title=f"Change {number}", rationale="because", author=author, base=base, parent=parent,
            patch_digest=sha256(repr(sorted(content)).encode()), created=self.clock(),
        )  # fmt: skip
        digest = sha256(canonical_json(proposal))
        self.ledger.append(
            ProposeIntended(id=number, proposal=proposal, digest=digest, launcher=launcher), self.clock()
        )
        commit, tree = self.repo.commit_edits(
            base, content, message=number, author=author, branch=f"holdpoint/{number}", at=self.clock()
        )
        candidate = Candidate(proposal=number, base=base, commit=commit, tree=tree, branch=f"holdpoint/{number}")
        self.ledger.append(ProposeAccepted(id=number, candidate=candidate, findings=findings), self.clock())
        return number

    def run(self, number: str, verdict: VerdictWord = "pass") -> RunFinished:
        """A run of it on the tip, with evidence whose digests are true."""
        view = self.ledger.state.proposals[number]
        assert view.candidate is not None
        tip = self.tip()
        self.ledger.append(RunIntended(id=number, tip=tip), self.clock())
        made = self.repo.merge(tip, view.candidate.commit, message=f"{number}", at=view.proposal.created)
        assert isinstance(made, Merged)
        rules = self.rules_at(tip)
        state = ContainerState(exit_code=0, oom_killed=False, timed_out=False, output_capped=False, seconds=0.4)
        log = self.store.put(b"2 passed\n")
        trial = TrialRecord(
            arm="candidate", purpose="tests", image=sha256(b"image"), profile=sha256(b"profile"),
            argv=("python",), state=state, stdout=log, stderr=log,
        )  # fmt: skip
        tests = TestsResult(expected=2, passed=2)
        evidence = Evidence(
            proposal=number, proposal_digest=view.digest, base=tip, commit=view.candidate.commit, merge=made.commit,
            tree=made.tree, manifest=self.repo.manifest_digest(made.tree),
            diff=self.store.put(self.repo.diff(tip, made.commit)), policy=rules.policy_digest,
            config=rules.config_digest, image=sha256(b"image"), profile=sha256(b"profile"), findings=view.findings,
            tests=tests, effects=(), alarms=(), trials=(trial,), verdict=verdict, reasons=("all tests pass",),
            finished=self.clock(),
        )  # fmt: skip
        event = RunFinished(
            id=number, tip=tip, merge=made.commit, tree=made.tree, verdict=verdict, reasons=("all tests pass",),
            tests=tests, effects=(), evidence=self.store.put_evidence(evidence), policy=rules.policy_digest,
        )  # fmt: skip
        self.ledger.append(event, self.clock())
        return event

    def waiting(self, **how: object) -> tuple[str, RunFinished]:
        """A proposal that passed and waits."""
        number = self.propose(**how)  # type: ignore[arg-type]
        return number, self.run(number)

    def approve(self, number: str, who: str = "ana", reason: str | None = None) -> Decided:
        run = self.ledger.state.proposals[number].run
        assert run is not None
        assert run.tree is not None
        outcome = self.desk(who).approve(number, run.tree[:8], reason or f"{number}{who}: {_unlike(number)} {REASON}")
        assert isinstance(outcome, Decided), outcome
        return outcome

    def landed(self, **how: object) -> str:
        """A proposal taken all the way; returns the merge commit."""
        number, _ = self.waiting(**how)
        self.approve(number)
        outcome = self.desk().merge(number)
        assert isinstance(outcome, Landed), outcome
        return outcome.merge

    def reviewers(self) -> tuple[ReviewerEntry, ...]:
        return self.rules_at(self.tip()).config.reviewers

    def bare(self, where: Path) -> Path:
        """A fresh plain bare clone, by git itself."""
        if where.exists():
            shutil.rmtree(where)
        git(self.root.parent, "clone", "-q", "--bare", str(self.root), str(where))
        return where

    def reopened(self) -> "Stage":
        """The same target as a new process would open it."""
        return Stage(
            Repo.find(self.root),
            self.state,
            Ledger.open(self.state.ledger),
            EvidenceStore(self.state.evidence),
            self.keys,
        )


def _unlike(number: str) -> str:
    """Words that differ from proposal to proposal, since a repeated reason is refused."""
    return " ".join(sha256(f"{number}{part}".encode())[7:40] for part in range(4))


_BUILT: dict[tuple[str, tuple[str, ...], bool], Path] = {}


def build(
    folder: Path, *, policy: str = "default", reviewers: tuple[str, ...] = ("ana", "bob"), root: bool = True
) -> Stage:
    """A new target in the folder; `root`: ana has signed its root. Made once a process, then copied."""
    model = _BUILT.get((policy, reviewers, root))
    if model is None:
        model = Path(tempfile.mkdtemp(prefix="holdpoint-stage-"))
        atexit.register(shutil.rmtree, model, ignore_errors=True)
        _build(model, policy, reviewers, root).ledger.close()
        _BUILT[policy, reviewers, root] = model
    shutil.copytree(model, folder, dirs_exist_ok=True, symlinks=True)
    repo = Repo.find(folder / "target")
    state = StateDir(repo.common_dir)
    keys = {name: folder / "keys" / name for name in (*reviewers, "mallory")}
    return Stage(repo, state, Ledger.open(state.ledger), EvidenceStore(state.evidence), keys)


def _build(folder: Path, policy: str, reviewers: tuple[str, ...], root: bool) -> Stage:
    keys = {}
    for name in (*reviewers, "mallory"):
        generate_key(folder / "keys" / name)
        keys[name] = folder / "keys" / name
    entries = [ReviewerEntry(name=name, key=public_key(keys[name])) for name in reviewers]
    text = render_config(("src/pkg",), ("tests",), "main", entries)
    text = text.replace('use = "default"', f'use = "{policy}"')
    assert parse_config(text).policy.use == policy
    repo = Repo.init(folder / "target")
    files: dict[str, bytes | None] = {
        "holdpoint.toml": text.encode(), "src/pkg/__init__.py": b"", "src/pkg/a.py": b"value = 0\n",
        "src/pkg/b.py": b"other = 0\n", "tests/test_a.py": b"def test_a(): pass\n",
    }  # fmt: skip
    first, _ = repo.commit_edits(None, files, message="start", author="ana", branch=None, at=START)
    assert isinstance(repo.land("main", first, None), Moved)
    state = StateDir(repo.common_dir)
    state.create()
    ledger = Ledger.open(state.ledger, create=True)
    ledger.append(TargetInitialised(commit=first, ref="main", config=sha256(text.encode()), by="ana"), START)
    stage = Stage(repo, state, ledger, EvidenceStore(state.evidence), keys)
    if root:
        record_root(stage, reviewers[0], keys[reviewers[0]], terminal=False)
    return stage
