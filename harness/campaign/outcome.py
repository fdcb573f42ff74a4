"""A campaign's report from ledger and evidence: effects, the levels they were tried at, what luck would have given."""

from collections.abc import Iterator

from harness.campaign.levels import plan_of
from harness.errors import UsageError
from harness.ledger import ProposalView
from harness.report import CampaignReport, Comparison
from harness.stats.campaign import expected_by_luck
from harness.workspace import Workspace


def campaign_report(work: Workspace, name: str) -> CampaignReport:
    """The report of a campaign, also of an unfinished one; UsageError names the campaigns that there are."""
    state = work.ledger.state
    if name not in state.campaigns:
        raise UsageError(f"There is no campaign {name!r}.", f"there are: {', '.join(state.campaigns) or 'none'}")
    campaign = state.campaigns[name]
    plan = plan_of(work, campaign)
    views = [state.proposals[proposal] for step in state.steps(name) for proposal in step.proposals]
    effects = tuple(one for view in views for one in _comparisons(work, view))
    claims = [one for one in effects if one.effect.alpha is not None]
    wins = {one.proposal for one in claims if one.effect.outcome == "win" and one.verdict == "pass"}
    return CampaignReport(
        campaign=name,
        state="finished" if campaign.finished else "running",
        proposals=len(views),
        passed=sum(view.run is not None and view.run.verdict == "pass" for view in views),
        alpha=plan.alpha,
        gamma=plan.gamma,
        comparisons=len({one.proposal for one in claims}),
        wins=len(wins),
        expected_by_luck=expected_by_luck(tuple(one.effect.alpha or 0.0 for one in claims)),
        false_at_most=plan.alpha * len(wins),
        effects=effects,
    )


def _comparisons(work: Workspace, view: ProposalView) -> Iterator[Comparison]:
    run = view.run
    if run is None or run.evidence is None:
        return
    for effect in work.store.evidence(run.evidence).effects:
        if effect.role == "objective":
            yield Comparison(proposal=view.id, title=view.proposal.title, verdict=run.verdict, effect=effect)
