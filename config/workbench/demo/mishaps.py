"""Typical errors of integrations, for the live debugger: repeats, conflicts, refusals, voids."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from accounts.domain.principal import Principal, TenantFacts
from accounts.selectors.api_keys import find_principal
from config.workbench.demo.traffic import ID_PREFIX
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent, Rejection
from metering.models import Event, EventVoid, IngestVerdict
from metering.selectors.catalog import known_event_types
from metering.selectors.limits import ledger_of
from metering.services.event_voids import void_counted_event
from metering.services.reports import TenantReport, store_tenant_reports

REPEATED = 3
VOIDED = 4
FRESH_FOR = timedelta(hours=24)
VOIDED_FROM, VOIDED_TO = timedelta(days=6), timedelta(days=2)


def make_mishaps(*, api_key: str, as_of: datetime) -> None:
    """Send a few bad reports with the main key, unless there were some within a day, and void events once."""
    principal = find_principal(api_key, as_of)
    if principal is None or principal.tenant is None or not principal.tenant.is_active:
        return
    ledger = ledger_of(principal, principal.tenant)
    of_tenant = {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live}
    if not IngestVerdict.objects.filter(**of_tenant, received_at__gte=as_of - FRESH_FOR).exists():
        _send_bad_reports(principal, principal.tenant, as_of)
    if not EventVoid.objects.filter(**of_tenant).exists():
        events = Event.objects.filter(**of_tenant, event_id__startswith=ID_PREFIX)
        recent = events.occurred_within(as_of - VOIDED_FROM, as_of - VOIDED_TO).order_by("occurred_at", "key")
        for event_id in list(recent.values_list("event_id", flat=True)[:VOIDED]):
            void_counted_event(
                ledger=ledger,
                event_id=event_id,
                reason="Load test, not a customer's.",
                voided_by=principal.name,
                as_of=as_of,
            )


def _send_bad_reports(principal: Principal, tenant: TenantFacts, as_of: datetime) -> None:
    rules = IngestRules(as_of - timedelta(days=tenant.backfill_days), as_of, known_event_types())
    ledger = ledger_of(principal, tenant)
    stored = Event.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).filter(event_id__startswith=ID_PREFIX)
    latest = list(stored.occurred_within(as_of - FRESH_FOR, as_of).order_by("-occurred_at")[:REPEATED])
    repeats = [_item_of(event) for event in latest]
    conflicting: list[Mapping[str, object]] = [{**repeats[0], "quantity": 2}] if repeats else []
    for number, items in enumerate([repeats, conflicting, _refused(as_of)]):
        _send(
            principal=principal,
            tenant=tenant,
            items=items,
            rules=rules,
            request_id=f"demo-{number}",
            as_of=as_of - timedelta(minutes=7 - number * 2),
        )


def _send(
    *,
    principal: Principal,
    tenant: TenantFacts,
    items: list[Mapping[str, object]],
    rules: IngestRules,
    request_id: str,
    as_of: datetime,
) -> None:
    judged = [parse_event(item, n, as_of, rules) for n, item in enumerate(items)]
    report = TenantReport(
        tenant,
        [verdict for verdict in judged if isinstance(verdict, ParsedEvent)],
        [verdict for verdict in judged if isinstance(verdict, Rejection)],
    )
    store_tenant_reports(principal=principal, reports=[report], request_id=request_id, as_of=as_of)


def _item_of(event: Event) -> Mapping[str, object]:
    return {
        "id": event.event_id,
        "type": event.type,
        "timestamp": event.occurred_at.isoformat(),
        "properties": event.properties,
    }


def _refused(as_of: datetime) -> list[Mapping[str, object]]:
    """Return one of each mistake that integrations make."""
    return [
        {"id": "order-4711", "type": "http_requests"},
        {"id": "order-4712", "type": "http_request", "quantity": "-1"},
        {"id": "order-4713", "type": "http_request", "timestamp": (as_of - timedelta(days=90)).isoformat()},
        {"id": "order-4714", "type": "http_request", "timestamp": "yesterday"},
    ]
