"""Paddle's objects as they are: the shapes of its published examples, and those that the fake makes of them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paddle_billing.Entities.Adjustment import Adjustment
from paddle_billing.Entities.Customer import Customer
from paddle_billing.Entities.Subscription import Subscription as PaddleSubscription
from paddle_billing.Entities.Transaction import Transaction

from billing.collection.domain.provider import AgreementState
from billing.collection.errors import ProviderObjectError
from billing.collection.gateways.paddle.objects import (
    amount,
    is_chargeable,
    read_agreement,
    read_event,
    read_transaction,
)
from config.workbench.fakepaddle.server import FakePaddle
from config.workbench.fakepaddle.store import public
from tests.billing.collection.paddle_world import charges, deliver_and_process, subscribed
from tests.fakestripe import shopper

INVOICE = UUID("0190a0b0-0000-7000-8000-00000000f00d")
TENANT = UUID("0190a0b0-0000-7000-8000-0000000000aa")
CARD = {
    "type": "card",
    "card": {"type": "visa", "last4": "0002", "expiry_year": 2027, "expiry_month": 1, "cardholder_name": "A. Lovelace"},
}


def payment(status: str, attempt: str, code: str | None = None) -> dict[str, Any]:
    captured = "2026-04-12T10:18:50.738972Z" if status == "captured" else None
    return {
        "payment_attempt_id": attempt,
        "payment_method_id": "paymtd_01hv8wx2mka7dfsqjjsxh1ne7z",
        "stored_payment_method_id": "a78ece50-356f-4e0c-b72d-ad5368b0a0d9",
        "amount": "65215",
        "status": status,
        "error_code": code,
        "method_details": CARD,
        "created_at": "2026-04-12T10:15:57.888183Z",
        "captured_at": captured,
    }


def transaction(**changes: Any) -> dict[str, Any]:
    price = {
        "id": "pri_01gsz98e27ak2tyhexptwc58yk",
        "custom_data": {"countinghouse_invoice": str(INVOICE)},
        "unit_price": {"amount": "59900", "currency_code": "USD"},
        "billing_cycle": None,
    }
    totals = {
        "subtotal": "59900", "tax": "5315", "discount": "0", "total": "65215", "grand_total": "65215", "fee": None,
        "credit": "0", "balance": "65215", "earnings": None, "currency_code": "USD", "credit_to_balance": "0",
    }  # fmt: skip
    return {
        "id": "txn_01hv8wptq8987qeep44cyrewp9",
        "items": [{"price": price, "quantity": 1, "proration": None}],
        "origin": "subscription_charge",
        "status": "ready",
        "details": {"totals": totals, "line_items": [], "payout_totals": None, "tax_rates_used": []},
        "checkout": {"url": "https://aeroedit.com/pay?_ptxn=txn_01hv8wptq8987qeep44cyrewp9"},
        "payments": [],
        "customer_id": "ctm_01hv6y1jedq4p1n0yqn5ba3ky4",
        "subscription_id": "sub_01hv8x29kz0t586xy6zn1a62ny",
        "currency_code": "USD",
        "custom_data": None,
        "updated_at": "2026-04-12T10:14:26.325076Z",
        **changes,
    }


def subscription(**changes: Any) -> dict[str, Any]:
    return {
        "id": "sub_01hv8x29kz0t586xy6zn1a62ny",
        "status": "active",
        "customer_id": "ctm_01hv6y1jedq4p1n0yqn5ba3ky4",
        "custom_data": {"countinghouse_tenant": str(TENANT), "countinghouse_plan_version": "7"},
        "billing_cycle": {"interval": "month", "frequency": 1},
        "items": [{"previously_billed_at": "2026-04-12T10:18:47.635628Z", "next_billed_at": None}],
        "scheduled_change": None,
        "canceled_at": None,
        "collection_mode": "automatic",
        **changes,
    }


def test_a_transaction_is_read_without_the_tax_that_paddle_declares() -> None:
    read = read_transaction(
        transaction(status="completed", payments=[payment("captured", "b"), payment("error", "a", "declined")])
    )
    assert (read.net_minor, read.currency, read.invoice_id) == (59900, "USD", INVOICE)
    assert (read.card_label, read.is_charged) == ("Visa ending in 0002", True)
    assert read.payment is not None
    assert (read.payment.amount_minor, read.payment.reference) == (59900, read.id)
    assert read.payment.occurred_at == datetime(2026, 4, 12, 10, 18, 50, 738972, UTC)
    [failed] = read.failures
    assert (failed.reference, failed.decline_code, failed.is_final) == (f"{read.id}#a", "declined", False)
    assert failed.error == "The card was declined."


def test_each_failed_attempt_is_read_once_the_earliest_first() -> None:
    tried = [
        payment("error", "c", "expired_card"),
        payment("error", "b", "of_next_year"),
        payment("error", "b", "of_next_year"),
        payment("error", "a", "not_enough_balance"),
    ]
    read = read_transaction(transaction(payments=tried))
    assert [(one.reference[-1], one.is_final) for one in read.failures] == [("a", False), ("b", False), ("c", True)]
    assert read.failures[1].error == "The payment failed."
    assert (read.payment, read.card_label) == (None, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"items": []},
        {"items": [{"price": {"custom_data": None}}]},
        {"items": [{"price": {"custom_data": {"countinghouse_invoice": "of another system"}}}]},
        {"custom_data": {"countinghouse_invoice": str(TENANT)}},  # two of them: it names neither
    ],
)
def test_a_transaction_that_is_not_of_one_document_of_ours_names_none(changes: dict[str, Any]) -> None:
    assert read_transaction(transaction(**changes)).invoice_id is None


@pytest.mark.parametrize("wrong", ["", "12.5", "1e3", "٣", None, 12, "9" * 19])
def test_an_amount_that_is_no_text_of_minor_units_is_refused(wrong: object) -> None:
    with pytest.raises(ProviderObjectError, match="amount"):
        amount({"subtotal": wrong}, "subtotal")
    assert amount({"subtotal": "-120"}, "subtotal") == -120


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("trialing", AgreementState.LIVE),
        ("active", AgreementState.LIVE),
        ("past_due", AgreementState.LIVE),
        ("paused", AgreementState.LIVE),
        ("canceled", AgreementState.ENDED),
    ],
)
def test_the_states_of_a_subscription(status: str, state: AgreementState) -> None:
    read = read_agreement(subscription(status=status))
    assert (read.state, read.tenant_id, read.plan_version_id) == (state, TENANT, 7)
    assert is_chargeable(subscription(status=status)) == (status not in {"paused", "canceled"})


def test_a_scheduled_end_and_an_end_with_the_period() -> None:
    assert read_agreement(subscription(scheduled_change={"action": "cancel"})).is_cancelled_at_period_end
    assert not read_agreement(subscription(scheduled_change={"action": "pause"})).is_cancelled_at_period_end
    ended = {"status": "canceled", "canceled_at": "2026-05-12T10:18:47.635628Z"}
    assert read_agreement(subscription(**ended)).has_ended_with_period
    early = {"status": "canceled", "canceled_at": "2026-04-20T00:00:00Z"}
    assert not read_agreement(subscription(**early)).has_ended_with_period
    assert not is_chargeable(subscription(collection_mode="manual"))


def test_a_status_that_is_new_is_for_staff() -> None:
    with pytest.raises(ProviderObjectError, match="'resting', which we do not know"):
        read_agreement(subscription(status="resting"))
    with pytest.raises(ProviderObjectError, match="lacks customer_id"):
        read_agreement(subscription(customer_id=None))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_whatever_is_no_event_is_refused(value: Any) -> None:
    with pytest.raises(ProviderObjectError):
        read_event(value)


@pytest.mark.parametrize("name", ["event_id", "event_type", "occurred_at"])
@pytest.mark.parametrize("wrong", [None, 7, "", "x" * 300])
def test_an_event_has_an_id_a_type_and_a_time(name: str, wrong: object) -> None:
    event = {"event_id": "evt_1", "event_type": "transaction.paid", "occurred_at": "2026-04-12T10:18:48.8Z", "data": {}}
    assert read_event(event).occurred_at == datetime(2026, 4, 12, 10, 18, 48, 800000, UTC)
    with pytest.raises(ProviderObjectError):
        read_event({**event, name: wrong})


@pytest.mark.django_db
def test_paddles_own_library_reads_what_the_fake_makes(fake_paddle: FakePaddle) -> None:
    subscribed(fake_paddle, card=shopper.FAILS_LATER)
    store = fake_paddle.store
    [charged] = charges(fake_paddle)
    shopper.type_card(store.all("subscription")[0]["management_urls"]["update_payment_method"])
    fake_paddle.act("refund", charged["id"])
    deliver_and_process(fake_paddle)
    assert [Transaction.from_dict(public(one)).id for one in store.all("transaction")]
    assert [PaddleSubscription.from_dict(public(one)).id for one in store.all("subscription")]
    assert [Customer.from_dict(public(one)).id for one in store.all("customer")]
    assert [Adjustment.from_dict(public(one)).status for one in store.all("adjustment")] == ["pending_approval"]
