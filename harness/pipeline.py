"""One proposal from intent to evidence, as typed stages read top to bottom; merging is the gate's, not ours.

    propose:  number → judge by policy → commit            (the ledger has an intent before and an outcome after)
    run:      prepare → execute → conclude                 (only `execute` touches the sandbox)

Every rule comes from the base commit. A stage takes one record and returns the next.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from pydantic import TypeAdapter

from harness.errors import RefusedError, UsageError
from harness.judgement import findings as judged
from harness.judgement import landing, meaning_of, routed, unverified
from harness.ledger import ProposalView
from harness.ledger.events import ProposeAccepted, ProposeIntended, ProposeRefused, RunFinished, RunIntended
from harness.patch import Malformed
from harness.policy import blocked
from harness.records import (
    ArtifactEntry,
    Candidate,
    Evidence,
    Finding,
    Patch,
    Proposal,
    Record,
    Semantic,
    canonical_json,
    sha256,
)
from harness.repo import Conflict, Merged
from harness.text import visible, visible_line
from harness.trial.question import NOT_RUN, Examined, Question
from harness.trial.verdict import conclude as judge
from harness.trial.verdict import tie_breakers
from harness.workspace import Rules, Workspace

if TYPE_CHECKING:  # half of what a start takes, and only a run needs it
    from harness.trial.lab import Lab

RUNNABLE = (
    "accepted",
    "running",
    "waiting",
    "failed",
    "inconclusive",
    "error",
    "approved",
    "changes",
    "deferred",
)

LEVEL = 0.05  # of a win outside a campaign
Level = Callable[[ProposalView], float]

_patch_adapter: TypeAdapter[Patch | Malformed] = TypeAdapter(Patch | Malformed)


@dataclass(frozen=True)
class Draft:
    """What a proposer hands in; a malformed patch is an outcome too, and is recorded as refused."""

    title: str
    rationale: str
    author: str
    launcher: str
    base: str
    parent: str | None
    claims_gain: bool
    patch: Patch | Malformed
    declares: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A run whose merge commit exists and whose question to the sandbox is complete."""

    proposal: str
    rules: Rules
    tip: str
    merge: str
    tree: str
    findings: tuple[Finding, ...]
    question: Question
    semantic: Semantic | None


class Settled(Record):
    """A run that needs no sandbox: a known result, or one that cannot be merged."""

    event: RunFinished
    cached: bool


@dataclass(frozen=True)
class Executed:
    """What the sandbox showed about a prepared run."""

    prepared: Prepared
    examined: Examined


def _usual(_view: ProposalView) -> float:
    return LEVEL


def propose(work: Workspace, draft: Draft) -> ProposalView:
    """Numbers, judges and commits one draft; the view's state is `accepted` or `refused`."""
    return _decided(work, _number(work, draft), draft.patch)


def resume(work: Workspace) -> tuple[ProposalView, ...]:
    """Judges and commits the drafts that a crash left with a number and no outcome."""
    left = [view for view in work.ledger.state.proposals.values() if view.state == "proposed"]
    return tuple(
        _decided(work, view.id, _patch_adapter.validate_json(work.store.get(view.proposal.patch_digest)))
        for view in left
    )


def run(work: Workspace, lab: "Lab", proposal: str, *, again: bool = False) -> Settled:
    """Tests and measures one proposal on the protected ref's tip; a known result is not paid for twice."""
    prepared = prepare(work, proposal, again=again)
    if isinstance(prepared, Settled):
        return prepared
    return conclude(work, execute(lab, prepared))


def run_many(
    work: Workspace,
    lab: "Lab",
    proposals: Iterable[str],
    pool: Executor,
    *,
    again: bool = False,
    level: Level = _usual,
) -> Iterator[Settled]:
    """Runs several, in the pool's threads, and settles them in the order given.

    Noisy metrics are measured alone: where the base has any, one proposal runs at a time. `level` is asked when a
    comparison starts, after all before it have been settled, and says at what error rate a win is declared.
    """
    running: deque[Settled | Future[Executed]] = deque()
    for name in proposals:
        made = prepare(work, name, again=again, level=level)
        if isinstance(made, Settled):
            running.append(made)
            continue
        alone = any(not metric.exact for metric in made.rules.config.metrics)
        if alone:
            yield from _settled(work, running)
        running.append(pool.submit(execute, lab, made))
        if alone:
            yield from _settled(work, running)
    yield from _settled(work, running)


def prepare(work: Workspace, proposal: str, *, again: bool = False, level: Level = _usual) -> Prepared | Settled:
    """Makes the merge commit that would land, and judges it by the tip's policy; writes the intent.

    An open question keeps the level that it started with.
    """
    view = work.view(proposal)
    if view.state == "refused":
        return _refused(work, view)
    if view.state not in RUNNABLE or view.candidate is None:
        raise RefusedError(f"{view.id} is {view.state}; it cannot be run.", f"holdpoint show {view.id}")
    tip = work.tip()
    rules = work.rules_at(tip)
    known = _known(view, tip, rules)
    if known is not None and not again:
        return Settled(event=known, cached=True)
    work.ledger.append(RunIntended(id=view.id, tip=tip), work.clock())
    made = work.repo.merge(
        tip,
        view.candidate.commit,
        message=f"{view.id}: {visible_line(view.proposal.title, 200)}",
        at=view.proposal.created,
    )
    match made:
        case Conflict():
            return _unmergeable(work, view, tip, rules, made)
        case Merged():
            question = _question(work, view, rules, tip, made.commit)
            if any(not metric.exact for metric in rules.config.metrics):
                question = replace(question, level=level(view))
            return _prepared(work, view, rules, made, _continued(work, view, rules, question))
        case _:
            assert_never(made)


def execute(lab: "Lab", prepared: Prepared) -> Executed:
    """Asks the sandbox; touches neither ledger nor repository state, so several may go on at once."""
    if blocked(prepared.findings):
        return Executed(prepared, Examined.untested())
    return Executed(prepared, lab.examine(prepared.question))


def conclude(work: Workspace, executed: Executed) -> Settled:
    """Forms the verdict on the host, stores the evidence, writes the outcome."""
    made, seen = executed.prepared, executed.examined
    view = work.view(made.proposal)
    assert view.candidate is not None
    findings = (*made.findings, *unverified(made.rules.policy, seen.tests))
    verdict, reasons = judge(
        findings,
        seen.tests,
        seen.effects,
        claims_gain=view.proposal.claims_gain,
        tie_breakers=tie_breakers(made.rules.config.metrics),
    )
    for blob in seen.blobs:
        work.store.put(blob)
    evidence = Evidence(
        proposal=view.id,
        proposal_digest=view.digest,
        base=made.tip,
        commit=view.candidate.commit,
        merge=made.merge,
        tree=made.tree,
        manifest=work.repo.manifest_digest(made.tree),
        diff=work.store.put(work.repo.diff(made.tip, made.merge)),
        policy=made.rules.policy_digest,
        config=made.rules.config_digest,
        image=seen.image,
        profile=seen.profile,
        findings=findings,
        tests=seen.tests,
        effects=seen.effects,
        alarms=(*routed(findings), *seen.alarms),
        trials=seen.trials,
        verdict=verdict,
        reasons=reasons,
        log=work.store.put(seen.log) if seen.log else "",
        differences=dict(seen.differences),
        level=made.question.level,
        attempt=made.question.attempt,
        coins=seen.coins,
        replay=seen.replay,
        semantic=made.semantic,
        artifacts=tuple(
            ArtifactEntry(path=found.path, digest=work.store.put(found.data), size=len(found.data))
            for found in seen.artifacts
        ),
        finished=work.clock(),
    )
    event = RunFinished(
        id=view.id,
        tip=made.tip,
        merge=made.merge,
        tree=made.tree,
        verdict=verdict,
        reasons=reasons,
        tests=seen.tests,
        effects=tuple(effect.model_copy(update={"path": ()}) for effect in seen.effects),
        evidence=work.store.put_evidence(evidence),
        policy=made.rules.policy_digest,
    )
    work.ledger.append(event, work.clock())
    return Settled(event=event, cached=False)


def _settled(work: Workspace, running: "deque[Settled | Future[Executed]]") -> Iterator[Settled]:
    while running:
        first = running.popleft()
        yield first if isinstance(first, Settled) else conclude(work, first.result())


def _number(work: Workspace, draft: Draft) -> str:
    """Writes the intent: from here on the proposal has a number and survives a crash."""
    if draft.parent is not None and work.view(draft.parent).candidate is None:
        raise UsageError(f"{draft.parent} was refused; it cannot be a parent.", f"holdpoint show {draft.parent}")
    proposal = Proposal(
        title=draft.title,
        rationale=draft.rationale,
        author=draft.author,
        base=draft.base,
        parent=draft.parent,
        claims_gain=draft.claims_gain,
        declares=draft.declares,
        patch_digest=work.store.put(canonical_json(draft.patch)),
        created=work.clock(),
    )
    digest = sha256(canonical_json(proposal))
    number = work.ledger.state.next_id()
    intent = ProposeIntended(id=number, proposal=proposal, digest=digest, launcher=draft.launcher)
    work.ledger.append(intent, work.clock())
    return number


def _decided(work: Workspace, number: str, patch: Patch | Malformed) -> ProposalView:
    """Writes the outcome of a numbered draft; done twice, it is the same commit."""
    proposal = work.view(number).proposal
    findings = judged(work, patch, work.rules_at(proposal.base), proposal.author)
    if isinstance(patch, Malformed) or blocked(findings):
        work.ledger.append(ProposeRefused(id=number, findings=findings), work.clock())
    else:
        candidate = _commit(work, number, proposal, patch)
        work.ledger.append(ProposeAccepted(id=number, candidate=candidate, findings=findings), work.clock())
    return work.ledger.state.proposals[number]


def _commit(work: Workspace, number: str, draft: Proposal, patch: Patch) -> Candidate:
    branch = f"holdpoint/{number}"
    edits = {edit.path: None if edit.after is None else edit.after.encode() for edit in patch.edits}
    message = f"{visible_line(draft.title, 200)}\n\n{visible(draft.rationale)}\n\nHoldpoint-Proposal: {number}\n"
    commit, tree = work.repo.commit_edits(
        draft.base, edits, message=message, author=draft.author, branch=branch, at=draft.created
    )
    return Candidate(proposal=number, base=draft.base, commit=commit, tree=tree, branch=branch)


def _question(work: Workspace, view: ProposalView, rules: Rules, tip: str, merge: str) -> Question:
    parent = work.view(view.proposal.parent) if view.proposal.parent else None
    return Question(
        base=tip,
        merge=merge,
        parent=parent.candidate.commit if parent and parent.candidate else None,
        config=rules.config,
        claims_gain=view.proposal.claims_gain,
        declares=view.proposal.declares,
    )


def _continued(work: Workspace, view: ProposalView, rules: Rules, question: Question) -> Question:
    """With the pairs of the last run of the same question: its e-process goes on, at its own level, never anew.

    What the pairs have decided stays so, and what only ran out of pairs gets as many again: asking often does not help.
    """
    last = view.run
    if last is None or last.evidence is None:
        return question
    earlier = work.store.evidence(last.evidence)
    asked = (last.tip, last.policy, earlier.config)
    if asked != (question.base, rules.policy_digest, rules.config_digest):
        return question
    level = question.level if earlier.level is None else earlier.level
    return replace(question, earlier=earlier.differences, attempt=earlier.attempt + 1, level=level)


def _known(view: ProposalView, tip: str, rules: Rules) -> RunFinished | None:
    """A finished run of the same candidate on the same tip under the same policy; an open question is asked again.

    So is one whose repetition was broken off.
    """
    last = view.run
    same = view.running is None and last is not None and last.tip == tip and last.policy == rules.policy_digest
    return last if same and last is not None and last.verdict in ("pass", "fail") else None


def _refused(work: Workspace, view: ProposalView) -> Settled:
    """What the policy refused has no branch and needs no sandbox: its verdict is known, and nothing new happened."""
    event = RunFinished(
        id=view.id,
        tip=work.tip(),
        merge=None,
        tree=None,
        verdict="fail",
        reasons=tuple(f"policy: {f.rule} in {f.path}:{f.line}" for f in view.findings if f.blocking),
        tests=NOT_RUN,
        effects=(),
        evidence=None,
        policy=work.rules_at(view.proposal.base).policy_digest,
    )
    return Settled(event=event, cached=True)


def _unmergeable(work: Workspace, view: ProposalView, tip: str, rules: Rules, conflict: Conflict) -> Settled:
    event = RunFinished(
        id=view.id,
        tip=tip,
        merge=None,
        tree=None,
        verdict="fail",
        reasons=(f"it no longer merges with the protected ref: {', '.join(conflict.paths)}",),
        tests=NOT_RUN,
        effects=(),
        evidence=None,
        policy=rules.policy_digest,
    )
    work.ledger.append(event, work.clock())
    return Settled(event=event, cached=False)


def _prepared(work: Workspace, view: ProposalView, rules: Rules, made: Merged, question: Question) -> Prepared:
    """The complete question: what is tested is what would land, its ancestors' changes included, judged once more."""
    patch = landing(work, question.base, made.commit)
    return Prepared(
        proposal=view.id,
        rules=rules,
        tip=question.base,
        merge=made.commit,
        tree=made.tree,
        findings=judged(work, patch, rules, view.proposal.author),
        question=question,
        semantic=meaning_of(work, patch, rules),
    )
