"""A run of invoicing can be repeated, catches up, skips exceptions, and is previewed by its dry run."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounts.models import JobRun
from accounts.services.tenants import close_tenant
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.prices import PerUnit
from billing.domain.statuses import InvoiceStatus, SubscriptionStatus
from billing.domain.steps import FeeTakenBackStep, steps_of
from billing.models import BillingException, Invoice, InvoiceLine, Issuer, Subscription
from billing.selectors.invoicing.computation import Computation, Unbillable
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.exceptions import resolve_exception
from billing.services.invoicing.running import (
    InvoicingRun,
    computed_only,
    count_waiting,
    plan_invoices,
    run_invoicing,
    run_invoicing_job,
)
from billing.services.invoicing.staff_actions import issue_credit_note, void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from billing.verification.services.running import run_verification
from metering.domain.periods import YearMonth
from metering.services.voids import void_event
from tests.billing.world import GRACE, MARCH, STAFF, first_invoice, make_plan, set_issuer, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_meter

pytestmark = pytest.mark.django_db

APRIL = MARCH.replace(month=4)
MAY = MARCH.replace(month=5)
JUNE = MARCH.replace(month=6)


def numbers() -> list[str]:
    return sorted(Invoice.objects.issued().values_list("number", flat=True))


def totals(found: list[Computation]) -> list[tuple[object, int, int, int]]:
    return sorted(
        (str(one.state.subscription_id), one.state.boundary, one.tax_minor, one.total_minor)
        for one in computed_only(found)
    )


def stored_totals() -> list[tuple[object, int, int, int]]:
    return sorted(
        (str(row.subscription_id), row.boundary, row.tax_minor, row.total_minor) for row in Invoice.objects.all()
    )


def test_a_second_run_changes_nothing() -> None:
    subscription = subscribe_tenant()
    use(subscription.tenant, 500, at=MARCH + timedelta(days=2))
    run_invoicing(as_of=APRIL + GRACE)
    before = list(Invoice.objects.order_by("pk").values()), list(InvoiceLine.objects.order_by("pk").values())
    again = run_invoicing(as_of=APRIL + GRACE)
    assert (again.drafted, again.finalized) == (0, 0)
    assert before == (list(Invoice.objects.order_by("pk").values()), list(InvoiceLine.objects.order_by("pk").values()))


def test_a_worker_that_comes_months_late_bills_each_period_by_itself() -> None:
    subscription = subscribe_tenant()
    for month in (3, 4, 5):
        use(subscription.tenant, 1000 * month, at=MARCH.replace(month=month, day=10))
    run = run_invoicing(as_of=JUNE + GRACE)
    assert (run.drafted, run.finalized) == (4, 4)
    usage = InvoiceLine.objects.filter(kind="usage").order_by("period_start")
    assert [int(line.quantity) for line in usage] == [3000, 4000, 5000]
    assert numbers() == [f"INV-2026-00000{n}" for n in (1, 2, 3, 4)]
    assert [row.period_end for row in Invoice.objects.order_by("boundary")][1:] == [
        MARCH.replace(month=month) for month in (4, 5, 6)
    ]


def test_a_draft_waits_for_its_grace_and_a_first_fee_does_not() -> None:
    first = first_invoice(subscribe_tenant())
    assert first.status == InvoiceStatus.FINALIZED
    assert run_invoicing(as_of=APRIL).finalized == 0
    draft = Invoice.objects.get(status=InvoiceStatus.DRAFT)
    assert draft.finalize_after == APRIL + timedelta(hours=1)
    assert run_invoicing(as_of=APRIL + timedelta(minutes=59)).finalized == 0
    assert run_invoicing(as_of=APRIL + timedelta(minutes=60)).finalized == 1


def test_usage_within_the_grace_is_on_the_invoice_and_after_it_on_the_next_as_a_correction() -> None:
    subscription = subscribe_tenant()
    use(subscription.tenant, 1000, at=MARCH + timedelta(days=1))
    run_invoicing(as_of=APRIL)
    use(subscription.tenant, 500, at=MARCH + timedelta(days=2), as_of=APRIL + timedelta(minutes=30))
    run_invoicing(as_of=APRIL + GRACE)
    march = Invoice.objects.get(boundary=1)
    assert march.revision == 2
    assert march.subtotal_minor == 4900 + 150
    assert march.lines.filter(revision=1, kind="usage").get().quantity == 1000

    use(subscription.tenant, 250, at=MARCH + timedelta(days=3), as_of=APRIL + timedelta(hours=2))
    run_invoicing(as_of=APRIL.replace(month=5) + GRACE)
    march.refresh_from_db()
    assert march.subtotal_minor == 4900 + 150
    [correction] = InvoiceLine.objects.filter(kind="adjustment")
    assert (correction.quantity, correction.events, correction.amount_minor) == (250, 1, 25)
    assert correction.description == f"Correction of {march.number}: calls"
    assert correction.adjusts == march.lines.get(revision=2, kind="usage")


def test_a_draft_without_changes_keeps_its_lines() -> None:
    subscription = subscribe_tenant()
    use(subscription.tenant, 1000, at=MARCH + timedelta(days=1))
    run_invoicing(as_of=APRIL)
    lines = InvoiceLine.objects.count()
    run_invoicing(as_of=APRIL + GRACE)
    assert InvoiceLine.objects.count() == lines
    assert Invoice.objects.get(boundary=1).revision == 1


def test_an_invoice_over_nothing_is_paid_at_once() -> None:
    plan = make_plan("free", fee="0")
    run_invoicing(as_of=subscribe_tenant(plan=plan).anchor_at)
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.total_minor, invoice.paid_at) == (InvoiceStatus.PAID, 0, MARCH)


def test_an_invoice_below_zero_is_carried_to_the_next() -> None:
    yearly = make_plan("big", fee="1000")
    small = make_plan("small", fee="0")
    subscription = subscribe_tenant(plan=yearly)
    run_invoicing(as_of=MARCH)
    change_plan(
        subscription=subscription, plan_version=small, when=When.NOW, actor=STAFF, as_of=MARCH + timedelta(days=15)
    )
    run_invoicing(as_of=APRIL + GRACE)
    april = Invoice.objects.get(boundary=1)
    assert (april.total_minor, april.status) == (0, InvoiceStatus.PAID)
    carried = april.lines.get(kind="carry").amount_minor
    assert carried == 51613  # 16 of 31 days of 1,000.00
    use(subscription.tenant, 300_000, at=APRIL + timedelta(days=1))
    run_invoicing(as_of=APRIL.replace(month=5) + GRACE)
    may = Invoice.objects.get(boundary=2)
    assert may.lines.get(kind="carry", amount_minor__lt=0).amount_minor == -51613
    assert (may.subtotal_minor, may.total_minor) == (30_000, 0)
    use(subscription.tenant, 300_000, at=MARCH.replace(month=5, day=2))
    run_invoicing(as_of=JUNE + GRACE)
    assert Invoice.objects.get(boundary=3).total_minor == 30_000 - (51613 - 30_000)


def test_credit_that_a_void_invoice_used_is_available_again() -> None:
    subscription = subscribe_tenant(plan=make_plan("big", fee="1000"))
    run_invoicing(as_of=MARCH)
    small = make_plan("small", fee="0")
    change_plan(
        subscription=subscription, plan_version=small, when=When.NOW, actor=STAFF, as_of=MARCH + timedelta(days=15)
    )
    run_invoicing(as_of=APRIL + GRACE)
    use(subscription.tenant, 600_000, at=APRIL + timedelta(days=1))
    run_invoicing(as_of=APRIL.replace(month=5) + GRACE)
    may = Invoice.objects.get(boundary=2)
    assert may.total_minor == 60_000 - 51_613
    void_invoice(invoice_id=may.pk, reason="wrong address", actor=STAFF, as_of=APRIL.replace(month=5, day=3))
    use(subscription.tenant, 700_000, at=MARCH.replace(month=5, day=9))
    run_invoicing(as_of=JUNE + GRACE)
    assert Invoice.objects.get(boundary=3).total_minor == 70_000 - 51_613


def test_a_tenant_that_was_closed_pays_for_its_last_usage_and_no_further_fee() -> None:
    set_issuer(fee_refund="none")
    subscription = subscribe_tenant(backfill_days=7)
    first_invoice(subscription)
    use(subscription.tenant, 3000, at=MARCH + timedelta(days=2))
    close_tenant(tenant=subscription.tenant, reason="gone", actor=STAFF, as_of=MARCH + timedelta(days=4))
    [planned] = computed_only(plan_invoices(as_of=APRIL + GRACE))
    run_invoicing(as_of=JUNE)
    last = Invoice.objects.get(boundary=1)
    assert Invoice.objects.count() == 2
    assert (last.subtotal_minor, planned.subtotal_minor) == (300, 300)
    subscription.refresh_from_db()
    assert (subscription.status, subscription.ended_at) == (SubscriptionStatus.CANCELLED, MARCH + timedelta(days=4))
    assert run_verification(started_by="test", as_of=JUNE).differences == []


@pytest.mark.parametrize("takes_back", [void_invoice, issue_credit_note])
def test_a_forgiven_amount_is_not_given_back_if_its_events_are_void_as_well(
    takes_back: Callable[..., object],
) -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    [event_id] = use(subscription.tenant, 100_000, at=MARCH + timedelta(days=3))
    run_invoicing(as_of=APRIL + GRACE)
    april = Invoice.objects.get(boundary=1)
    takes_back(invoice_id=april.pk, reason="a test that went wrong", actor=STAFF, as_of=APRIL + timedelta(days=2))
    void_event(
        ledger=ledger_of(subscription.tenant),
        event_id=event_id,
        reason="test",
        voided_by="staff",
        as_of=APRIL + timedelta(days=2),
    )
    run_invoicing(as_of=MAY + GRACE)
    use(subscription.tenant, 250_000, at=MARCH + timedelta(days=4), as_of=MAY + timedelta(days=20))
    run_invoicing(as_of=JUNE + GRACE)
    corrections = InvoiceLine.objects.filter(kind="adjustment").order_by("pk")
    # Nothing was paid that could be given back; of what came late, as much as was forgiven is not charged again.
    assert [(int(line.quantity), line.amount_minor) for line in corrections] == [(-100_000, 0), (250_000, 15_000)]
    assert not InvoiceLine.objects.filter(kind="carry").exists()
    assert run_verification(started_by="test", as_of=JUNE).differences == []


@pytest.mark.parametrize("takes_back", [void_invoice, issue_credit_note])
def test_an_unpaid_fee_is_not_given_back_with_a_change_of_plan(takes_back: Callable[..., object]) -> None:
    subscription = subscribe_tenant(plan=make_plan("big", fee="1000"))
    first = first_invoice(subscription)
    takes_back(invoice_id=first.pk, reason="bought the wrong plan", actor=STAFF, as_of=MARCH + timedelta(days=2))
    small, free = make_plan("small", fee="10"), make_plan("free", fee="0")
    for plan, day in ((small, 16), (free, 24)):
        change_plan(
            subscription=subscription, plan_version=plan, when=When.NOW, actor=STAFF, as_of=MARCH.replace(day=day)
        )
    run_invoicing(as_of=APRIL + GRACE)
    run_invoicing(as_of=MAY + GRACE)
    lines = InvoiceLine.objects.filter(kind="proration").order_by("pk")
    assert [line.amount_minor for line in lines] == [0, 516, -258, 0]
    given_back, taken_off = steps_of(lines[0].explanation, 0, "EUR")
    assert (given_back.amount, taken_off) == (Decimal("-516.13"), FeeTakenBackStep(Decimal("516.13")))
    takes_back(invoice_id=Invoice.objects.get(boundary=1).pk, reason="again", actor=STAFF, as_of=JUNE)
    assert run_verification(started_by="test", as_of=JUNE).differences == []


def test_a_subscription_with_an_exception_is_skipped_until_it_is_resolved() -> None:
    absurd = make_plan("absurd", fee="0", usage=None)
    million = make_plan("million", fee="0", usage={"calls": PerUnit(Decimal(1_000_000))})
    parked, fine = subscribe_tenant("parked", plan=million), subscribe_tenant("fine", plan=absurd)
    run_invoicing(as_of=MARCH)
    for subscription in (parked, fine):
        use(subscription.tenant, 20_000, at=MARCH + timedelta(days=1))
    job, run = run_invoicing_job(started_by="test", as_of=APRIL + GRACE)
    assert job.outcome == "attention"
    assert (run.drafted, run.finalized, len(run.parked)) == (1, 1, 1)
    assert job.summary["first"][0].startswith("absurd_amount: ")
    exception = BillingException.objects.get()
    assert (exception.subscription, exception.code) == (parked, "absurd_amount")
    assert run_invoicing(as_of=APRIL + GRACE).drafted == 0
    assert plan_invoices(as_of=APRIL + GRACE) == []

    resolve_exception(exception=exception, resolution="their events were voided", actor=STAFF, as_of=APRIL + 2 * GRACE)
    again = run_invoicing(as_of=APRIL + 2 * GRACE)
    assert [found.code for found in again.parked] == ["absurd_amount"]
    assert BillingException.objects.filter(resolved_at=None).count() == 1


def test_a_trial_that_ends_with_the_subscription_costs_nothing_and_makes_no_invoice() -> None:
    plan = make_plan("tried", trial_days=14)
    subscription = subscribe_tenant(plan=plan)
    use(subscription.tenant, 1000, at=MARCH + timedelta(days=1))
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=MARCH + timedelta(days=3))
    run = run_invoicing(as_of=APRIL)
    assert (run.drafted, run.finalized) == (0, 0)
    assert not Invoice.objects.exists()
    subscription.refresh_from_db()
    assert (subscription.status, subscription.due_at) == (SubscriptionStatus.CANCELLED, None)
    assert subscription.ended_at == MARCH + timedelta(days=14)


def test_a_run_for_a_tenant_or_a_month_leaves_the_others_unchanged() -> None:
    acme, globex = subscribe_tenant("acme"), subscribe_tenant("globex", plan=make_plan("other"))
    run_invoicing(as_of=MARCH, due=Due(tenant_ids=[acme.tenant_id]))
    assert [row.subscription_id for row in Invoice.objects.all()] == [acme.pk]
    run_invoicing(as_of=JUNE + GRACE, due=Due(month=YearMonth(2026, 3)))
    assert sorted(Invoice.objects.values_list("subscription_id", "boundary")) == sorted(
        (row.pk, boundary) for row in (acme, globex) for boundary in (0, 1)
    )


def busy_world() -> None:
    """Create four subscriptions: months behind, in their grace, with a late event, and with a pending change."""
    plan, other = make_plan(), make_plan("other", fee="99")
    behind, late, moving = (subscribe_tenant(slug, plan=plan) for slug in ("behind", "late", "moving"))
    run_invoicing(as_of=MARCH, due=Due(tenant_ids=[late.tenant_id, moving.tenant_id]))
    for subscription in (behind, late, moving):
        use(subscription.tenant, 700, at=MARCH + timedelta(days=1))
    run_invoicing(as_of=APRIL + GRACE, due=Due(tenant_ids=[late.tenant_id]))
    use(late.tenant, 50, at=MARCH + timedelta(days=5), as_of=APRIL + timedelta(days=1))
    use(behind.tenant, 900, at=APRIL + timedelta(days=1))
    moving.refresh_from_db()
    change_plan(
        subscription=moving, plan_version=other, when=When.PERIOD_END, actor=STAFF, as_of=MARCH + timedelta(days=9)
    )


@pytest.mark.parametrize("months", [1, 2, 3])
@pytest.mark.parametrize("minutes", [0, 60])
def test_the_dry_run_previews_the_run_to_the_cent(months: int, minutes: int) -> None:
    busy_world()
    before = set(stored_totals())
    as_of = MARCH.replace(month=3 + months) + timedelta(minutes=minutes)
    planned = plan_invoices(as_of=as_of)
    assert set(stored_totals()) == before, "a dry run writes nothing"
    run_invoicing(as_of=as_of)
    assert totals(planned) == sorted(set(stored_totals()) - before)
    # Pending drafts are previewed too.
    draft_ids = set(Invoice.objects.filter(status=InvoiceStatus.DRAFT).values_list("subscription_id", "boundary"))
    planned = plan_invoices(as_of=as_of + GRACE)
    assert {(one.state.subscription_id, one.state.boundary) for one in planned} >= draft_ids
    before = set(stored_totals())
    run_invoicing(as_of=as_of + GRACE)
    assert totals(planned) == sorted(
        row for row in stored_totals() if row not in before or (row[0], row[1]) in {(str(a), b) for a, b in draft_ids}
    )


def test_a_dry_run_names_exceptions() -> None:
    plan = make_plan(fee="0", usage=None)
    million = make_plan("million", fee="0", usage={"calls": PerUnit(Decimal(10_000_000))})
    subscription = subscribe_tenant(plan=million)
    assert plan
    run_invoicing(as_of=MARCH)
    use(subscription.tenant, 20_000, at=MARCH + timedelta(days=1))
    [found] = plan_invoices(as_of=APRIL)
    assert isinstance(found, Unbillable)
    assert not BillingException.objects.exists()


def test_the_progress_of_a_run_is_visible() -> None:
    subscribe_tenant("one")
    subscribe_tenant("two", plan=make_plan("other"))
    seen: list[tuple[str, object]] = []

    def look(run: InvoicingRun) -> None:
        row = JobRun.objects.get(name="invoicing")
        seen.append((row.outcome, row.summary["drafted"]))

    assert count_waiting(as_of=MARCH) == 2
    job, run = run_invoicing_job(started_by="test", as_of=MARCH, on_progress=look)
    assert seen == [("running", 2)]
    assert job.summary == {"drafted": 2, "finalized": 2, "parked": 0}
    assert len(run.invoice_ids) == 2


def test_a_run_for_some_tenants_does_not_count_as_the_run_for_all() -> None:
    job, _ = run_invoicing_job(started_by="test", as_of=MARCH, due=Due(month=YearMonth(2026, 2)))
    assert job.name == "invoicing of some"


def test_the_terms_of_an_invoice_do_not_follow_the_tenant() -> None:
    # Tax and customer are fixed when the invoice is finalized, not when it was drafted, and not later.
    Issuer.objects.filter(pk=1).update(country="DE")
    subscription = subscribe_tenant(country="FR", tax_id="FR40303265045")
    first = first_invoice(subscription)
    assert (first.taxes.get().treatment, first.tax_minor) == ("reverse_charge", 0)
    document = first.document.content
    Subscription.objects.get().tenant.__class__.objects.filter(pk=subscription.tenant_id).update(
        country="DE", tax_id="", legal_name="Elsewhere"
    )
    first.refresh_from_db()
    assert (first.taxes.get().treatment, first.document.content) == ("reverse_charge", document)
    run_invoicing(as_of=APRIL + GRACE)
    assert Invoice.objects.get(boundary=1).taxes.get().treatment == "standard"


def test_plans_are_computed_values() -> None:
    subscribe_tenant()
    [planned] = plan_invoices(as_of=MARCH)
    assert isinstance(planned, ComputedInvoice)
    assert planned.total_minor == 4900


def test_usage_finer_than_a_line_is_rounded_once_and_never_corrected() -> None:
    # Meters add up to 30 places. An invoice has nine, rounded half-up, and they never change.
    make_meter("seconds", "job", aggregation="sum", value_property="seconds")
    plan = make_plan("fine", usage={"seconds": PerUnit(Decimal("1E-12"))})
    tenant = subscribe_tenant(plan=plan).tenant
    for seconds in ("0.1234567890123456789", "0.0000000005", "9999999999999999999.5"):
        use(tenant, at=MARCH + timedelta(days=2), type="job", properties={"seconds": Decimal(seconds)})
    for month in (4, 5, 6):
        run_invoicing(as_of=MARCH.replace(month=month) + GRACE)
    line = InvoiceLine.objects.get(kind="usage", events=3)
    assert line.quantity == Decimal("9999999999999999999.623456790")
    assert not InvoiceLine.objects.filter(kind="adjustment").exists()
    assert run_verification(started_by="test", as_of=JUNE).differences == []


def test_usage_larger_than_a_line_can_hold_becomes_an_exception() -> None:
    make_meter("seconds", "job", aggregation="sum", value_property="seconds")
    tenant = subscribe_tenant(plan=make_plan("free", fee="0", usage={"seconds": PerUnit(Decimal(0))})).tenant
    use(tenant, at=MARCH + timedelta(days=2), type="job", properties={"seconds": 1})
    with connection.cursor() as cursor:  # a billion events of the largest number, as the rollup would have them
        cursor.execute("UPDATE usage_hour SET quantity = 1e29 WHERE tenant_id = %s", [tenant.pk])
    run = run_invoicing(as_of=APRIL + GRACE)
    assert [found.code for found in run.parked] == ["absurd_quantity"]
