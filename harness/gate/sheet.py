"""Computes what a reviewer is shown, before it is shown: rows of the queue and the sheet of one proposal."""

from datetime import datetime
from typing import get_args

from harness.errors import IntegrityError
from harness.gate.ports import Rules, Work
from harness.gate.rules import judge_paths, needed_approvals, principal
from harness.ledger import ProposalView
from harness.patch import unified
from harness.records import (
    Effect,
    Evidence,
    Finding,
    Patch,
    QueueRow,
    ReviewSheet,
    Revision,
    Severity,
)
from harness.repo import matches
from harness.text import decoded

_SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_WAITING = ("waiting", "approved", "deferred")
_LOG_TAIL = 6_000
_OWN_PROCESS = (
    "{count} of {passed} passed tests ran in the candidate's own process inside a container, which is not a complete "
    "boundary. "
)
_ONLY_A_READER = "Read the difference: a change keyed to what the tests ask passes them."
_SELF = (
    "This changes the agent that proposes changes: self-modification is not recommended in production. "
    "Nothing it says about itself is evidence."
)


class Reading:
    """Reads evidence for one desk; remembers what a queue shows, since evidence never changes."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._counts: dict[str, tuple[int, int]] = {}

    def evidence(self, view: ProposalView) -> Evidence | None:
        """The evidence behind the last run, None before one."""
        digest = view.run.evidence if view.run else None
        return self._work.store.evidence(digest) if digest else None

    def rows(self, now: datetime) -> tuple[QueueRow, ...]:
        """What waits for a person: wins first, the largest before all; deferred ones once their time has come."""
        waiting = [
            view
            for view in self._work.ledger.state.proposals.values()
            if view.state in _WAITING and not _put_off(view, now)
        ]
        return tuple(self._row(view) for view in sorted(waiting, key=_place))

    def _row(self, view: ProposalView) -> QueueRow:
        added, removed = self._counted(view)
        return QueueRow(
            proposal=view.id,
            title=view.proposal.title,
            author=view.proposal.author,
            state=view.state,
            verdict=view.run.verdict if view.run else None,
            risk=_worst(view.findings),
            added=added,
            removed=removed,
            effect=effect_words(view.run.effects if view.run else ()),
            since=view.since,
        )

    def _counted(self, view: ProposalView) -> tuple[int, int]:
        digest = view.run.evidence if view.run else None
        if digest is None:
            return 0, 0
        if digest not in self._counts:
            lines = self._work.store.get(self._work.store.evidence(digest).diff).split(b"\n")
            added = sum(line.startswith(b"+") and not line.startswith(b"+++ ") for line in lines)
            removed = sum(line.startswith(b"-") and not line.startswith(b"--- ") for line in lines)
            self._counts[digest] = added, removed
        return self._counts[digest]

    def sheet(self, view: ProposalView, rules: Rules, reviewer: str) -> ReviewSheet:
        """Everything about one proposal; the difference is of what would land, when it was run."""
        evidence = self.evidence(view)
        run = view.run
        return ReviewSheet(
            proposal=view.id,
            title=view.proposal.title,
            author=view.proposal.author,
            launcher=view.launcher,
            state=view.state,
            base=run.tip if run else view.proposal.base,
            ref=rules.config.target.ref,
            commit=view.candidate.commit if view.candidate else None,
            merge=run.merge if run else None,
            tree=run.tree if run else None,
            diff=self._difference(view),
            findings=evidence.findings if evidence else view.findings,
            tests=run.tests if run else None,
            effects=evidence.effects if evidence else run.effects if run else (),
            alarms=evidence.alarms if evidence else (),
            verdict=run.verdict if run else None,
            reasons=run.reasons if run else (),
            evidence=run.evidence if run else None,
            rationale=view.proposal.rationale,
            log_tail=self._log_tail(evidence),
            decisions=view.decisions,
            lineage=self._lineage(view),
            notices=self._notices(view, rules, reviewer),
            sandbox=_sandbox(evidence),
            replay=evidence.replay if evidence else None,
            revises=self._revises(view),
            semantic=evidence.semantic if evidence else None,
        )

    def _revises(self, view: ProposalView) -> Revision | None:
        """The nearest ancestor that a person decided about, and the difference from it."""
        known = self._work.ledger.state.proposals
        for name in self._lineage(view):
            before = known[name]
            if before.decisions and before.candidate is not None and view.candidate is not None:
                changed = decoded(self._work.repo.diff(before.candidate.commit, view.candidate.commit))
                return Revision(proposal=name, decision=before.decisions[-1], diff=changed)
        return None

    def _difference(self, view: ProposalView) -> str:
        repo = self._work.repo
        if view.run is not None and view.run.merge is not None:
            return decoded(repo.diff(view.run.tip, view.run.merge))
        if view.candidate is not None:
            return decoded(repo.diff(view.candidate.base, view.candidate.commit))
        try:
            patch = self._work.store.get(view.proposal.patch_digest)
        except IntegrityError:
            return ""  # a malformed proposal has no patch to show
        return unified(Patch.model_validate_json(patch))

    def _log_tail(self, evidence: Evidence | None) -> str:
        if evidence is not None and evidence.log:
            return decoded(self._work.store.get(evidence.log))[-_LOG_TAIL:]
        trials = [one for one in evidence.trials if one.arm == "candidate"] if evidence else []
        if not trials:
            return ""
        last = next((one for one in trials if one.purpose == "tests"), trials[-1])
        parts = []
        for digest in (last.stdout, last.stderr):
            try:
                parts.append(decoded(self._work.store.get(digest)))
            except IntegrityError:
                continue  # streams are kept only up to a size; their digests always are
        return "\n".join(part for part in parts if part)[-_LOG_TAIL:]

    def _lineage(self, view: ProposalView) -> tuple[str, ...]:
        known = self._work.ledger.state.proposals
        found: list[str] = []
        at = view.proposal.parent
        while at is not None and at in known and at not in found:
            found.append(at)
            at = known[at].proposal.parent
        return tuple(found)

    def _notices(self, view: ProposalView, rules: Rules, reviewer: str) -> tuple[str, ...]:
        policy = rules.policy
        notices = []
        if view.run is not None and view.state in _WAITING:
            if self._work.repo.tip(rules.config.target.ref) != view.run.tip:
                notices.append(
                    f"The base moved since this was tested: holdpoint run {view.id} makes it approvable again."
                )
            evidence = self.evidence(view)
            found = evidence.findings if evidence else view.findings
            judges = self._judges(view, rules)
            needed, have = needed_approvals(policy, found, judges), len(view.approvals)
            if needed > 1 or have:
                notices.append(f"{have} of {needed} approvals that policy {policy.name!r} demands.")
            if judges:
                notices.append(f"It changes {judges[0]}, which judges changes: two persons at least must sign.")
        if reviewer and principal(reviewer) == principal(view.launcher):
            verb = "allows" if policy.launcher_may_approve else "does not allow"
            notices.append(f"You launched this proposal; policy {policy.name!r} {verb} you to approve it.")
        if self._touches_agent(view, rules):
            notices.append(_SELF)
        if view.merge_intent is not None:
            notices.append(f"A merge of this was interrupted: holdpoint merge {view.id} finishes or undoes it.")
        if view.run is not None and view.run.tests is not None and view.run.tests.run:
            tests = view.run.tests
            count = len(tests.unverified) + len(tests.corroborated) + tests.unnamed
            inside = _OWN_PROCESS.format(count=count, passed=tests.passed) if count else ""
            notices.append(inside + _ONLY_A_READER)
        return tuple(notices)

    def _judges(self, view: ProposalView, rules: Rules) -> tuple[str, ...]:
        """The paths that a merge would change and that decide about changes."""
        if view.run is None or view.run.merge is None:
            return ()
        changed = self._work.repo.changed_paths(view.run.tip, view.run.merge)
        return judge_paths(changed, rules.policy, rules.config)

    def _touches_agent(self, view: ProposalView, rules: Rules) -> bool:
        if rules.config.agent is None or view.candidate is None:
            return False
        changed = self._work.repo.changed_paths(view.candidate.base, view.candidate.commit)
        return any(matches(path, rules.config.agent.ships) for path in changed)


def effect_words(effects: tuple[Effect, ...]) -> str:
    """The effects in a few words each, wins first."""
    ordered = sorted(effects, key=lambda effect: (effect.outcome != "win", effect.role))
    return "; ".join(_effect(effect) for effect in ordered[:3])


def _effect(effect: Effect) -> str:
    span = "" if effect.low is None or effect.high is None else f" [{effect.low:+.3g}, {effect.high:+.3g}]"
    return f"{effect.outcome} {effect.metric} {effect.estimate:+.3g}{span}"


def _place(view: ProposalView) -> tuple[bool, bool, tuple[float, ...], datetime]:
    """Sorts the queue: what is approved last, wins first, by their objectives in order, then the longest waiting."""
    effects = view.run.effects if view.run else ()
    wins = any(effect.outcome == "win" for effect in effects)
    gains = tuple(-effect.estimate for effect in effects if effect.role == "objective") if wins else ()
    return view.state == "approved", not wins, gains, view.since


def _put_off(view: ProposalView, now: datetime) -> bool:
    if view.state != "deferred":
        return False
    last = next((one for one in reversed(view.decisions) if one.decision == "defer"), None)
    return last is not None and last.until is not None and last.until > now


def _worst(findings: tuple[Finding, ...]) -> Severity | None:
    found = [_SEVERITIES.index(finding.severity) for finding in findings]
    return _SEVERITIES[max(found)] if found else None


def _sandbox(evidence: Evidence | None) -> str:
    if evidence is None:
        return "not run yet"
    containers = len(evidence.trials)
    return (
        f"image {_short(evidence.image)} · profile {_short(evidence.profile)} · "
        f"{containers} container{'' if containers == 1 else 's'}, no network"
    )


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12] or "none"
