"""The tables of banking."""

from billing.banking.models.statements import BankEntry, BankStatement, EntryStatus

__all__ = ["BankEntry", "BankStatement", "EntryStatus"]
