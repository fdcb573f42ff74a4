"""The commonest kind of probe: one guest program, run in the real profile and again with one setting off."""

from collections.abc import Mapping
from typing import Any

from harness.doctor.bench import Said
from harness.doctor.probe import Act, Blocked, Fired, Outcome, Unclear


def in_guest(program: str, args: Mapping[str, Any] | None = None, **limits: Any) -> Act:
    """The attack: sandbox/probes/PROGRAM.py in the real profile."""
    return lambda bench: outcome_of(bench.guest(program, (), args, **limits))


def in_guest_without(*without: str, program: str, args: Mapping[str, Any] | None = None, **limits: Any) -> Act:
    """The control: the same program in a container that lacks the named settings, and is bounded by the others."""
    return lambda bench: outcome_of(bench.guest(program, without, args, **limits))


def outcome_of(said: Said) -> Outcome:
    """The program's own word. A program that was killed before it could speak counts as blocked by what killed it."""
    if said.fired is not None:
        return Fired(detail=said.detail) if said.fired else Blocked(detail=said.detail)
    if said.state.oom_killed:
        return Blocked(detail="killed at the memory limit")
    if said.state.timed_out:
        return Blocked(detail="killed at the time limit")
    if said.state.output_capped:
        return Blocked(detail="killed at the output limit")
    return Unclear(detail=f"the program did not say how it went: {said.detail}")
