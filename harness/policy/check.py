"""A patch against a policy of the base: every finding, in order. Nothing here runs or trusts the patch."""

import sys
from collections.abc import Collection, Iterator

from harness.limited import Limited
from harness.patch import Malformed
from harness.patch.inspect import FileReport, ImportSeen
from harness.patch.resolve import prefixes
from harness.policy.inspector import inspect
from harness.policy.load import Policy
from harness.policy.structure import AuthorKind, is_python, place_findings, size_findings, text_findings, top_module
from harness.records import FileEdit, Finding, Patch, Severity
from harness.target import TargetConfig
from harness.text import visible_line

_ORDER: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")
_FAULTS = {
    "encoding": "allowed: UTF-8 (no other encoding may be declared)",
    "parse": "allowed: Python that compiles and that libcst parses",
    "round-trip": "allowed: text that libcst reads and writes back unchanged",
}
_LARGEST = 1 << 20  # bytes of a file that is still parsed
_MOST = 200  # findings shown of one proposal; what blocks comes first


def check(
    patch: Patch,
    policy: Policy,
    config: TargetConfig,
    author_kind: AuthorKind,
    inspector: Limited,
    known: Collection[str] = (),
) -> tuple[Finding, ...]:
    """All findings, blocking ones first; lines are those of the file afterwards, 0 is the whole file.

    `known`: what the base's package imports already (`imported_names`). Policy and configuration are the base's.
    """
    findings = [
        *place_findings(patch, policy, config, author_kind),
        *size_findings(patch, policy),
        *text_findings(patch, policy),
    ]
    python = [edit for edit in patch.edits if is_python(edit.path) and edit.after is not None]
    findings += [_too_large(edit, policy) for edit in python if not _inspectable(edit)]
    files = [edit for edit in python if _inspectable(edit)]
    allowed = frozenset([*policy.imports, *config.policy.imports, *known, *_own(config)])
    for report in inspect(files, inspector):
        findings += _syntax(report, policy)
        findings += _imports(report, policy, allowed)
    return _ordered([_stricter(finding, config.policy.block_from) for finding in findings])


def blocked(findings: Collection[Finding]) -> bool:
    """Whether any finding stops the proposal."""
    return any(finding.blocking for finding in findings)


def refusal(malformed: Malformed) -> Finding:
    """The finding for input that is no patch at all."""
    return Finding(
        rule="malformed",
        severity="high",
        path=malformed.path or ".",
        line=0,
        message=visible_line(malformed.why),
        blocking=True,
    )


def _inspectable(edit: FileEdit) -> bool:
    """A bound of ours, not the policy's: with a lower limit of its own a stricter policy would see less."""
    return all(len((side or "").encode()) <= _LARGEST for side in (edit.before, edit.after))


def _too_large(edit: FileEdit, policy: Policy) -> Finding:
    message = f"the file (or its base) has more than {_LARGEST} bytes and is not parsed; allowed: smaller files"
    return policy.finding("parse", edit.path, 0, message)


def _syntax(report: FileReport, policy: Policy) -> Iterator[Finding]:
    if report.fault:
        message = f"{visible_line(report.why, 300)}; {_FAULTS[report.fault]}"
        yield policy.finding(report.fault, report.path, report.line, message)
    for hit in report.hits:
        yield policy.finding(hit.rule, report.path, hit.line, hit.message)


def _imports(report: FileReport, policy: Policy, allowed: frozenset[str]) -> Iterator[Finding]:
    """Imports that are neither declared, nor the package's own, nor in the base already."""
    stopped = {
        hit.line
        for hit in report.hits
        if hit.key.startswith("import ") and policy.finding(hit.rule, report.path, hit.line, "").blocking
    }
    known = allowed | frozenset(report.imported_before)
    for each in report.imports:
        if each.module.startswith(".") or each.line in stopped or _declared(each, known):
            continue
        yield policy.finding(
            "new-import",
            report.path,
            each.line,
            f"imports `{visible_line(each.module, 80)}`, which is not declared; allowed: what the base imports "
            "already, the policy's list, and [policy] imports in holdpoint.toml",
        )


def _declared(each: ImportSeen, known: frozenset[str]) -> bool:
    if any(name in known for name in prefixes(each.module)):
        return True
    return bool(each.names) and all(name in known for name in each.names)


def _own(config: TargetConfig) -> Iterator[str]:
    """The top-level names that the editable scope belongs to, unless one is the standard library's."""
    for source in config.target.source:
        name = top_module(source)
        if name and name not in sys.stdlib_module_names:
            yield name


def _stricter(finding: Finding, block_from: Severity | None) -> Finding:
    """The target may only add to what the policy blocks."""
    if block_from is None or _ORDER.index(finding.severity) > _ORDER.index(block_from):
        return finding
    return finding.model_copy(update={"blocking": True})


def _ordered(findings: list[Finding]) -> tuple[Finding, ...]:
    unique = sorted(
        set(findings),
        key=lambda f: (not f.blocking, _ORDER.index(f.severity), f.path, f.line, f.rule, f.message),
    )
    return tuple(unique[:_MOST])
