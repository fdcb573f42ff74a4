"""The fold: what each event makes of a proposal, and what no order of events can ever bring about."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from harness.errors import IntegrityError
from harness.ledger import State
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
    event_adapter,
)
from harness.ledger.payload import FLOATS, payload
from harness.records import (
    Candidate,
    Decision,
    DecisionWord,
    Finding,
    Proposal,
    ProposalState,
    TestsResult,
    VerdictWord,
    canonical_json,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FINDING = Finding(rule="scope", severity="high", path="x", line=1, message="m", blocking=True)


def proposed(name: str = "P00001", parent: str | None = None) -> ProposeIntended:
    proposal = Proposal(
        title="t", rationale="r", author="bot", base="0" * 40, parent=parent, patch_digest="sha256:1", created=NOW
    )
    return ProposeIntended(id=name, proposal=proposal, digest="sha256:2", launcher="ana")


def accepted() -> ProposeAccepted:
    candidate = Candidate(proposal="P00001", base="0" * 40, commit="1" * 40, tree="2" * 40, branch="holdpoint/P00001")
    return ProposeAccepted(id="P00001", candidate=candidate, findings=())


def finished(verdict: VerdictWord = "pass", tree: str | None = "t1", evidence: str | None = "e1") -> RunFinished:
    return RunFinished(
        id="P00001", tip="0" * 40, merge="m", tree=tree, verdict=verdict, reasons=(),
        tests=TestsResult(expected=1, passed=1), effects=(), evidence=evidence, policy="p",
    )  # fmt: skip


def decided(word: DecisionWord, who: str = "ana", tree: str | None = "t1", evidence: str | None = "e1") -> DecisionMade:
    decision = Decision(
        proposal="P00001", decision=word, reviewer=who, reason="r", tree=tree, evidence=evidence, statement="s", at=NOW
    )
    return DecisionMade(id="P00001", decision=decision)


RUN = RunIntended(id="P00001", tip="0" * 40)
INTENT = MergeIntended(id="P00001", ref="main", old="0" * 40, new="m")
LANDED = MergeLanded(id="P00001", ref="main", old="0" * 40, new="m", statements=("s",))
WAITING: list[Event] = [proposed(), accepted(), RUN, finished()]


def fold(events: list[Event]) -> State:
    state = State()
    for number, event in enumerate(events):
        state.apply(event, NOW + number * timedelta(seconds=1))
    return state


STORIES: dict[str, tuple[list[Event], ProposalState, tuple[str, ...]]] = {
    "numbered": ([proposed()], "proposed", ()),
    "refused": ([proposed(), ProposeRefused(id="P00001", findings=(FINDING,))], "refused", ()),
    "committed": ([proposed(), accepted()], "accepted", ()),
    "running or crashed": ([proposed(), accepted(), RUN], "running", ()),
    "passed": (WAITING, "waiting", ()),
    "failed": ([*WAITING[:3], finished("fail")], "failed", ()),
    "inconclusive": ([*WAITING[:3], finished("inconclusive")], "inconclusive", ()),
    "error": ([*WAITING[:3], finished("error")], "error", ()),
    "about to decide": ([*WAITING, DecisionIntended(id="P00001", decision="approve", reviewer="ana")], "waiting", ()),
    "approved": ([*WAITING, decided("approve")], "approved", ("ana",)),
    "approved by two": ([*WAITING, decided("approve"), decided("approve", "ben")], "approved", ("ana", "ben")),
    "approved twice by one": ([*WAITING, decided("approve"), decided("approve")], "approved", ("ana",)),
    "approved another tree": ([*WAITING, decided("approve", tree="t2")], "waiting", ()),
    "approved other evidence": ([*WAITING, decided("approve", evidence="e2")], "waiting", ()),
    "approved nothing named": ([*WAITING, decided("approve", tree=None, evidence=None)], "waiting", ()),
    "approved a failure": ([*WAITING[:3], finished("fail"), decided("approve")], "failed", ()),
    "approved before the run": ([*WAITING[:2], decided("approve"), RUN, finished()], "waiting", ()),
    "nothing to bind": ([*WAITING[:3], finished("pass", None, None), decided("approve", "ana", None, None)],
                        "waiting", ()),
    "revoked": ([*WAITING, decided("approve"), decided("revoke")], "waiting", ()),
    "one of two revoked": ([*WAITING, decided("approve"), decided("approve", "ben"), decided("revoke")],
                           "approved", ("ben",)),
    "revoked by a stranger": ([*WAITING, decided("approve"), decided("revoke", "eve")], "approved", ("ana",)),
    "failed, put off, approved": ([*WAITING[:3], finished("fail"), decided("defer"), decided("approve")],
                                  "deferred", ()),
    "run again": ([*WAITING, decided("approve"), RUN], "running", ()),
    "run again, same result": ([*WAITING, decided("approve"), RUN, finished()], "waiting", ()),
    "run again, failed": ([*WAITING, decided("approve"), RUN, finished("fail")], "failed", ()),
    "rejected": ([*WAITING, decided("approve"), decided("reject", "ben")], "rejected", ()),
    "rejected, then approved": ([*WAITING, decided("reject"), decided("approve", "ben")], "rejected", ()),
    "changes wanted": ([*WAITING, decided("request-changes")], "changes", ()),
    "put off": ([*WAITING, decided("defer")], "deferred", ()),
    "put off, then approved": ([*WAITING, decided("defer"), decided("approve")], "approved", ("ana",)),
    "merge begun": ([*WAITING, decided("approve"), INTENT], "approved", ("ana",)),
    "merge failed": ([*WAITING, decided("approve"), INTENT, MergeFailed(id="P00001", ref="main", why="moved")],
                     "approved", ("ana",)),
    "merged": ([*WAITING, decided("approve"), INTENT, LANDED], "merged", ("ana",)),
    "revoked after the merge": ([*WAITING, decided("approve"), INTENT, LANDED, decided("revoke")], "merged", ("ana",)),
    "refused for good": ([proposed(), ProposeRefused(id="P00001", findings=()), RUN, finished()], "refused", ()),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_a_story_ends_as_it_should(story: str):
    events, state, approvers = STORIES[story]
    view = fold(events).proposals["P00001"]
    assert view.state == state
    assert tuple(decision.reviewer for decision in view.approvals) == approvers
    assert view.decisions == tuple(event.decision for event in events if isinstance(event, DecisionMade))


def test_every_state_is_told_in_some_story():
    assert {state for _, state, _ in STORIES.values()} == set(get_args(ProposalState))


def test_a_view_carries_what_the_events_said():
    view = fold([*WAITING, RUN]).proposals["P00001"]
    assert (view.digest, view.launcher, view.run, view.running) == ("sha256:2", "ana", finished(), "0" * 40)
    assert view.candidate == accepted().candidate
    assert fold([proposed(), ProposeRefused(id="P00001", findings=(FINDING,))]).proposals["P00001"].findings == (
        FINDING,
    )
    begun = fold([*WAITING, decided("approve"), INTENT])
    assert begun.proposals["P00001"].merge_intent == INTENT
    done = fold([*WAITING, decided("approve"), INTENT, LANDED])
    assert (done.proposals["P00001"].merge_intent, done.proposals["P00001"].merged) == (None, "m")
    assert done.tips == {"main": "m"}


def test_since_is_when_the_state_last_changed():
    view = fold([*WAITING, decided("approve"), decided("approve", "ben"), INTENT]).proposals["P00001"]
    assert view.since == NOW + timedelta(seconds=4)


def test_numbers_children_and_roots():
    root = TargetInitialised(commit="a" * 40, ref="main", config="c", by="ana")
    change = SignersChanged(commit="b" * 40, statement="s", by="ana")
    state = fold([root, proposed(), proposed("P00002", "P00001"), proposed("P00007", "P00001"), change])
    assert state.next_id() == "P00008"
    assert state.children("P00001") == ("P00002", "P00007")
    assert state.children("P00002") == ()
    assert (state.initialised, state.roots, state.tips) == (root, (change,), {"main": "a" * 40})
    assert State().next_id() == "P00001"
    big = State()
    big.apply(proposed("P99999"), NOW)
    assert big.next_id() == "P100000"


def test_campaigns():
    start = CampaignStarted(campaign="c", plan="p", base="b", seed=3)
    steps = [
        CampaignStepped(campaign="c", generation=1, proposals=("P00001", "P00002"), accepted="P00002"),
        CampaignStepped(campaign="c", generation=2, proposals=("P00003",), accepted=None),
    ]
    state = fold([start, *steps])
    view = state.campaigns["c"]
    assert (view.generation, view.proposed, view.accepted, view.finished) == (2, 3, "P00002", None)
    assert list(state.steps("c")) == steps
    state.apply(CampaignFinished(campaign="c", why="budget"), NOW)
    assert state.campaigns["c"].finished == "budget"
    assert view.finished is None, "a view handed out earlier does not change"


@pytest.mark.parametrize("event", [RUN, finished(), LANDED, INTENT, decided("approve"), accepted()])
def test_what_was_never_proposed_cannot_happen(event: Event):
    state = State()
    with pytest.raises(IntegrityError):
        state.apply(event, NOW)
    assert not state.proposals
    assert not state.tips


words = st.sampled_from(get_args(DecisionWord))
people = st.sampled_from(["ana", "ben"])
names = st.sampled_from(["t1", "t2", None])
later: st.SearchStrategy[Event] = st.one_of(
    st.just(accepted()),
    st.just(RUN),
    st.builds(finished, st.sampled_from(get_args(VerdictWord)), names, st.sampled_from(["e1", "e2", None])),
    st.builds(decided, words, people, names, st.sampled_from(["e1", "e2", None])),
    st.just(INTENT),
    st.just(LANDED),
    st.just(MergeFailed(id="P00001", ref="main", why="w")),
    st.just(ProposeRefused(id="P00001", findings=())),
)


@settings(deadline=None)
@given(st.lists(later, max_size=25))
def test_in_any_order_an_approval_stands_only_for_what_the_last_run_passed(events: list[Event]):
    """Checked from the history itself, not from the fold's own bookkeeping."""
    view = fold([proposed(), *events]).proposals["P00001"]
    last = max((n for n, event in enumerate(events) if isinstance(event, RunIntended | RunFinished)), default=-1)
    run = events[last] if last >= 0 else None
    for approval in view.approvals:
        assert isinstance(run, RunFinished)
        assert run.verdict == "pass"
        assert None not in (run.tree, run.evidence)
        assert (approval.tree, approval.evidence) == (run.tree, run.evidence)
        after = [event.decision for event in events[last:] if isinstance(event, DecisionMade)]
        assert approval in after
    if view.state == "approved":
        assert view.approvals
        assert not any(isinstance(event, MergeLanded) for event in events)
    if any(isinstance(event, MergeLanded) for event in events):
        assert view.state == "merged"
    assert len({approval.reviewer for approval in view.approvals}) == len(view.approvals)


@settings(deadline=None)
@given(st.lists(later, max_size=12))
def test_events_survive_their_canonical_bytes_and_fold_to_the_same(events: list[Event]):
    again = [event_adapter.validate_json(canonical_json(event)) for event in events]
    assert again == events
    assert fold([proposed(), *again]).proposals == fold([proposed(), *events]).proposals


def _schemas(found: object) -> Iterator[dict[str, Any]]:
    """Every part of a core schema, but for what a serialiser of our own says that it returns."""
    if isinstance(found, dict):
        yield found
        for key, value in found.items():
            if key not in {"metadata", "return_schema"}:
                yield from _schemas(value)
    elif isinstance(found, list | tuple):
        for value in found:
            yield from _schemas(value)


@pytest.mark.parametrize("kind", get_args(get_args(Event)[0]))
def test_no_event_is_written_by_a_serialiser_that_may_write_other_bytes(kind: type[BaseModel]):
    parts = list(_schemas(kind.__pydantic_core_schema__))
    for part in parts:
        if part.get("type") == "model-fields":
            assert list(part["fields"]) == sorted(part["fields"])
    kinds = {part.get("type") for part in parts if isinstance(part.get("type"), str)}
    assert not kinds & {"dict", "any", "decimal", "set", "frozenset", "bytes"}
    assert ("float" in kinds) == (kind in FLOATS)


@settings(deadline=None)
@given(st.data(), st.sampled_from(get_args(get_args(Event)[0])))
def test_the_payload_of_any_event_is_its_canonical_json(data: st.DataObject, kind: type[BaseModel]):
    event = data.draw(st.from_type(kind))
    try:
        wanted = canonical_json(event)
    except ValueError:  # a number that JSON does not have
        with pytest.raises(ValueError, match=r"JSON|range"):
            payload(event)  # type: ignore[arg-type]  # one of the union
    else:
        assert payload(event) == wanted  # type: ignore[arg-type]
