"""One target opened for work: repository, state, ledger, evidence and the rules that hold at a commit; runs nothing."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UsageError
from harness.evidence import EvidenceStore
from harness.ledger import Ledger, ProposalView
from harness.limited import Limited
from harness.policy import Policy, imported_names, load_policy, open_inspector
from harness.records import sha256
from harness.repo import Repo
from harness.target import StateDir, TargetConfig, parse_config

CONFIG = "holdpoint.toml"


@dataclass(frozen=True)
class Rules:
    """What people own, as it stands at one commit: configuration and policy, with their digests."""

    commit: str
    config: TargetConfig
    config_digest: str
    policy: Policy
    policy_digest: str


@dataclass
class Workspace:
    """The open parts of one target; close it when done."""

    repo: Repo
    state: StateDir
    ledger: Ledger
    store: EvidenceStore
    clock: Callable[[], dt.datetime]
    _inspector: Limited | None = None
    _rules: dict[str, Rules] = field(default_factory=dict)
    _imports: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, clock: Callable[[], dt.datetime]) -> "Workspace":
        """The target at the path; UsageError with the next step when it is none."""
        repo = Repo.find(path)
        state = StateDir(repo.common_dir)
        if not state.exists():
            raise UsageError(f"{repo.common_dir.parent} is not a Holdpoint target yet.", "holdpoint init")
        return cls(
            repo,
            state,
            Ledger.open(state.ledger),
            EvidenceStore(state.evidence),
            clock,
        )

    def close(self) -> None:
        """Ends the parsing child and releases the database."""
        if self._inspector is not None:
            self._inspector.close()
        self.ledger.close()

    def scratch_places(self) -> tuple[Path, ...]:
        """The folders in which work on this target makes temporary files."""
        return (self.state.evidence, self.state.root / "cache", self.repo.git_dir, self.repo.common_dir)

    @property
    def inspector(self) -> Limited:
        """The bounded child that parses; started when something is to be parsed."""
        if self._inspector is None:
            self._inspector = open_inspector()
        return self._inspector

    def rules_at(self, commit: str) -> Rules:
        """Configuration and policy at the commit; they never come from anywhere else."""
        if commit not in self._rules:
            self._rules[commit] = read_rules(self.repo, commit)
        return self._rules[commit]

    def imports_at(self, commit: str) -> frozenset[str]:
        """What the source at the commit imports already: that is no news in a proposal."""
        if commit not in self._imports:
            source = self.rules_at(commit).config.target.source
            python = {p: data for p, data in self.repo.read_matching(commit, source).items() if p.endswith(".py")}
            self._imports[commit] = imported_names(python, self.inspector)
        return self._imports[commit]

    def tip(self) -> str:
        """The commit that the protected ref names now."""
        return self.repo.resolve(f"refs/heads/{self.protected_ref()}")

    def protected_ref(self) -> str:
        """The protected ref's short name, as the target's initialisation recorded it."""
        begun = self.ledger.state.initialised
        if begun is None:
            raise UsageError("This target's initialisation did not finish.", "holdpoint init")
        return begun.ref.removeprefix("refs/heads/")

    def view(self, proposal: str) -> ProposalView:
        """The proposal as the ledger has it; UsageError names what there is."""
        known = self.ledger.state.proposals
        found = known.get(proposal.upper())
        if found is None:
            last = next(reversed(list(known)), None)
            hint = f"this ledger has P00001 to {last}" if last else "this ledger has no proposals yet"
            raise UsageError(f"There is no proposal {proposal!r}; {hint}.", "holdpoint queue, or holdpoint status")
        return found


def read_rules(repo: Repo, commit: str) -> Rules:
    """Configuration and policy at a commit, without a workspace (for `init` and `verify`)."""
    raw = repo.read(commit, CONFIG)
    if raw is None:
        raise UsageError(f"Commit {commit[:12]} has no {CONFIG}.", "holdpoint init, on the protected branch")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{CONFIG} at {commit[:12]} is not UTF-8.", "write it as UTF-8") from None
    config = parse_config(text, f"{CONFIG} at {commit[:12]}")
    policy, digest = load_policy(config.policy.use, lambda path: repo.read(commit, path))
    return Rules(commit, config, sha256(raw), policy, digest)
