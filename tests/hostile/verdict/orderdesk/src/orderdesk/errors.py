"""Exceptions that are raised on purpose."""


class DeskError(Exception):
    """Base class."""


class UnknownOrder(DeskError, KeyError):
    """No open order has that number."""


class Rejected(DeskError):
    """An order or transfer was refused; `reason` says why."""

    def __init__(self, reason, detail=""):
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason


class Closed(DeskError, RuntimeError):
    """The object has been closed."""
