"""A fee and interest are charged by the seller's schedule alone, as lines of the next invoice."""

from datetime import UTC, datetime

import pytest

from billing.dunning.services.running import run_due_steps
from billing.models import SingleItem
from tests.billing.dunning.scripted.provider import ScriptedProvider
from tests.billing.dunning.unpaid import (
    DAY,
    FAILED_AT,
    case_of,
    declined,
    pay,
    run_until,
    set_schedule,
    subscription_of,
)

pytestmark = pytest.mark.django_db


def test_a_fee_and_interest_are_lines_of_the_next_invoice_by_the_schedule_alone(provider: ScriptedProvider) -> None:
    set_schedule(fee_on_day=2, fee="5", fee_currency="EUR", interest_percent="10")
    invoice = declined(provider)
    run_until(FAILED_AT + 2 * DAY)
    pay(invoice, datetime(2026, 4, 14, 12, tzinfo=UTC))
    run_until(datetime(2026, 4, 14, 13, tzinfo=UTC), since=datetime(2026, 4, 14, 12, tzinfo=UTC))

    items = SingleItem.objects.order_by("created_at").values_list("description", "amount_minor", "tax_category")
    assert list(items) == [
        (f"Fee for the late payment of {invoice.number}", 500, "O"),
        (f"Interest for 30 days on {invoice.number}", 40, "O"),  # 49 x 10 % x 30 / 365 = 0.4027
    ]
    other = declined(provider, "globex", plan=subscription_of(invoice).plan_version)
    set_schedule(fee_currency="USD")
    run_until(FAILED_AT + 2 * DAY)
    assert case_of(other).steps.get(kind="fee").outcome == "No fee: it is in USD, and the invoice in EUR."


def test_without_a_decision_of_the_seller_nothing_is_added(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    run_until(FAILED_AT + 13 * DAY)
    pay(invoice, FAILED_AT + 13 * DAY)
    run_due_steps(as_of=FAILED_AT + 13 * DAY)
    assert not SingleItem.objects.exists()


def test_interest_that_no_invoice_follows_is_not_charged_and_says_so(provider: ScriptedProvider) -> None:
    set_schedule(interest_percent="10")
    invoice = declined(provider)
    run_until(FAILED_AT + 31 * DAY)
    pay(invoice, FAILED_AT + 40 * DAY)
    run_due_steps(as_of=FAILED_AT + 40 * DAY)
    outcome = case_of(invoice).steps.get(kind="interest").outcome
    assert outcome.startswith(("Not charged: No invoice follows", "Added"))


def test_a_schedule_that_lost_its_fee_and_its_interest_charges_nothing(provider: ScriptedProvider) -> None:
    set_schedule(fee_on_day=2, fee="5", fee_currency="EUR", interest_percent="10")
    invoice = declined(provider)
    set_schedule(fee_on_day=None, fee=None, fee_currency="")
    run_until(FAILED_AT + 2 * DAY)
    assert case_of(invoice).steps.get(kind="fee").outcome == "The schedule has no fee any more."
    pay(invoice, FAILED_AT + 3 * DAY)
    run_due_steps(as_of=FAILED_AT + 3 * DAY)
    assert case_of(invoice).steps.get(kind="interest").outcome.startswith("No interest: it was paid in time")
    other = declined(provider, "globex", plan=subscription_of(invoice).plan_version)
    pay(other, FAILED_AT + DAY, "bank 2")
    set_schedule(interest_percent=None)
    run_due_steps(as_of=FAILED_AT + DAY)
    assert case_of(other).steps.get(kind="interest").outcome == "The schedule has no interest any more."
