"""Proposed edits as text: built from what agents send, shown as one diff, parsed and searched; decides nothing."""

from harness.patch.apply import from_diff
from harness.patch.build import EditsDocument, Malformed, edits_schema, from_edits, from_overlay, parse_edits
from harness.patch.diff import counts, unified
from harness.patch.paths import path_fault

__all__ = [
    "EditsDocument",
    "Malformed",
    "counts",
    "edits_schema",
    "from_diff",
    "from_edits",
    "from_overlay",
    "parse_edits",
    "path_fault",
    "unified",
]
