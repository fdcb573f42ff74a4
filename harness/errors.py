"""What stops the harness: exceptions for "we cannot continue", each with a sentence and the next step.

Expected outcomes (a refusal, a failed verdict) are records, not exceptions. Exit codes are given to these in
`harness/cli` and nowhere else.
"""


class HoldpointError(Exception):
    """Base of every error that a user may meet; `next_step` is the command or act that gets them further."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} Next: {self.next_step}" if self.next_step else self.message


class UsageError(HoldpointError):
    """The command, its arguments or a configuration file are wrong (exit 2)."""


class RefusedError(HoldpointError):
    """A verdict, a policy or a gate said no to the act itself (exit 1)."""


class EnvironmentFault(HoldpointError):
    """The machine lacks something: engine, disk, lock, a program (exit 4)."""


class IntegrityError(HoldpointError):
    """Stored state contradicts itself: a broken chain, a digest that does not match (exit 1)."""
