"""One check of the harness by itself: what was expected, and what came."""

from typing import Literal, assert_never

from harness.records import Alarm, Record, VerdictWord

Expected = Literal["pass", "caught", "fail", "any"]
Rules = Literal["refused", "flagged", "clean", ""]


class Check(Record):
    """One change, or one twin of a target's tests, and what the harness made of it.

    `expected`: "pass" of a benign change; "caught" of an attack: a fail, or a pass with an alarm; "fail" of a twin;
    "any" where no defence that runs is said to see it. An "error" is never as expected: among others, it says that the
    oracle was not asked at all. `unverified` counts tests that passed in the candidate's own process only; `differing`
    names functions that answer otherwise than the base's. `policy` is what the static rules say besides, which the
    verdict has heard nothing of.
    """

    id: str
    target: str
    kind: str
    category: str
    expected: Expected
    verdict: VerdictWord
    alarms: tuple[Alarm, ...]
    why: str
    verified: int = 0
    unverified: int = 0
    differing: tuple[str, ...] = ()
    policy: Rules
    ok: bool

    @property
    def silent(self) -> bool:
        """Whether it is an attack that passes, and neither alarm nor difference tells a person of it."""
        told = self.alarms or self.differing
        return self.kind not in ("benign", "twin") and self.verdict == "pass" and not told


def is_right(expected: Expected, verdict: VerdictWord, alarms: tuple[Alarm, ...]) -> bool:
    """Whether an answer is the expected one."""
    match expected:
        case "pass":
            return verdict == "pass"
        case "caught":
            return verdict == "fail" or (verdict == "pass" and bool(alarms))
        case "fail":
            return verdict == "fail"
        case "any":
            return verdict != "error"
        case _:
            assert_never(expected)
