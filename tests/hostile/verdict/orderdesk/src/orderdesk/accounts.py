"""Accounts with transfers that happen altogether or not at all."""

import contextlib
import copy
import functools

from .errors import Closed, Rejected
from .model import Reason


@functools.total_ordering
class Account:
    """A name and a balance; ordered by balance, then by name."""

    __slots__ = ("balance", "name", "notes")

    def __init__(self, name, balance=0):
        self.name, self.balance, self.notes = name, balance, []

    def __repr__(self):
        return f"Account({self.name!r}, {self.balance})"

    def __eq__(self, other):
        if not isinstance(other, Account):
            return NotImplemented
        return (self.name, self.balance) == (other.name, other.balance)

    def __lt__(self, other):
        if not isinstance(other, Account):
            return NotImplemented
        return (self.balance, self.name) < (other.balance, other.name)

    def __hash__(self):
        return hash(self.name)

    def __bool__(self):
        return self.balance != 0


class Accounts:
    """All accounts; a context manager that closes itself."""

    def __init__(self, **balances):
        self._accounts = {name: Account(name, balance) for name, balance in balances.items()}
        self._log = []
        self._open = True

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self._open = False
        return False

    def __getitem__(self, name):
        return self._accounts[name]

    def __len__(self):
        return len(self._accounts)

    def open(self, name, balance=0):
        """A new account."""
        self._check()
        if name in self._accounts:
            raise ValueError(f"{name} exists")
        self._accounts[name] = Account(name, balance)
        return self._accounts[name]

    def transfer(self, source, target, amount):
        """Move an amount; Rejected when it is not there."""
        self._check()
        if amount <= 0:
            raise Rejected(Reason.SIZE, str(amount))
        if self._accounts[source].balance < amount:
            raise Rejected(Reason.FUNDS, source)
        self._accounts[source].balance -= amount
        self._accounts[target].balance += amount
        self._log.append((source, target, amount))

    @contextlib.contextmanager
    def together(self):
        """All changes inside, or none when an exception leaves the block."""
        before = copy.deepcopy(self._accounts), list(self._log)
        try:
            yield self
        except BaseException:
            self._accounts, self._log = before
            raise

    def history(self, name=None):
        """Transfers, oldest first, as a generator."""
        for source, target, amount in self._log:
            if name is None or name in (source, target):
                yield source, target, amount

    def total(self):
        return sum(account.balance for account in self._accounts.values())

    def ranking(self):
        """Names, richest first; equal balances by name."""
        return [account.name for account in sorted(self._accounts.values(), key=lambda a: (-a.balance, a.name))]

    def _check(self):
        if not self._open:
            raise Closed("the accounts are closed")
