"""The state that events add up to: a pure fold, O(1) an event; it reads no clock and no database.

It records what happened and voids what a newer event voids. Whether approvals suffice is the gate's question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, assert_never

from pydantic import Field, TypeAdapter

from harness.errors import IntegrityError
from harness.ledger.events import (
    CampaignFinished,
    CampaignStarted,
    CampaignStepped,
    DecisionIntended,
    DecisionMade,
    Event,
    MergeFailed,
    MergeIntended,
    MergeLanded,
    ProposeAccepted,
    ProposeIntended,
    ProposeRefused,
    RunFinished,
    RunIntended,
    SignersChanged,
    TargetInitialised,
)
from harness.ledger.views import Base, Kept, Kind, Lists, Views
from harness.records import Candidate, Decision, Finding, Proposal, ProposalState, Record, VerdictWord

_AFTER_VERDICT: Mapping[VerdictWord, ProposalState] = MappingProxyType(
    {"pass": "waiting", "fail": "failed", "inconclusive": "inconclusive", "error": "error"}
)
_FINAL: frozenset[ProposalState] = frozenset({"merged", "refused"})
_MAY_BE_APPROVED: frozenset[ProposalState] = frozenset({"waiting", "approved", "deferred"})


class ProposalView(NamedTuple):
    """One proposal as the events up to now leave it; `since` is when its state last changed.

    `run` is the last finished run, `running` the tip of one that began after it and has no outcome.
    `approvals` are the decisions that still stand: one a reviewer, for just the tree and evidence of `run`.
    `merge_intent` is a merge that began and has no outcome.
    """

    id: str
    proposal: Proposal
    digest: str
    launcher: str
    state: ProposalState
    since: datetime
    findings: tuple[Finding, ...] = ()
    candidate: Candidate | None = None
    running: str | None = None
    run: RunFinished | None = None
    decisions: tuple[Decision, ...] = ()
    approvals: tuple[Decision, ...] = ()
    merge_intent: MergeIntended | None = None
    merged: str | None = None


class CampaignView(NamedTuple):
    """One campaign: how it started, how far it came, what was accepted last, why it ended."""

    id: str
    started: CampaignStarted
    at: datetime
    generation: int | None = None
    proposed: int = 0
    accepted: str | None = None
    finished: str | None = None


VALUES: Mapping[Kind, TypeAdapter[Any]] = MappingProxyType(
    {
        "proposal": TypeAdapter(ProposalView),
        "campaign": TypeAdapter(CampaignView),
        "child": TypeAdapter(tuple[str, ...]),
        "step": TypeAdapter(tuple[CampaignStepped, ...]),
        "root": TypeAdapter(tuple[SignersChanged, ...]),
    }
)
"""How a snapshot's values are written and read."""


class Rest(Record):
    """What a state holds beside its views and lists, with their counts: small, and written whole into a snapshot."""

    initialised: TargetInitialised | None = None
    tips: dict[str, str] = Field(default_factory=dict)
    highest: int = 0
    merging: tuple[str, ...] = ()
    proposals: int = 0
    campaigns: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What a state holds that its base does not."""

    values: tuple[Kept, ...]
    rest: Rest


class State:
    """What all events so far add up to; it changes in place as events are applied, its views are frozen.

    With a `base` it goes on from a snapshot, and reads from there (while the ledger is open) what is asked for.
    """

    def __init__(self, base: Base | None = None, rest: Rest | None = None) -> None:
        rest = rest or Rest()
        self._proposals: Views[ProposalView] = Views("proposal", VALUES["proposal"], base, rest.proposals)
        self._campaigns: Views[CampaignView] = Views("campaign", VALUES["campaign"], base, rest.campaigns)
        self._children: Lists[str] = Lists("child", VALUES["child"], base)
        self._steps: Lists[CampaignStepped] = Lists("step", VALUES["step"], base)
        self._roots: Lists[SignersChanged] = Lists("root", VALUES["root"], base)
        self._tips = dict(rest.tips)
        self._highest = rest.highest
        self._merging = dict.fromkeys(rest.merging)
        self.initialised: TargetInitialised | None = rest.initialised

    @property
    def proposals(self) -> Mapping[str, ProposalView]:
        """Every proposal, in the order in which they were numbered."""
        return self._proposals

    @property
    def campaigns(self) -> Mapping[str, CampaignView]:
        """Every campaign, in the order in which they started."""
        return self._campaigns

    @property
    def tips(self) -> Mapping[str, str]:
        """For each protected ref, the commit that our last landed merge (or the root) left it at."""
        return MappingProxyType(self._tips)

    @property
    def roots(self) -> Sequence[SignersChanged]:
        """The changes of signers, oldest first."""
        return self._roots.of("")

    @property
    def merging(self) -> Sequence[ProposalView]:
        """The proposals with a merge that began and has no outcome."""
        return tuple(self._proposals[name] for name in self._merging)

    def next_id(self) -> str:
        """The number that the next proposal gets."""
        return f"P{self._highest + 1:05d}"

    def children(self, parent: str) -> Sequence[str]:
        """The proposals whose parent is this one, oldest first."""
        return self._children.of(parent)

    def steps(self, campaign: str) -> Sequence[CampaignStepped]:
        """The complete generations of a campaign, oldest first."""
        return self._steps.of(campaign)

    def changes(self) -> Changes:
        """What was applied since the base, as a snapshot keeps it."""
        parts = (self._proposals, self._campaigns, self._children, self._steps, self._roots)
        rest = Rest(
            initialised=self.initialised,
            tips=self._tips,
            highest=self._highest,
            merging=tuple(self._merging),
            proposals=len(self._proposals),
            campaigns=len(self._campaigns),
        )
        return Changes(tuple(kept for part in parts for kept in part.changes()), rest)

    def rest_on(self, base: Base | None) -> None:
        """From here on the base holds everything that was applied; None: nobody will ask for a list any more."""
        for part in (self._proposals, self._campaigns, self._children, self._steps, self._roots):
            part.rest_on(base)

    def apply(self, event: Event, at: datetime) -> None:
        """Add one event; IntegrityError (and no change) when it speaks of what never began."""
        match event.type:
            case "target.initialised":
                self.initialised = event
                self._tips[event.ref] = event.commit
            case "signers.changed":
                self._roots.add("", event)
            case "bypass.declared":
                pass  # it changes no proposal; the approvals branch and `verify` tell of it
            case "propose.intended":
                self._number(event, at)
            case "campaign.started" | "campaign.stepped" | "campaign.finished":
                self._campaign(event, at)
            case "merge.landed":
                view = self._view(event.id)
                self._change(view, at, _after(event, view))
                self._tips[event.ref] = event.new
            case _:
                view = self._view(event.id)
                self._change(view, at, _after(event, view))

    def _view(self, proposal: str) -> ProposalView:
        try:
            return self._proposals[proposal]
        except KeyError:
            raise IntegrityError(f"the ledger has no proposal {proposal!r}.", "holdpoint verify") from None

    def _change(self, old: ProposalView, at: datetime, change: dict[str, Any]) -> None:
        proposal = old.id
        if change.get("state", old.state) != old.state:
            change["since"] = at
        view = old._replace(**change)
        self._proposals.put(proposal, view)
        if view.merge_intent is not None:
            self._merging[proposal] = None
        else:
            self._merging.pop(proposal, None)

    def _number(self, event: ProposeIntended, at: datetime) -> None:
        if event.id in self._proposals:
            raise IntegrityError(f"the ledger numbers a second proposal {event.id}.", "holdpoint verify")
        view = ProposalView(
            id=event.id,
            proposal=event.proposal,
            digest=event.digest,
            launcher=event.launcher,
            state="proposed",
            since=at,
        )
        self._proposals.put(event.id, view)
        number = event.id.removeprefix("P")
        if number.isascii() and number.isdigit():
            self._highest = max(self._highest, int(number))
        if event.proposal.parent is not None:
            self._children.add(event.proposal.parent, event.id)

    def _campaign(self, event: CampaignStarted | CampaignStepped | CampaignFinished, at: datetime) -> None:
        known = self._campaigns.get(event.campaign)
        if isinstance(event, CampaignStarted):
            if known is not None:
                raise IntegrityError(f"the ledger starts campaign {event.campaign!r} twice.", "holdpoint verify")
            self._campaigns.put(event.campaign, CampaignView(id=event.campaign, started=event, at=at))
            return
        if known is None:
            raise IntegrityError(f"the ledger has no campaign {event.campaign!r}.", "holdpoint verify")
        if isinstance(event, CampaignFinished):
            self._campaigns.put(event.campaign, known._replace(finished=event.why))
            return
        self._steps.add(event.campaign, event)
        view = known._replace(
            generation=event.generation,
            proposed=known.proposed + len(event.proposals),
            accepted=event.accepted or known.accepted,
        )
        self._campaigns.put(event.campaign, view)


_OfProposal = (
    ProposeRefused
    | ProposeAccepted
    | RunIntended
    | RunFinished
    | DecisionIntended
    | DecisionMade
    | MergeIntended
    | MergeLanded
    | MergeFailed
)


def _after(event: _OfProposal, view: ProposalView) -> dict[str, Any]:
    """What the event changes in the view; nothing but a landed merge changes the state of what is final."""
    final = view.state in _FINAL
    match event.type:
        case "propose.refused":
            return {"findings": event.findings} | _state("refused", final)
        case "propose.accepted":
            return {"findings": event.findings, "candidate": event.candidate} | _state("accepted", final)
        case "run.intended":
            # From here on no earlier approval may land anything, whether or not this run ever ends.
            return {"running": event.tip, "approvals": ()} | _state("running", final)
        case "run.finished":
            return {"run": event, "running": None, "approvals": ()} | _state(_AFTER_VERDICT[event.verdict], final)
        case "decision.intended":
            return {}
        case "decision.made":
            return {"decisions": (*view.decisions, event.decision)} | ({} if final else _decided(event.decision, view))
        case "merge.intended":
            return {"merge_intent": event}
        case "merge.landed":
            return {"merge_intent": None, "merged": event.new, "state": "merged"}
        case "merge.failed":
            return {"merge_intent": None}
        case _:
            assert_never(event)


def _state(state: ProposalState, final: bool) -> dict[str, Any]:
    return {} if final else {"state": state}


def _decided(decision: Decision, view: ProposalView) -> dict[str, Any]:
    """The approvals and the state that a decision leaves; a second approval replaces the reviewer's first."""
    others = tuple(given for given in view.approvals if given.reviewer != decision.reviewer)
    match decision.decision:
        case "approve":
            if view.state in _MAY_BE_APPROVED and _binds(decision, view.run):
                return {"approvals": (*others, decision), "state": "approved"}
            return {}
        case "revoke":
            if view.state == "approved" and not others:
                return {"approvals": (), "state": "waiting"}
            return {"approvals": others}
        case "reject":
            return {"approvals": (), "state": "rejected"}
        case "request-changes":
            return {"approvals": (), "state": "changes"}
        case "defer":
            return {"state": "deferred"}
        case _:
            assert_never(decision.decision)


def _binds(decision: Decision, run: RunFinished | None) -> bool:
    """Whether the decision names exactly the tree and the evidence of a run that passed."""
    return (
        run is not None
        and run.verdict == "pass"
        and run.tree is not None
        and run.evidence is not None
        and (decision.tree, decision.evidence) == (run.tree, run.evidence)
    )
