"""What an event leads to: the meters that count it, and the invoice lines that charge it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from accounts.domain.roles import Capability
from billing.models import InvoiceLine
from billing.selectors.invoicing.line_events import lines_charging
from metering.domain.ledger import Ledger
from metering.domain.periods import local_day
from metering.models import Meter
from metering.selectors.counted_by import meters_counting
from metering.selectors.events import StoredEvent
from portal.access import Portal
from portal.periods import CUSTOM


@dataclass(frozen=True, slots=True)
class MeterLink:
    """A meter, and the address of the hours of the event's day."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class EventLinks:
    """The meters that count an event, and the lines that charge it: none for members who may not see invoices."""

    meters: tuple[MeterLink, ...]
    lines: Sequence[InvoiceLine]


def links_of(portal: Portal, ledger: Ledger, event: StoredEvent) -> EventLinks:
    """Return what one of the tenant's events leads to, in at most three queries."""
    ids = meters_counting(ledger=ledger, event=event)
    meters = Meter.objects.filter(pk__in=ids).order_by("name") if ids else ()
    links = tuple(MeterLink(meter.name, _hours(portal, ledger, meter.code, event.occurred_at)) for meter in meters)
    sees_lines = ids and ledger.is_live and portal.may[Capability.MANAGE_BILLING]
    return EventLinks(
        links, list(lines_charging(tenant_id=portal.tenant.pk, event=event, meter_ids=ids)) if sees_lines else ()
    )


def _hours(portal: Portal, ledger: Ledger, code: str, at: datetime) -> str:
    day = local_day(at, ledger.time_zone).isoformat()
    asked = {"meter": code, "period": CUSTOM, "start": day, "end": day, "window": "hour"}
    if not ledger.is_live:
        asked["ledger"] = "test"
    return f"{reverse('portal:usage', args=[portal.tenant.slug])}?{urlencode(asked)}"
