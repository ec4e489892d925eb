"""Usage at Stripe: whole numbers, once for each identifier, not too old."""

import time
from decimal import Decimal

import pytest
import stripe

from config.workbench.fakestripe.server import FakeStripe

DAY = 86_400


@pytest.fixture
def meter(fake_stripe: FakeStripe) -> stripe.billing.Meter:
    return stripe.billing.Meter.create(
        display_name="API requests",
        event_name="api_requests",
        event_time_window="hour",
        default_aggregation={"formula": "sum"},
        customer_mapping={"type": "by_id", "event_payload_key": "stripe_customer_id"},
        value_settings={"event_payload_key": "value"},
    )


def report(
    value: object, identifier: str, *, timestamp: int | None = None, customer: str = "cus_1"
) -> stripe.billing.MeterEvent:
    return stripe.billing.MeterEvent.create(
        event_name="api_requests",
        payload={"stripe_customer_id": customer, "value": str(value)},
        identifier=identifier,
        timestamp=int(time.time()) if timestamp is None else timestamp,
    )


def used(meter: stripe.billing.Meter, customer: str = "cus_1") -> int:
    now = int(time.time())
    start = now - now % 3600 - 40 * DAY
    [summary] = stripe.billing.Meter.list_event_summaries(
        meter.id, customer=customer, start_time=start, end_time=now + 3600
    ).data
    return int(summary.aggregated_value)


def test_usage_is_accepted_and_summed(meter: stripe.billing.Meter) -> None:
    hour = int(time.time()) // 3600 * 3600
    event = report(5, "t:m:1:0", timestamp=hour - 3600)
    assert (event.identifier, event.payload["value"], event.object) == ("t:m:1:0", "5", "billing.meter_event")
    report(7, "t:m:2:0", timestamp=hour)
    report(100, "u:m:2:0", timestamp=hour, customer="cus_2")
    assert used(meter) == 12


def test_within_its_window_the_newest_total_counts(meter: stripe.billing.Meter) -> None:
    hour = int(time.time()) // 3600 * 3600
    report(5, "t:m:1:0", timestamp=hour)
    report(8, "t:m:1:1", timestamp=hour + 1)
    assert used(meter) == 8


def test_an_identifier_is_accepted_once_in_24_hours(fake_stripe: FakeStripe, meter: stripe.billing.Meter) -> None:
    report(5, "same")
    with pytest.raises(stripe.InvalidRequestError, match="An event already exists with identifier same") as refused:
        report(6, "same")
    assert (refused.value.http_status, refused.value.code) == (400, "duplicate_meter_event")
    fake_stripe.control.advance(DAY + 1)
    report(7, "same", timestamp=int(time.time()) + DAY)


@pytest.mark.parametrize(
    ("value", "seconds", "code"),
    [
        ("1.5", 0, "meter_event_invalid_value"),
        ("many", 0, "meter_event_invalid_value"),
        (1, -35 * DAY - 60, "timestamp_too_far_in_past"),
        (1, 3600, "timestamp_in_future"),
    ],
)
def test_invalid_usage_is_refused(meter: stripe.billing.Meter, value: object, seconds: int, code: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        report(value, "x", timestamp=int(time.time()) + seconds)
    assert (refused.value.http_status, refused.value.code) == (400, code)
    assert report(1, "x", timestamp=int(time.time()) - 35 * DAY + 60).identifier == "x"


def test_usage_needs_a_meter_and_a_customer(meter: stripe.billing.Meter) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No active meter"):
        stripe.billing.MeterEvent.create(event_name="other", payload={"stripe_customer_id": "c", "value": "1"})
    with pytest.raises(stripe.InvalidRequestError, match="stripe_customer_id is missing"):
        stripe.billing.MeterEvent.create(event_name="api_requests", payload={"value": "1"})
    stripe.billing.Meter.deactivate(meter.id)
    with pytest.raises(stripe.InvalidRequestError, match="No active meter"):
        report(1, "x")
    stripe.billing.Meter.reactivate(meter.id)
    report(1, "x")


def test_usage_can_be_cancelled_for_a_day(fake_stripe: FakeStripe, meter: stripe.billing.Meter) -> None:
    report(5, "wrong")
    adjust = {"event_name": "api_requests", "type": "cancel", "cancel": {"identifier": "wrong"}}
    assert stripe.billing.MeterEventAdjustment.create(**adjust).status == "pending"
    assert used(meter) == 0
    report(5, "old")
    fake_stripe.control.advance(DAY + 60)
    with pytest.raises(stripe.InvalidRequestError, match="24 hours"):
        stripe.billing.MeterEventAdjustment.create(**{**adjust, "cancel": {"identifier": "old"}})


def test_one_name_has_one_active_meter(meter: stripe.billing.Meter) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        stripe.billing.Meter.create(
            display_name="again", event_name="api_requests", default_aggregation={"formula": "sum"}
        )
    assert [item.id for item in stripe.billing.Meter.list(status="active").data] == [meter.id]


def test_a_metered_price_bills_what_was_reported(
    fake_stripe: FakeStripe, payer: stripe.Customer, meter: stripe.billing.Meter
) -> None:
    price = stripe.Price.create(
        currency="eur",
        product_data={"name": "Requests"},
        recurring={"interval": "month", "usage_type": "metered", "meter": meter.id},
        billing_scheme="tiered",
        tiers_mode="graduated",
        tiers=[{"up_to": 100, "unit_amount": 0}, {"up_to": "inf", "unit_amount_decimal": Decimal("0.5")}],
    )
    subscription = stripe.Subscription.create(customer=payer.id, items=[{"price": price.id}])
    report(301, "x", customer=payer.id)
    fake_stripe.control.end_period(subscription.id)
    invoice = stripe.Invoice.retrieve(stripe.Subscription.retrieve(subscription.id).latest_invoice)
    assert [(line.quantity, line.amount) for line in invoice.lines.data] == [(301, 101)]
    assert len(stripe.Price.retrieve(price.id, expand=["tiers"]).tiers) == 2
