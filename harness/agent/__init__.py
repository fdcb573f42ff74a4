"""Proposers: who asks for a change, and over which protocol; they hold no key and see no ledger."""
