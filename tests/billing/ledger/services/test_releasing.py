"""Deferred revenue is earned when its month begins, once, also with several workers."""

import threading
from datetime import UTC, date, datetime

import pytest
from django.db import connection, transaction

from accounts.models import Tenant
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.models import JournalEntry
from billing.ledger.services.posting import post
from billing.ledger.services.releasing import release_deferred
from tests.billing.ledger.books import balances, posted
from tests.billing.ledger.domain.test_entries import EVENTS, rows_on_page
from tests.billing.ledger.happenings import happening
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db

MARCH, APRIL, MAY = (date(2026, month, 1) for month in (3, 4, 5))
AS_OF = datetime(2026, 4, 1, 0, 10, tzinfo=UTC)


def invoice(tenant: Tenant, source: str = "1", *, on: date = date(2026, 3, 15), sign: int = 1) -> None:
    event = "finalized" if sign > 0 else "voided in March"
    post([happening(tenant, EntryKind.INVOICE, source, on=on, movements=EVENTS[event])])


def test_deferred_revenue_is_released_in_its_month_and_not_before() -> None:
    invoice(make_tenant("acme"))
    assert release_deferred(month=MARCH, as_of=AS_OF) == 0
    assert release_deferred(month=APRIL, as_of=AS_OF) == 1
    assert posted(EntryKind.RELEASE) == rows_on_page("released in April", with_deferred=True)
    entry = JournalEntry.objects.get(kind=EntryKind.RELEASE)
    assert (entry.posted_on, entry.document, entry.occurred_at) == (APRIL, "2026-04", AS_OF)
    assert release_deferred(month=MAY, as_of=AS_OF) == 0


def test_revenue_deferred_meanwhile_is_released_by_the_next_run() -> None:
    tenant = make_tenant("acme")
    invoice(tenant)
    release_deferred(month=APRIL, as_of=AS_OF)
    invoice(tenant, "2")
    assert release_deferred(month=APRIL, as_of=AS_OF) == 1
    assert "deferred" not in balances()


def test_reversed_revenue_is_not_released() -> None:
    tenant = make_tenant("acme")
    invoice(tenant)
    invoice(tenant, "2", sign=-1)
    assert release_deferred(month=APRIL, as_of=AS_OF) == 0
    assert balances() == {}


def test_each_tenants_deferred_revenue_is_released() -> None:
    tenants = [make_tenant(slug) for slug in ("acme", "globex")]
    for number, tenant in enumerate(tenants):
        invoice(tenant, str(number))
    assert release_deferred(month=APRIL, as_of=AS_OF) == 2
    assert {entry.tenant_id for entry in JournalEntry.objects.filter(kind=EntryKind.RELEASE)} == {
        tenant.pk for tenant in tenants
    }


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_release_deferred_revenue_once() -> None:
    invoice_of = make_tenant("acme")
    with transaction.atomic():
        invoice(invoice_of)
    together = threading.Barrier(4)
    released: list[int] = []

    def work() -> None:
        try:
            connection.ensure_connection()
            together.wait(60)
            released.append(release_deferred(month=APRIL, as_of=AS_OF))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(released) == [0, 0, 0, 1]
    assert "deferred" not in balances()
