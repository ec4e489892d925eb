"""Revenue and MRR, compared with numbers that were counted by hand."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Invoice, TaxRate
from billing.selectors.revenue import (
    MoneyMonth,
    currencies_sold,
    invoices_by_status,
    money_by_month,
    overdue_invoices,
    recurring_fees,
    waiting,
)
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.staff_actions import issue_credit_note, void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from metering.domain.periods import YearMonth
from tests.billing.world import (
    MARCH,
    STAFF,
    close_month,
    finalized_invoices,
    first_invoice,
    make_plan,
    set_issuer,
    subscribe_tenant,
    use,
)

pytestmark = pytest.mark.django_db

APRIL_5 = datetime(2026, 4, 5, 12, tzinfo=UTC)


def pay(invoice: Invoice, at: datetime) -> None:
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference=f"pi_{invoice.number}", amount_minor=invoice.total_minor,
        currency=invoice.currency, occurred_at=at, as_of=at,
    )  # fmt: skip


def months(currency: str = "EUR", *, number: int = 2, as_of: datetime = APRIL_5) -> list[MoneyMonth]:
    return money_by_month(currency=currency, number=number, as_of=as_of)


def test_two_months_of_one_tenant_are_as_counted_by_hand() -> None:
    # 49 EUR a month in advance, 0.001 a call; 19 % tax, which is no revenue.
    set_issuer(country="DE")
    TaxRate.objects.create(country="DE", percent=19)
    subscription = subscribe_tenant(country="DE")
    march = first_invoice(subscription)
    use(subscription.tenant, 12_345, at=MARCH + timedelta(days=3))
    april = close_month(subscription)  # 12.345 -> 12.35, and 49.00
    assert (march.total_minor, april.subtotal_minor) == (5831, 6135)
    pay(march, MARCH + timedelta(days=9))
    assert months() == [
        # March's calls are earned in it, and invoiced and posted in April.
        MoneyMonth(YearMonth(2026, 3), 4900, 0, 4900, 5831, 4900, 1),
        MoneyMonth(YearMonth(2026, 4), 6135, 0, 6135, 0, 4900, 1),
    ]


def test_a_reversal_is_taken_off_in_the_month_in_which_it_happens() -> None:
    voided, credited_unpaid, credited_paid = finalized_invoices(3)
    void_invoice(invoice_id=voided.pk, reason="Twice", actor=STAFF, as_of=MARCH + timedelta(days=1))
    issue_credit_note(invoice_id=credited_unpaid.pk, reason="Wrong", actor=STAFF, as_of=MARCH + timedelta(days=2))
    pay(credited_paid, MARCH + timedelta(days=3))
    issue_credit_note(invoice_id=credited_paid.pk, reason="Goodwill", actor=STAFF, as_of=APRIL_5)
    [march, april] = months()
    assert (march.invoiced_minor, march.credited_minor, march.paid_minor) == (3 * 4900, 2 * 4900, 4900)
    assert (march.earned_minor, april.earned_minor) == (4900, -4900)
    assert (april.invoiced_minor, april.credited_minor, april.paid_minor) == (0, 4900, 0)


def test_recurring_fees_count_who_pays_at_the_end_of_each_month() -> None:
    pro, team = make_plan(), make_plan("team", fee="199")
    stays, leaves, grows = (subscribe_tenant(slug, plan=pro) for slug in ("stays", "leaves", "grows"))
    subscribe_tenant("looks", plan=make_plan("free", fee="0"))
    subscribe_tenant("tries", plan=make_plan("trial", trial_days=30), as_of=MARCH + timedelta(days=20))
    for subscription in (stays, leaves, grows):
        first_invoice(subscription)
        subscription.refresh_from_db()
    cancel_subscription(subscription=leaves, when=When.PERIOD_END, actor=STAFF, as_of=MARCH + timedelta(days=5))
    change_plan(subscription=grows, plan_version=team, when=When.NOW, actor=STAFF, as_of=MARCH + timedelta(days=10))
    close_month(leaves)
    instants = [datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5)]
    # A customer on a free plan pays nothing, and none pays before March begins. At its end 49 (stays) + 49 (leaves with
    # the month) + 199 (grown). In April one is gone, and the trial, of 49 too, has become a customer.
    assert recurring_fees(currency="EUR", instants=instants) == {
        instants[1]: (29700, 3),
        instants[2]: (29700, 3),
    }


def test_a_customer_that_left_is_no_longer_counted() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    subscription.refresh_from_db()
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=MARCH + timedelta(days=10))
    middle, end = MARCH + timedelta(days=10), datetime(2026, 4, 1, tzinfo=UTC)
    assert recurring_fees(currency="EUR", instants=[middle, end]) == {middle: (4900, 1)}


def test_revenue_of_different_currencies_is_never_summed() -> None:
    plan = make_plan(fee={"EUR": "49", "JPY": "7000", "KWD": "15.125"})
    for slug, currency in (("a", "EUR"), ("b", "JPY"), ("c", "KWD"), ("d", "JPY")):
        first_invoice(subscribe_tenant(slug, plan=plan, currency=currency))
    assert currencies_sold() == ["JPY", "EUR", "KWD"]
    found = {currency: months(currency, number=1, as_of=MARCH + timedelta(days=1))[0] for currency in currencies_sold()}
    assert {name: (row.invoiced_minor, row.recurring_minor) for name, row in found.items()} == {
        "EUR": (4900, 4900), "JPY": (14000, 14000), "KWD": (15125, 15125),
    }  # fmt: skip


def test_a_revenue_month_is_one_of_the_issuers_time_zone() -> None:
    set_issuer(time_zone="Asia/Tokyo")
    invoice = first_invoice(subscribe_tenant())
    pay(invoice, datetime(2026, 3, 31, 16, tzinfo=UTC))  # 1 April in Tokyo
    [march, april] = months()
    assert (march.paid_minor, april.paid_minor) == (0, 4900)


def test_invoices_are_summed_by_status_and_overdue_ones_by_their_day() -> None:
    set_issuer(payment_days=14)
    paid, *_ = finalized_invoices(3)
    pay(paid, MARCH + timedelta(days=1))
    sums = {row.status: (row.number, row.total_minor) for row in invoices_by_status(currency="EUR")}
    assert sums == {"draft": (0, 0), "finalized": (2, 9800), "paid": (1, 4900), "void": (0, 0), "uncollectible": (0, 0)}
    due_on = date(2026, 3, 15)
    assert overdue_invoices(currency="EUR", today=due_on).number == 0
    late = overdue_invoices(currency="EUR", today=due_on + timedelta(days=1))
    assert (late.number, late.total_minor) == (2, 9800)
    assert overdue_invoices(currency="CHF", today=due_on).total_minor == 0


def test_invoices_due_next_and_due_now_are_counted() -> None:
    assert waiting(as_of=MARCH).due_at is None
    first = subscribe_tenant("first")
    subscribe_tenant("second", plan=first.plan_version, as_of=MARCH + timedelta(days=3))
    found = waiting(as_of=MARCH + timedelta(hours=1))
    assert (found.due_now, found.due_at) == (1, MARCH + timedelta(days=3))
    assert (found.exceptions, found.mails) == (0, 0)


def test_a_year_of_revenue_takes_as_many_queries_as_a_month() -> None:
    finalized_invoices(1)
    with CaptureQueriesContext(connection) as few:
        months(number=1)
    plan = make_plan("more")
    for number in range(4):
        first_invoice(subscribe_tenant(f"more-{number}", plan=plan))
    with CaptureQueriesContext(connection) as many:
        months(number=12)
    assert len(few) == len(many) == 2  # and two that our own way of sending SQL hides from the count
