"""A reviewer's desk: shows what waits, writes decisions; approves only what was tested, typed, reasoned and signed."""

import difflib
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.gate.authorize import Passed, case_of, passed_run
from harness.gate.declared import Hand, No, signed_no
from harness.gate.merge import merge, recover
from harness.gate.ports import Work
from harness.gate.protocol import unfinished, view_digest
from harness.gate.root import current_chain, not_in_force, record_root
from harness.gate.rules import Case, barred, reviewer_named
from harness.gate.sheet import Reading
from harness.gate.signing import APPROVAL, KeyRefused, fingerprint, sign
from harness.gate.statement import Envelope, Predicate, Statement
from harness.ledger import ProposalView
from harness.ledger.events import DecisionIntended, DecisionMade
from harness.records import (
    Decided,
    Decision,
    DecisionOutcome,
    DecisionWord,
    LineComment,
    MergeOutcome,
    NotDecided,
    ProposalState,
    QueueRow,
    RejectCategory,
    Reviewed,
    ReviewSheet,
    canonical_json,
)
from harness.target import ReviewerEntry
from harness.text import decoded

SHORTEST_REASON = 20
_SAME = 0.9
_REMEMBERED = 5
_APPROVABLE: tuple[ProposalState, ...] = ("waiting", "deferred", "approved")
_OPEN: tuple[ProposalState, ...] = (
    "accepted", "waiting", "approved", "deferred", "failed", "inconclusive", "error", "changes",
)  # fmt: skip


class Desk:
    """One reviewer at one target. `terminal` says that a person sits at one: without it nothing is ever approved."""

    def __init__(self, work: Work, reviewer: str, key: Path | None, terminal: bool = False) -> None:
        self.reviewer = reviewer
        self._work = work
        self._key = key
        self._terminal = terminal
        self._reading = Reading(work)

    @property
    def key(self) -> Path | None:
        """The key that signs for this reviewer here, if one is known."""
        return self._key

    def identity(self) -> str:
        """Reviewer and key fingerprint, as decisions are signed."""
        if not self.reviewer:
            return "nobody"
        entry = self._entry(self._tip())
        return f"{self.reviewer} ({fingerprint(entry.key)})" if entry else f"{self.reviewer} (not a reviewer here)"

    def queue(self) -> tuple[QueueRow, ...]:
        """What waits for a person, in the order in which it should be looked at."""
        return self._reading.rows(self._now())

    def sheet(self, proposal: str) -> ReviewSheet:
        """Everything to show about one proposal."""
        view = self._view(proposal)
        base = view.run.tip if view.run else self._tip()
        return self._reading.sheet(view, self._work.rules_at(base), self.reviewer)

    def approve(self, proposal: str, typed: str, reason: str, reviewed: Reviewed | None = None) -> DecisionOutcome:
        """Signs for the tested merge whose tree hash was typed (eight hex digits or more), and records it.

        `reviewed`, which the screen and the command line give, must be a finished review of exactly this.
        """
        recover(self._work)
        view = self._view(proposal)
        fault = self._unready(view, typed, reason) or self._unfinished(view, reviewed)
        if fault is not None:
            return fault
        found = passed_run(self._work, view)
        if isinstance(found, str):
            return self._no(view, found, f"holdpoint run {view.id}")
        case = case_of(self._work, view, found)
        fault = self._not_entitled(view, case)
        return fault or self._sign(view, found, case, reason, reviewed)

    def _unfinished(self, view: ProposalView, reviewed: Reviewed | None) -> NotDecided | None:
        why = unfinished(self.sheet(view.id), reviewed) if reviewed else ""
        return self._no(view, why, "look at it again") if why else None

    def _unready(self, view: ProposalView, typed: str, reason: str) -> NotDecided | None:
        if not self._terminal:
            return self._no(view, "approving needs a person at a terminal", "run it in one")
        if view.state not in _APPROVABLE or view.run is None or view.run.tree is None:
            return self._no(
                view, f"it is {view.state}; only what passed and waits can be approved", f"holdpoint show {view.id}"
            )
        if self._tip() != view.run.tip:
            return self._no(view, "the base moved since it was tested", f"holdpoint run {view.id}")
        digits = typed.strip().lower()
        if len(digits) < 8 or not view.run.tree.startswith(digits):
            return self._no(
                view, "what was typed is not the beginning (8 digits or more) of the tree hash", "look again"
            )
        if len(reason.strip()) < SHORTEST_REASON:
            return self._no(view, f"the reason is shorter than {SHORTEST_REASON} characters", "say what convinced you")
        if any(_alike(reason, before) for before in self._last_reasons()):
            return self._no(view, "the reason repeats one of your last five", "say what convinced you about this one")
        return None

    def _not_entitled(self, view: ProposalView, case: Case) -> NotDecided | None:
        fault = barred(self.reviewer, case)
        if fault:
            return self._no(view, fault, "another reviewer must decide")
        if any(given.reviewer == self.reviewer for given in view.approvals):
            return self._no(view, f"{self.reviewer} approved it already", f"holdpoint merge {view.id}")
        if self._key is None:
            return self._no(view, f"no key of {self.reviewer} is known here", "add --key FILE")
        chain = current_chain(self._work, case.ref)
        if not chain.roots and not chain.faults:
            self._first_root(case, self._key)
            chain = current_chain(self._work, case.ref)
        fault = not_in_force(chain, case.reviewers)
        return self._no(view, fault, "holdpoint verify") if fault else None

    def _first_root(self, case: Case, key: Path) -> None:
        """Where `init` had no private key at hand: the first reviewer who signs anything signs the root too."""
        begun = self._work.ledger.state.initialised
        at = begun.commit if begun else None
        if at is not None and self._work.rules_at(at).config.reviewers != case.reviewers:
            at = None  # reviewers were added later: the tip is the first commit that can be a root
        record_root(self._work, self.reviewer, key, commit=at, terminal=self._terminal)

    def _sign(
        self, view: ProposalView, found: Passed, case: Case, reason: str, reviewed: Reviewed | None
    ) -> DecisionOutcome:
        entry = reviewer_named(case.reviewers, self.reviewer)
        assert entry is not None
        assert self._key is not None
        # A root signed just now gives the repository its identity, so it is asked again.
        words = case.words() | {"repository": current_chain(self._work, case.ref).repository}
        self._intend(view, "approve")
        shown = reviewed.view if reviewed else view_digest(self.sheet(view.id))
        statement = Statement.of(self._predicate(view, words | {"view": shown}, entry, reason, case))
        raw = canonical_json(statement)
        signature = sign(self._key, APPROVAL, raw, entry, terminal=self._terminal)
        if isinstance(signature, KeyRefused):
            return self._no(view, signature.why, "check --key and --reviewer")
        envelope = Envelope(statement=raw.decode(), signature=signature.armored)
        digest = self._work.store.put(canonical_json(envelope))
        return self._record(
            view, "approve", reason, tree=found.tree, evidence=found.digest, statement=digest, reviewed=reviewed
        )

    def _predicate(
        self, view: ProposalView, words: dict[str, str], entry: ReviewerEntry, reason: str, case: Case
    ) -> Predicate:
        issued = self._now()
        return Predicate.model_validate(
            words
            | {
                "decision": "approve",
                "ledger": self._work.ledger.head(),
                "reviewer": self.reviewer,
                "key": fingerprint(entry.key),
                "reason": reason.strip(),
                "nonce": secrets.token_hex(16),
                "issued": issued,
                "not_after": issued + timedelta(days=case.policy.approval_days),
            }
        )

    def reject(
        self,
        proposal: str,
        reason: str,
        category: RejectCategory = "",
        *,
        comments: tuple[LineComment, ...] = (),
        reviewed: Reviewed | None = None,
    ) -> DecisionOutcome:
        """Says no, with comments on lines; every approval falls."""
        return self._plain(proposal, "reject", reason, category=category, comments=comments, reviewed=reviewed)

    def request_changes(
        self,
        proposal: str,
        reason: str,
        comments: tuple[LineComment, ...] = (),
        reviewed: Reviewed | None = None,
    ) -> DecisionOutcome:
        """Sends it back with comments on lines; every approval falls, and a new proposal answers."""
        return self._plain(proposal, "request-changes", reason, comments=comments, reviewed=reviewed)

    def defer(
        self, proposal: str, reason: str, until: datetime | None = None, reviewed: Reviewed | None = None
    ) -> DecisionOutcome:
        """Puts it off until a time (default: a week); it comes back and never turns into an approval."""
        moment = until or self._now() + timedelta(days=7)
        if moment <= self._now():
            return self._no(self._view(proposal), "the time to come back is not in the future", "give a later one")
        return self._plain(proposal, "defer", reason, until=moment, reviewed=reviewed)

    def revoke(self, proposal: str, reason: str) -> DecisionOutcome:
        """Takes this reviewer's approval back, before the merge."""
        view = self._view(proposal)
        mine = next((given for given in view.approvals if given.reviewer == self.reviewer), None)
        if mine is None:
            return self._no(view, f"no approval by {self.reviewer or 'nobody'} stands", f"holdpoint show {view.id}")
        if self._key is None:
            return self._no(view, "a revocation is signed, and no key is known here", "add --key FILE, or reject it")
        return self._plain(proposal, "revoke", reason)

    def source(self, proposal: str, path: str) -> str | None:
        """A file as it would stand after the merge, as text; None where there is none, or nothing to merge."""
        view = self._view(proposal)
        at = view.run.merge if view.run and view.run.merge else view.candidate.commit if view.candidate else None
        data = self._work.repo.read(at, path) if at else None
        return decoded(data) if data is not None else None

    def history(self) -> tuple[Decision, ...]:
        """Every decision at this target, the latest first."""
        views = self._work.ledger.state.proposals.values()
        return tuple(sorted((one for view in views for one in view.decisions), key=lambda one: one.at, reverse=True))

    def merge(self, proposal: str) -> MergeOutcome:
        """Lands an authorised proposal, or says what is missing."""
        return merge(self._work, proposal)

    def _plain(self, proposal: str, word: DecisionWord, reason: str, **details: Any) -> DecisionOutcome:
        recover(self._work)  # a merge that landed before a crash is merged: nothing is decided about it any more
        view = self._view(proposal)
        if view.state not in _OPEN:
            return self._no(view, f"it is {view.state}", f"holdpoint show {view.id}")
        if self._entry(self._tip()) is None:
            return self._no(
                view, f"{self.reviewer or 'nobody'} is not a reviewer in holdpoint.toml", "holdpoint reviewer list"
            )
        if not reason.strip():
            return self._no(view, "a decision needs a reason", "say why")
        self._intend(view, word)
        run = view.run
        hand = Hand(self.reviewer, self._key, terminal=self._terminal)
        statement = signed_no(self._work, hand, view, No(word, reason.strip(), details.get("until")))
        if isinstance(statement, KeyRefused):
            return self._no(view, statement.why, f"check --key and --reviewer, or holdpoint reject {view.id}")
        return self._record(
            view, word, reason, tree=run.tree if run else None, evidence=run.evidence if run else None,
            statement=statement, **details,
        )  # fmt: skip

    def _intend(self, view: ProposalView, word: DecisionWord) -> None:
        self._work.ledger.append(DecisionIntended(id=view.id, decision=word, reviewer=self.reviewer), self._now())

    def _record(
        self,
        view: ProposalView,
        word: DecisionWord,
        reason: str,
        *,
        tree: str | None,
        evidence: str | None,
        statement: str | None = None,
        **details: Any,
    ) -> Decided:
        now = self._now()
        decision = Decision(
            proposal=view.id,
            decision=word,
            reviewer=self.reviewer,
            reason=reason.strip(),
            tree=tree,
            evidence=evidence,
            statement=statement,
            at=now,
            **details,
        )
        self._work.ledger.append(DecisionMade(id=view.id, decision=decision), now)
        return Decided(proposal=view.id, decision=word, statement=statement)

    def _no(self, view: ProposalView, why: str, next_step: str) -> NotDecided:
        return NotDecided(proposal=view.id, why=why, next_step=next_step)

    def _last_reasons(self) -> list[str]:
        mine = [
            decision
            for view in self._work.ledger.state.proposals.values()
            for decision in view.decisions
            if decision.decision == "approve" and decision.reviewer == self.reviewer
        ]
        return [decision.reason for decision in sorted(mine, key=lambda one: one.at)[-_REMEMBERED:]]

    def _entry(self, commit: str) -> ReviewerEntry | None:
        return reviewer_named(self._work.rules_at(commit).config.reviewers, self.reviewer)

    def _tip(self) -> str:
        begun = self._work.ledger.state.initialised
        tip = self._work.repo.tip(begun.ref) if begun else None
        if tip is None:
            raise UsageError("The protected branch is missing.", "holdpoint init")
        return tip

    def _now(self) -> datetime:
        return self._work.clock().astimezone(UTC)

    def _view(self, proposal: str) -> ProposalView:
        found = self._work.ledger.state.proposals.get(proposal)
        if found is None:
            raise UsageError(f"There is no proposal {proposal!r}.", "holdpoint queue")
        return found


def _alike(reason: str, before: str) -> bool:
    one, two = (" ".join(text.casefold().split()) for text in (reason, before))
    return difflib.SequenceMatcher(None, one, two, autojunk=False).ratio() > _SAME
