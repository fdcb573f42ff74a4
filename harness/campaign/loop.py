"""The campaign loop: ask, judge, test and measure a generation, keep the best as the next parent; lands nothing.

A generation's proposals share one parent and are settled before the best is chosen, so that the same seed gives the
same accepted edits however many workers there are. The proposing agent is always the base's own: a modified agent is
measured and never asked to propose before a person approved it.

Each comparison of noisy metrics claims its gain at the level that e-LOND gives it when it starts, so that of all that
passes in the campaign few gains are false. What has been spent is counted from the ledger, a broken generation's
comparisons included.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from harness.agent.boxed import BoxedAgent, Lost, Nothing, Offer, Request
from harness.campaign.levels import compared, spent
from harness.campaign.plan import Plan
from harness.container import Limits, profile_for
from harness.errors import EnvironmentFault, UsageError
from harness.ledger import ProposalView
from harness.ledger.events import CampaignFinished, CampaignStarted, CampaignStepped
from harness.patch import from_overlay
from harness.pipeline import Draft, propose, run_many
from harness.records import canonical_json, sha256
from harness.stats.campaign import ELond
from harness.target import AgentSection, TargetConfig
from harness.trial.lab import Lab
from harness.workspace import Workspace

ATTEMPTS = 12  # asks for one slot before it stays empty: repeats of known texts are not paid for


@dataclass(frozen=True)
class Progress:
    """What a person watching wants to know after each proposal."""

    campaign: str
    generation: int
    proposals: int
    view: ProposalView
    best: str | None


@dataclass
class Campaign:
    """One campaign under way on an open workspace."""

    work: Workspace
    lab: Lab
    plan: Plan
    launcher: str
    watch: Callable[[Progress], None]
    name: str = ""
    best: str | None = None
    made: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    budget: ELond = field(init=False)

    def __post_init__(self) -> None:
        self.budget = self.plan.budget()

    @property
    def author(self) -> str:
        """Who this campaign's proposals are by."""
        return f"agent:{self.plan.name}"

    def run(self) -> str:
        """Spends the budget; gives the campaign's id. What is in the ledger when it dies is kept, and resumed."""
        work = self.work
        base = work.tip()
        config = work.rules_at(base).config
        if config.agent is None:
            raise UsageError("This target names no agent to propose.", "add [agent] module = … to holdpoint.toml")
        generation = self._begin(base)
        deadline = None if self.plan.minutes is None else time.monotonic() + self.plan.minutes * 60
        why = "the budget is spent"  # also when it was killed between its last step and this word
        with self._agent(base, config, config.agent) as agent, self.lab.hands(self.plan.workers) as pool:
            self._answer(agent, pool)
            while len(self.made) < self.plan.proposals and (deadline is None or time.monotonic() < deadline):
                before = len(self.made)
                self._generation(generation, agent, pool)
                generation += 1
                if len(self.made) == before:
                    why = "the agent has no new proposals"
                    break
        work.ledger.append(CampaignFinished(campaign=self.name, why=why), work.clock())
        return self.name

    def _agent(self, base: str, config: TargetConfig, section: AgentSection) -> BoxedAgent:
        """The base's own agent in a container of its own."""
        sandbox = config.sandbox
        limits = Limits(memory=sandbox.memory, cpus=sandbox.cpus, pids=sandbox.pids)
        profile = profile_for(limits, sandbox.runtime, self.lab.engine.info.arch)
        files = self.lab.read(base, section.ships)
        room = self.lab.room(base, config)
        return BoxedAgent(self.lab.engine, room.image, section.module, files, profile, self.lab.run_id)

    def _begin(self, base: str) -> int:
        """Starts, or picks up the unfinished campaign of the same plan on the same base; gives the generation."""
        plan = self.work.store.put(canonical_json(self.plan))
        state = self.work.ledger.state
        for view in state.campaigns.values():
            if view.started.plan == plan and view.started.base == base and view.finished is None:
                self.name, self.best = view.id, view.accepted
                self.made = [name for step in state.steps(view.id) for name in step.proposals]
                self._remember()
                self.budget = spent(self.budget, compared(state.proposals.values(), view, self.plan))
                return (view.generation or 0) + 1
        self.name = f"{self.plan.name}-{len(state.campaigns) + 1}"
        self.work.ledger.append(
            CampaignStarted(campaign=self.name, plan=plan, base=base, seed=self.plan.seed), self.work.clock()
        )
        return 1

    def _remember(self) -> None:
        for name in self.made:
            candidate = self.work.view(name).candidate
            if candidate is not None:
                self.seen.add(_fingerprint(self._texts(candidate.commit)))

    def _generation(self, number: int, agent: BoxedAgent, pool: ThreadPoolExecutor) -> None:
        """Proposes, settles and chooses; one step in the ledger says that it is complete."""
        names: list[str] = []
        passed: list[ProposalView] = []

        def accepted_ones() -> Iterator[str]:
            for view in self._proposals(number, agent):
                names.append(view.id)
                if view.candidate is None:
                    self._show(number, view)
                else:
                    yield view.id

        for settled in run_many(self.work, self.lab, accepted_ones(), pool, level=self._level):
            view = self.work.view(settled.event.id)
            self.budget = spent(self.budget, () if settled.cached else (settled.event,))
            if view.state == "waiting":
                passed.append(view)
            self._show(number, view)
        self.made += names
        accepted = max(passed, key=_worth).id if passed else None
        self.best = accepted or self.best
        step = CampaignStepped(campaign=self.name, generation=number, proposals=tuple(names), accepted=accepted)
        self.work.ledger.append(step, self.work.clock())

    def _level(self, _view: ProposalView) -> float:
        return self.budget.level()

    def _proposals(self, generation: int, agent: BoxedAgent) -> Iterator[ProposalView]:
        """This generation's new proposals, each text asked for at most once in the campaign."""
        parent = self.work.view(self.best) if self.best else None
        commit = parent.candidate.commit if parent and parent.candidate else self.work.tip()
        texts = self._texts(commit)
        self.seen.add(_fingerprint(texts))
        room = min(self.plan.generation, self.plan.proposals - len(self.made))
        for slot in range(room):
            offer = self._offer(agent, generation, slot, texts)
            if offer is not None:
                yield self._proposed(offer, commit, parent.id if parent else None, claims_gain=True)

    def _proposed(self, offer: Offer, base: str, parent: str | None, *, claims_gain: bool) -> ProposalView:
        patch = from_overlay(
            {edit.path: edit.content.encode("utf-8", "surrogatepass") for edit in offer.edits},
            (),
            lambda path: self.work.repo.read(base, path),
        )
        return propose(
            self.work,
            Draft(
                title=offer.title,
                rationale=offer.rationale,
                author=self.author,
                launcher=self.launcher,
                base=base,
                parent=parent,
                claims_gain=claims_gain,
                patch=patch,
            ),
        )

    def _revisions(self, agent: BoxedAgent, made: list[str]) -> Iterator[ProposalView]:
        """An answer to each request for changes to a proposal of this agent's that has none yet.

        It claims no gain, only that it is no worse; what it grows into is judged with its parent's change in it.
        """
        state = self.work.ledger.state
        for view in tuple(state.proposals.values()):
            if view.state != "changes" or view.candidate is None or view.proposal.author != self.author:
                continue
            if len(self.made) + len(made) >= self.plan.proposals or state.children(view.id):
                continue
            said = next(one for one in reversed(view.decisions) if one.decision == "request-changes")
            request = Request(proposal=view.id, reason=said.reason, comments=said.comments)
            offer = self._offer(agent, 0, int(view.id[1:]), self._texts(view.candidate.commit), request)
            if offer is not None:
                yield self._proposed(offer, view.candidate.commit, view.id, claims_gain=False)

    def _answer(self, agent: BoxedAgent, pool: ThreadPoolExecutor) -> None:
        """Requests for changes come first; their answers wait for a person and are no parent of a generation."""
        names: list[str] = []

        def accepted_ones() -> Iterator[str]:
            for view in self._revisions(agent, names):
                names.append(view.id)
                if view.candidate is None:
                    self._show(0, view)
                else:
                    yield view.id

        for settled in run_many(self.work, self.lab, accepted_ones(), pool, level=self._level):
            self._show(0, self.work.view(settled.event.id))
        if names:
            self.made += names
            step = CampaignStepped(campaign=self.name, generation=0, proposals=tuple(names), accepted=None)
            self.work.ledger.append(step, self.work.clock())

    def _offer(
        self, agent: BoxedAgent, generation: int, slot: int, texts: dict[str, str], request: Request | None = None
    ) -> Offer | None:
        for attempt in range(ATTEMPTS):
            seed = int.from_bytes(
                hashlib.blake2b(f"{self.plan.seed}\0{generation}\0{slot}\0{attempt}".encode(), digest_size=6).digest()
            )
            match agent.propose(seed, texts, request):
                case Offer() as offer:
                    mark = _fingerprint(texts | {edit.path: edit.content for edit in offer.edits})
                    if mark not in self.seen:
                        self.seen.add(mark)
                        return offer
                case Nothing():
                    continue
                case Lost(why=why):
                    raise EnvironmentFault(f"the proposing agent is lost: {why}.", "see to the agent, then run again")
        return None

    def _texts(self, commit: str) -> dict[str, str]:
        """The editable scope at the commit, as text."""
        scope = self.work.rules_at(self.work.tip()).config.target.source
        return {
            path: data.decode("utf-8", "replace") for path, data in self.work.repo.read_matching(commit, scope).items()
        }

    def _show(self, generation: int, view: ProposalView) -> None:
        self.watch(Progress(self.name, generation, len(self.made), view, self.best))


def _fingerprint(texts: dict[str, str]) -> str:
    return sha256("\0".join(f"{path}\0{texts[path]}" for path in sorted(texts)).encode("utf-8", "surrogatepass"))


def _worth(view: ProposalView) -> tuple[float, ...]:
    """Objective effects in their order of importance; the earlier proposal wins a tie."""
    assert view.run is not None
    return (
        *(effect.estimate for effect in view.run.effects if effect.role == "objective"),
        -float(view.id[1:]),
    )
