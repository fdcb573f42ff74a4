"""Append-only, hash-chained history; the only user of the database."""

from harness.ledger.chain import EMPTY, Head
from harness.ledger.entry import Entry
from harness.ledger.state import CampaignView, ProposalView, State
from harness.ledger.store import Ledger, LedgerCheck, check_ledger

__all__ = [
    "EMPTY",
    "CampaignView",
    "Entry",
    "Head",
    "Ledger",
    "LedgerCheck",
    "ProposalView",
    "State",
    "check_ledger",
]
