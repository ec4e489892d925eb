"""Reading Stripe's objects: as recorded, with fields missing, and with whatever JSON there may be."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.collection.domain.provider import AgreementState
from billing.collection.errors import PaymentRefusedError, ProviderObjectError
from billing.collection.gateways.stripe.objects import (
    card_label,
    default_payment_method,
    from_stripe_amount,
    read_agreement,
    read_event,
    read_invoice,
    storable,
    to_stripe_amount,
)

TENANT, INVOICE = "0190a0b0-0000-7000-8000-000000000001", "0190a0b0-0000-7000-8000-000000000002"
START, END = 1_790_000_000, 1_792_592_000
# As the API of 2026-05-27.dahlia describes them, cut to what may matter.
SUBSCRIPTION: dict[str, Any] = {
    "id": "sub_1",
    "object": "subscription",
    "customer": "cus_1",
    "status": "active",
    "cancel_at": None,
    "cancel_at_period_end": False,
    "canceled_at": None,
    "ended_at": None,
    "default_payment_method": {"id": "pm_1", "object": "payment_method", "type": "card"},
    "items": {
        "object": "list",
        "data": [{"id": "si_1", "current_period_start": START, "current_period_end": END}],
    },
    "metadata": {"countinghouse_tenant": TENANT, "countinghouse_plan_version": "7"},
}
STRIPE_INVOICE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "customer": "cus_1",
    "status": "paid",
    "currency": "eur",
    "total": 4900,
    "amount_due": 4900,
    "attempt_count": 2,
    "hosted_invoice_url": "https://invoice.stripe.com/i/1",
    "metadata": {"countinghouse_invoice": INVOICE},
    "status_transitions": {"finalized_at": START, "paid_at": START + 60},
    "last_finalization_error": None,
    "payments": {
        "object": "list",
        "data": [
            {
                "payment": {
                    "type": "payment_intent",
                    "payment_intent": {"id": "pi_1", "last_payment_error": {"message": "Your card was declined."}},
                }
            }
        ],
    },
}


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_a_subscription_reads_as_an_agreement() -> None:
    agreement = read_agreement(SUBSCRIPTION)

    assert (agreement.reference, agreement.customer_reference, agreement.state) == (
        "sub_1",
        "cus_1",
        AgreementState.LIVE,
    )
    assert (agreement.tenant_id, agreement.plan_version_id) == (UUID(TENANT), 7)
    assert not agreement.is_cancelled_at_period_end
    assert agreement.card_reference == "pm_1"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("trialing", "live"), ("active", "live"), ("past_due", "live"), ("unpaid", "live"), ("paused", "live"),
        ("incomplete", "not_yet"), ("incomplete_expired", "ended"), ("canceled", "ended"),
    ],
)  # fmt: skip
def test_every_status_that_stripe_documents_means_something(status: str, state: str) -> None:
    assert read_agreement(SUBSCRIPTION | {"status": status}).state == state


def test_an_unknown_status_of_stripe_needs_a_person() -> None:
    with pytest.raises(ProviderObjectError, match="on_holiday"):
        read_agreement(SUBSCRIPTION | {"status": "on_holiday"})


def test_the_api_sets_a_flag_and_the_portal_a_date_and_both_mean_the_same() -> None:
    assert read_agreement(SUBSCRIPTION | {"cancel_at_period_end": True}).is_cancelled_at_period_end
    assert read_agreement(SUBSCRIPTION | {"cancel_at": END}).is_cancelled_at_period_end


@pytest.mark.parametrize(
    ("ended_at", "with_period"),
    [(END, True), (END - 3600, True), (END - 86_400, False), (None, False)],
)
def test_an_end_with_the_period_is_told_from_one_before_it(ended_at: int | None, *, with_period: bool) -> None:
    ended = SUBSCRIPTION | {"status": "canceled", "cancel_at": END, "ended_at": ended_at}

    assert read_agreement(ended).has_ended_with_period is with_period
    assert not read_agreement(ended | {"cancel_at": None}).has_ended_with_period


@pytest.mark.parametrize("lost", ["id", "customer", "status"])
def test_a_subscription_without_a_required_field_is_refused(lost: str) -> None:
    with pytest.raises(ProviderObjectError, match=lost):
        read_agreement({name: value for name, value in SUBSCRIPTION.items() if name != lost})


@pytest.mark.parametrize("lost", ["metadata", "items", "cancel_at", "cancel_at_period_end", "default_payment_method"])
def test_a_subscription_without_an_optional_field_is_read(lost: str) -> None:
    agreement = read_agreement({name: value for name, value in SUBSCRIPTION.items() if name != lost})

    assert agreement.reference == "sub_1"
    assert (agreement.tenant_id is None) == (lost == "metadata")


def test_metadata_that_others_wrote_reads_as_none_of_ours() -> None:
    for metadata in ({"countinghouse_tenant": "acme", "countinghouse_plan_version": "pro"}, {}, None, "x"):
        agreement = read_agreement(SUBSCRIPTION | {"metadata": metadata})
        assert (agreement.tenant_id, agreement.plan_version_id) == (None, None)


def test_an_invoice_is_read_with_the_time_of_its_payment() -> None:
    collected = read_invoice(STRIPE_INVOICE)

    assert (collected.id, collected.customer_id, collected.status) == ("in_1", "cus_1", "paid")
    assert (collected.invoice_id, collected.currency, collected.total) == (UUID(INVOICE), "EUR", 4900)
    assert collected.paid_at == instant(START + 60)


def test_a_customer_may_be_named_or_expanded() -> None:
    assert read_invoice(STRIPE_INVOICE | {"customer": {"id": "cus_2", "object": "customer"}}).customer_id == "cus_2"


@pytest.mark.parametrize("lost", ["id", "customer", "status", "currency", "total", "amount_due"])
def test_an_invoice_without_a_required_field_is_refused(lost: str) -> None:
    with pytest.raises(ProviderObjectError, match=lost):
        read_invoice({name: value for name, value in STRIPE_INVOICE.items() if name != lost})


def test_an_invoice_of_others_collects_none_of_ours() -> None:
    assert read_invoice(STRIPE_INVOICE | {"metadata": {}}).invoice_id is None
    assert read_invoice(STRIPE_INVOICE | {"status_transitions": None, "hosted_invoice_url": None}).paid_at is None


def test_an_event_is_read_and_a_thin_one_known() -> None:
    event = read_event({"id": "evt_1", "type": "invoice.paid", "created": START, "data": {"object": STRIPE_INVOICE}})
    assert (event.object_id, event.customer_id, event.created_at) == ("in_1", "cus_1", instant(START))
    customer = read_event(
        {"id": "e", "type": "customer.updated", "data": {"object": {"id": "c", "object": "customer"}}}
    )
    assert customer.customer_id == "c"
    thin = read_event({"id": "evt_2", "object": "v2.core.event", "type": "v1.x", "created": "2026-11-21T09:00:00Z"})
    assert (thin.is_thin, thin.created_at, thin.object_id) == (True, None, "")


@pytest.mark.parametrize("payload", [None, [], 1, {}, {"id": "e"}, {"type": "t"}, {"id": "e" * 256, "type": "t"}])
def test_json_that_is_no_event_is_refused(payload: object) -> None:
    with pytest.raises(ProviderObjectError):
        read_event(payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=6), inside, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SUBSCRIPTION, *STRIPE_INVOICE, "data", "type"]), JSON))
def test_any_json_is_read_or_refused_by_the_readers(replaced: dict[str, Any]) -> None:
    for read, described in ((read_agreement, SUBSCRIPTION), (read_invoice, STRIPE_INVOICE), (read_event, {})):
        with contextlib.suppress(ProviderObjectError):
            read(described | replaced)
    card_label(replaced)
    default_payment_method(replaced)


@given(JSON)
def test_any_payload_can_be_stored_and_stays_the_same(value: object) -> None:
    kept = json.dumps(storable(value))
    assert "\\u0000" not in kept
    assert storable(storable(value)) == storable(value)


def test_a_card_is_named_by_brand_and_last_digits() -> None:
    card = {"type": "card", "card": {"brand": "visa", "display_brand": "visa", "last4": "4242"}}
    assert card_label(card) == "Visa ending in 4242"
    assert card_label({"type": "sepa_debit", "sepa_debit": {"last4": "3000"}}) == "Sepa debit ending in 3000"
    assert card_label({"type": "link", "link": {"email": "a@b.example"}}) == "Link"
    assert card_label({"id": "pm_1"}) == "Payment method"
    assert card_label(None) == ""
    assert default_payment_method({"invoice_settings": {"default_payment_method": card}}) == card
    assert default_payment_method({"invoice_settings": {"default_payment_method": "pm_1"}}) is None


@pytest.mark.parametrize(
    ("minor", "currency", "at_stripe"),
    [(4900, "EUR", 4900), (500, "JPY", 500), (5, "UGX", 500), (7, "ISK", 700), (1230, "KWD", 1230), (1500, "MGA", 15)],
)
def test_amounts_are_converted_to_stripes_digits_and_back(minor: int, currency: str, at_stripe: int) -> None:
    assert to_stripe_amount(minor, currency) == at_stripe
    assert from_stripe_amount(at_stripe, currency) == minor


def test_an_amount_that_stripe_cannot_charge_exactly_is_refused() -> None:
    for minor, currency in ((1231, "KWD"), (1501, "MGA")):
        with pytest.raises(PaymentRefusedError):
            to_stripe_amount(minor, currency)
    with pytest.raises(ProviderObjectError):
        from_stripe_amount(501, "UGX")


def test_a_time_out_of_range_reads_as_none() -> None:
    assert read_invoice(STRIPE_INVOICE | {"status_transitions": {"paid_at": 10**30}}).paid_at is None
    assert instant(START) + timedelta(seconds=60) == instant(START + 60)
