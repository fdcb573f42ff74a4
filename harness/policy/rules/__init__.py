"""All syntax rules. They route attention and stop the plain cases; none of them is a verdict."""

from harness.policy.rule import Rule
from harness.policy.rules.hints import HINTS
from harness.policy.rules.judge import JUDGE
from harness.policy.rules.reach import REACH
from harness.policy.rules.state import STATE

RULES: tuple[Rule, ...] = (*JUDGE, *REACH, *HINTS, *STATE)
