"""Raw events are deleted after their term once no invoice needs them, and invoices stay provable."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.domain.pages import PageRequest
from accounts.models import JobOutcome, JobRun, Tenant
from billing.domain.prices import PerUnit
from billing.models import Invoice, InvoiceLine, Subscription
from billing.selectors.invoicing.line_events import events_behind
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.changes import When, change_plan
from billing.verification import tasks
from billing.verification.services import retention
from billing.verification.services.retention import run_retention
from billing.verification.services.running import run_verification
from metering.errors import EventsDeletedError
from metering.lake.errors import LakeUnavailableError
from metering.models import Event, UsageHour
from metering.services.nightly import run_limit_comparison, run_reconciliation
from metering.services.rebuild import rebuild_usage
from metering.services.voids import void_event
from tests.billing.world import GRACE, MARCH, STAFF, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of
from tests.metering.retention_world import NEXT_NIGHT, NIGHT, THIRD_NIGHT

pytestmark = [pytest.mark.django_db, pytest.mark.takes_long("months of usage are proven and deleted")]
MONTHS = [MARCH.replace(month=month) for month in (4, 5, 6, 7, 8)]
NIGHTS = (NIGHT, NEXT_NIGHT, THIRD_NIGHT)


@pytest.fixture(autouse=True)
def term(settings: Settings) -> None:
    settings.EVENT_RETENTION_MONTHS = 4


def subscribed(slug: str, *, changes: bool = True, **fields: object) -> tuple[Subscription, list[str]]:
    """Create March with a change of plan within an hour, a late event and a void after the invoice."""
    plan = make_plan(slug)
    bigger = make_plan(f"{slug}-bigger", fee="99", usage={"calls": PerUnit(Decimal("0.0005"))})
    subscription = subscribe_tenant(slug, plan=plan, backfill_days=35, **fields)
    first_invoice(subscription)
    ids = use(subscription.tenant, 1000, at=MARCH + timedelta(days=1, minutes=17), count=3)
    use(subscription.tenant, 7, at=MARCH + timedelta(days=12, hours=9, minutes=20))
    if not changes:
        return subscription, ids
    subscription.refresh_from_db()
    change_plan(
        subscription=subscription, plan_version=bigger, when=When.NOW, actor=STAFF,
        as_of=MARCH + timedelta(days=12, hours=9, minutes=41),
    )  # fmt: skip
    use(subscription.tenant, 11, at=MARCH + timedelta(days=12, hours=9, minutes=50))
    return subscription, ids


def invoiced(slug: str = "acme", **fields: Any) -> tuple[Subscription, list[str]]:
    subscription, ids = subscribed(slug, **fields)
    tenant = subscription.tenant
    run_invoicing(as_of=MONTHS[0] + GRACE)
    use(tenant, 400, at=MARCH + timedelta(days=20), as_of=MONTHS[0] + timedelta(days=2))
    use(tenant, 5, at=MONTHS[0] + timedelta(days=9))
    void_event(ledger=ledger_of(tenant), event_id=ids[0], reason="", voided_by="x", as_of=MONTHS[0] + timedelta(days=3))
    for month in MONTHS[1:]:
        run_invoicing(as_of=month + GRACE)
    return subscription, ids


def nights(*moments: datetime) -> list[dict[str, object]]:
    return [run_retention(started_by="test", as_of=moment).summary for moment in moments]


def of_march(tenant: Tenant) -> int:
    found: int = Event.objects.filter(tenant_id=tenant.pk, occurred_at__lt=MONTHS[0]).count()
    return found


@contextmanager
def as_time_goes_on(subscription: Subscription) -> Iterator[Invoice]:
    """Issue the next invoice after the events were deleted."""
    run_invoicing(as_of=MONTHS[-1].replace(month=9) + GRACE)
    yield Invoice.objects.filter(subscription=subscription).latest("boundary")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_a_month_is_deleted_over_three_nights_and_every_invoice_is_still_proven(zone: str) -> None:
    subscription, _ = invoiced(time_zone=zone)
    assert run_verification(started_by="test", as_of=NIGHT).differences == []
    closed, sealed, deleted = nights(*NIGHTS)
    assert "2026-03" in closed["closed"] and "2026-03" in sealed["sealed"] and "2026-03" in deleted["deleted"]  # type: ignore[operator]  # noqa: PT018 - one story
    assert of_march(subscription.tenant) == 0
    assert Event.objects.filter(tenant_id=subscription.tenant_id).count() == 1
    verified = run_verification(started_by="test", as_of=THIRD_NIGHT)
    assert (verified.differences, verified.verified) == ([], 6)
    assert run_reconciliation(started_by="test", as_of=THIRD_NIGHT).is_clean
    assert run_limit_comparison(started_by="test", as_of=THIRD_NIGHT).outcome == JobOutcome.SUCCEEDED
    with as_time_goes_on(subscription) as invoice:
        assert (invoice.boundary, invoice.number is not None) == (6, True)
    assert run_verification(started_by="test", as_of=THIRD_NIGHT).differences == []
    assert tasks.let_events_go("kim") == "succeeded"


def test_a_month_that_is_not_in_the_lake_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LAKE_KEEPS_EVENTS = True
    subscription, _ = invoiced()
    asked: list[date] = []

    def fail(*, month: date, **_: Any) -> None:
        asked.append(month)
        raise LakeUnavailableError("The lake is away.")

    monkeypatch.setattr(retention, "seal_month", fail)
    *_, run = [run_retention(started_by="test", as_of=moment) for moment in NIGHTS]
    assert run.outcome == JobOutcome.ATTENTION
    assert "2026-03: The lake is away." in run.summary["not_in_lake"]
    assert of_march(subscription.tenant) > 0
    monkeypatch.setattr(retention, "seal_month", lambda **_: None)
    run_retention(started_by="test", as_of=THIRD_NIGHT)
    assert of_march(subscription.tenant) == 0
    assert date(2026, 3, 1) in asked


def test_between_the_steps_every_check_agrees() -> None:
    subscription, _ = invoiced()
    for moment in NIGHTS:
        nights(moment)
        assert run_verification(started_by="test", as_of=moment).differences == []
        assert run_reconciliation(started_by="test", as_of=moment).is_clean
        rebuild_usage(ledger=ledger_of(subscription.tenant))


@pytest.mark.as_owner
def test_a_changed_line_of_a_deleted_month_is_still_found() -> None:
    subscription, _ = invoiced()
    nights(*NIGHTS)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sealed_usage SET quantity = quantity + 1 WHERE start_at = %s", [MARCH])
    found = run_verification(started_by="test", as_of=THIRD_NIGHT).differences
    assert {difference.code for difference in found} == {"usage"}
    assert of_march(subscription.tenant) == 0


def test_a_changed_rollup_of_a_deleted_month_becomes_an_exception() -> None:
    # A void just before the month was closed makes the next invoice check all of the subscription's lines.
    subscription, ids = invoiced(changes=False)
    void_event(
        ledger=ledger_of(subscription.tenant), event_id=ids[1], reason="", voided_by="x", as_of=MONTHS[-1] + 2 * GRACE
    )
    nights(*NIGHTS)
    UsageHour.objects.filter(tenant_id=subscription.tenant_id, hour__lt=MONTHS[0]).update(quantity=7)
    done = run_invoicing(as_of=MONTHS[-1].replace(month=9) + GRACE)
    assert [found.code for found in done.parked] == ["usage_drift"]
    assert "the sealed usage of deleted events" in done.parked[0].detail


def test_a_correction_can_still_be_computed_from_what_was_sealed() -> None:
    subscription, ids = invoiced()
    void_event(
        ledger=ledger_of(subscription.tenant), event_id=ids[1], reason="", voided_by="x", as_of=MONTHS[-1] + 2 * GRACE
    )
    nights(*NIGHTS)
    with as_time_goes_on(subscription) as invoice:
        [correction] = InvoiceLine.objects.filter(invoice=invoice, revision=invoice.revision, kind="adjustment")
    assert (correction.quantity, correction.events) == (-1000, -1)
    assert run_verification(started_by="test", as_of=THIRD_NIGHT).differences == []


def test_the_events_of_a_line_are_reported_as_deleted() -> None:
    subscription, _ = invoiced()
    [line, *_] = InvoiceLine.objects.filter(invoice__subscription=subscription, kind="usage").order_by("period_start")
    assert events_behind(line=line, page=PageRequest(10)).rows
    nights(*NIGHTS)
    with pytest.raises(EventsDeletedError, match="before 1 April 2026 were deleted on 4 August 2026"):
        events_behind(line=line, page=PageRequest(10))
    later = InvoiceLine.objects.filter(invoice__subscription=subscription, kind="usage").latest("period_start")
    events_behind(line=later, page=PageRequest(10))


def test_without_a_term_no_events_are_deleted(settings: Settings) -> None:
    settings.EVENT_RETENTION_MONTHS = 0
    subscription, _ = invoiced()
    assert nights(*NIGHTS) == [{"deleted": []}] * 3
    assert of_march(subscription.tenant) == 6


def test_usage_that_is_not_invoiced_keeps_its_events() -> None:
    subscription, _ = subscribed("acme")
    run_invoicing(as_of=MONTHS[0])
    [found] = nights(NIGHT)
    assert any("acme: usage of it is not invoiced" in reason for reason in found["waits"])  # type: ignore[attr-defined]
    assert "closed" not in found
    assert of_march(subscription.tenant) == 5


def test_a_long_window_keeps_events() -> None:
    subscription, _ = invoiced()
    Tenant.objects.filter(pk=subscription.tenant_id).update(backfill_days=400)
    [found] = nights(NIGHT)
    assert "400 days" in found["waits"][0]  # type: ignore[index]


def test_unverified_books_keep_events() -> None:
    subscription, _ = invoiced()
    UsageHour.objects.filter(tenant_id=subscription.tenant_id).update(quantity=7)
    run_reconciliation(started_by="test", as_of=NIGHT)
    [found] = nights(NIGHT)
    assert any("acme: the books are in doubt" in reason for reason in found["waits"])  # type: ignore[attr-defined]


def test_a_drift_in_a_closed_month_stops_its_deletion_with_an_error() -> None:
    subscription, _ = invoiced()
    nights(NIGHT)
    UsageHour.objects.filter(tenant_id=subscription.tenant_id, hour__lt=MONTHS[0]).update(quantity=7)
    run = run_retention(started_by="test", as_of=NEXT_NIGHT)
    assert run.outcome == JobOutcome.ATTENTION
    assert "usage_hour" in run.summary["wrong"][0]
    rebuild_usage(ledger=ledger_of(subscription.tenant))
    assert "2026-03" in run_retention(started_by="test", as_of=THIRD_NIGHT).summary["sealed"]


@pytest.mark.as_owner
def test_an_inconsistent_invoice_stops_the_deletion_with_an_error() -> None:
    subscription, _ = invoiced()
    nights(NIGHT)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE billing_invoiceline SET quantity = quantity + 1 WHERE kind = 'usage'")
        cursor.execute("SET session_replication_role = DEFAULT")
    run = run_retention(started_by="test", as_of=NEXT_NIGHT)
    assert run.outcome == JobOutcome.ATTENTION
    assert JobRun.objects.filter(name="retention").count() == 2
    assert of_march(subscription.tenant) == 6


def test_a_subscription_that_has_ended_keeps_no_events() -> None:
    subscription, _ = invoiced()
    Subscription.objects.filter(pk=subscription.pk).update(
        status="cancelled", ended_at=datetime(2026, 7, 1, tzinfo=UTC), due_at=None
    )
    assert "2026-03" in nights(NIGHT)[0]["closed"]  # type: ignore[operator]
