"""Levels and pairs from run to run, on a real repository and ledger; only the measured machine is simulated."""

import datetime as dt
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.campaign.levels import compared, level_of, spent
from harness.campaign.outcome import campaign_report
from harness.campaign.plan import Plan, parse_plan
from harness.errors import UsageError
from harness.ledger import ProposalView
from harness.ledger.events import CampaignStarted, CampaignStepped, RunFinished
from harness.patch import from_overlay
from harness.pipeline import Draft, Settled, propose, run_many
from harness.records import Arm, TestsResult, canonical_json, sha256
from harness.stats.campaign import ELond
from harness.tidy import reachable
from harness.trial.noisy import Conditions, compare_noisy
from harness.trial.question import Examined, Question
from harness.trial.script import Rows
from harness.workspace import Workspace

CONFIG = (
    '[target]\nsource = ["src/calc"]\ntests = ["tests"]\n[[metric]]\nname = "t"\nkind = "time"\n'
    'direction = "lower"\nrun = "bench/bench.py"\npairs = 9\n'
)
FILES = {
    "src/calc/__init__.py": "COST = 1.0\n",
    "tests/test_calc.py": "",
    "bench/bench.py": "",
    "holdpoint.toml": CONFIG,
}


class SimulatedLab:
    """Measures what the candidate's source says it costs, with noise; everything but the container is the product's."""

    def __init__(self, work: Workspace) -> None:
        self.work, self.chance, self.questions, self.measured = work, random.Random(1), list[Question](), 0

    def examine(self, question: Question) -> Examined:
        self.questions.append(question)

        def run(arm: Arm, _: int) -> Rows:
            self.measured += 1
            commit = (question.parent or question.base) if arm == "baseline" else question.merge
            source = (self.work.repo.read(commit, "src/calc/__init__.py") or b"").decode()
            cost = float(source.split("=")[1].split()[0]) * self.chance.lognormvariate(0, 0.02)
            return Rows(values={"t": {"all": {"": cost}}})

        conditions = Conditions(question.level, b"secret", question.earlier, question.attempt, question.claims_gain)
        series = compare_noisy(question.config.metrics, run, conditions)
        return Examined(
            tests=TestsResult(expected=1, passed=1),
            effects=tuple(series.effects),
            blobs=tuple(series.blobs),
            differences={name: tuple(d) for name, d in series.differences.items()},
            coins=(series.coins,),
        )


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("continued")
    root = folder / "target"
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.invalid")
    subprocess.run(["git", "-C", str(root), "add", "."], check=True)
    subprocess.run(["git", "-C", str(root), *who, "commit", "-q", "-m", "start"], check=True)
    command = [sys.executable, "-m", "harness.cli", "--repo", str(root), "init", "--reviewer", "ana"]
    subprocess.run([*command, "--generate-key", str(folder / "key")], check=True, capture_output=True)
    opened = Workspace.open(root, lambda: dt.datetime.now(dt.UTC))
    yield opened
    opened.close()


def proposed(work: Workspace, cost: float, note: str = "", author: str = "someone", parent: str | None = None) -> str:
    base = work.view(parent).candidate.commit if parent else work.tip()  # type: ignore[union-attr]
    text = f"COST = {cost}\n# {note}\n".encode()
    patch = from_overlay({"src/calc/__init__.py": text}, (), lambda path: work.repo.read(base, path))
    draft = Draft(
        title=f"cost {cost}", rationale="", author=author, launcher="x", base=base, parent=parent, claims_gain=True,
        patch=patch,
    )  # fmt: skip
    view = propose(work, draft)
    assert view.candidate is not None, view.findings
    return view.id


def settled(work: Workspace, lab: SimulatedLab, names: list[str], **how: object) -> list[Settled]:
    with ThreadPoolExecutor(1) as pool:
        return list(run_many(work, lab, names, pool, **how))  # type: ignore[arg-type]


def test_a_question_asked_again_keeps_its_pairs_and_its_level(work: Workspace) -> None:
    lab = SimulatedLab(work)
    name = proposed(work, 0.95)
    strict = 1e-6  # what a campaign would give; nobody may ask for more later
    (first,) = settled(work, lab, [name], level=lambda _: strict)
    assert first.event.effects[0].e_value > 20, "enough for a win, if this were no campaign's"
    assert first.event.verdict != "pass"
    (second,) = settled(work, lab, [name], again=True)
    assert [(asked.level, asked.attempt) for asked in lab.questions] == [(strict, 0), (strict, 1)]
    before, after = (work.store.evidence(one.event.evidence or "") for one in (first, second))
    assert lab.questions[1].earlier["t"] == before.differences["t"] == after.differences["t"][:9]
    assert len(after.differences["t"]) > 9
    assert after.level == strict
    assert after.effects[0].path[:9] == before.effects[0].path
    assert second.event.effects[0].path == (), "the ledger leaves the path to the evidence"
    assert second.event.effects[0].alpha == strict
    assert {json.loads(work.store.get(digest))["attempt"] for digest in after.coins} == {1}
    assert {*before.coins, *after.coins} <= reachable(work), "gc keeps the logs of the coins"


def test_what_the_pairs_decided_is_not_asked_for_again(work: Workspace) -> None:
    lab = SimulatedLab(work)
    for cost, verdict in ((0.7, "pass"), (1.4, "fail")):
        name = proposed(work, cost)
        (first,), (second,) = (settled(work, lab, [name], again=True) for _ in range(2))
        assert first.event.verdict == second.event.verdict == verdict
        assert first.event.effects[0].pairs == second.event.effects[0].pairs
        assert lab.measured == 2 * first.event.effects[0].pairs, "the second run measured nothing"
        lab.measured = 0


def test_levels_follow_from_the_wins_before_and_the_ledger_tells_them_again(work: Workspace) -> None:
    lab, plan = SimulatedLab(work), Plan(name="plan", proposals=4, alpha=0.2)
    work.ledger.append(CampaignStarted(campaign="plan-1", plan=sha256(b"x"), base=work.tip(), seed=1), work.clock())
    budgets, events = [plan.budget()], list[RunFinished]()
    names = [
        proposed(work, cost, note, "agent:plan") for cost, note in ((1.0, "a"), (0.7, "b"), (0.6, "c"), (1.3, "d"))
    ]

    def level(_view: ProposalView) -> float:
        return budgets[-1].level()

    with ThreadPoolExecutor(1) as pool:
        for one in run_many(work, lab, names, pool, level=level):  # type: ignore[arg-type]
            events.append(one.event)
            budgets.append(spent(budgets[-1], [one.event]))
    assert [question.level for question in lab.questions] == pytest.approx([0.05, 0.05, 0.1, 0.15])
    assert [event.effects[0].alpha for event in events] == [question.level for question in lab.questions]
    assert [event.verdict for event in events][1:] == ["pass", "pass", "fail"]
    again = spent(
        plan.budget(), compared(work.ledger.state.proposals.values(), work.ledger.state.campaigns["plan-1"], plan)
    )
    assert again == budgets[-1] == ELond(alpha=0.2, horizon=4, tests=4, wins=2)
    assert again.level() == 0


def test_the_report_tells_levels_wins_and_luck(work: Workspace, tmp_path: Path) -> None:
    lab, plan = SimulatedLab(work), Plan(name="reported", proposals=5)
    stored = work.store.put(canonical_json(plan))
    work.ledger.append(CampaignStarted(campaign="r-1", plan=stored, base=work.tip(), seed=1), work.clock())
    names = [proposed(work, cost, "reported") for cost in (0.7, 1.01)]
    settled(work, lab, names, level=lambda _: 0.02)
    step = CampaignStepped(campaign="r-1", generation=1, proposals=tuple(names), accepted=names[0])
    work.ledger.append(step, work.clock())
    found = campaign_report(work, "r-1")
    assert (found.comparisons, found.wins, found.passed, found.state) == (2, 1, 1, "running")
    assert found.expected_by_luck == pytest.approx(0.04)
    assert found.false_at_most == pytest.approx(0.05)
    assert all(len(one.effect.path) == one.effect.pairs for one in found.effects)
    assert work.repo.root is not None
    command = [sys.executable, "-m", "harness.cli", "--repo", str(work.repo.root), "campaign", "report", "r-1"]
    ran = subprocess.run([*command, "--to", str(tmp_path / "r.html")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "r.html").read_text().count("<svg") == 1
    assert "luck would give at most 0.04 on average" in ran.stdout
    assert "of 50): win" in ran.stdout
    with pytest.raises(UsageError, match="r-2"):
        campaign_report(work, "r-2")


def test_a_campaigns_proposal_has_its_level_wherever_it_is_run(work: Workspace) -> None:
    plan = Plan(name="elsewhere", proposals=50)
    stored = work.store.put(canonical_json(plan))
    before = proposed(work, 1.0, "elsewhere, before", "agent:elsewhere")
    work.ledger.append(CampaignStarted(campaign="e-1", plan=stored, base=work.tip(), seed=1), work.clock())
    mine, other = (proposed(work, 0.5, "elsewhere", author) for author in ("agent:elsewhere", "someone"))
    assert level_of(work, work.view(mine)) == pytest.approx(0.001)
    assert level_of(work, work.view(other)) == level_of(work, work.view(before)) == 0.05
    (one,) = settled(work, SimulatedLab(work), [mine], level=lambda view: level_of(work, view))
    assert one.event.effects[0].alpha == pytest.approx(0.001)
    assert level_of(work, work.view(mine)) == pytest.approx(0.001 * (1 + (one.event.verdict == "pass")))


def test_only_what_passes_counts_as_a_win(work: Workspace) -> None:
    lab = SimulatedLab(work)
    (one,) = settled(work, lab, [proposed(work, 0.7)])
    budget = ELond(alpha=0.05, horizon=10)
    assert spent(budget, [one.event]).wins == 1
    assert spent(budget, [one.event.model_copy(update={"verdict": "fail"})]) == budget.after(False)
    exact = one.event.effects[0].model_copy(update={"alpha": None})
    assert spent(budget, [one.event.model_copy(update={"effects": (exact,)})]) == budget


def test_a_child_does_not_win_by_what_its_parent_gained(work: Workspace) -> None:
    lab = SimulatedLab(work)
    parent = proposed(work, 0.7)
    child = proposed(work, 0.7, "a comment", parent=parent)
    first, second = settled(work, lab, [parent, child])
    assert first.event.verdict == "pass"
    assert second.event.verdict in ("fail", "inconclusive")


def test_a_plan_says_alpha_and_gamma() -> None:
    plan = parse_plan('[campaign]\nalpha = 0.1\ngamma = "decreasing"\n', "plan.toml")
    assert plan.budget() == ELond(alpha=0.1, horizon=100, gamma="decreasing")
    with pytest.raises(Exception, match="gamma"):
        parse_plan('[campaign]\ngamma = "rising"\n', "plan.toml")
