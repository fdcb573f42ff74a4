"""What an agent asks for, and what the policy says of it: Proposal, Patch, Finding, Candidate."""

from datetime import datetime
from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from harness.records.frozen import Record, Stored

Severity = Literal["info", "low", "medium", "high", "critical"]

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
