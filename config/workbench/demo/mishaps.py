"""Typical errors of integrations, for the live debugger: repeats, conflicts, refusals, voids."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from accounts.domain.principal import Principal, TenantFacts
from accounts.models import KeyAddress
from accounts.selectors.api_keys import find_principal
from accounts.services.key_use import note_key_use, note_refusal, write_key_use
from config.workbench.demo.traffic import ID_PREFIX
from metering.domain.cloud_events import decode_batch, parse_cloud_event
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent, Rejection
from metering.models import Event, EventVoid, IngestVerdict
from metering.selectors.catalog import known_event_types
from metering.selectors.limits import ledger_of
from metering.services.event_voids import amend_counted_event, void_counted_event
from metering.services.reports import TenantReport, store_tenant_reports

REPEATED = 3
VOIDED = 4
FRESH_FOR = timedelta(hours=24)
ADDRESSES = ("203.0.113.10", "203.0.113.11", "2001:db8:7::5")
REFUSALS = ("throttled", "scope_missing", "throttled")
VOIDED_FROM, VOIDED_TO = timedelta(days=6), timedelta(days=2)


def make_mishaps(*, api_key: str, as_of: datetime) -> None:
    """Send a few bad reports with the main key, unless there were some within a day, and void events once."""
    principal = find_principal(api_key, as_of)
    if principal is None or principal.tenant is None or not principal.tenant.is_active:
        return
    _use_from_some_addresses(principal, as_of)
    ledger = ledger_of(principal, principal.tenant)
    of_tenant = {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live}
    if not IngestVerdict.objects.filter(**of_tenant, received_at__gte=as_of - FRESH_FOR).exists():
        _send_bad_reports(principal, principal.tenant, as_of)
    if not EventVoid.objects.filter(**of_tenant).exists():
        events = Event.objects.filter(**of_tenant, event_id__startswith=ID_PREFIX)
        recent = events.occurred_within(as_of - VOIDED_FROM, as_of - VOIDED_TO).order_by("occurred_at", "key")
        wrong, *others = list(recent[: VOIDED + 1]) or [None]
        if wrong is not None:
            _amend(principal, principal.tenant, wrong, as_of)
        for event_id in [event.event_id for event in others if event is not None]:
            void_counted_event(
                ledger=ledger,
                event_id=event_id,
                reason="Load test, not a customer's.",
                voided_by=principal.name,
                as_of=as_of,
            )


def _amend(principal: Principal, tenant: TenantFacts, event: Event, as_of: datetime) -> None:
    """Replace an event by one of another size."""
    rules = IngestRules(event.occurred_at, as_of, known_event_types())
    item = _item_of(event) | {"id": f"{event.event_id}-corrected", "quantity": 2}
    replacement = parse_event(item, 0, as_of, rules)
    assert isinstance(replacement, ParsedEvent), f"the demo created an event that is refused: {replacement}"
    amend_counted_event(
        ledger=ledger_of(principal, tenant),
        event_id=event.event_id,
        replacement=replacement,
        api_key_id=principal.key_id,
        reason="Reported as one request of two.",
        voided_by=principal.name,
        as_of=as_of,
    )


def _use_from_some_addresses(principal: Principal, as_of: datetime) -> None:
    """Create what requests note of a key: the addresses that used it, and refusals by reason."""
    if KeyAddress.objects.filter(api_key_id=principal.key_id).exists():
        return
    for days, address in enumerate(ADDRESSES):
        for hours in (20, 1):
            used_at = as_of - timedelta(days=days, hours=hours)
            note_key_use(key_id=principal.key_id, address=address, as_of=used_at)
            note_refusal(key_id=principal.key_id, code=REFUSALS[days], as_of=used_at)
    write_key_use(as_of=as_of)


def _send_bad_reports(principal: Principal, tenant: TenantFacts, as_of: datetime) -> None:
    rules = IngestRules(as_of - timedelta(days=tenant.backfill_days), as_of, known_event_types())
    ledger = ledger_of(principal, tenant)
    stored = Event.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).filter(event_id__startswith=ID_PREFIX)
    latest = list(stored.occurred_within(as_of - FRESH_FOR, as_of).order_by("-occurred_at")[:REPEATED])
    repeats = [_item_of(event) for event in latest]
    conflicting: list[Mapping[str, object]] = [{**repeats[0], "quantity": 2}] if repeats else []
    calls = [
        *(
            [parse_event(item, n, as_of, rules) for n, item in enumerate(items)]
            for items in (repeats, conflicting, _refused(as_of))
        ),
        _cloud_events(as_of, rules),
    ]
    for number, judged in enumerate(calls):
        _send(
            principal=principal,
            tenant=tenant,
            judged=judged,
            request_id=f"demo-{number}",
            as_of=as_of - timedelta(minutes=7 - number * 2),
        )


def _send(
    *,
    principal: Principal,
    tenant: TenantFacts,
    judged: Sequence[ParsedEvent | Rejection],
    request_id: str,
    as_of: datetime,
) -> None:
    report = TenantReport(
        tenant,
        [verdict for verdict in judged if isinstance(verdict, ParsedEvent)],
        [verdict for verdict in judged if isinstance(verdict, Rejection)],
    )
    store_tenant_reports(principal=principal, reports=[report], request_id=request_id, as_of=as_of)


def _cloud_events(as_of: datetime, rules: IngestRules) -> list[ParsedEvent | Rejection]:
    """Return what two gateways report as CloudEvents: one id of each, which are two events, and a mistake."""
    day, data = f"{as_of:%Y%m%d}", {"http_method": "GET", "resource_path": "/v1/orders", "status": 200}
    sent: list[dict[str, object]] = [
        {"specversion": "1.0", "id": f"{day}-1", "source": source, "type": "http_request", "data": data}
        for source in ("/gateways/eu-1", "/gateways/us-1")
    ]
    sent.append(sent[0] | {"id": f"{day}-2", "data": [1, 2]})
    items = decode_batch(msgspec.json.encode(sent))
    return [parse_cloud_event(item, n, as_of, rules) for n, item in enumerate(items)]


def _item_of(event: Event) -> dict[str, object]:
    return {
        "id": event.event_id,
        "type": event.type,
        "timestamp": event.occurred_at.isoformat(),
        "properties": event.properties,
    }


def _refused(as_of: datetime) -> list[Mapping[str, object]]:
    """Return one of each mistake that integrations make."""
    return [
        {"id": "parcel-4711", "type": "http_requests"},
        {"id": "parcel-4712", "type": "http_request", "quantity": "-1"},
        {"id": "parcel-4713", "type": "http_request", "timestamp": (as_of - timedelta(days=90)).isoformat()},
        {"id": "parcel-4714", "type": "http_request", "timestamp": "yesterday"},
    ]
