"""Single items are read with the lines that took them; faults that are planted past the services are named."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from billing.conservation.selectors.items import items_out_of_place
from billing.desk.services.items import add_item
from billing.domain.invoicing.items import Item
from billing.models import Subscription
from tests.billing.world import MARCH, STAFF, close_month, first_invoice, subscribe_tenant

pytestmark = [pytest.mark.django_db, pytest.mark.as_owner]

ON = date(2026, 3, 10)


@pytest.fixture
def subscription() -> Subscription:
    made = subscribe_tenant()
    first_invoice(made)
    for price in (6, -4):
        add_item(
            tenant_id=made.tenant_id, item=Item("Setup", Decimal(1), "", Decimal(price), ON, ON), reason="agreed",
            actor=STAFF, as_of=MARCH + timedelta(days=9),
        )  # fmt: skip
    close_month(made)
    close_month(made)
    return made


def plant(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = DEFAULT")


COPY = """
INSERT INTO billing_invoiceline SELECT (l2).* FROM (
    SELECT jsonb_populate_record(l, jsonb_build_object('id', l.id + 1000, 'position', 9, 'revision', i.revision,
        'invoice_id', i.id)) AS l2
    FROM billing_invoiceline AS l, billing_invoice AS i
    WHERE l.kind = 'one_off' AND l.amount_minor > 0 AND i.boundary = 2
) AS copied
"""


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE billing_invoiceline SET amount_minor = 700 WHERE amount_minor = 600", "It has 700 for"),
        ("UPDATE billing_singleitem SET cancelled_at = now(), invoice_id = NULL WHERE unit_price > 0", "was cancelled"),
        ("UPDATE billing_invoiceline SET kind = 'recurring' WHERE amount_minor = -400", "waited for it"),
        ("UPDATE billing_singleitem SET id = gen_random_uuid() WHERE unit_price < 0", "did not enter"),
        ("UPDATE billing_invoice SET voided_at = computed_at WHERE boundary = 1", "waited for it"),
        (COPY, "which stands on INV-2026-000002"),
    ],
)
def test_a_planted_fault_is_named(subscription: Subscription, statement: str, said: str) -> None:
    assert items_out_of_place([subscription.pk]) == []
    plant(statement)
    assert any(said in one.detail for one in items_out_of_place([subscription.pk]))
