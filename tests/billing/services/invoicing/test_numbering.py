"""Invoice numbers without a gap: assigned under a lock, undone with their transaction, a series for each year."""

import threading
from datetime import date
from typing import Any

import pytest
from django.db import connection, transaction

from billing.models import NumberSeries
from billing.services.invoicing.numbering import take_numbers

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
