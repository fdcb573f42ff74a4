"""A policy as people write it: loaded from a packaged name or a file of the base, hashed, and asked what blocks."""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_serializer,
)

from harness.data import data_dir
from harness.errors import UsageError
from harness.patch import path_fault
from harness.policy.rules import RULES
from harness.records import Finding, Record, Severity, canonical_json, sha256
from harness.text import visible_line

PACKAGED = ("default", "strict", "self")
EARLIER: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "default": frozenset({"sha256:9a79b60afab324af5a3f7703d32486daea22817d51baf70eb4b458f383df79ab"}),
        "strict": frozenset({"sha256:ec4f8db4925488c078076289b19283fac2bfd1608e6f2ce490994e6b0097507c"}),
        "self": frozenset({"sha256:d3df7426ab34e466add1a6970cdbd4d7807ebaf509065e17fa93b378ffe9f480"}),
    }
)
"""Digests of packaged policies as earlier versions shipped them: what was merged under one stays verifiable.

Whoever changes a packaged policy adds the digest that it had.
"""
# What a policy cannot switch off: these always block.
ALWAYS = ("malformed", "protected-path", "judge-changed", "scope", "encoding", "parse")
_STRUCTURAL: Mapping[str, Severity] = {
    "size": "high",
    "not-python": "high",
    "hostile-text": "critical",
    "round-trip": "high",
    "shadowed-module": "critical",
    "new-import": "high",
}
KNOWN: Mapping[str, Severity] = {**_STRUCTURAL, **{rule.id: rule.severity for rule in RULES}}
"""Every rule that a policy may set, and its severity where the policy does not name it; it then blocks."""

Count = Annotated[StrictInt, Field(ge=0)]
Words = tuple[StrictStr, ...]
Share = Annotated[StrictFloat, Field(ge=0, le=1, allow_inf_nan=False)]


class Limits(Record):
    """How much one proposal may change."""

    max_files: Count
    max_changed_lines: Count
    max_file_bytes: Count


class RuleSetting(Record):
    """What one rule's findings are worth here."""

    severity: Severity
    blocks: StrictBool


class Required(Record):
    """Where a proposal changes one of these paths, so many approvals, by reviewers with one of these roles (any)."""

    paths: Words = Field(min_length=1)
    approvals: Annotated[StrictInt, Field(ge=1, le=20)]
    roles: Words = ()


class Policy(Record):
    """Human-owned rules; a rule that is not named blocks.

    An approval counts for `approval_days`, and when its key is of one of `key_types` (none named: of any).
    """

    schema_: Literal["holdpoint/policy/1"] = Field(alias="schema")
    name: StrictStr = Field(min_length=1, max_length=64)
    version: Annotated[StrictInt, Field(ge=1)]
    limits: Limits
    protect: Words
    non_python: Words
    imports: Words
    approvals: Annotated[StrictInt, Field(ge=1, le=20)]
    launcher_may_approve: StrictBool
    second_reviewer_on: Words
    unverified: Share = 0.0
    may_miss: Words = ()
    approval_days: Annotated[StrictInt, Field(ge=1, le=365)] = 30
    key_types: Words = ()
    required: tuple[Required, ...] = ()
    rules: Mapping[str, RuleSetting]

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what was added later where nobody sets it: policies that were signed for keep their digests."""
        found: dict[str, Any] = handler(self)
        for name in ("approval_days", "key_types", "required"):
            if getattr(self, name) == type(self).model_fields[name].default:
                del found[name]
        return found

    def finding(self, rule: str, path: str, line: int, message: str) -> Finding:
        """A finding with the severity and the weight that this policy gives to the rule."""
        setting = self.rules.get(rule) or RuleSetting(severity=KNOWN.get(rule, "critical"), blocks=True)
        return Finding(
            rule=rule,
            severity=setting.severity,
            path=path,
            line=line,
            message=message,
            blocking=setting.blocks or rule in ALWAYS,
        )


def load_policy(use: str, read: Callable[[str], bytes | None]) -> tuple[Policy, str]:
    """The policy and the digest of its content. `use`: a packaged name, or a path that `read` knows at the base."""
    if use in PACKAGED:
        data: bytes | None = (data_dir("policies") / f"{use}.toml").read_bytes()
        where = f"policies/{use}.toml"
    else:
        fault = path_fault(use) if use.endswith(".toml") else "it is no packaged name and no .toml file"
        if fault:
            raise UsageError(
                f"[policy] use = {visible_line(use, 80)!r}: {fault}; allowed: {', '.join(PACKAGED)}, or a .toml "
                "file of this repository",
                "correct holdpoint.toml at the base",
            )
        data, where = read(use), use
    if data is None:
        raise UsageError(f"the policy {use} does not exist at the base.", "commit it, or use = 'default'")
    policy = parse_policy(data, where)
    return policy, sha256(canonical_json(policy.model_dump(mode="json", by_alias=True)))


def parse_policy(data: bytes, where: str) -> Policy:
    """The policy in a TOML text; UsageError names file, key, what was found and what is allowed."""
    step = f"correct {where}; the packaged policies explain each key"
    try:
        found = tomllib.loads(data.decode("utf-8"))
        policy = Policy.model_validate(found)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{where} is not TOML: {error}.", step) from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        near = _nearest(str(fault["loc"][-1]), _keys()) if fault["type"] == "extra_forbidden" else ""
        raise UsageError(f"{where}: {place}: {visible_line(fault['msg'], 200)}{near}.", step) from error
    for rule in policy.rules:
        if rule not in KNOWN:
            kind = "always blocks and cannot be set" if rule in ALWAYS else "is no rule"
            raise UsageError(f"{where}: rules.{visible_line(rule, 60)} {kind}{_nearest(rule, list(KNOWN))}.", step)
    return policy


def _keys() -> list[str]:
    names = ["schema", *Policy.model_fields, *Limits.model_fields, *RuleSetting.model_fields, *Required.model_fields]
    return [name for name in names if name != "schema_"]


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; allowed: {', '.join(sorted(known))}"
