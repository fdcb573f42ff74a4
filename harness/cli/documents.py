"""The JSON documents that commands print with `--json`: one frozen record each, whose schemas ship with the package."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from harness.cli.phases import SelfModification
from harness.doctor.probe import ProbeResult
from harness.gate.statement import bypass_schema, decision_schema, root_schema, statement_schema
from harness.integrity.judged import Check
from harness.ledger import Entry, LedgerCheck
from harness.records import (
    Alarm,
    ArtifactEntry,
    Decision,
    Effect,
    Finding,
    QueueRow,
    Record,
    Removal,
    Replayed,
    Revision,
    Semantic,
    TestsResult,
)
from harness.report import CampaignReport
from harness.stats.needed import Needed


class Document(Record):
    """One command's answer; `schema` names its shape and version."""

    schema_: str = Field(alias="schema")

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class InitDocument(Document):
    """`holdpoint init`."""

    target: str
    config: str
    state: str
    commit: str
    reviewers: tuple[str, ...]


class EngineDocument(Document):
    """`holdpoint engine ensure`."""

    engine: dict[str, Any]
    image: dict[str, Any]
    seccomp: Literal["holdpoint", "engine"]


class DoctorDocument(Document):
    """`holdpoint doctor`: a probe is held when its attack failed and its control worked."""

    engine: dict[str, Any]
    image: str
    profile: str
    probes: tuple[ProbeResult, ...]
    held: int
    unproven: int
    fell: int
    total: int
    ok: bool
    seconds: float


class IntegrityDocument(Document):
    """`holdpoint integrity check`; `silent`: attacks that pass without an alarm, as expected of them or not."""

    checks: tuple[Check, ...]
    ok: bool
    total: int
    wrong: int
    silent: tuple[str, ...]
    seconds: float


class ProposeDocument(Document):
    """`holdpoint propose`."""

    proposal: str
    base: str
    commit: str | None
    tree: str | None
    status: str
    findings: tuple[Finding, ...]


class RunDocument(Document):
    """`holdpoint run` for one proposal."""

    proposal: str
    verdict: str
    reasons: tuple[str, ...]
    tests: TestsResult | None
    effects: tuple[Effect, ...]
    alarms: tuple[Alarm, ...]
    replay: Replayed | None = None
    evidence: str | None
    cached: bool
    base: str
    merge: str | None
    tree: str | None


class RunsDocument(Document):
    """`holdpoint run` for several proposals."""

    runs: tuple[RunDocument, ...]


class QueueDocument(Document):
    """`holdpoint queue`."""

    waiting: tuple[QueueRow, ...]


class DiffDocument(Document):
    """`holdpoint diff`."""

    proposal: str
    diff: str


class LogsDocument(Document):
    """`holdpoint logs`."""

    proposal: str
    logs: str
    artifacts: tuple[ArtifactEntry, ...] = ()


class ReviewersDocument(Document):
    """`holdpoint reviewer`."""

    reviewers: tuple[dict[str, Any], ...]
    commit: str | None = None
    signers: str = ""


class ShowDocument(Document):
    """`holdpoint show`: one proposal, whole."""

    proposal: str
    title: str
    author: str
    launcher: str
    rationale: str
    state: str
    base: str
    commit: str | None
    tree: str | None
    merge: str | None
    status: str
    findings: tuple[Finding, ...]
    verdict: str | None
    reasons: tuple[str, ...]
    tests: TestsResult | None
    effects: tuple[Effect, ...]
    alarms: tuple[Alarm, ...]
    replay: Replayed | None = None
    evidence: str | None
    cached: bool
    decisions: tuple[Decision, ...]
    lineage: tuple[str, ...]
    notices: tuple[str, ...]
    semantic: Semantic | None = None
    revises: Revision | None = None


class DecisionDocument(Document):
    """`holdpoint approve`, `reject`, `defer`, `request-changes` and `revoke`."""

    proposal: str
    decision: str
    statement: str | None
    why: str = ""


class MergeDocument(Document):
    """`holdpoint merge`."""

    proposal: str
    merge: str | None
    ref: str
    why: str = ""


class BypassDocument(Document):
    """`holdpoint bypass`: the declaration counts when `signed_by` has `needed`."""

    commit: str
    statement: str
    signed_by: tuple[str, ...]
    needed: int


class VerifyDocument(Document):
    """`holdpoint verify`; `bypasses` are the commits that reviewers declared to have landed without approval.

    Keep the document: `verify --since FILE` demands that ref, approvals and ledger go on from what it saw.
    """

    ok: bool
    ref: str
    tip: str | None
    approvals: str | None
    root: str | None
    bypasses: tuple[str, ...]
    merges: tuple[dict[str, Any], ...]
    ledger: LedgerCheck | dict[str, Any] | None
    why: tuple[str, ...]


class LogDocument(Document):
    """`holdpoint log`; `file` was written (`--export`) or checked (`--import --check`)."""

    events: tuple[Entry, ...]
    file: str | None = None
    check: LedgerCheck | None = None


class StatusDocument(Document):
    """`holdpoint status`; `self_modification` says what must be true before it is switched on (not with `--at`)."""

    proposals: tuple[dict[str, Any], ...]
    head: dict[str, Any]
    at: str
    self_modification: SelfModification | None = None


class CampaignDocument(Document):
    """`holdpoint campaign run`."""

    campaign: str
    proposals: int
    passed: int
    refused: int
    state: str
    accepted: tuple[str, ...]
    table: tuple[dict[str, Any], ...]
    before: dict[str, float]
    after: dict[str, float]


class ReportDocument(Document):
    """`holdpoint campaign report`; `file` is what was written, empty if nothing was asked for."""

    report: CampaignReport
    campaign: str
    proposals: int
    passed: int
    state: str
    file: str


class NoiseCheck(Record):
    """One metric's noise: `effect` and `limit` as configured, `admits` when that effect is found four times of five.

    `spread` and `order_bias` are in log-ratio or the metric's own unit; None without a pair, and `why` says more.
    """

    metric: str
    kind: str
    unit: str
    pairs: int
    limit: int
    effect: float
    spread: float | None = None
    order_bias: float = 0.0
    e_value: float = 1.0
    needed: tuple[Needed, ...] = ()
    detectable: float | None = None
    admits: bool = False
    why: str = ""


class SelfcheckDocument(Document):
    """`holdpoint experiment selfcheck`."""

    checks: tuple[NoiseCheck, ...]
    ok: bool
    base: str
    seconds: float


class GcDocument(Document):
    """`holdpoint gc`; with `dry`, nothing was removed."""

    removed: tuple[Removal, ...]
    dry: bool


class CiDocument(Document):
    """`holdpoint ci`."""

    verdict: str
    proposal: str
    reasons: tuple[str, ...]
    reports: dict[str, str | None]


class DemoDocument(Document):
    """`holdpoint demo`."""

    proposals: int
    passed: int
    refused: int
    failed: int
    waiting: int
    target: str
    table: tuple[dict[str, Any], ...]
    before: dict[str, float]
    after: dict[str, float]


DOCUMENTS: dict[str, type[Document]] = {
    "init": InitDocument,
    "engine": EngineDocument,
    "doctor": DoctorDocument,
    "integrity": IntegrityDocument,
    "propose": ProposeDocument,
    "run": RunDocument,
    "runs": RunsDocument,
    "queue": QueueDocument,
    "diff": DiffDocument,
    "logs": LogsDocument,
    "reviewers": ReviewersDocument,
    "show": ShowDocument,
    "decision": DecisionDocument,
    "merge": MergeDocument,
    "bypass": BypassDocument,
    "verify": VerifyDocument,
    "log": LogDocument,
    "status": StatusDocument,
    "campaign": CampaignDocument,
    "report": ReportDocument,
    "selfcheck": SelfcheckDocument,
    "gc": GcDocument,
    "ci": CiDocument,
    "demo": DemoDocument,
}


def schema_files() -> dict[str, str]:
    """File name and JSON Schema text of every document and signed statement, for `harness/cli/schemas/`.

    A test keeps them in step.
    """
    schemas = {name: kind.model_json_schema() for name, kind in DOCUMENTS.items()} | {
        "signed-approval": statement_schema(),
        "signed-root": root_schema(),
        "signed-decision": decision_schema(),
        "signed-bypass": bypass_schema(),
    }
    return {f"{name}.json": json.dumps(schema, indent=2, sort_keys=True) + "\n" for name, schema in schemas.items()}


def write_schemas(folder: Path) -> None:
    """Writes every schema into the folder (run by a maintainer after changing a document)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_files().items():
        (folder / name).write_text(text)
