"""A single item is of something, is taken or cancelled, and never changes otherwise."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from billing.models import SingleItem
from tests.billing.models.rows import NOW, draft, single_item
from tests.billing.world import subscribe_tenant

pytestmark = [pytest.mark.django_db, pytest.mark.as_owner]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("single_item_of_something", {"amount_minor": 0}),
        ("single_item_of_something", {"amount_minor": -500}),
        ("single_item_has_quantity", {"quantity": Decimal(0)}),
        ("single_item_has_reason", {"reason": ""}),
        ("single_item_days_in_order", {"last_on": date(2026, 2, 28)}),
        ("single_item_category_known", {"tax_category": "S"}),
    ],
)
def test_a_row_that_cannot_be_is_refused(name: str, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=name):
        single_item(subscribe_tenant(), **fields)


def test_it_is_taken_or_cancelled_and_keeps_what_it_says() -> None:
    subscription = subscribe_tenant()
    row, invoice = single_item(subscription), draft(subscription)
    for fields in ({"amount_minor": 600}, {"description": "Other"}):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            SingleItem.objects.filter(pk=row.pk).update(**fields)
    with pytest.raises(IntegrityError, match="single_item_taken_or_cancelled"), transaction.atomic():
        SingleItem.objects.filter(pk=row.pk).update(invoice=invoice, cancelled_at=NOW)
    SingleItem.objects.filter(pk=row.pk).update(invoice=invoice)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        SingleItem.objects.filter(pk=row.pk).update(invoice=None)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM billing_singleitem")
    assert str(row) == "Setup: 5.00\N{NO-BREAK SPACE}EUR"
