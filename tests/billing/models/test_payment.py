"""Each invariant of payments, allocations, refunds and set-offs holds against every writer."""

import pytest
from django.db import transaction

from billing.models import (
    BillingException,
    Invoice,
    InvoiceHold,
)
from tests.billing.models import rows
from tests.billing.models.rows import NOW, refuses

pytestmark = pytest.mark.django_db


def test_an_attempt_to_pay_is_recorded_once(finalized: Invoice) -> None:
    rows.payment(finalized, status="failed")
    with refuses("payment_once"), transaction.atomic():
        rows.payment(finalized, status="failed")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"allocated_minor": 5000, "refunded_minor": 832}, "payment_not_overspent"),
        ({"refunded_minor": -1}, "payment_not_overspent"),
        ({"status": "failed", "allocated_minor": 1}, "payment_failed_pays_nothing"),
    ],
)
def test_a_payment_pays_no_more_than_came_in(finalized: Invoice, fields: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        rows.payment(finalized, **fields)


@pytest.mark.parametrize("amount_minor", [-1, 0])
def test_a_reversing_allocation_matches_what_it_reverses(finalized: Invoice, amount_minor: int) -> None:
    payment = rows.payment(finalized)
    given = rows.allocation(payment, finalized)
    with refuses("payment_allocation_reverses_what_it_takes_back"), transaction.atomic():
        rows.allocation(payment, finalized, amount_minor=amount_minor)
    with refuses("payment_allocation_reverses_what_it_takes_back"), transaction.atomic():
        rows.allocation(payment, finalized, amount_minor=1, reverses=given)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "refund_once"),
        ({"reference": "2", "way": "pigeon"}, "refund_way_known"),
        ({"reference": "2", "amount_minor": 0}, "refund_gives_something_back"),
        ({"reference": "2", "amount_minor": -1}, "refund_gives_something_back"),
        ({"reference": "2", "reason": ""}, "refund_has_reason"),
    ],
)
def test_a_refunds_fields_agree_with_its_status(finalized: Invoice, fields: dict[str, object], name: str) -> None:
    payment = rows.payment(finalized)
    rows.refund(payment)
    with refuses(name), transaction.atomic():
        rows.refund(payment, **fields)


def test_a_payment_has_one_open_exception(finalized: Invoice) -> None:
    fields = {
        "subscription": finalized.subscription,
        "payment": rows.payment(finalized),
        "code": "unmatched_payment",
        "detail": "",
        "occurred_at": NOW,
    }
    BillingException.objects.create(**fields)
    with refuses("billing_exception_payment_open_once"), transaction.atomic():
        BillingException.objects.create(**fields)


@pytest.mark.parametrize(
    ("fields", "name"), [({"status": "maybe"}, "payment_status_known"), ({"amount_minor": -1}, "payment_not_negative")]
)
def test_a_payments_fields_agree_with_its_status(finalized: Invoice, fields: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        rows.payment(finalized, **fields)


@pytest.mark.parametrize("amount_minor", [-1, 0])
def test_a_set_off_takes_back_what_another_said(finalized: Invoice, amount_minor: int) -> None:
    given = rows.set_off(finalized)
    assert str(given) == "Credit for INV-2026-000001"
    with refuses("set_off_reverses_what_it_takes_back"), transaction.atomic():
        rows.set_off(finalized, amount_minor=amount_minor)
    with refuses("set_off_reverses_what_it_takes_back"), transaction.atomic():
        rows.set_off(finalized, amount_minor=1, reverses=given)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "dispute_once"),
        ({"reference": "du_2", "state": "asked"}, "dispute_state_known"),
        ({"reference": "du_2", "amount_minor": 0}, "dispute_over_something"),
        ({"reference": "du_2", "closed_at": NOW}, "dispute_open_is_not_closed"),
    ],
)
def test_a_disputes_fields_agree_with_its_state(finalized: Invoice, fields: dict[str, object], name: str) -> None:
    payment = rows.payment(finalized)
    rows.dispute(payment)
    with refuses(name), transaction.atomic():
        rows.dispute(payment, **fields)


def test_a_hold_says_why(finalized: Invoice) -> None:
    with refuses("hold_has_reason"), transaction.atomic():
        InvoiceHold.objects.create(invoice=finalized, tenant_id=finalized.tenant_id, reason="", created_at=NOW)
