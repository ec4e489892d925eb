"""The sums of months: as posted while a month is open, as stored once it is closed."""

from datetime import UTC, date, datetime

import pytest

from accounts.models import Tenant
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.models import ClosedMonth
from billing.ledger.selectors.months import (
    changed_months,
    first_open_month,
    revenue_of,
    sums_as_posted,
    sums_of_months,
    taxes_of,
)
from billing.ledger.services.closing import close_months
from billing.ledger.services.posting import post
from tests.billing.ledger.domain.test_entries import EVENTS
from tests.billing.ledger.happenings import NOON, happening
from tests.billing.world import STAFF
from tests.metering.ledger_world import make_tenant

MARCH, APRIL, MAY = (date(2026, month, 1) for month in (3, 4, 5))
IN_MAY = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def tenant(db: None) -> Tenant:
    return make_tenant("acme")


def invoice(tenant: Tenant, source: str = "1", **fields: object) -> None:
    post([happening(tenant, EntryKind.INVOICE, source, movements=EVENTS["finalized"], **fields)])


def close(month: date) -> None:
    close_months(month=month, today=IN_MAY.date(), actor=STAFF, as_of=IN_MAY)


def test_sums_of_a_month_are_by_currency_kind_and_subject(tenant: Tenant) -> None:
    invoice(tenant)
    invoice(tenant, "2")
    invoice(tenant, "3", currency="USD")
    post([happening(tenant, on=APRIL)])
    found = sums_of_months(first=MARCH, end=MAY)
    assert list(found) == [MARCH, APRIL]
    euros = {(row.account, row.meter, row.service_month): row for row in found[MARCH] if row.currency == "EUR"}
    assert {key: row.amount_minor for key, row in euros.items()} == {
        ("deferred", "(fee)", "2026-04"): -5600,
        ("receivable", "", ""): 23800,
        ("revenue", "(fee)", "2026-03"): -6800,
        ("revenue", "calls", "2026-03"): -7600,
        ("tax", "", ""): -3800,
    }
    tax = euros["tax", "", ""]
    assert (tax.jurisdiction, tax.tax_category, tax.tax_percent, tax.base_minor) == ("DE", "S", "19", 20000)
    assert {row.kind for row in found[APRIL]} == {"payment"}
    assert sums_of_months(first=MAY, end=date(2026, 6, 1)) == {}


def test_sums_of_a_closed_month_are_those_stored(tenant: Tenant) -> None:
    invoice(tenant)
    before = sums_of_months(first=MARCH, end=APRIL)
    close(MARCH)
    invoice(tenant, "2")  # of March, and posted in April
    assert sums_of_months(first=MARCH, end=APRIL) == before
    assert sum(row.amount_minor for row in sums_of_months(first=APRIL, end=MAY)[APRIL]) == 0
    assert sums_as_posted(first=MARCH, end=APRIL) == before


def test_the_first_open_month(tenant: Tenant) -> None:
    assert first_open_month() is None
    invoice(tenant)
    assert first_open_month() == MARCH
    close(MARCH)
    assert first_open_month() == APRIL


def test_a_closed_month_with_other_sums_than_stored_is_found(tenant: Tenant) -> None:
    assert changed_months() == []
    invoice(tenant)
    close(APRIL)
    assert changed_months() == []
    ClosedMonth.objects.create(
        month=date(2026, 2, 1), sums=[], digest="0" * 64, entries=0, closed_at=NOON, closed_by="x"
    )
    assert changed_months() == [date(2026, 2, 1)]


def test_taxes_and_revenue_of_a_period_exclude_reversals(tenant: Tenant) -> None:
    invoice(tenant)
    post([happening(tenant, EntryKind.VOID, on=APRIL, movements=EVENTS["voided in March"])])
    [march] = taxes_of(first=MARCH, end=APRIL)
    assert (march.jurisdiction, march.percent, march.base_minor, march.tax_minor) == ("DE", "19", 10000, 1900)
    [both] = taxes_of(first=MARCH, end=MAY)
    assert (both.base_minor, both.tax_minor) == (0, 0)
    assert [(row.service_month, row.meter, row.amount_minor) for row in revenue_of(first=MARCH, end=APRIL)] == [
        ("2026-03", "(fee)", 3400),
        ("2026-03", "calls", 3800),
    ]
    # The fee of April was not released, and its void, in April, is taken from revenue.
    assert [row.amount_minor for row in revenue_of(first=MARCH, end=MAY)] == [-2800]
