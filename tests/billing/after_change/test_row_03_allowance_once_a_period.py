"""Included units, packages and flat amounts are given and charged once a period, whatever the changes of plan."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier
from billing.models import Invoice, InvoiceLine, PlanVersion, Subscription
from billing.rendering.services.wording import steps_under
from billing.selectors.invoicing.preview import preview_next_invoice, preview_under_plan
from billing.services.invoicing.staff_actions import issue_credit_note, void_invoice
from billing.services.subscriptions.changes import When, change_plan
from billing.verification.services.running import run_verification
from metering.services.voids import void_event
from tests.billing.world import CALLS, MARCH, STAFF, close_month, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_meter

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SCALE = Graduated((Tier(Decimal(1000), Decimal(0)), Tier(None, Decimal("0.032"))))
GROWTH = Graduated((Tier(Decimal(300), Decimal(0)), Tier(None, Decimal("0.05"))))


def sold(scale: Mapping[str, PriceTerms], growth: Mapping[str, PriceTerms]) -> tuple[PlanVersion, PlanVersion]:
    make_meter("calls", CALLS, unit="calls", aggregation="sum")
    return make_plan("scale", fee="199", usage=scale), make_plan("growth", fee="49", usage=growth)


def on_scale(scale: PriceTerms = SCALE, growth: PriceTerms = GROWTH, **fields: object) -> Subscription:
    """Subscribe Acme to Scale since 1 March, with Growth for sale as well. Both charge for calls."""
    plan, _ = sold({"calls": scale}, {"calls": growth})
    made = subscribe_tenant(plan=plan, **fields)
    first_invoice(made)
    return made


def move(subscription: Subscription, code: str, at: datetime) -> None:
    plan = PlanVersion.objects.get(plan__code=code)
    change_plan(subscription=subscription, plan_version=plan, when=When.NOW, actor=STAFF, as_of=at)


def there_and_back(subscription: Subscription, at: datetime) -> None:
    move(subscription, "growth", at)
    move(subscription, "scale", at + HOUR)


def usage_of(invoice: Invoice, kind: str = "usage") -> list[tuple[Decimal, int]]:
    lines = invoice.lines.filter(revision=invoice.revision, kind=kind).order_by("position")
    return list(lines.values_list("quantity", "amount_minor"))


def differences() -> list[str]:
    found = run_verification(started_by="test", as_of=MARCH + 200 * DAY)
    return [str(difference) for difference in found.differences]


def invoiced_900_twice() -> tuple[Subscription, list[str], Invoice]:
    acme = on_scale()
    before = use(acme.tenant, 100, at=MARCH + DAY, count=9)
    there_and_back(acme, MARCH + 2 * DAY)
    use(acme.tenant, 900, at=MARCH + 3 * DAY)
    return acme, before, close_month(acme)


def test_a_trip_in_a_day_gives_the_included_calls_once() -> None:
    _, _, invoice = invoiced_900_twice()
    assert usage_of(invoice) == [(900, 0), (0, 0), (900, 2560)]
    assert differences() == []


@pytest.mark.takes_long("29 trips are made")
def test_daily_trips_cost_what_staying_costs() -> None:
    acme = on_scale()
    for day in range(29):
        use(acme.tenant, 1000, at=MARCH + day * DAY + HOUR)
        there_and_back(acme, MARCH + day * DAY + 20 * HOUR)
    invoice = close_month(acme)
    quantities, amounts = zip(*usage_of(invoice), strict=True)
    assert (sum(quantities), sum(amounts)) == (29000, 89600)
    assert differences() == []


@pytest.mark.parametrize(
    ("price", "other", "amounts"),
    [
        (Flat(Decimal(20)), Flat(Decimal(5)), [2000, 0, 0]),
        (Flat(Decimal(5)), Flat(Decimal(20)), [500, 1500, 0]),
        (Package(Decimal(1000), Decimal("2.50")), Package(Decimal(300), Decimal(1)), [250, 0, 0]),
        (Package(Decimal(10), Decimal("2.50")), PerUnit(Decimal("0.01")), [250, 1, 0]),
    ],
)
def test_what_is_due_once_is_not_charged_again_after_a_move(
    price: PriceTerms, other: PriceTerms, amounts: list[int]
) -> None:
    acme = on_scale(price, other)
    use(acme.tenant, 1, at=MARCH + DAY)
    move(acme, "growth", MARCH + 2 * DAY)
    use(acme.tenant, 1, at=MARCH + 3 * DAY)
    move(acme, "scale", MARCH + 4 * DAY)
    use(acme.tenant, 1, at=MARCH + 5 * DAY)
    invoice = close_month(acme)
    assert [amount for _, amount in usage_of(invoice)] == amounts
    assert differences() == []


def test_the_next_period_has_its_included_calls_again() -> None:
    acme, _, invoice = invoiced_900_twice()
    use(acme.tenant, 900, at=invoice.period_end + DAY)
    there_and_back(acme, invoice.period_end + 2 * DAY)
    use(acme.tenant, 101, at=invoice.period_end + 3 * DAY)
    assert usage_of(close_month(acme)) == [(900, 0), (0, 0), (101, 3)]


def test_the_preview_and_the_running_amount_count_from_the_position() -> None:
    acme = on_scale()
    use(acme.tenant, 900, at=MARCH + DAY)
    there_and_back(acme, MARCH + 2 * DAY)
    use(acme.tenant, 900, at=MARCH + 3 * DAY)
    now = MARCH + 4 * DAY
    acme.refresh_from_db()
    assert [line.amount_minor for line in preview_next_invoice(subscription=acme).lines if line.kind == "usage"] == [
        0, 0, 2560,
    ]  # fmt: skip
    _, ahead = preview_under_plan(tenant_id=acme.tenant_id, plan_code="growth", at=now, as_of=now)
    assert [line.amount_minor for line in ahead.lines if line.kind == "usage"] == [0, 0, 2560, 0]


def test_late_calls_of_the_first_stretch_move_the_last() -> None:
    acme, _, invoice = invoiced_900_twice()
    use(acme.tenant, 150, at=MARCH + DAY + HOUR, as_of=invoice.period_end + 5 * DAY)
    following = close_month(acme)
    assert usage_of(following, "adjustment") == [(150, 160), (0, 320)]
    assert usage_of(close_month(acme), "adjustment") == []
    assert differences() == []


def test_voided_calls_of_the_first_stretch_give_the_last_its_included_calls() -> None:
    acme, sent, invoice = invoiced_900_twice()
    for event in sent[:5]:
        void_event(
            ledger=ledger_of(acme.tenant), event_id=event, reason="a test", voided_by="acme",
            as_of=invoice.period_end + 5 * DAY,
        )  # fmt: skip
    following = close_month(acme)
    assert usage_of(following, "adjustment") == [(-500, 0), (0, -1600)]
    assert differences() == []


def test_a_second_correction_begins_where_the_first_ended() -> None:
    acme, _, invoice = invoiced_900_twice()
    use(acme.tenant, 50, at=MARCH + DAY + HOUR, as_of=invoice.period_end + 5 * DAY)
    assert usage_of(close_month(acme), "adjustment") == [(50, 0), (0, 160)]
    use(acme.tenant, 100, at=MARCH + DAY + HOUR, as_of=invoice.period_end + 40 * DAY)
    assert usage_of(close_month(acme), "adjustment") == [(100, 160), (0, 160)]
    assert differences() == []


def test_stretches_that_nothing_can_reach_count_beside_one_that_is_reached() -> None:
    # The first stretch ended 30 days before the second: late events reach only that one.
    acme = on_scale(backfill_days=2)
    use(acme.tenant, 900, at=MARCH + HOUR)
    there_and_back(acme, MARCH + DAY)
    use(acme.tenant, 900, at=MARCH + 30 * DAY)
    invoice = close_month(acme)
    assert usage_of(invoice) == [(900, 0), (0, 0), (900, 2560)]
    use(acme.tenant, 100, at=invoice.period_end - HOUR, as_of=invoice.period_end + 2 * HOUR)
    assert usage_of(close_month(acme), "adjustment") == [(100, 320)]
    assert differences() == []


def test_the_document_says_which_units_a_line_is_about() -> None:
    _, _, invoice = invoiced_900_twice()
    *_, last = [line for line in invoice.document.content["lines"] if line["kind"] == "usage"]
    assert [(step.label, step.amount) for step in steps_under(last, "EUR")] == [
        ("Units 901 to 1,800 of this period", ""),
        ("Up to 1,000", "0.00"),
        ("Above 1,000", "25.60"),
    ]


def test_two_meters_have_a_position_each() -> None:
    make_meter("bytes", "transfer", unit="bytes", aggregation="sum")
    plan, _ = sold({"calls": SCALE, "bytes": SCALE}, {"calls": GROWTH})
    acme = subscribe_tenant(plan=plan)
    first_invoice(acme)
    use(acme.tenant, 900, at=MARCH + DAY)
    use(acme.tenant, 900, at=MARCH + DAY, type="transfer")
    move(acme, "growth", MARCH + 2 * DAY)
    use(acme.tenant, 100, at=MARCH + 2 * DAY + HOUR)
    use(acme.tenant, 10**6, at=MARCH + 2 * DAY + HOUR, type="transfer")  # Growth has no price for them
    move(acme, "scale", MARCH + 3 * DAY)
    use(acme.tenant, 101, at=MARCH + 4 * DAY)
    use(acme.tenant, 101, at=MARCH + 4 * DAY, type="transfer")
    lines = InvoiceLine.objects.filter(invoice=close_month(acme), kind="usage").order_by("position")
    assert list(lines.values_list("meter__code", "amount_minor")) == [
        ("bytes", 0),
        ("calls", 0),
        ("calls", 500),
        ("bytes", 3),
        ("calls", 323),
    ]


@pytest.mark.parametrize("take_back", [void_invoice, issue_credit_note])
def test_what_a_void_or_credited_correction_gave_a_moved_stretch_comes_again(
    take_back: Callable[..., object],
) -> None:
    acme, sent, invoice = invoiced_900_twice()
    for event in sent[:5]:
        void_event(
            ledger=ledger_of(acme.tenant), event_id=event, reason="a test", voided_by="acme",
            as_of=invoice.period_end + 5 * DAY,
        )  # fmt: skip
    following = close_month(acme)
    assert usage_of(following, "adjustment") == [(-500, 0), (0, -1600)]
    take_back(invoice_id=following.pk, reason="a test", actor=STAFF, as_of=following.period_end + 5 * DAY)
    last = close_month(acme)
    assert (0, -1600) in usage_of(last, "adjustment")
    assert sum(amount for _, amount in usage_of(last, "adjustment")) == -1600
    assert usage_of(close_month(acme), "adjustment") == []
    assert differences() == []
