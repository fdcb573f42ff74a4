"""What the gate needs of an opened target, as structure: the workspace above it fits, and is not imported."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from harness.evidence import EvidenceStore
from harness.ledger import Ledger
from harness.policy import Policy
from harness.repo import Repo
from harness.target import StateDir, TargetConfig


class Rules(Protocol):
    """Configuration and policy as they stand at one commit."""

    @property
    def config(self) -> TargetConfig: ...
    @property
    def config_digest(self) -> str: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def policy_digest(self) -> str: ...


class Work(Protocol):
    """One target: repository, state, ledger, evidence, time."""

    @property
    def repo(self) -> Repo: ...
    @property
    def state(self) -> StateDir: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def store(self) -> EvidenceStore: ...
    @property
    def clock(self) -> Callable[[], datetime]: ...
    def rules_at(self, commit: str) -> Rules:
        """Configuration and policy at a commit, read from the repository."""
        ...
