"""Checks that need no syntax: where a patch may go, how large it may be, what its text may hold; pure."""

import re
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal

from harness.patch import counts
from harness.policy.globs import allows, first, fold
from harness.policy.load import Policy
from harness.records import FileEdit, Finding, Patch
from harness.target import CONFIG_NAME, TargetConfig
from harness.text import steering, visible_line

AuthorKind = Literal["agent", "person"]
_PYTHON = (".py", ".pyi")
_UNUSUAL = re.compile(r"[^\n\t\x20-\x7e]")
# Folders that go onto the import path themselves; what lies in them is a top-level module.
_ROOTS = frozenset({"src", "lib", "python", "source"})
_TAKEN = sys.stdlib_module_names | frozenset({"pytest", "pluggy", "iniconfig", "packaging", "py", "libcst", "xdist"})
_MOST_CHARACTERS = 20  # findings of one file about characters; the rest is counted


def is_python(path: str) -> bool:
    """Whether the file would be imported, by its name."""
    return PurePosixPath(path).suffix.lower() in _PYTHON


def guarded(policy: Policy, config: TargetConfig) -> tuple[str, ...]:
    """Every protected pattern: the policy's, the configuration's, and all that judges."""
    judges = [*config.target.tests, CONFIG_NAME]
    judges += [config.target.requirements] if config.target.requirements else []
    judges += [config.policy.use] if config.policy.use.endswith(".toml") else []
    judges += [metric.run for metric in config.metrics if metric.run]
    for bench in config.benches:
        judges += [bench.judge, *bench.files, *([bench.scratch] if bench.scratch else [])]
    # A lone name in a configuration is a path from the top, never a name at any depth.
    return (*policy.protect, *config.policy.protect, *(f"./{path}" if "/" not in path else path for path in judges))


def place_findings(patch: Patch, policy: Policy, config: TargetConfig, author: AuthorKind) -> Iterator[Finding]:
    """Protected paths, the editable scope, kinds of file, and names that would take over another module."""
    patterns = guarded(policy, config)
    scope = ", ".join(config.target.source)
    for edit in patch.edits:
        shown = visible_line(edit.path, 120)
        pattern = first(patterns, edit.path)
        if pattern is not None:
            yield _protected(edit.path, shown, pattern.removeprefix("./"), author)
        elif not any(_inside(edit.path, source) for source in config.target.source):
            yield Finding(
                rule="scope",
                severity="high",
                path=edit.path,
                line=0,
                message=f"{shown} is outside the editable scope; allowed: {scope}",
                blocking=True,
            )
        elif not is_python(edit.path) and not any(allows(kind, edit.path) for kind in policy.non_python):
            yield policy.finding(
                "not-python", edit.path, 0, f"{shown} is no Python file; allowed: .py, {_listed(policy.non_python)}"
            )
        taken = _taken_name(edit, config)
        if taken:
            yield policy.finding(
                "shadowed-module",
                edit.path,
                0,
                f"{shown} would be imported instead of the module {taken!r}; allowed: a name of your own",
            )


def size_findings(patch: Patch, policy: Policy) -> Iterator[Finding]:
    """Too many files, changed lines or bytes."""
    limits = policy.limits
    if len(patch.edits) > limits.max_files:
        yield policy.finding("size", ".", 0, f"the patch changes {len(patch.edits)} files; allowed: {limits.max_files}")
    changed = sum(counts(patch))
    if changed > limits.max_changed_lines:
        yield policy.finding("size", ".", 0, f"the patch changes {changed} lines; allowed: {limits.max_changed_lines}")
    for edit in patch.edits:
        size = len((edit.after or "").encode())
        if size > limits.max_file_bytes:
            yield policy.finding("size", edit.path, 0, f"the file has {size} bytes; allowed: {limits.max_file_bytes}")


def text_findings(patch: Patch, policy: Policy) -> Iterator[Finding]:
    """Characters that steer a terminal or hide in an editor, beyond those the base has; CR only before LF."""
    for edit in patch.edits:
        if edit.after is None or not _UNUSUAL.search(edit.after):
            continue
        known = [code for _, code in _steering(edit.before or "")]
        left = {code: known.count(code) for code in set(known)}
        found = 0
        for line, code in _steering(edit.after):
            if left.get(code, 0) > 0:
                left[code] -= 1
                continue
            found += 1
            if found <= _MOST_CHARACTERS:
                yield policy.finding(
                    "hostile-text",
                    edit.path,
                    line,
                    f"the line holds the invisible or steering character {code}; allowed: printable text, "
                    "or an escape such as \\u200b in a string",
                )
        if found > _MOST_CHARACTERS:
            yield policy.finding(
                "hostile-text", edit.path, 0, f"the file holds {found} such characters in all; allowed: none"
            )


def _steering(text: str) -> tuple[tuple[int, str], ...]:
    return steering(text.removeprefix("\ufeff").replace("\r\n", "\n"))


def _protected(path: str, shown: str, pattern: str, author: AuthorKind) -> Finding:
    if author == "agent":
        message = (
            f"{shown} is protected ({pattern}); an agent's proposal may only change what it is judged by nobody for"
        )
        message = f"{shown} is protected (by {pattern}); allowed for an agent: the editable scope only"
        rule = "protected-path"
    else:
        message = (
            f"{shown} is protected (by {pattern}), so this changes the judge; testing such a change with the "
            "tests of both sides, and two persons' approval, come later; allowed now: the editable scope, or an "
            "ordinary commit outside Holdpoint followed by a new signed root"
        )
        rule = "judge-changed"
    return Finding(rule=rule, severity="critical", path=path, line=0, message=message, blocking=True)


def _inside(path: str, source: str) -> bool:
    parts = PurePosixPath(source).parts
    return PurePosixPath(path).parts[: len(parts)] == parts


def top_module(path: str) -> str | None:
    """The top-level module or package that a path belongs to; None when it is only a folder of such."""
    parts = list(PurePosixPath(path).parts)
    while parts and fold(parts[0]) in _ROOTS:
        parts.pop(0)
    return parts[0].split(".")[0] if parts else None


def _taken_name(edit: FileEdit, config: TargetConfig) -> str | None:
    """The module that a new file would shadow, were the folder above it on the import path."""
    if edit.before is not None or edit.after is None:
        return None
    if not any(_inside(edit.path, source) for source in config.target.source):
        return None
    name = fold(top_module(edit.path) or "")
    return name if name in _TAKEN else None


def _listed(patterns: tuple[str, ...]) -> str:
    return ", ".join(patterns) or "nothing else"
