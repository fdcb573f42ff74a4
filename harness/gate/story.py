"""Whether a ledger and the approvals that travel with the repository tell one story; says where they do not."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from harness.gate.approvals import BRANCH
from harness.gate.proof import Proven
from harness.ledger import Entry, Ledger, State
from harness.ledger.events import DecisionMade, MergeIntended, MergeLanded


@dataclass
class _Told:
    """What the ledger says about one ref."""

    landed: dict[str, tuple[MergeLanded, datetime]] = field(default_factory=dict)
    begun: dict[str, datetime] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    fallen: dict[str, set[str]] = field(default_factory=dict)


def contradictions(ledger: Ledger, ref: str, proven: Mapping[str, Proven], on_ref: Collection[str]) -> Iterator[str]:
    """Where ledger and repository differ on what landed, who decided, and whether it still stood then.

    The snapshots beside the ledger are compared with its entries too.
    """
    stale = ledger.check_snapshots()
    if stale:
        yield f"{stale} (delete the file beside the ledger: it is made again)"
    told, state = _Told(), State()
    for entry in ledger.entries():
        _hear(entry, ref, told, state)
        state.apply(entry.event, entry.at)
    for merge, one in proven.items():
        yield from _of_merge(ledger, merge, one, told)
    for merge in told.landed:
        if merge not in on_ref:
            yield f"the ledger says that {merge[:12]} landed, and it is not on {ref}"


def _hear(entry: Entry, ref: str, told: _Told, before: State) -> None:
    match entry.event:
        case MergeLanded() as event if event.ref == ref:
            view = before.proposals.get(event.id)
            standing = {given.statement for given in view.approvals} if view else set()
            told.landed[event.new] = event, entry.at
            told.fallen[event.new] = set(event.statements) - standing
        case MergeIntended() as event if event.ref == ref:
            told.begun[event.new] = entry.at
        case DecisionMade() as event if event.decision.decision == "approve":
            told.decided.add(event.decision.statement or "")
        case _:
            pass


def _of_merge(ledger: Ledger, merge: str, proven: Proven, told: _Told) -> Iterator[str]:
    if merge not in told.landed:
        yield f"the ledger does not know that {merge[:12]} landed (holdpoint merge completes what was interrupted)"
        return
    event, at = told.landed[merge]
    if set(event.statements) != set(proven.statements):
        yield f"the ledger has other approvals for {merge[:12]} than {BRANCH}"
    if not set(proven.statements) <= told.decided:
        yield f"the ledger does not have every decision behind {merge[:12]}"
    elif told.fallen[merge]:
        yield f"an approval of {merge[:12]} was revoked or void when it landed"
    for said in proven.predicates:
        if not ledger.contains(said.ledger):
            yield f"the ledger does not pass through entry {said.ledger.index}, which {said.reviewer} signed"
        if told.begun.get(merge, at) >= said.not_after:
            yield f"{said.reviewer}'s approval of {merge[:12]} had expired when it landed"
