"""At which level a campaign's comparison may claim a gain, told from the ledger alone; it runs nothing."""

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from harness.campaign.plan import Plan
from harness.errors import IntegrityError
from harness.ledger import CampaignView, ProposalView
from harness.ledger.events import RunFinished
from harness.pipeline import LEVEL
from harness.stats.campaign import ELond
from harness.workspace import Workspace


def level_of(work: Workspace, view: ProposalView) -> float:
    """The level of a proposal that is run outside of its campaign's loop: the campaign's, if it came from one."""
    state = work.ledger.state
    for campaign in reversed(tuple(state.campaigns.values())):
        plan = plan_of(work, campaign)
        if belongs(view, campaign, plan):
            return spent(plan.budget(), compared(state.proposals.values(), campaign, plan)).level()
    return LEVEL


def plan_of(work: Workspace, campaign: CampaignView) -> Plan:
    """The plan that the campaign started with; one without a name of any agent where none was kept."""
    if work.store.peek(campaign.started.plan) is None:
        return Plan(name="unknown")
    try:
        return Plan.model_validate_json(work.store.get(campaign.started.plan))
    except ValidationError as error:
        raise IntegrityError(f"the plan of {campaign.id} is none.", "restore the state directory") from error


def belongs(view: ProposalView, campaign: CampaignView, plan: Plan) -> bool:
    """Whether the campaign's agent has proposed this since it started."""
    return view.proposal.author == f"agent:{plan.name}" and view.proposal.created >= campaign.at


def compared(proposals: Iterable[ProposalView], campaign: CampaignView, plan: Plan) -> Iterator[RunFinished]:
    """The last runs of the campaign's proposals, those of a broken generation included."""
    for view in proposals:
        if view.run is not None and belongs(view, campaign, plan):
            yield view.run


def spent(budget: ELond, runs: Iterable[RunFinished]) -> ELond:
    """The budget after these runs; one without a noisy objective has cost nothing, and only what passes has won."""
    for run in runs:
        claims = [effect for effect in run.effects if effect.alpha is not None]
        if claims:
            won = run.verdict == "pass" and any(effect.outcome == "win" for effect in claims)
            budget = budget.after(won)
    return budget
