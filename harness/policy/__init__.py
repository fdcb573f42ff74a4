"""What people rule about proposals: loaded from the base, hashed, applied to a patch; never read from a candidate."""

from harness.policy.check import blocked, check, refusal
from harness.policy.globs import first
from harness.policy.inspector import imported_names, meaning, open_inspector
from harness.policy.load import EARLIER, Policy, load_policy, parse_policy
from harness.policy.rules import RULES
from harness.policy.structure import guarded

__all__ = [
    "EARLIER",
    "RULES",
    "Policy",
    "blocked",
    "check",
    "first",
    "guarded",
    "imported_names",
    "load_policy",
    "meaning",
    "open_inspector",
    "parse_policy",
    "refusal",
]
