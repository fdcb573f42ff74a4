"""What people rule about proposals: loaded from the base, hashed, applied to a patch; never read from a candidate."""

from harness.policy.check import blocked, check, refusal
from harness.policy.inspector import imported_names, open_inspector
from harness.policy.load import Policy, load_policy, parse_policy
from harness.policy.rules import RULES

__all__ = [
    "RULES",
    "Policy",
    "blocked",
    "check",
    "imported_names",
    "load_policy",
    "open_inspector",
    "parse_policy",
    "refusal",
]
