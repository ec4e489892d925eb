"""Reports over all tenants: balances of accounts, aged receivables, deferred revenue. Each is one statement."""

from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

from accounts.sql import fetch_all
from billing.ledger.domain.days import AgeBracket, age_bracket

BALANCES: Final = """
SELECT currency, account, sum(amount_minor)::bigint FROM ledger_posting
WHERE posted_on <= %(at)s AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
GROUP BY currency, account HAVING sum(amount_minor) <> 0
"""
OWED: Final = """
SELECT tenant_id, currency, coalesce(min(due_on), min(posted_on)),
    coalesce(sum(amount_minor) FILTER (WHERE account = 'receivable'), 0)::bigint,
    coalesce(sum(amount_minor) FILTER (WHERE account = 'write_off'), 0)::bigint
FROM ledger_posting WHERE account IN ('receivable', 'write_off') AND posted_on <= %(at)s
GROUP BY tenant_id, currency, document
"""
DEFERRED: Final = """
SELECT currency, service_month, meter, -sum(amount_minor)::bigint FROM ledger_posting
WHERE account = 'deferred' AND posted_on <= %(at)s
GROUP BY currency, service_month, meter HAVING sum(amount_minor) <> 0 ORDER BY currency, service_month, meter
"""


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """The balance of an account, debit above 0."""

    currency: str
    account: str
    amount_minor: int


@dataclass(slots=True)
class AgedTenant:
    """The debt of a tenant in one currency by age, and the amount written off."""

    tenant_id: UUID
    currency: str
    brackets: dict[AgeBracket, int] = field(default_factory=lambda: dict.fromkeys(AgeBracket, 0))
    written_off_minor: int = 0

    @property
    def total_minor(self) -> int:
        """Return the sum of all ages, without the amount written off."""
        return sum(self.brackets.values())


@dataclass(frozen=True, slots=True)
class DeferredPart:
    """The invoiced revenue of a month that had not begun."""

    currency: str
    service_month: date
    meter: str
    amount_minor: int


def account_balances(*, at: date, tenant_id: UUID | None = None) -> list[AccountBalance]:
    """Return the balances at the end of a day, of one tenant or all, by currency and account."""
    rows = fetch_all(BALANCES, {"at": at, "tenant": tenant_id})
    return [AccountBalance(*row) for row in sorted(rows)]


def aged_receivables(*, at: date) -> list[AgedTenant]:
    """Return what is owed on invoices, or written off, at the end of a day, by tenant and currency."""
    found: dict[tuple[str, UUID], AgedTenant] = {}
    for tenant_id, currency, due_on, owed_minor, lost_minor in fetch_all(OWED, {"at": at}):
        if owed_minor or lost_minor:
            aged = found.setdefault((currency, tenant_id), AgedTenant(tenant_id, currency))
            aged.brackets[age_bracket(due_on, at)] += owed_minor
            aged.written_off_minor += lost_minor
    return [found[key] for key in sorted(found)]


def deferred_fees(*, at: date) -> list[DeferredPart]:
    """Return the deferred revenue at the end of a day, by month of service and meter."""
    return [DeferredPart(*row) for row in fetch_all(DEFERRED, {"at": at})]
