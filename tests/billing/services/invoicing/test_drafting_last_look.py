"""After a subscription's end, late usage is corrected once more, and remaining credit is not lost."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounts.models import Tenant
from billing.domain.statuses import InvoiceStatus, SubscriptionStatus
from billing.models import BillingException, Invoice, InvoiceLine, Subscription, TaxRate
from billing.rendering.services.documents import render_document
from billing.selectors.invoicing.due import Due
from billing.selectors.revenue import waiting
from billing.services.invoicing.drafting import draft_batch
from billing.services.invoicing.exceptions import CREDIT_LEFT, report_credit_back
from billing.services.invoicing.running import computed_only, plan_invoices, run_invoicing
from billing.services.invoicing.staff_actions import issue_credit_note, void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from billing.verification.services.running import run_verification
from metering.services.voids import void_event
from tests.billing.world import GRACE, MARCH, STAFF, first_invoice, make_plan, set_issuer, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of

pytestmark = pytest.mark.django_db

MID_MARCH = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
WINDOW = timedelta(days=35)
DAY = timedelta(days=1)
ENDS = {When.NOW: MID_MARCH, When.PERIOD_END: APRIL}
both_ways = pytest.mark.parametrize("when", list(When))


def used_in_march(**fields: object) -> Subscription:
    """Subscribe to a plan at 49.00 and 0.001 a call since 1 March, with 1,000 calls on the 2nd.

    No fee is given back.
    """
    set_issuer(fee_refund="none")
    subscription = subscribe_tenant(backfill_days=WINDOW.days, **fields)
    first_invoice(subscription)
    use(subscription.tenant, 1000, at=MARCH + DAY)
    return subscription


def end(subscription: Subscription, when: When) -> datetime:
    """Cancel the subscription and invoice its last period. Return when it ended."""
    cancel_subscription(subscription=subscription, when=when, actor=STAFF, as_of=MID_MARCH)
    run_invoicing(as_of=ENDS[when] + GRACE)
    subscription.refresh_from_db()
    assert (subscription.status, subscription.ended_at) == (SubscriptionStatus.CANCELLED, ENDS[when])
    assert subscription.due_at == ENDS[when] + WINDOW + DAY
    return ENDS[when]


def ended_in_march(when: When = When.NOW) -> tuple[Subscription, datetime]:
    subscription = used_in_march()
    return subscription, end(subscription, when)


def lines_of(invoice: Invoice) -> list[tuple[str, int, int]]:
    lines = invoice.lines.filter(revision=invoice.revision).order_by("position")
    return [(line.kind, int(line.quantity), line.amount_minor) for line in lines]


def assert_all_is_well(as_of: datetime) -> None:
    assert run_verification(started_by="test", as_of=as_of).differences == []
    numbers = sorted(Invoice.objects.issued().values_list("number", flat=True))
    assert numbers == [f"INV-2026-{n:06}" for n in range(1, len(numbers) + 1)]
    assert not Subscription.objects.filter(due_at__isnull=False, ended_at__isnull=False).exists()


@both_ways
def test_late_usage_after_the_end_is_on_one_more_invoice(when: When) -> None:
    subscription, ended_at = ended_in_march(when)
    last = Invoice.objects.get(boundary=1)
    use(subscription.tenant, 2000, at=MID_MARCH - DAY, as_of=ended_at + 10 * DAY)
    use(subscription.tenant, 500, at=MID_MARCH - DAY, as_of=MID_MARCH - DAY + WINDOW)  # as late as can be
    assert run_invoicing(as_of=ended_at + WINDOW + DAY - timedelta(seconds=1)).drafted == 0
    as_of = ended_at + WINDOW + DAY
    assert run_invoicing(as_of=as_of).drafted == 1
    run = run_invoicing(as_of=as_of + GRACE)
    assert (run.drafted, run.finalized) == (0, 1)

    more = Invoice.objects.get(boundary=2)
    assert lines_of(more) == [("adjustment", 2500, 250)]
    assert (more.status, more.subtotal_minor) == (InvoiceStatus.FINALIZED, 250)
    assert (more.period_start, more.period_end) == (ended_at, as_of)
    [line] = more.lines.filter(revision=more.revision)
    assert line.description == f"Correction of {last.number}: calls"
    subscription.refresh_from_db()
    period_end = subscription.period_end
    assert (subscription.due_at, period_end, subscription.ended_at) == (None, ended_at, ended_at)
    assert run_invoicing(as_of=as_of + timedelta(days=400)).drafted == 0
    assert_all_is_well(as_of + GRACE)


def test_usage_after_the_end_is_not_billed() -> None:
    subscription, ended_at = ended_in_march()
    use(subscription.tenant, 5000, at=ended_at)
    run_invoicing(as_of=ended_at + WINDOW + 2 * DAY)
    assert Invoice.objects.count() == 2
    assert_all_is_well(ended_at + WINDOW + 2 * DAY)


@both_ways
def test_without_late_usage_there_is_no_last_invoice_and_none_is_due(when: When) -> None:
    subscription, ended_at = ended_in_march(when)
    as_of = ended_at + WINDOW + DAY
    assert plan_invoices(as_of=as_of) == []
    run = run_invoicing(as_of=as_of)
    assert (run.drafted, run.finalized, run.parked) == (0, 0, [])
    subscription.refresh_from_db()
    assert subscription.due_at is None
    assert Invoice.objects.count() == 2
    assert not BillingException.objects.exists()
    assert_all_is_well(as_of)


def test_usage_corrected_by_the_invoice_before_is_not_corrected_again() -> None:
    # The second month's invoice has it. The last correction starts from there.
    subscription = used_in_march()
    run_invoicing(as_of=APRIL + GRACE)
    use(subscription.tenant, 300, at=MARCH + 2 * DAY, as_of=APRIL + 5 * DAY)
    ended_at = APRIL + 9 * DAY
    subscription.refresh_from_db()
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=ended_at)
    run_invoicing(as_of=ended_at + GRACE)
    use(subscription.tenant, 20, at=MARCH + 20 * DAY, as_of=ended_at + 3 * DAY)
    run_invoicing(as_of=ended_at + WINDOW + 2 * DAY)
    corrections = InvoiceLine.objects.filter(kind="adjustment", revision=1).order_by("invoice__boundary")
    assert [(line.invoice.boundary, int(line.quantity), line.amount_minor) for line in corrections] == [
        (2, 300, 30),
        (3, 20, 2),
    ]
    assert_all_is_well(ended_at + WINDOW + 2 * DAY)


def test_a_trial_needs_no_last_correction() -> None:
    plan = make_plan("tried", trial_days=14)
    for slug, when in (("one", When.NOW), ("two", When.PERIOD_END)):
        subscription = subscribe_tenant(slug, plan=plan)
        use(subscription.tenant, 1000, at=MARCH + DAY)
        cancel_subscription(subscription=subscription, when=when, actor=STAFF, as_of=MARCH + 2 * DAY)
        run_invoicing(as_of=APRIL)
        subscription.refresh_from_db()
        assert (subscription.status, subscription.due_at) == (SubscriptionStatus.CANCELLED, None)
    assert not Invoice.objects.exists()


@pytest.mark.parametrize("late", [0, 60])
def test_a_void_after_the_end_becomes_an_exception(late: int) -> None:
    # `late`: a void of an event older than the window, which the last correction finds too.
    TaxRate.objects.create(country="DE", name="VAT", percent=Decimal(19))
    set_issuer(country="DE")
    subscription = used_in_march(country="DE")
    [event] = use(subscription.tenant, 40_000, at=MARCH + 3 * DAY)
    for month in (4, 5) if late else ():
        run_invoicing(as_of=MARCH.replace(month=month) + GRACE)
    subscription.refresh_from_db()
    ended_at = MID_MARCH + late * DAY
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=ended_at)
    run_invoicing(as_of=ended_at + GRACE)
    void_event(
        ledger=ledger_of(subscription.tenant), event_id=event, reason="a test", voided_by="us", as_of=ended_at + DAY
    )
    as_of = ended_at + WINDOW + 2 * DAY
    planned = computed_only(plan_invoices(as_of=as_of))
    run_invoicing(as_of=as_of)

    invoice = Invoice.objects.order_by("-boundary")[0]
    assert lines_of(invoice) == [("adjustment", -40_000, -4000), ("carry", 1, 4760)]
    assert (invoice.status, invoice.total_minor) == (InvoiceStatus.PAID, 0)
    assert invoice.lines.get(kind="carry").description == "Credit that is left, with no invoice to follow"
    assert [(one.lines_digest, one.total_minor) for one in planned] == [(invoice.lines_digest, 0)]
    exception = BillingException.objects.get()
    assert (exception.subscription, exception.code) == (subscription, CREDIT_LEFT)
    assert exception.detail.startswith(
        f"{invoice.number} leaves 47.60\N{NO-BREAK SPACE}EUR in the customer's favour, tax included"
    )
    assert exception.resolution == "All of it is set off."
    assert waiting(as_of=as_of).exceptions == 0
    run_invoicing(as_of=as_of + DAY)
    assert BillingException.objects.count() == 1
    run_invoicing(as_of=as_of + 2 * DAY)
    assert BillingException.objects.filter(resolved_at=None).count() == 0
    assert_all_is_well(as_of + 2 * DAY)


def credited(slug: str = "acme", *, is_invoiced: bool = True) -> tuple[Subscription, datetime]:
    """Create a subscription with half of a fee of 1,000.00 back by a change to a free plan, which then ended."""
    set_issuer(fee_refund="by_day")
    big, small = make_plan("big", fee="1000"), make_plan("small", fee="0")
    subscription = subscribe_tenant(slug, plan=big, backfill_days=WINDOW.days)
    first_invoice(subscription)
    at = MARCH + 15 * DAY
    change_plan(subscription=subscription, plan_version=small, when=When.NOW, actor=STAFF, as_of=at)
    ended_at = MARCH + 20 * DAY
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=ended_at)
    if is_invoiced:
        run_invoicing(as_of=ended_at + GRACE)
        assert Invoice.objects.get(boundary=1).lines.get(kind="carry").amount_minor == 51613
    return subscription, ended_at


def test_credit_of_the_last_period_pays_late_usage_and_then_becomes_an_exception() -> None:
    # Staff decide only then: what is paid back before could not pay for late usage any more.
    subscription, ended_at = credited()
    assert not BillingException.objects.exists()
    use(subscription.tenant, 10_000, at=MARCH + 16 * DAY, as_of=ended_at + DAY)
    as_of = ended_at + WINDOW + 2 * DAY
    run_invoicing(as_of=as_of)
    look = Invoice.objects.get(boundary=2)
    assert lines_of(look) == [("adjustment", 10_000, 1000), ("carry", 1, -51613), ("carry", 1, 50613)]
    assert BillingException.objects.get().detail.startswith(f"{look.number} leaves 506.13\N{NO-BREAK SPACE}EUR")
    assert_all_is_well(as_of)


def test_credit_alone_is_stated_on_a_last_document() -> None:
    _, ended_at = credited()
    as_of = ended_at + WINDOW + 2 * DAY
    run_invoicing(as_of=as_of)
    look = Invoice.objects.get(boundary=2)
    assert lines_of(look) == [("carry", 1, -51613), ("carry", 1, 51613)]
    assert BillingException.objects.get().detail.startswith(f"{look.number} leaves 516.13\N{NO-BREAK SPACE}EUR")
    assert_all_is_well(as_of)


def test_a_late_dry_run_previews_the_last_invoice_and_the_correction_after_it() -> None:
    """Create one with nothing late, one with a correction, one with a draft of its last period, one with credit.

    Some are far behind.
    """
    quiet, (rich, _) = used_in_march(), credited(slug="rich", is_invoiced=False)
    cancel_subscription(subscription=quiet, when=When.PERIOD_END, actor=STAFF, as_of=MID_MARCH)
    as_of = APRIL + WINDOW + 2 * DAY
    late = used_in_march(slug="late", plan=make_plan("other"))
    end(late, When.NOW)
    use(late.tenant, 700, at=MID_MARCH - DAY, as_of=MID_MARCH + DAY)
    behind = used_in_march(slug="behind", plan=make_plan("more"))
    cancel_subscription(subscription=behind, when=When.NOW, actor=STAFF, as_of=MID_MARCH)
    draft_batch(as_of=MID_MARCH, due=Due(tenant_ids=[behind.tenant_id]))
    known = {(row.subscription_id, row.boundary) for row in Invoice.objects.issued()}
    planned = computed_only(plan_invoices(as_of=as_of))
    run_invoicing(as_of=as_of)
    made = [row for row in Invoice.objects.issued() if (row.subscription_id, row.boundary) not in known]
    foretold = sorted((str(one.state.subscription_id), one.state.boundary, one.lines_digest) for one in planned)
    assert foretold == sorted((str(row.subscription_id), row.boundary, row.lines_digest) for row in made)
    assert {(row.subscription_id, row.boundary) for row in made} == {
        (quiet.pk, 1), (behind.pk, 1), (late.pk, 2), (rich.pk, 1), (rich.pk, 2)
    }  # fmt: skip
    assert_all_is_well(as_of)


def test_the_last_correction_waits_for_a_widened_window() -> None:
    subscription, ended_at = ended_in_march()
    Tenant.objects.update(backfill_days=90)
    run_invoicing(as_of=ended_at + WINDOW + 2 * DAY)
    subscription.refresh_from_db()
    assert subscription.due_at == ended_at + 91 * DAY
    use(subscription.tenant, 600, at=MARCH + 2 * DAY, as_of=ended_at + 70 * DAY)
    run_invoicing(as_of=ended_at + 92 * DAY)
    assert lines_of(Invoice.objects.get(boundary=3)) == [("adjustment", 600, 60)]
    assert_all_is_well(ended_at + 92 * DAY)


def test_late_usage_that_is_voided_within_the_grace_leaves_an_invoice_over_nothing() -> None:
    subscription, ended_at = ended_in_march()
    [event] = use(subscription.tenant, 2000, at=MID_MARCH - DAY, as_of=ended_at + DAY)
    as_of = ended_at + WINDOW + DAY
    run_invoicing(as_of=as_of)
    void_event(ledger=ledger_of(subscription.tenant), event_id=event, reason="x", voided_by="us", as_of=as_of)
    run_invoicing(as_of=as_of + GRACE)
    invoice = Invoice.objects.get(boundary=2)
    assert (lines_of(invoice), invoice.status, invoice.total_minor) == ([], InvoiceStatus.PAID, 0)
    assert render_document(invoice.document.content).startswith(b"%PDF")
    assert_all_is_well(as_of + GRACE)


@pytest.mark.django_db(transaction=True)
def test_eight_workers_make_the_last_correction_once() -> None:
    subscription, ended_at = ended_in_march()
    use(subscription.tenant, 2000, at=MID_MARCH - DAY, as_of=ended_at + DAY)
    start = threading.Barrier(8)

    def run() -> None:
        start.wait(timeout=30)
        run_invoicing(as_of=ended_at + WINDOW + 2 * DAY)
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert lines_of(Invoice.objects.get(boundary=2)) == [("adjustment", 2000, 200)]
    assert Invoice.objects.count() == 3
    assert_all_is_well(ended_at + WINDOW + 2 * DAY)


@pytest.mark.parametrize("takes_back", [void_invoice, issue_credit_note])
def test_credit_that_returns_after_the_last_invoice_becomes_an_exception(takes_back: Callable[..., object]) -> None:
    # The invoice that had used it is void, and none follows: the customer is owed the credit again.
    subscription = subscribe_tenant(plan=make_plan("big", fee="1000"), backfill_days=WINDOW.days)
    first_invoice(subscription)
    small = make_plan("small", fee="0")
    change_plan(subscription=subscription, plan_version=small, when=When.NOW, actor=STAFF, as_of=MID_MARCH)
    run_invoicing(as_of=APRIL + GRACE)
    use(subscription.tenant, 600_000, at=APRIL + DAY)
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=APRIL + 2 * DAY)
    run_invoicing(as_of=APRIL + 3 * DAY)
    run_invoicing(as_of=APRIL + 50 * DAY)
    last = Invoice.objects.get(boundary=2)
    assert (last.total_minor, BillingException.objects.count()) == (60_000 - 51_613, 0)

    takes_back(invoice_id=last.pk, reason="not delivered", actor=STAFF, as_of=APRIL + 60 * DAY)

    [found] = BillingException.objects.all()
    assert (found.code, found.subscription_id) == (CREDIT_LEFT, subscription.pk)
    assert f"{last.number} had used 516.13\N{NO-BREAK SPACE}EUR of credit" in found.detail
    # Another one is reported in the same exception, since one of a kind is open at most.
    report_credit_back(last, as_of=APRIL + 61 * DAY)
    assert BillingException.objects.get().detail == f"{found.detail} {found.detail}"


def test_a_void_invoice_that_had_used_no_credit_leaves_none() -> None:
    subscription = subscribe_tenant(plan=make_plan("big", fee="1000"), backfill_days=WINDOW.days)
    first = first_invoice(subscription)
    cancel_subscription(subscription=subscription, when=When.NOW, actor=STAFF, as_of=MID_MARCH)
    void_invoice(invoice_id=first.pk, reason="not delivered", actor=STAFF, as_of=MID_MARCH + DAY)
    run_invoicing(as_of=APRIL + 50 * DAY)
    assert not BillingException.objects.exists()
