"""The frozen nouns that every part shares; no behaviour beyond naming, canonical bytes and digests.

Vocabulary as in README.md: Proposal, Patch, Finding, Candidate, Trial, Effect, Verdict, Evidence, Decision.
"""

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import CoreSchema

Severity = Literal["info", "low", "medium", "high", "critical"]
VerdictWord = Literal["pass", "fail", "inconclusive", "error"]
Arm = Literal["baseline", "candidate"]
EffectOutcome = Literal["win", "no worse", "worse", "inconclusive"]
DecisionWord = Literal["approve", "reject", "request-changes", "defer", "revoke"]
ProposalState = Literal[
    "proposed",      # intent written, outcome unknown (a crash in between)
    "refused",       # the policy said no; no branch exists
    "accepted",      # committed on its branch, not run yet
    "running",       # a run began and has no outcome (running now, or crashed)
    "waiting",       # verdict pass: a person must decide
    "failed",        # verdict fail
    "inconclusive",  # verdict inconclusive
    "error",         # the harness could not finish the run
    "approved",      # enough valid approvals, not merged
    "rejected",      # a person said no
    "changes",       # a person asked for changes
    "deferred",      # a person put it off
    "merged",        # landed
]  # fmt: skip


class Record(BaseModel):
    """A frozen value; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stored(Record):
    """A record that the ledger holds: its fields come in the order of their names, as canonical JSON has them."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        found: Any = schema
        while found["type"] != "model-fields":
            found = found["schema"]
        found["fields"] = dict(sorted(found["fields"].items()))
        return schema


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> bytes:
    """Bytes of a JSON value that do not depend on key order or layout (UTF-8, sorted keys, no spaces, no NaN)."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return _CANONICAL.encode(value).encode()


def sha256(data: bytes) -> str:
    """`sha256:` and the 64 hex digits of the data's SHA-256."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Finding(Stored):
    """One policy result. `blocking` is the policy's word at the base, not the rule's."""

    rule: str
    severity: Severity
    path: str
    line: int
    message: str
    blocking: bool = False

    @property
    def place(self) -> str:
        """`path:line`, or the path where it is about the whole file."""
        return f"{self.path}:{self.line}" if self.line else self.path


class FileEdit(Record):
    """One file before and after; `None` means that the file is absent on that side. Text is UTF-8."""

    path: str
    before: str | None
    after: str | None


class Patch(Record):
    """The edits of one proposal, sorted by path, each changing something."""

    edits: tuple[FileEdit, ...]


class Proposal(Stored):
    """An agent's immutable request; its digest is its identity, `P00001` its number in one ledger.

    An agent's `author` begins with `agent:`. A proposal that claims a gain needs a win to pass. `declares` names
    functions that are meant to answer otherwise than before, such as `pkg.module.function`.
    """

    title: str
    rationale: str
    author: str
    base: str
    parent: str | None = None
    claims_gain: bool = False
    patch_digest: str
    created: datetime
    declares: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `declares` where it is empty: the digests of proposals that were written before it are kept."""
        found: dict[str, Any] = handler(self)
        if not self.declares:
            del found["declares"]
        return found


class Candidate(Stored):
    """A proposal committed on its base."""

    proposal: str
    base: str
    commit: str
    tree: str
    branch: str


class TestsResult(Stored):
    """Tests against the ids collected at the base: `expected` and `passed` are counts, the rest are ids.

    Of those that passed, `verified` counts the ones whose outcome candidate code could not reach; `corroborated` and
    `unverified` name those that ran in its process (`unnamed` more of these are only counted). `decided` counts the
    comparisons that the candidate decided; `oracle` says why there was no oracle, is "used", or empty before one.
    """

    __test__ = False  # pytest: this is no test class

    expected: int
    passed: int
    failed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    run: bool = True
    verified: int = 0
    corroborated: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    unnamed: int = 0
    decided: int = 0
    oracle: str = ""


class Effect(Stored):
    """One metric's paired difference, signed so that positive is better, in log-ratio or the metric's own unit.

    `alpha` is the level at which a win is declared (in a campaign, e-LOND's), None where none can be or none is needed.
    `futile`: a gain of the smallest effect sought is refuted. `path` is the e-value after each pair, which the ledger's
    events leave to the evidence. `over` is the commit that it was compared with, where that is not the base.
    """

    metric: str
    unit: str
    kind: str
    role: Literal["objective", "guardrail"]
    exact: bool
    baseline: float | None
    candidate: float | None
    estimate: float
    low: float | None
    high: float | None
    e_value: float | None
    pairs: int
    outcome: EffectOutcome
    alpha: float | None = None
    futile: bool = False
    path: tuple[float, ...] = ()
    over: str = ""


class Alarm(Record):
    """Something a person should know that does not change the verdict; `place` is a line, a function or a test."""

    kind: str
    detail: str
    place: str = ""


class ContainerState(Record):
    """How one container ended, read from the engine, never from the guest."""

    exit_code: int | None
    oom_killed: bool
    timed_out: bool
    output_capped: bool
    seconds: float


class TrialRecord(Record):
    """One sandboxed execution as it goes into the evidence; streams are named by their SHA-256."""

    arm: Arm
    purpose: Literal["tests", "metric"]
    image: str
    profile: str
    argv: tuple[str, ...]
    state: ContainerState
    stdout: str
    stderr: str


class BehaviourDifference(Record):
    """A smallest input found on which base and candidate differ, as safe text; `count` inputs differed in all.

    `where` names the surroundings in which alone it shows, or is empty. `declared`: the proposal said so beforehand.
    """

    function: str
    kind: Literal["value", "error", "text", "time", "memory"]
    inputs: Literal["suite", "unusual"]
    script: str
    base: str
    candidate: str
    count: int = 1
    where: str = ""
    declared: bool = False


class Replayed(Record):
    """Base and candidate asked the same questions: `scripts` of `calls` about `functions`, `suite` of them as the tests
    ask, the rest made with `seed`. `unstable` ones were left out, since the base differs from itself there.

    `differing` names functions, `differences` shows some of them. `ran` and `not_ran` name surroundings; `why` says why
    nothing was asked, or is empty.
    """

    seed: str = ""
    scripts: int = 0
    calls: int = 0
    functions: int = 0
    suite: int = 0
    unstable: int = 0
    differing: tuple[str, ...] = ()
    differences: tuple[BehaviourDifference, ...] = ()
    ran: tuple[str, ...] = ()
    not_ran: tuple[str, ...] = ()
    seconds: float = 0.0
    why: str = ""


ChangeKind = Literal[
    "added", "removed", "moved", "renamed", "signature", "defaults", "decorators", "bases", "raises", "excepts",
    "returns", "calls",
]  # fmt: skip
CapabilityKind = Literal[
    "process", "network", "filesystem", "eval", "ctypes", "pickle", "introspection", "test configuration"
]


class SemanticChange(Record):
    """What became of one function or class, or of the module's own code (`<module>`); texts are the candidate's.

    `before` and `after` are what is gone and what is new: a signature, exceptions, return values, calls.
    """

    path: str
    line: int
    name: str
    kind: ChangeKind
    before: str = ""
    after: str = ""


class CapabilityChange(Record):
    """A reach that the code gained, or lost (`gone`). `declared`: people allow its module to be imported."""

    kind: CapabilityKind
    name: str
    path: str
    line: int
    gone: bool = False
    declared: bool = False


class Semantic(Record):
    """What a patch means, by name, with imports and aliases followed; `files` Python files were compared.

    `unresolved` are new calls of which nobody can say where they lead, `faults` files that could not be read, `more`
    counts what was left out for want of room: what is not known is said.
    """

    files: int = 0
    changes: tuple[SemanticChange, ...] = ()
    capabilities: tuple[CapabilityChange, ...] = ()
    unresolved: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    more: int = 0


RemovedKind = Literal["container", "image", "result", "evidence", "file"]


class Removal(Record):
    """One thing that went, or would go if asked, and why."""

    kind: RemovedKind
    name: str
    why: str


class ArtifactEntry(Record):
    """A file that a candidate's tests left for the reader; its bytes are stored by their digest, and hostile."""

    path: str
    digest: str
    size: int


class Evidence(Record):
    """The bundle behind a verdict; its digest is the SHA-256 of its canonical JSON. `log` names the tests' output,
    `differences` are the pairs of noisy metrics, which a later run of an open question continues, at the same `level`;
    `attempt` counts the runs that it continues. `coins` name the logs of the coin flips.
    """

    schema_: Literal["holdpoint/evidence/1"] = Field("holdpoint/evidence/1", alias="schema")
    proposal: str
    proposal_digest: str
    base: str
    commit: str
    merge: str
    tree: str
    manifest: str
    diff: str
    policy: str
    config: str
    image: str
    profile: str
    findings: tuple[Finding, ...]
    tests: TestsResult
    effects: tuple[Effect, ...]
    alarms: tuple[Alarm, ...]
    trials: tuple[TrialRecord, ...]
    verdict: VerdictWord
    reasons: tuple[str, ...]
    log: str = ""
    differences: dict[str, tuple[float, ...]] = {}
    level: float | None = None
    attempt: int = 0
    coins: tuple[str, ...] = ()
    artifacts: tuple[ArtifactEntry, ...] = ()
    replay: Replayed | None = None
    semantic: Semantic | None = None
    finished: datetime

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class LineComment(Stored):
    """A person's words about one line of a difference, on its new side or, where it was removed, its old one."""

    path: str
    line: int
    side: Literal["new", "old"]
    text: str


class Reviewed(Stored):
    """What a person was shown (`view`: digest of the sheet, by which `version`) and did: telemetry, no safeguard.

    `acknowledged` names findings, `nominated` the hunk (`path:line`) that was thought the most suspicious. Times are
    seconds: in all, and for each hunk of the difference.
    """

    view: str
    version: str
    mode: Literal["screen", "plain"]
    hunks: int
    seen: int
    acknowledged: tuple[str, ...] = ()
    first_verdict: int | None = None
    nominated: str = ""
    seconds: float = 0.0
    hunk_seconds: tuple[float, ...] = ()


RejectCategory = Literal["", "gaming", "harmful", "wrong", "unclear", "unneeded", "other"]


class Decision(Stored):
    """What a person decided, about which exact content, and why. `statement` names the signed statement, if any."""

    proposal: str
    decision: DecisionWord
    reviewer: str
    reason: str
    tree: str | None
    evidence: str | None
    statement: str | None
    at: datetime
    until: datetime | None = None
    category: RejectCategory = ""
    comments: tuple[LineComment, ...] = ()
    reviewed: Reviewed | None = None


class Revision(Record):
    """The earlier proposal of this lineage that a person decided about last, and the difference from it to this one."""

    proposal: str
    decision: Decision
    diff: str


class QueueRow(Record):
    """One line of the review queue, worst news first within the row."""

    proposal: str
    title: str
    author: str
    state: ProposalState
    verdict: VerdictWord | None
    risk: Severity | None
    added: int
    removed: int
    effect: str
    since: datetime


class ReviewSheet(Record):
    """Everything the review screen and `show` display about one proposal, computed before it is shown."""

    proposal: str
    title: str
    author: str
    launcher: str
    state: ProposalState
    base: str
    ref: str
    commit: str | None
    merge: str | None
    tree: str | None
    diff: str
    findings: tuple[Finding, ...]
    tests: TestsResult | None
    effects: tuple[Effect, ...]
    alarms: tuple[Alarm, ...]
    verdict: VerdictWord | None
    reasons: tuple[str, ...]
    evidence: str | None
    rationale: str
    log_tail: str
    decisions: tuple[Decision, ...]
    lineage: tuple[str, ...]
    notices: tuple[str, ...]
    sandbox: str
    replay: Replayed | None = None
    revises: Revision | None = None
    semantic: Semantic | None = None

    @property
    def other_alarms(self) -> tuple[Alarm, ...]:
        """The alarms that do not repeat one of the findings."""
        told = {(found.rule, found.place) for found in self.findings}
        return tuple(alarm for alarm in self.alarms if (alarm.kind, alarm.place) not in told)


class Decided(Record):
    """A decision was written to the ledger."""

    kind: Literal["decided"] = "decided"
    proposal: str
    decision: DecisionWord
    statement: str | None


class NotDecided(Record):
    """Nothing was decided, and why."""

    kind: Literal["not decided"] = "not decided"
    proposal: str
    why: str
    next_step: str = ""


class Landed(Record):
    """The protected ref now names the approved merge commit."""

    kind: Literal["landed"] = "landed"
    proposal: str
    merge: str
    ref: str


class NotLanded(Record):
    """The ref did not move, and why."""

    kind: Literal["not landed"] = "not landed"
    proposal: str
    why: str
    next_step: str = ""


DecisionOutcome = Annotated[Decided | NotDecided, Field(discriminator="kind")]
MergeOutcome = Annotated[Landed | NotLanded, Field(discriminator="kind")]
