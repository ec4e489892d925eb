"""The chart of accounts and the kinds of entries: `docs/algorithms/ledger.md`, sections L2 and L4."""

from enum import StrEnum
from typing import Final

FEE: Final = "(fee)"  # in place of a meter, for amounts without a meter. No meter has this code


class LedgerAccount(StrEnum):
    """The account of a posting. Debit is positive: assets and expenses are above 0, debts and revenue below."""

    RECEIVABLE = "receivable"
    REVENUE = "revenue"
    DEFERRED = "deferred"
    TAX = "tax"
    CREDIT = "credit"
    UNALLOCATED = "unallocated"
    REFUND_DUE = "refund_due"
    CLEARING = "clearing"
    DISPUTED = "disputed"
    WRITE_OFF = "write_off"
    ROUNDING = "rounding"


class EntryKind(StrEnum):
    """The kind of an entry. With the id of its document it identifies the entry."""

    INVOICE = "invoice"
    VOID = "void"
    CREDIT_NOTE = "credit_note"
    PAYMENT = "payment"
    ALLOCATION = "allocation"
    WRITE_OFF = "write_off"
    RECOVERY = "recovery"
    REFUND = "refund"
    DISPUTE = "dispute"
    SET_OFF = "set_off"
    ROUNDING = "rounding"
    RELEASE = "release"


OF_A_DOCUMENT: Final = (LedgerAccount.RECEIVABLE, LedgerAccount.WRITE_OFF)
OF_A_MONTH: Final = (LedgerAccount.REVENUE, LedgerAccount.DEFERRED)
