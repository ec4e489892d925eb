"""Balances, aged receivables and deferred fees at the end of a day."""

from datetime import date

import pytest

from accounts.models import Tenant
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.domain.days import AgeBracket
from billing.ledger.selectors.reports import AccountBalance, account_balances, aged_receivables, deferred_fees
from billing.ledger.services.posting import post
from tests.billing.ledger.domain.test_entries import EVENTS
from tests.billing.ledger.happenings import happening
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db

ISSUED, MAY = date(2026, 3, 15), date(2026, 5, 29)


@pytest.fixture
def tenants() -> list[Tenant]:
    """Create two tenants that owe 119.00 each, due on 29 March. The first has paid 50.00 of it on 1 May."""
    found = [make_tenant(slug) for slug in ("acme", "globex")]
    for number, tenant in enumerate(found):
        post([happening(tenant, EntryKind.INVOICE, str(number), movements=EVENTS["finalized"])])
    post([happening(found[0], source="p", on=date(2026, 5, 1), movements=EVENTS["paid in part"])])
    return found


def test_balances_are_of_a_day_and_of_one_tenant_or_all(tenants: list[Tenant]) -> None:
    one = account_balances(at=MAY, tenant_id=tenants[0].pk)
    assert AccountBalance("EUR", "clearing", 5000) in one
    assert AccountBalance("EUR", "receivable", 6900) in one
    every = account_balances(at=ISSUED)
    assert AccountBalance("EUR", "receivable", 23800) in every
    assert sum(row.amount_minor for row in every) == 0
    assert account_balances(at=date(2026, 3, 14)) == []


def test_receivables_are_aged_by_their_due_day(tenants: list[Tenant]) -> None:
    found = {row.tenant_id: row for row in aged_receivables(at=MAY)}
    assert {row.total_minor for row in found.values()} == {6900, 11900}
    assert found[tenants[0].pk].brackets == dict.fromkeys(AgeBracket, 0) | {AgeBracket.TO_90: 6900}
    assert [row.brackets[AgeBracket.CURRENT] for row in aged_receivables(at=ISSUED)] == [11900, 11900]


def test_written_off_amounts_are_listed_beside_receivables(tenants: list[Tenant]) -> None:
    post([happening(tenants[1], EntryKind.WRITE_OFF, "1", on=MAY, movements=EVENTS["written off"])])
    found = {row.tenant_id: row for row in aged_receivables(at=MAY)}
    assert [(found[one.pk].total_minor, found[one.pk].written_off_minor) for one in tenants] == [(6900, 0), (0, 11900)]


def test_deferred_revenue_is_listed_by_month(tenants: list[Tenant]) -> None:
    [part] = deferred_fees(at=ISSUED)
    assert (part.currency, part.service_month, part.meter, part.amount_minor) == (
        "EUR", date(2026, 4, 1), "(fee)", 5600,
    )  # fmt: skip
