"""Lives are read in a fixed number of queries. What a document lacks is found in the raw events."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.conservation.selectors.lives import Unbalanced, parted_taxes, unbalanced
from billing.domain.prices import PerUnit
from billing.models import Subscription
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.changes import When, change_plan
from metering.selectors.catalog import forget_catalog
from tests.billing.world import GRACE, MARCH, STAFF, first_invoice, make_plan, subscribe_tenant, use

pytestmark = [pytest.mark.django_db, pytest.mark.as_owner]

APRIL = MARCH.replace(month=4)


def closed_month(slug: str) -> Subscription:
    bigger = make_plan("bigger", fee="99", usage={"calls": PerUnit(Decimal("0.0005"))})
    subscription = subscribe_tenant(slug, plan=make_plan())
    first_invoice(subscription)
    use(subscription.tenant, 1000, at=MARCH + timedelta(days=1))
    change_plan(
        subscription=subscription, plan_version=bigger, when=When.NOW, actor=STAFF, as_of=MARCH + timedelta(days=10)
    )
    use(subscription.tenant, 2000, at=MARCH + timedelta(days=20))
    run_invoicing(as_of=APRIL + GRACE)
    return subscription


def found() -> list[Unbalanced]:
    return unbalanced(list(Subscription.objects.values_list("pk", flat=True)))


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = DEFAULT")


@pytest.fixture(autouse=True)
def calls() -> None:
    make_plan()


def test_documents_of_the_services_agree_with_the_events() -> None:
    closed_month("acme")
    subscribe_tenant("globex", plan=make_plan("basic"))  # has no invoice yet
    assert found() == []


def test_usage_missing_from_a_document_is_found() -> None:
    closed_month("acme")
    execute("UPDATE billing_invoiceline SET amount_minor = 0 WHERE kind = 'usage' AND quantity = 2000")
    [one] = found()
    [imbalance] = one.imbalances
    assert (one.lived.slug, imbalance.right_minor, imbalance.found_minor) == ("acme", 200, 100)
    assert one.lived.number_of(1) == "INV-2026-000002"
    assert (one.lived.meters[imbalance.meter_id], one.misplaced) == ("calls", [])


def test_a_line_that_is_moved_is_found() -> None:
    closed_month("acme")
    execute("UPDATE billing_invoiceline SET period_end = period_end + interval '1 hour' WHERE quantity = 2000")
    [one] = found()
    assert [line.boundary for line in one.misplaced] == [1]


def test_usage_in_flight_may_be_on_the_invoice_or_not() -> None:
    subscription = closed_month("acme")
    use(subscription.tenant, 500, at=MARCH + timedelta(days=21), as_of=APRIL + GRACE - timedelta(minutes=2))
    assert found() == []
    execute("UPDATE billing_invoiceline SET amount_minor = 0 WHERE kind = 'usage' AND quantity = 2000")
    assert [len(one.imbalances) for one in found()] == [1]


def test_a_life_with_an_unreadable_price_is_left_out() -> None:
    closed_month("acme")
    execute("""UPDATE billing_price SET terms = '{"unit_amount": "cheap"}' WHERE terms = '{"unit_amount": "0.001"}'""")
    assert found() == []


def test_the_queries_do_not_grow_with_the_subscriptions() -> None:
    closed_month("acme")

    def queries() -> int:
        forget_catalog()
        ids = list(Subscription.objects.values_list("pk", flat=True))
        with CaptureQueriesContext(connection) as context:
            assert unbalanced(ids) == []
        return len(context)

    before = queries()
    for number in range(3):
        closed_month(f"tenant-{number}")
    assert queries() == before


def test_a_correction_that_bears_another_tax_is_found() -> None:
    subscription = closed_month("acme")
    use(subscription.tenant, 500, at=MARCH + timedelta(days=21), as_of=APRIL + timedelta(days=2))
    run_invoicing(as_of=MARCH.replace(month=5) + GRACE)
    assert parted_taxes([subscription.pk]) == []
    execute("UPDATE billing_invoiceline SET tax_percent = 25 WHERE kind = 'adjustment'")
    [parted] = parted_taxes([subscription.pk])
    assert (parted.number, parted.corrected) == ("INV-2026-000003", "INV-2026-000002")
    assert (parted.percent, parted.corrected_percent) == (25, 0)
