"""What a person signs: an in-toto Statement (v1) that binds one decision to exact content; pure, signs nothing.

A statement is valid only in its canonical bytes (harness.records.canonical_json), so that one content has one text.
"""

from datetime import datetime
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from harness.ledger import Head
from harness.records import Record, canonical_json, sha256
from harness.target import ReviewerEntry

PREDICATE: Literal["tag:holdpoint,2026:approval/1"] = "tag:holdpoint,2026:approval/1"
CORE_LIMIT = 1 << 20


_BY_ALIAS = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class CommitDigest(Record):
    """An in-toto DigestSet that names a git commit."""

    model_config = _BY_ALIAS

    git_commit: str = Field(alias="gitCommit", pattern=r"^[0-9a-f]{40}$")


class ManifestDigest(Record):
    """An in-toto DigestSet that names bytes by SHA-256."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class MergeSubject(Record):
    """The merge commit, under the ref that it is for."""

    model_config = _BY_ALIAS

    name: str
    digest: CommitDigest


class ManifestSubject(Record):
    """The manifest of the merge's tree."""

    name: Literal["manifest"] = "manifest"
    digest: ManifestDigest


class Predicate(Record):
    """Everything the decision binds. Digests are `sha256:…`, git ids 40 hex digits, times UTC."""

    decision: Literal["approve"]
    repository: str = Field(description="digest of the target's first root statement")
    ref: str
    proposal: str
    proposal_digest: str
    author: str
    launcher: str
    base: str = Field(description="the protected ref's tip that the merge was made on")
    commit: str = Field(description="the proposal's commit")
    merge: str
    tree: str
    manifest: str
    diff: str = Field(description="digest of the canonical difference base..merge")
    view: str = Field(description="digest of the review sheet as it was shown")
    evidence: str
    image: str
    profile: str
    config: str = Field(description="digest of holdpoint.toml at the base")
    policy: str = Field(description="digest of the policy at the base")
    ledger: Head = Field(description="the ledger's last entry when this was signed")
    reviewer: str
    key: str = Field(description="fingerprint of the signing key")
    reason: str
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")
    issued: datetime
    not_after: datetime


class Statement(Record):
    """An in-toto Statement whose subjects are the merge commit and the manifest of its tree."""

    model_config = _BY_ALIAS

    type_: Literal["https://in-toto.io/Statement/v1"] = Field("https://in-toto.io/Statement/v1", alias="_type")
    subject: tuple[MergeSubject, ManifestSubject]
    predicate_type: Literal["tag:holdpoint,2026:approval/1"] = Field(PREDICATE, alias="predicateType")
    predicate: Predicate

    @classmethod
    def of(cls, predicate: Predicate) -> "Statement":
        """The statement about a predicate's own merge and manifest."""
        return cls(subject=subjects(predicate), predicate=predicate)


class Envelope(Record):
    """A statement's exact bytes with its signature: what the evidence store keeps; its digest names the approval."""

    statement: str
    signature: str

    @property
    def digest(self) -> str:
        """The digest under which decisions and merges name it."""
        return sha256(canonical_json(self))


class RootStatement(Record):
    """Who may sign from a commit on; the first one of a repository is what its identity is the digest of."""

    model_config = _BY_ALIAS

    schema_: Literal["holdpoint/root/1"] = Field("holdpoint/root/1", alias="schema")
    repository: str | None = Field(description="digest of the first root statement; null in that one")
    previous: str | None = Field(description="commit of the root before; null in the first one")
    ref: str
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    config: str
    reviewers: tuple[ReviewerEntry, ...]
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")
    issued: datetime

    @property
    def digest(self) -> str:
        """Digest of the canonical bytes."""
        return sha256(canonical_json(self))


class DecisionStatement(Record):
    """What a person signs who does not approve. A revocation names the approval (its envelope's digest) it voids."""

    model_config = _BY_ALIAS

    schema_: Literal["holdpoint/decision/1"] = Field("holdpoint/decision/1", alias="schema")
    decision: Literal["revoke", "reject", "request-changes", "defer"]
    repository: str = Field(description="digest of the target's first root statement")
    ref: str
    proposal: str
    proposal_digest: str
    merge: str | None = Field(description="the tested merge commit that it is about; null before a run")
    evidence: str | None
    approval: str | None = Field(description="digest of the approval that is revoked; null for the other decisions")
    ledger: Head = Field(description="the ledger's last entry when this was signed")
    reviewer: str
    key: str = Field(description="fingerprint of the signing key")
    reason: str
    until: datetime | None = Field(description="when a deferred proposal comes back")
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")
    issued: datetime


class BypassStatement(Record):
    """Reviewers declare a commit that reached the protected ref without an approval; it stays visible for ever."""

    model_config = _BY_ALIAS

    schema_: Literal["holdpoint/bypass/1"] = Field("holdpoint/bypass/1", alias="schema")
    repository: str = Field(description="digest of the target's first root statement")
    ref: str
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    manifest: str = Field(description="digest of the manifest of the commit's tree")
    by: str
    reason: str
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")
    issued: datetime


def subjects(predicate: Predicate) -> tuple[MergeSubject, ManifestSubject]:
    """Merge commit and manifest, as in-toto subjects."""
    return (
        MergeSubject(name=predicate.ref, digest=CommitDigest(gitCommit=predicate.merge)),
        ManifestSubject(digest=ManifestDigest(sha256=predicate.manifest.removeprefix("sha256:"))),
    )


def read_statement(data: bytes) -> Statement | str:
    """The statement in these bytes, or what is wrong with them."""
    try:
        statement = Statement.model_validate_json(data)
    except ValidationError as error:
        return f"it is no approval statement ({_first(error)})"
    if canonical_json(statement) != data:
        return "its bytes are not the canonical text of its content"
    if statement.subject != subjects(statement.predicate):
        return "its subject is not the merge that its predicate names"
    return statement


def read_root(data: bytes) -> RootStatement | str:
    """The root statement in these bytes, or what is wrong with them."""
    try:
        root = RootStatement.model_validate_json(data)
    except ValidationError as error:
        return f"it is no root statement ({_first(error)})"
    return root if canonical_json(root) == data else "its bytes are not the canonical text of its content"


Plain = TypeVar("Plain", DecisionStatement, BypassStatement)


def read_plain(kind: type[Plain], data: bytes) -> Plain | str:
    """The statement of this kind in these bytes, or what is wrong with them."""
    try:
        found = kind.model_validate_json(data)
    except ValidationError as error:
        return f"it is no such statement ({_first(error)})"
    return found if canonical_json(found) == data else "its bytes are not the canonical text of its content"


def decision_schema() -> dict[str, Any]:
    """The JSON Schema of a signed decision that does not approve."""
    return DecisionStatement.model_json_schema(by_alias=True)


def bypass_schema() -> dict[str, Any]:
    """The JSON Schema of a declared bypass."""
    return BypassStatement.model_json_schema(by_alias=True)


def statement_schema() -> dict[str, Any]:
    """The JSON Schema of an approval statement."""
    return Statement.model_json_schema(by_alias=True)


def root_schema() -> dict[str, Any]:
    """The JSON Schema of a root statement."""
    return RootStatement.model_json_schema(by_alias=True)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "its text"
    return f"{where}: {first['msg']}"[:200]
