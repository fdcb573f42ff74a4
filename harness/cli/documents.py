"""The JSON documents that commands print with `--json`: one frozen record each, whose schemas ship with the package."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from harness.doctor.probe import ProbeResult
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
    TestsResult,
)


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


class VerifyDocument(Document):
    """`holdpoint verify`."""

    ok: bool
    merges: tuple[dict[str, Any], ...]
    ledger: LedgerCheck | dict[str, Any] | None
    why: tuple[str, ...]


class LogDocument(Document):
    """`holdpoint log`."""

    events: tuple[Entry, ...]


class StatusDocument(Document):
    """`holdpoint status`."""

    proposals: tuple[dict[str, Any], ...]
    head: dict[str, Any]
    at: str


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
    "verify": VerifyDocument,
    "log": LogDocument,
    "status": StatusDocument,
    "campaign": CampaignDocument,
    "gc": GcDocument,
    "ci": CiDocument,
    "demo": DemoDocument,
}


def schema_files() -> dict[str, str]:
    """File name and JSON Schema text of every document, for `harness/cli/schemas/`; a test keeps them in step."""
    return {
        f"{name}.json": json.dumps(kind.model_json_schema(), indent=2, sort_keys=True) + "\n"
        for name, kind in DOCUMENTS.items()
    }


def write_schemas(folder: Path) -> None:
    """Writes every schema into the folder (run by a maintainer after changing a document)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_files().items():
        (folder / name).write_text(text)
