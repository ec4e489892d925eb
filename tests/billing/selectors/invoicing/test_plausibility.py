"""An absurd invoice waits for staff, also in a dry run. Staff approve exactly the amount that they saw."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection, connections
from pytest_django import Settings

from accounts.errors import ConflictError, InvalidFieldsError
from accounts.models import AuditEntry
from billing.domain.invoicing.plausibility import MINOR_UNITS_BY_VALUE, usual_floor_minor
from billing.domain.money import FOUR_DIGITS, THREE_DIGITS
from billing.domain.prices import PerUnit
from billing.models import BillingException, Invoice, Subscription
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.exceptions import approve_amount, resolve_exception
from billing.services.invoicing.finalizing import finalize_batch
from billing.services.invoicing.running import plan_invoices, run_invoicing
from billing.services.invoicing.staff_actions import void_invoice
from billing.services.subscriptions.profiles import update_billing_profile
from tests.billing.world import GRACE, MARCH, STAFF, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import make_meter

APRIL, MAY, JUNE = (MARCH.replace(month=month) for month in (4, 5, 6))


def customer(march: int = 100, april: int = 700_000) -> Subscription:
    """Create a tenant that used calls at a cent each: 1.00 EUR in March and 7,000.00 EUR in April, without a fee."""
    make_meter("calls", "http_request", unit="calls", aggregation="sum")
    subscription = subscribe_tenant(plan=make_plan(fee="0", usage={"calls": PerUnit(Decimal("0.01"))}))
    use(subscription.tenant, march, at=MARCH + timedelta(days=9))
    run_invoicing(as_of=APRIL + GRACE)
    use(subscription.tenant, april, at=APRIL + timedelta(days=9))
    return subscription


def parked() -> BillingException:
    exception: BillingException = BillingException.objects.select_related("subscription", "invoice__tenant").get(
        resolved_at=None
    )
    return exception


@pytest.mark.django_db
def test_an_absurd_invoice_becomes_an_exception_as_its_dry_run_says() -> None:
    customer()
    planned = plan_invoices(as_of=MAY + GRACE)
    done = run_invoicing(as_of=MAY + GRACE)
    assert [(found.code, found.total_minor) for found in done.parked] == [("unusual_amount", 7_000_00)]
    assert planned == done.parked
    assert (parked().amount_minor, parked().invoice) == (7_000_00, Invoice.objects.get(boundary=2))
    assert Invoice.objects.get(boundary=2).number is None


@pytest.mark.django_db
def test_a_dry_run_of_several_periods_compares_with_those_that_it_planned() -> None:
    subscription = customer(april=900)
    use(subscription.tenant, 900_000, at=MAY + timedelta(days=9))
    assert [found.code for found in run_invoicing(as_of=MAY).parked] == []
    planned = plan_invoices(as_of=JUNE + GRACE)
    assert [getattr(found, "total_minor", None) for found in planned] == [9_00, 9_000_00]
    assert planned[-1:] == run_invoicing(as_of=JUNE + GRACE).parked


@pytest.mark.django_db
def test_staff_approve_exactly_the_amount_that_they_saw() -> None:
    subscription = customer()
    run_invoicing(as_of=MAY + GRACE)
    use(subscription.tenant, 1, at=APRIL + timedelta(days=10), as_of=MAY + GRACE)
    approve_amount(exception=parked(), seen_minor=7_000_00, reason="They said so.", actor=STAFF, as_of=MAY + GRACE)
    again = run_invoicing(as_of=MAY + GRACE)
    assert [found.total_minor for found in again.parked] == [7_000_01], "another amount waits again"
    with pytest.raises(ConflictError):
        approve_amount(exception=parked(), seen_minor=7_000_00, reason="An old page.", actor=STAFF, as_of=MAY)
    approve_amount(exception=parked(), seen_minor=7_000_01, reason="They said so.", actor=STAFF, as_of=MAY + GRACE)
    assert run_invoicing(as_of=MAY + GRACE).finalized == 1
    assert Invoice.objects.get(boundary=2).total_minor == 7_000_01
    entry = AuditEntry.objects.filter(action="invoice.amount_approved").latest("pk")
    assert entry.after == {"total_minor": 7_000_01, "reason": "They said so."}


@pytest.mark.django_db
def test_resolving_the_exception_approves_nothing() -> None:
    customer()
    run_invoicing(as_of=MAY + GRACE)
    resolve_exception(exception=parked(), resolution="Looked.", actor=STAFF, as_of=MAY)
    assert [found.code for found in run_invoicing(as_of=MAY + GRACE).parked] == ["unusual_amount"]


@pytest.mark.django_db
def test_voided_invoices_do_not_count_as_history(settings: Settings) -> None:
    settings.ABSURD_INVOICE_FLOORS = {"EUR": 9_000}
    subscription = customer(march=90_000, april=95_000)
    void_invoice(invoice_id=Invoice.objects.get(boundary=1).pk, reason="Wrong.", actor=STAFF, as_of=MAY)
    use(subscription.tenant, 5_000, at=APRIL + timedelta(days=11))
    run_invoicing(as_of=MAY + GRACE)
    assert "no invoice with usage came before it" in parked().detail


@pytest.mark.django_db
def test_staff_set_a_limit_for_a_tenant_or_no_check_and_both_are_in_the_audit_log() -> None:
    subscription = customer(april=200)
    for changes in (
        {"amount_check": "limit", "amount_max_minor": 1_99},
        {"amount_check": "off", "amount_max_minor": None},
    ):
        update_billing_profile(tenant=subscription.tenant, changes=changes, actor=STAFF, as_of=MAY)
        run = run_invoicing(as_of=MAY + GRACE)
        if changes["amount_check"] == "limit":
            assert "above 1.99\N{NO-BREAK SPACE}EUR, as staff set" in run.parked[0].detail
            resolve_exception(exception=parked(), resolution="Unlimited.", actor=STAFF, as_of=MAY)
        else:
            assert run.finalized == 1
    assert AuditEntry.objects.filter(action="tenant.billing_updated").count() == 2
    with pytest.raises(InvalidFieldsError, match="for a limit"):
        update_billing_profile(tenant=subscription.tenant, changes={"amount_check": "limit"}, actor=STAFF, as_of=MAY)


def close_at_once(count: int, others: list[object]) -> list[object]:
    """Run closers, and what else is given, at the same moment. Return what each did."""
    gate = Barrier(count + len(others))

    def close() -> object:
        gate.wait(timeout=10)
        try:
            return len(finalize_batch(as_of=MAY + GRACE, due=Due()).invoice_ids)
        finally:
            connections.close_all()

    def act(other: object) -> object:
        gate.wait(timeout=10)
        try:
            return other()  # type: ignore[operator]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count + len(others)) as pool:
        running = [pool.submit(close) for _ in range(count)] + [pool.submit(act, other) for other in others]
        return [one.result(timeout=30) for one in running]


@pytest.mark.django_db(transaction=True)
def test_an_approval_beside_two_closers_bills_once() -> None:
    customer()
    run_invoicing(as_of=MAY + GRACE)
    exception = parked()

    def approve() -> None:
        approve_amount(exception=exception, seen_minor=7_000_00, reason="Yes.", actor=STAFF, as_of=MAY)

    close_at_once(2, [approve])
    finalize_batch(as_of=MAY + GRACE, due=Due())
    issued = Invoice.objects.issued().values_list("boundary", "total_minor").order_by("boundary")
    assert list(issued) == [(0, 0), (1, 1_00), (2, 7_000_00)]
    assert BillingException.objects.filter(resolved_at=None).count() == 0


@pytest.mark.django_db(transaction=True)
def test_the_control_without_an_approval_two_closers_bill_nothing() -> None:
    customer()
    run_invoicing(as_of=MAY)
    assert close_at_once(2, []) == [0, 0]
    assert BillingException.objects.filter(resolved_at=None).count() == 1, "parked once"
    assert connection.in_atomic_block is False


@pytest.mark.parametrize(
    ("currency", "floor_minor"), [("EUR", 500_000), ("JPY", 500_000), ("KWD", 5_000_000), ("INR", 50_000_000)]
)
def test_the_floor_of_absurd_amounts_fits_the_digits_and_value_of_a_currency(currency: str, floor_minor: int) -> None:
    assert usual_floor_minor(currency, 500_000) == floor_minor


def test_a_currency_with_more_digits_has_a_higher_floor_and_is_named_once() -> None:
    named = [currency for currencies in MINOR_UNITS_BY_VALUE.values() for currency in currencies]
    assert len(named) == len(set(named))
    assert all(usual_floor_minor(currency, 1) >= 10 for currency in THREE_DIGITS | FOUR_DIGITS)
