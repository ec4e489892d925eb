"""Invoice numbers without a gap: assigned under a lock, undone with their transaction, a series for each year."""

import threading
from datetime import date
from typing import Any

import pytest
from django.db import connection, transaction

from billing.models import Invoice, NumberSeries
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.numbering import take_numbers
from billing.services.invoicing.running import run_invoicing
from billing.services.invoicing.staff_actions import issue_credit_note
from billing.services.subscriptions.profiles import keep_merchant
from tests.billing.world import MARCH, STAFF, make_plan, subscribe_tenant

IN_2026 = date(2026, 3, 1)


@pytest.mark.django_db
def test_numbers_continue_and_begin_again_each_year() -> None:
    with transaction.atomic():
        assert take_numbers(prefix="INV", issued_on=IN_2026, count=2) == ["INV-2026-000001", "INV-2026-000002"]
        assert take_numbers(prefix="INV", issued_on=IN_2026, count=0) == []
        assert take_numbers(prefix="INV", issued_on=IN_2026, count=1) == ["INV-2026-000003"]
        assert take_numbers(prefix="CN", issued_on=IN_2026, count=1) == ["CN-2026-000001"]
        assert take_numbers(prefix="INV", issued_on=date(2027, 1, 1), count=1) == ["INV-2027-000001"]


@pytest.mark.django_db
def test_a_series_may_pass_a_million() -> None:
    NumberSeries.objects.create(code="INV-2026", last_number=999_999)
    with transaction.atomic():
        assert take_numbers(prefix="INV", issued_on=IN_2026, count=1) == ["INV-2026-1000000"]


@pytest.mark.django_db
def test_a_rollback_takes_numbers_back() -> None:
    with transaction.atomic():
        take_numbers(prefix="INV", issued_on=IN_2026, count=5)
        transaction.set_rollback(True)
    with transaction.atomic():
        assert take_numbers(prefix="INV", issued_on=IN_2026, count=1) == ["INV-2026-000001"]


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_no_numbers_are_assigned() -> None:
    with pytest.raises(AssertionError, match="in the transaction that uses it"):
        take_numbers(prefix="INV", issued_on=IN_2026, count=1)


@pytest.mark.django_db(transaction=True)
def test_transactions_at_once_take_turns_and_one_that_is_rolled_back_leaves_no_gap() -> None:
    given: list[str] = []
    together = threading.Barrier(8)

    def take(number: int) -> None:
        try:
            connection.ensure_connection()
            together.wait(120)
            with transaction.atomic():
                taken = take_numbers(prefix="INV", issued_on=IN_2026, count=1 + number % 3)
                if number % 4 == 0:
                    transaction.set_rollback(True)
                    taken = []
            given.extend(taken)
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(given) == [f"INV-2026-{number:06}" for number in range(1, len(given) + 1)]
    assert len(given) == sum(1 + number % 3 for number in range(8) if number % 4)


def last_number() -> Any:
    return NumberSeries.objects.values_list("last_number", flat=True).get()


@pytest.mark.django_db
def test_the_counter_is_the_last_number() -> None:
    with transaction.atomic():
        take_numbers(prefix="INV", issued_on=IN_2026, count=7)
    assert last_number() == 7


@pytest.mark.django_db
def test_what_a_merchant_sold_has_statements_and_leaves_no_gap_among_the_invoices() -> None:
    version = make_plan()
    tenants = [subscribe_tenant(f"tenant-{number}", plan=version) for number in range(3)]
    keep_merchant(tenant_id=tenants[1].tenant_id, merchant="Paddle")
    run_invoicing(as_of=MARCH, due=Due())
    found = {row.tenant.slug: row for row in Invoice.objects.select_related("tenant", "document")}
    statement = found["tenant-1"]
    assert {found[f"tenant-{number}"].number for number in (0, 2)} == {"INV-2026-000001", "INV-2026-000002"}
    assert (statement.number, statement.merchant_of_record) == ("STMT-2026-000001", "Paddle")
    assert (statement.tax_minor, statement.total_minor) == (0, statement.subtotal_minor)
    assert (statement.document.content["merchant"], found["tenant-0"].merchant_of_record) == ("Paddle", "")
    note = issue_credit_note(invoice_id=statement.pk, reason="out of order", actor=STAFF, as_of=MARCH)
    assert (note.number, note.content["merchant"]) == ("STMT-2026-000002", "Paddle")
