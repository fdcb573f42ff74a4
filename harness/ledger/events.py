"""The closed union of things that happen; each act has an intent event before it and an outcome event after.

Adding a key to an event is a new schema version of the ledger, never a silent change.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from harness.records import Candidate, Decision, Effect, Finding, Proposal, Stored, TestsResult, VerdictWord


class TargetInitialised(Stored):
    """The repository became a target at this commit; `config` is the SHA-256 of holdpoint.toml."""

    type: Literal["target.initialised"] = "target.initialised"
    commit: str
    ref: str
    config: str
    by: str


class SignersChanged(Stored):
    """A new root: holdpoint.toml's reviewers were changed at `commit` (`statement` is the signed root statement)."""

    type: Literal["signers.changed"] = "signers.changed"
    commit: str
    statement: str | None
    by: str


class BypassDeclared(Stored):
    """A reviewer declared that `commit` reached the protected ref without an approval."""

    type: Literal["bypass.declared"] = "bypass.declared"
    commit: str
    statement: str
    by: str


class ProposeIntended(Stored):
    """A proposal was received and numbered; its policy result is not known yet."""

    type: Literal["propose.intended"] = "propose.intended"
    id: str
    proposal: Proposal
    digest: str
    launcher: str


class ProposeRefused(Stored):
    """The policy (or the parser) said no; nothing was committed."""

    type: Literal["propose.refused"] = "propose.refused"
    id: str
    findings: tuple[Finding, ...]


class ProposeAccepted(Stored):
    """The proposal is committed on its branch."""

    type: Literal["propose.accepted"] = "propose.accepted"
    id: str
    candidate: Candidate
    findings: tuple[Finding, ...]


class RunIntended(Stored):
    """A run began on this base tip; without a later outcome it crashed and may be run again."""

    type: Literal["run.intended"] = "run.intended"
    id: str
    tip: str


class RunFinished(Stored):
    """A verdict and the evidence behind it."""

    type: Literal["run.finished"] = "run.finished"
    id: str
    tip: str
    merge: str | None
    tree: str | None
    verdict: VerdictWord
    reasons: tuple[str, ...]
    tests: TestsResult | None
    effects: tuple[Effect, ...]
    evidence: str | None
    policy: str


class DecisionIntended(Stored):
    """A person is about to decide; the signature is not made yet."""

    type: Literal["decision.intended"] = "decision.intended"
    id: str
    decision: str
    reviewer: str


class DecisionMade(Stored):
    """A decision stands from here on."""

    type: Literal["decision.made"] = "decision.made"
    id: str
    decision: Decision


class MergeIntended(Stored):
    """The protected ref is about to move from `old` to `new`."""

    type: Literal["merge.intended"] = "merge.intended"
    id: str
    ref: str
    old: str
    new: str


class MergeLanded(Stored):
    """The protected ref names the approved merge commit."""

    type: Literal["merge.landed"] = "merge.landed"
    id: str
    ref: str
    old: str
    new: str
    statements: tuple[str, ...]


class MergeFailed(Stored):
    """The ref did not move."""

    type: Literal["merge.failed"] = "merge.failed"
    id: str
    ref: str
    why: str


class CampaignStarted(Stored):
    """Many proposals under one budget; `plan` is the SHA-256 of the campaign file."""

    type: Literal["campaign.started"] = "campaign.started"
    campaign: str
    plan: str
    base: str
    seed: int


class CampaignStepped(Stored):
    """One generation is complete; `accepted` is the proposal that the next generation starts from, if it changed."""

    type: Literal["campaign.stepped"] = "campaign.stepped"
    campaign: str
    generation: int
    proposals: tuple[str, ...]
    accepted: str | None


class CampaignFinished(Stored):
    """The budget is spent or the campaign was ended."""

    type: Literal["campaign.finished"] = "campaign.finished"
    campaign: str
    why: str


Event = Annotated[
    TargetInitialised
    | SignersChanged
    | BypassDeclared
    | ProposeIntended
    | ProposeRefused
    | ProposeAccepted
    | RunIntended
    | RunFinished
    | DecisionIntended
    | DecisionMade
    | MergeIntended
    | MergeLanded
    | MergeFailed
    | CampaignStarted
    | CampaignStepped
    | CampaignFinished,
    Field(discriminator="type"),
]
event_adapter: TypeAdapter[Event] = TypeAdapter(Event)
