"""Reservations of the demo: one that was used, one that was released, and some that are held."""

from datetime import datetime
from typing import Final
from uuid import uuid4

from accounts.domain.principal import Principal, TenantFacts
from accounts.selectors.api_keys import find_principal
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, Rejection
from metering.domain.http_requests import EVENT_TYPE, HTTP_METHOD, RESOURCE_PATH, STATUS
from metering.models import Reservation
from metering.selectors.catalog import known_event_types
from metering.selectors.limits import ledger_of
from metering.services.limits.reservations import commit_reservation, release_reservation, reserve

HELD: Final = 5
HELD_SECONDS: Final = 3600


def make_reservations(*, api_key: str, as_of: datetime) -> None:
    """Reserve with the main key, unless something is held; one reservation is used, and one is released."""
    principal = find_principal(api_key, as_of)
    tenant = None if principal is None else principal.tenant
    if principal is None or tenant is None or not tenant.is_active:
        return
    ledger = ledger_of(principal, tenant)
    mine = Reservation.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live)
    if mine.filter(is_holding=True, expires_at__gt=as_of).exists():
        return
    used, released, *_ = [_reserve(principal, tenant, as_of) for _ in range(HELD + 2)]
    if used is not None:
        commit_reservation(principal=principal, tenant=tenant, reservation_id=used.pk, quantity=None, as_of=as_of)
    if released is not None:
        release_reservation(principal=principal, tenant=tenant, reservation_id=released.pk, as_of=as_of)


def _reserve(principal: Principal, tenant: TenantFacts, as_of: datetime) -> Reservation | None:
    """Reserve one request of a report; None if the quota has no room."""
    rules = IngestRules(as_of, as_of, known_event_types())
    properties = {HTTP_METHOD: "POST", RESOURCE_PATH: "/reports", STATUS: 200}
    members = {"id": f"reserved-{uuid4()}", "type": EVENT_TYPE, "properties": properties}
    event = parse_event(members, 0, as_of, rules)
    assert not isinstance(event, Rejection), event
    return reserve(
        principal=principal, tenant=tenant, event=event, expires_in_seconds=HELD_SECONDS, as_of=as_of
    ).reservation
