"""The frozen nouns that every part shares; no behaviour beyond naming, canonical bytes and digests.

Vocabulary as in README.md: Proposal, Patch, Finding, Candidate, Trial, Effect, Verdict, Evidence, Decision.
"""

from harness.records.decision import (
    Decided,
    Decision,
    DecisionOutcome,
    DecisionWord,
    Landed,
    LineComment,
    MergeOutcome,
    NotDecided,
    NotLanded,
    RejectCategory,
    Reviewed,
)
from harness.records.evidence import (
    Alarm,
    Arm,
    ArtifactEntry,
    BehaviourDifference,
    ContainerState,
    Effect,
    EffectOutcome,
    Evidence,
    Replayed,
    TestsResult,
    TrialRecord,
    VerdictWord,
)
from harness.records.frozen import Record, Stored, canonical_json, sha256
from harness.records.proposal import Candidate, FileEdit, Finding, Patch, Proposal, ProposalState, Severity
from harness.records.removal import Removal, RemovedKind
from harness.records.semantic import CapabilityChange, CapabilityKind, ChangeKind, Semantic, SemanticChange
from harness.records.sheet import QueueRow, ReviewSheet, Revision

__all__ = [
    "Alarm",
    "Arm",
    "ArtifactEntry",
    "BehaviourDifference",
    "Candidate",
    "CapabilityChange",
    "CapabilityKind",
    "ChangeKind",
    "ContainerState",
    "Decided",
    "Decision",
    "DecisionOutcome",
    "DecisionWord",
    "Effect",
    "EffectOutcome",
    "Evidence",
    "FileEdit",
    "Finding",
    "Landed",
    "LineComment",
    "MergeOutcome",
    "NotDecided",
    "NotLanded",
    "Patch",
    "Proposal",
    "ProposalState",
    "QueueRow",
    "Record",
    "RejectCategory",
    "Removal",
    "RemovedKind",
    "Replayed",
    "ReviewSheet",
    "Reviewed",
    "Revision",
    "Semantic",
    "SemanticChange",
    "Severity",
    "Stored",
    "TestsResult",
    "TrialRecord",
    "VerdictWord",
    "canonical_json",
    "sha256",
]
