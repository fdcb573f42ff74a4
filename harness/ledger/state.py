"""The state that events add up to: a pure fold, O(1) an event; it reads no clock and no database.

It records what happened and voids what a newer event voids. Whether approvals suffice is the gate's question.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, assert_never

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
from harness.records import Candidate, Decision, Finding, Proposal, ProposalState, Record, VerdictWord

_AFTER_VERDICT: Mapping[VerdictWord, ProposalState] = MappingProxyType(
    {"pass": "waiting", "fail": "failed", "inconclusive": "inconclusive", "error": "error"}
)
_FINAL: frozenset[ProposalState] = frozenset({"merged", "refused"})
_MAY_BE_APPROVED: frozenset[ProposalState] = frozenset({"waiting", "approved", "deferred"})


class ProposalView(Record):
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


class CampaignView(Record):
    """One campaign: how it started, how far it came, what was accepted last, why it ended."""

    id: str
    started: CampaignStarted
    at: datetime
    generation: int | None = None
    proposed: int = 0
    accepted: str | None = None
    finished: str | None = None


class State:
    """What all events so far add up to; it changes in place as events are applied, its views are frozen."""

    def __init__(self) -> None:
        self._proposals: dict[str, ProposalView] = {}
        self._campaigns: dict[str, CampaignView] = {}
        self._children: defaultdict[str, list[str]] = defaultdict(list)
        self._steps: defaultdict[str, list[CampaignStepped]] = defaultdict(list)
        self._roots: list[SignersChanged] = []
        self._tips: dict[str, str] = {}
        self._highest = 0
        self.initialised: TargetInitialised | None = None

    @property
    def proposals(self) -> Mapping[str, ProposalView]:
        """Every proposal, in the order in which they were numbered."""
        return MappingProxyType(self._proposals)

    @property
    def campaigns(self) -> Mapping[str, CampaignView]:
        """Every campaign, in the order in which they started."""
        return MappingProxyType(self._campaigns)

    @property
    def tips(self) -> Mapping[str, str]:
        """For each protected ref, the commit that our last landed merge (or the root) left it at."""
        return MappingProxyType(self._tips)

    @property
    def roots(self) -> Sequence[SignersChanged]:
        """The changes of signers, oldest first."""
        return tuple(self._roots)

    def next_id(self) -> str:
        """The number that the next proposal gets."""
        return f"P{self._highest + 1:05d}"

    def children(self, parent: str) -> Sequence[str]:
        """The proposals whose parent is this one, oldest first."""
        return tuple(self._children.get(parent, ()))

    def steps(self, campaign: str) -> Sequence[CampaignStepped]:
        """The complete generations of a campaign, oldest first."""
        return tuple(self._steps.get(campaign, ()))

    def apply(self, event: Event, at: datetime) -> None:
        """Add one event; IntegrityError (and no change) when it speaks of what never began."""
        match event:
            case TargetInitialised():
                self.initialised = event
                self._tips[event.ref] = event.commit
            case SignersChanged():
                self._roots.append(event)
            case ProposeIntended():
                self._number(event, at)
            case CampaignStarted() | CampaignStepped() | CampaignFinished():
                self._campaign(event, at)
            case MergeLanded():
                self._change(event.id, at, _after(event, self._view(event.id)))
                self._tips[event.ref] = event.new
            case _:
                self._change(event.id, at, _after(event, self._view(event.id)))

    def _view(self, proposal: str) -> ProposalView:
        try:
            return self._proposals[proposal]
        except KeyError:
            raise IntegrityError(f"the ledger has no proposal {proposal!r}.", "holdpoint verify") from None

    def _change(self, proposal: str, at: datetime, change: dict[str, Any]) -> None:
        old = self._proposals[proposal]
        if change.get("state", old.state) != old.state:
            change["since"] = at
        self._proposals[proposal] = old.model_copy(update=change)

    def _number(self, event: ProposeIntended, at: datetime) -> None:
        if event.id in self._proposals:
            raise IntegrityError(f"the ledger numbers a second proposal {event.id}.", "holdpoint verify")
        self._proposals[event.id] = ProposalView(
            id=event.id,
            proposal=event.proposal,
            digest=event.digest,
            launcher=event.launcher,
            state="proposed",
            since=at,
        )
        number = event.id.removeprefix("P")
        if number.isascii() and number.isdigit():
            self._highest = max(self._highest, int(number))
        if event.proposal.parent is not None:
            self._children[event.proposal.parent].append(event.id)

    def _campaign(self, event: CampaignStarted | CampaignStepped | CampaignFinished, at: datetime) -> None:
        known = self._campaigns.get(event.campaign)
        if isinstance(event, CampaignStarted):
            if known is not None:
                raise IntegrityError(f"the ledger starts campaign {event.campaign!r} twice.", "holdpoint verify")
            self._campaigns[event.campaign] = CampaignView(id=event.campaign, started=event, at=at)
            return
        if known is None:
            raise IntegrityError(f"the ledger has no campaign {event.campaign!r}.", "holdpoint verify")
        if isinstance(event, CampaignFinished):
            self._campaigns[event.campaign] = known.model_copy(update={"finished": event.why})
            return
        self._steps[event.campaign].append(event)
        self._campaigns[event.campaign] = known.model_copy(
            update={
                "generation": event.generation,
                "proposed": known.proposed + len(event.proposals),
                "accepted": event.accepted or known.accepted,
            }
        )


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
    match event:
        case ProposeRefused():
            return {"findings": event.findings} | _state("refused", final)
        case ProposeAccepted():
            return {"findings": event.findings, "candidate": event.candidate} | _state("accepted", final)
        case RunIntended():
            # From here on no earlier approval may land anything, whether or not this run ever ends.
            return {"running": event.tip, "approvals": ()} | _state("running", final)
        case RunFinished():
            return {"run": event, "running": None, "approvals": ()} | _state(_AFTER_VERDICT[event.verdict], final)
        case DecisionIntended():
            return {}
        case DecisionMade():
            return {"decisions": (*view.decisions, event.decision)} | ({} if final else _decided(event.decision, view))
        case MergeIntended():
            return {"merge_intent": event}
        case MergeLanded():
            return {"merge_intent": None, "merged": event.new, "state": "merged"}
        case MergeFailed():
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
