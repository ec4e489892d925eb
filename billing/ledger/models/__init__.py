"""The tables of the ledger of accounts."""

from billing.ledger.models.journal import ClosedMonth, JournalEntry, Posting

__all__ = ["ClosedMonth", "JournalEntry", "Posting"]
