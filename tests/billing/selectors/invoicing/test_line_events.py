"""The events of a line: exactly those that its quantity is the sum of."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.domain.pages import PageRequest
from accounts.errors import NotFoundError
from accounts.models import Tenant
from billing.domain.prices import PerUnit
from billing.models import Invoice
from billing.selectors.invoicing.line_events import events_behind, line_at, lines_charging
from metering.selectors.events import event_by_id
from metering.services.voids import void_event
from tests.billing.world import MARCH, close_month, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_meter, send

pytestmark = pytest.mark.django_db

APRIL = MARCH + timedelta(days=31)


def ids_behind(invoice: Invoice, position: int = 1, *, rows_max: int = 50) -> list[str]:
    """Return the ids of all events of a line, page by page."""
    ids, wanted = [], PageRequest(rows_max)
    while True:
        page = events_behind(line=line_at(invoice=invoice, position=position), page=wanted)
        ids += [row.id for row in page.rows]
        if page.next is None:
            return ids
        wanted = page.next


def test_the_events_of_a_line_are_those_of_its_period() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    ids = use(subscription.tenant, at=MARCH, count=3) + use(subscription.tenant, at=APRIL - timedelta(seconds=1))
    use(subscription.tenant, at=MARCH - timedelta(seconds=1))
    use(subscription.tenant, at=APRIL)

    invoice = close_month(subscription)

    assert sorted(ids_behind(invoice, rows_max=2)) == sorted(ids)
    assert line_at(invoice=invoice, position=1).quantity == len(ids)


def test_events_received_or_voided_afterwards_change_no_line() -> None:
    subscription = subscribe_tenant()
    kept, voided, voided_later = use(subscription.tenant, at=MARCH + timedelta(days=1), count=3)
    void(subscription.tenant, voided, MARCH + timedelta(days=2))

    invoice = close_month(subscription)
    use(subscription.tenant, at=MARCH + timedelta(days=3), as_of=APRIL + timedelta(days=1))
    void(subscription.tenant, voided_later, APRIL + timedelta(days=1))

    assert sorted(ids_behind(invoice)) == sorted([kept, voided_later])


def test_an_event_leads_to_exactly_the_lines_that_count_it() -> None:
    subscription = subscribe_tenant()
    tenant, ledger = subscription.tenant, ledger_of(subscription.tenant)
    ids = use(tenant, at=MARCH, count=2) + use(tenant, at=APRIL)
    voided, voided_later = use(tenant, at=MARCH + timedelta(days=1), count=2)
    void(tenant, voided, MARCH + timedelta(days=2))
    invoice = close_month(subscription)
    void(tenant, voided_later, APRIL + timedelta(days=1))
    [late] = use(tenant, at=MARCH + timedelta(days=3), as_of=APRIL + timedelta(days=1))
    line = line_at(invoice=invoice, position=1)
    assert line.meter_id is not None

    charging = {}
    for event_id in (*ids, voided, voided_later, late):
        event = event_by_id(ledger=ledger, event_id=event_id)
        assert event is not None
        charging[event_id] = list(lines_charging(tenant_id=tenant.pk, event=event, meter_ids=[line.meter_id]))

    counted = {event_id for event_id, lines in charging.items() if lines == [line]}
    assert counted == set(ids_behind(invoice)) == {*ids[:2], voided_later}
    assert all(lines in ([], [line]) for lines in charging.values())


def test_the_events_of_a_line_pass_its_meters_filters_and_start() -> None:
    make_meter("ok", "http_request", unit="calls", filters={"status": ["200", "201"]}, counts_from=MARCH)
    subscription = subscribe_tenant(plan=make_plan(usage={"ok": PerUnit(Decimal(1))}))
    tenant, at = subscription.tenant, MARCH + timedelta(days=1)
    [good] = use(tenant, at=at, properties={"status": 200})
    use(tenant, at=at, properties={"status": 500})
    use(tenant, at=at)
    early = {"id": "early", "type": "http_request", "timestamp": MARCH.isoformat(), "properties": {"status": 200}}
    send(ledger_of(tenant), [early], as_of=MARCH - timedelta(minutes=1))

    invoice = close_month(subscription)

    assert ids_behind(invoice) == [good]
    assert line_at(invoice=invoice, position=1).events == 1


def test_a_correction_shows_the_events_of_the_span_it_corrects_as_they_are_counted_now() -> None:
    subscription = subscribe_tenant()
    before = use(subscription.tenant, at=MARCH + timedelta(days=1), count=2)
    close_month(subscription)
    late = use(subscription.tenant, at=MARCH + timedelta(days=2), as_of=APRIL + timedelta(days=2))

    invoice = close_month(subscription)
    correction = invoice.lines.get(kind="adjustment", revision=invoice.revision)

    assert sorted(ids_behind(invoice, correction.position)) == sorted(before + late)


def test_a_fee_has_no_events_and_an_unknown_line_is_not_found() -> None:
    invoice = first_invoice(subscribe_tenant())

    with pytest.raises(NotFoundError, match="counts no events"):
        ids_behind(invoice, 1)
    with pytest.raises(NotFoundError, match="no such line"):
        line_at(invoice=invoice, position=2)


def void(tenant: Tenant, event_id: str, as_of: datetime) -> None:
    void_event(ledger=ledger_of(tenant), event_id=event_id, reason="sent twice", voided_by="test", as_of=as_of)
