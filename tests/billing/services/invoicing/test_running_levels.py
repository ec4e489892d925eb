"""Levels are invoiced by the hour: also the one from before the period, a late report of one, and its void."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.domain.prices import PerUnit
from billing.models import Invoice, InvoiceLine
from billing.services.invoicing.running import run_invoicing
from billing.verification.services.running import run_verification
from metering.services.voids import void_event
from tests.billing.world import GRACE, MARCH, make_plan, set_issuer, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_meter

pytestmark = pytest.mark.django_db

APRIL, MAY, JUNE = (MARCH.replace(month=month) for month in (4, 5, 6))


def lines(kind: str, boundary: int) -> list[tuple[Decimal, int]]:
    """Return quantities and amounts of an invoice's lines."""
    rows = InvoiceLine.objects.filter(kind=kind, invoice=Invoice.objects.get(boundary=boundary)).order_by("position")
    return [(line.quantity, line.amount_minor) for line in rows]


def test_a_level_is_invoiced_over_periods_and_corrected_when_it_was_reported_late() -> None:
    set_issuer()
    make_meter("storage", "disk", unit="GB hours", aggregation="time_weighted", value_property="gb")
    subscription = subscribe_tenant(plan=make_plan(usage={"storage": PerUnit(Decimal("0.01"))}))
    tenant = subscription.tenant
    use(tenant, type="disk", at=MARCH + timedelta(hours=12), properties={"gb": 10})
    run_invoicing(as_of=APRIL + GRACE)
    assert lines("usage", 1) == [(7320, 7320)], "31 days without twelve hours, times 10 GB"

    [late] = use(
        tenant, type="disk", at=APRIL - timedelta(days=1), properties={"gb": 0}, as_of=APRIL + timedelta(hours=2)
    )
    run_invoicing(as_of=MAY + GRACE)
    assert lines("adjustment", 2) == [(-240, -240)]
    assert [quantity for quantity, _ in lines("usage", 2)] in ([], [0]), "the level had ended in March"

    void_event(ledger=ledger_of(tenant), event_id=late, reason="", voided_by="test", as_of=MAY + timedelta(hours=3))
    run_invoicing(as_of=JUNE + GRACE)
    hours_of_april = 35 * 24 - 732
    assert sorted(lines("adjustment", 3)) == [(240, 240), (hours_of_april * 10, hours_of_april * 10)]
    assert run_verification(started_by="test", as_of=JUNE + timedelta(hours=2)).differences == []
