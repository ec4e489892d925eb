"""Statements of account of one tenant, and balances, as sums of the ledger."""

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from django.db.models import Sum

from accounts.sql import fetch_all
from billing.ledger.domain.accounts import LedgerAccount
from billing.ledger.models import Posting

# A written-off amount leaves the account, and is on it again when it is paid after all.
CUSTOMERS: Final = (
    LedgerAccount.RECEIVABLE,
    LedgerAccount.CREDIT,
    LedgerAccount.UNALLOCATED,
    LedgerAccount.REFUND_DUE,
)

STATEMENT: Final = """
SELECT e.posted_on, e.kind, e.document, sum(p.amount_minor)::bigint
FROM ledger_journalentry AS e JOIN ledger_posting AS p ON p.entry_id = e.id
WHERE e.tenant_id = %(tenant)s AND e.currency = %(currency)s AND e.posted_on >= %(first)s AND e.posted_on < %(end)s
    AND p.account = ANY(%(accounts)s)
GROUP BY e.id HAVING sum(p.amount_minor) <> 0 ORDER BY e.posted_on, e.occurred_at,
    e.kind <> 'invoice', min(p.id)
"""


@dataclass(frozen=True, slots=True)
class StatementRow:
    """The change of the tenant's debt by an entry (above 0: more), and the debt after it."""

    posted_on: date
    kind: str
    document: str
    amount_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A tenant's account over some days, `end` excluded. A balance below 0 is in the tenant's favour."""

    currency: str
    first: date
    end: date
    opening_minor: int
    rows: tuple[StatementRow, ...]

    @property
    def closing_minor(self) -> int:
        """Return the balance at the end."""
        return self.rows[-1].balance_minor if self.rows else self.opening_minor


def statement_of(*, tenant_id: UUID, currency: str, first: date, end: date) -> Statement:
    """Return the account of a tenant in one currency from `first` on and before `end`, by the issuer's days."""
    before = Posting.objects.filter(
        tenant=tenant_id, currency=currency, account__in=CUSTOMERS, posted_on__lt=first
    ).aggregate(sum=Sum("amount_minor"))
    opening = balance = int(before["sum"] or 0)
    parameters = {"tenant": tenant_id, "currency": currency, "first": first, "end": end, "accounts": list(CUSTOMERS)}
    rows = []
    for posted_on, kind, document, amount in fetch_all(STATEMENT, parameters):
        balance += amount
        rows.append(StatementRow(posted_on, kind, document, amount, balance))
    return Statement(currency, first, end, opening, tuple(rows))


def currencies_of(tenant_id: UUID) -> list[str]:
    """Return the currencies in which anything was posted for a tenant."""
    found = Posting.objects.filter(tenant=tenant_id).order_by("currency").values_list("currency", flat=True)
    return list(found.distinct())
