"""A drift between rollup and ledger is never invoiced: it becomes an exception for staff, and nothing is billed."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounts.models import Discrepancy
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.prices import PerUnit
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError
from billing.models import BillingException, Invoice, Subscription
from billing.services.invoicing.exceptions import resolve_exception
from billing.services.invoicing.finalizing import finalize_now
from billing.services.invoicing.running import plan_invoices, run_invoicing
from metering.services.nightly import run_reconciliation
from metering.services.rebuild import rebuild_usage
from metering.services.voids import void_event
from tests.billing.world import GRACE, MARCH, STAFF, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_meter

pytestmark = pytest.mark.django_db

APRIL = MARCH.replace(month=4)
MAY = MARCH.replace(month=5)


@pytest.fixture
def subscription() -> Subscription:
    """Create a subscription with 1,600 calls at a cent each in March, which are 16.00 EUR, and no fee."""
    make_meter("calls", "http_request", unit="calls", aggregation="sum")
    plan = make_plan(fee="0", usage={"calls": PerUnit(Decimal("0.01"))})
    made = subscribe_tenant(plan=plan)
    use(made.tenant, 1600, at=MARCH + timedelta(days=9))
    return made


def drift(subscription: Subscription, quantity: int = 10_000) -> None:
    """Change a rollup as a person with the application's password may."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE usage_hour SET quantity = quantity + %s WHERE tenant_id = %s", [quantity, subscription.tenant_id]
        )


def resolve(subscription: Subscription) -> None:
    exception = BillingException.objects.get(subscription=subscription, resolved_at=None)
    resolve_exception(exception=exception, resolution="Rebuilt.", actor=STAFF, as_of=APRIL)


def test_a_drift_becomes_an_exception_and_the_repaired_usage_is_billed(subscription: Subscription) -> None:
    run_invoicing(as_of=APRIL)
    drift(subscription)
    planned = plan_invoices(as_of=APRIL + GRACE)
    done = run_invoicing(as_of=APRIL + GRACE)
    assert [found.code for found in done.parked] == ["usage_drift"]
    assert planned == done.parked, "a dry run says the same"
    assert "11600 in 1 event by the rollup, to 1600 in 1" in done.parked[0].detail
    assert not Invoice.objects.issued().filter(boundary=1).exists(), "116.00 EUR were not billed"
    assert run_invoicing(as_of=APRIL + 2 * GRACE).parked == [], "it waits, and is told once"

    rebuild_usage(ledger=ledger_of(subscription.tenant))
    resolve(subscription)
    assert run_invoicing(as_of=APRIL + 2 * GRACE).finalized == 1
    assert Invoice.objects.get(boundary=1).total_minor == 16_00


def test_a_drift_that_hides_a_correction_becomes_an_exception(subscription: Subscription) -> None:
    # The rollup says what was invoiced, the ledger that an event was voided since.
    [event_id] = use(subscription.tenant, 400, at=MARCH + timedelta(days=11))
    run_invoicing(as_of=APRIL + GRACE)
    void_event(
        ledger=ledger_of(subscription.tenant), event_id=event_id, reason="", voided_by="test", as_of=APRIL + 2 * GRACE
    )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_hour SET quantity = 400, events = 1 WHERE quantity = 0")
        if not cursor.rowcount:
            cursor.execute(
                "INSERT INTO usage_hour SELECT %s, true, id, %s, 0, 400, 1 FROM metering_meter WHERE code = 'calls'",
                [subscription.tenant_id, MARCH + timedelta(days=11)],
            )
    assert [found.code for found in run_invoicing(as_of=MAY + GRACE).parked] == ["usage_drift"]


@pytest.mark.as_owner
def test_changed_prices_become_an_exception(subscription: Subscription) -> None:
    run_invoicing(as_of=APRIL)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE billing_price SET terms = replace(terms::text, '0.01', '0.1')::jsonb")
        cursor.execute("SET session_replication_role = DEFAULT")
    done = run_invoicing(as_of=APRIL + GRACE)
    assert [found.code for found in done.parked] == ["price_changed"]


def test_staff_do_not_finalize_a_drift_by_hand(subscription: Subscription) -> None:
    run_invoicing(as_of=APRIL)
    drift(subscription)
    draft = Invoice.objects.get(status=InvoiceStatus.DRAFT)
    with pytest.raises(InvoiceStatusError, match="by the events themselves"):
        finalize_now(invoice_id=draft.pk, as_of=APRIL)
    assert BillingException.objects.get().code == "usage_drift", "it stays visible"
    with pytest.raises(InvoiceStatusError, match="waits for a review"):
        finalize_now(invoice_id=draft.pk, as_of=APRIL)


def test_a_drift_found_by_reconciliation_stops_the_billing_of_that_tenant_alone(subscription: Subscription) -> None:
    other = subscribe_tenant("globex", plan=subscription.plan_version)
    run_invoicing(as_of=APRIL)
    with connection.cursor() as cursor:  # a drift of days, which no invoice reads
        cursor.execute("UPDATE usage_day SET quantity = 7 WHERE tenant_id = %s", [subscription.tenant_id])
    for _ in range(2):
        run_reconciliation(started_by="test", as_of=APRIL)
    found = Discrepancy.objects.get()
    assert (found.found_by, found.tenant_id, found.is_holding) == ("reconciliation", subscription.tenant_id, True)
    assert plan_invoices(as_of=APRIL + GRACE) != []
    run_invoicing(as_of=APRIL + GRACE)
    assert set(Invoice.objects.issued().filter(boundary=1).values_list("subscription", flat=True)) <= {other.pk}

    rebuild_usage(ledger=ledger_of(subscription.tenant))
    run_reconciliation(started_by="test", as_of=APRIL + GRACE, slugs=["acme"])
    assert Discrepancy.objects.get().closed_at == APRIL + GRACE
    run_invoicing(as_of=APRIL + GRACE)
    assert Invoice.objects.get(boundary=1, subscription=subscription).total_minor == 16_00


def test_control_without_a_drift_the_usage_is_billed(subscription: Subscription) -> None:
    planned = plan_invoices(as_of=APRIL + GRACE)[-1]
    assert isinstance(planned, ComputedInvoice)
    run_invoicing(as_of=APRIL + GRACE)
    assert Invoice.objects.get(boundary=1).total_minor == planned.total_minor == 16_00
    assert not BillingException.objects.exists()
