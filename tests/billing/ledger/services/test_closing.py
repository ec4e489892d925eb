"""Closing a month makes its postings final, also if another worker posts at the same moment."""

import threading
from datetime import UTC, date, datetime

import pytest
from django.db import connection, transaction

from accounts.errors import ConflictError, InvalidFieldsError
from accounts.models import AuditEntry, Tenant
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.models import ClosedMonth, JournalEntry
from billing.ledger.services.closing import close_months
from billing.ledger.services.posting import post
from tests.billing.ledger.books import balances
from tests.billing.ledger.domain.test_entries import EVENTS
from tests.billing.ledger.happenings import happening
from tests.billing.world import STAFF
from tests.metering.ledger_world import make_tenant

MARCH, APRIL, MAY = (date(2026, month, 1) for month in (3, 4, 5))
IN_MAY = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def tenant(db: None) -> Tenant:
    return make_tenant("acme")


def invoice(tenant: Tenant, source: str = "1") -> None:
    post([happening(tenant, EntryKind.INVOICE, source, movements=EVENTS["finalized"])])


def close(month: date) -> list[ClosedMonth]:
    return close_months(month=month, today=IN_MAY.date(), actor=STAFF, as_of=IN_MAY)


def test_closing_a_month_closes_earlier_ones_and_releases_deferred_revenue_first(tenant: Tenant) -> None:
    invoice(tenant)
    march, april = close(APRIL)
    assert (march.month, april.month) == (MARCH, APRIL)
    assert (march.entries, april.entries) == (1, 1)
    assert balances()["revenue"] == -10000
    assert (march.closed_at, march.closed_by) == (IN_MAY, STAFF.label)
    assert march.digest != april.digest
    entries = AuditEntry.objects.filter(action="books.month_closed")
    assert {entry.target_label for entry in entries} == {"2026-03", "2026-04"}


def test_only_a_month_that_is_over_is_closed_and_only_once(tenant: Tenant) -> None:
    with pytest.raises(ConflictError, match="nothing was posted"):
        close(MARCH)
    invoice(tenant)
    for month in (MAY, date(2026, 6, 1), date(2026, 4, 2)):
        with pytest.raises(InvalidFieldsError, match="is over"):
            close(month)
    close(MARCH)
    with pytest.raises(ConflictError, match="already closed"):
        close(MARCH)
    assert [month.month for month in close(APRIL)] == [APRIL]


@pytest.mark.django_db(transaction=True)
def test_closing_waits_for_open_postings_and_later_ones_go_to_the_open_month() -> None:
    tenant = make_tenant("acme")
    with transaction.atomic():
        invoice(tenant)
    is_posted, closes = threading.Event(), threading.Event()
    closed: list[ClosedMonth] = []

    def close_meanwhile() -> None:
        try:
            connection.ensure_connection()
            is_posted.wait(60)
            closes.set()
            closed.extend(close(MARCH))
        finally:
            connection.close()

    thread = threading.Thread(target=close_meanwhile)
    thread.start()
    with transaction.atomic():
        invoice(tenant, "2")
        is_posted.set()
        closes.wait(60)
    thread.join(60)
    with transaction.atomic():
        invoice(tenant, "3")
    assert closed[0].entries == 2, "it has what was being posted"
    assert JournalEntry.objects.get(source="3").posted_on == APRIL


@pytest.mark.django_db(transaction=True)
def test_two_closers_at_once_close_a_month_once() -> None:
    tenant = make_tenant("acme")
    with transaction.atomic():
        invoice(tenant)
    together = threading.Barrier(2)
    refused: list[ConflictError] = []

    def work() -> None:
        try:
            connection.ensure_connection()
            together.wait(60)
            close(MARCH)
        except ConflictError as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(refused) == 1
    assert ClosedMonth.objects.count() == 1
