"""The demo's usage, through the real ingest: each key continues from the last event that it sent."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from accounts.domain.api_key import KeyKind
from accounts.models import ApiKey, Tenant
from billing.models import Subscription
from config.workbench.demo.cast import DemoTenant
from config.workbench.demo.receipt import receipt_times
from config.workbench.demo.traffic import ID_PREFIX, DemoRequest, requests_within
from metering.domain.event_bodies import EVENTS_PER_BATCH_MAX
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent
from metering.domain.http_requests import EVENT_TYPE
from metering.domain.periods import anchored_span
from metering.models import Event
from metering.selectors.catalog import known_event_types
from metering.selectors.ledgers import half_of
from metering.services.ingest import ingest_events
from metering.services.limits.counting import forget_counters

# A gateway reports at least this often, so recent events look as if they arrived one after the other.
RECENT = timedelta(days=1)


def add_usage(*, planned: DemoTenant, tenant: Tenant, seed: str, as_of: datetime) -> int:
    """Store the tenant's usage since the last run, and return the number of events."""
    end = _end_of_usage(planned, tenant, as_of)
    if end is None:
        return 0
    keys = {key.name: key for key in ApiKey.objects.of_tenant(tenant.pk).usable_at(as_of).order_by("created_at")}
    last = _last_by_key(tenant, keys)
    sending = [key.name for key in planned.keys if key.share and key.name in keys]
    start = min((last.get(name, tenant.created_at) for name in sending), default=end)
    requests = (
        request
        for request in requests_within(planned, seed=seed, begin=tenant.created_at, start=start, end=end)
        if request.key_name in sending and request.occurred_at > last.get(request.key_name, tenant.created_at)
    )
    rules = IngestRules(window_start=tenant.created_at, latest=as_of, known_types=known_event_types())
    batches = _batches(requests, as_of, _boundaries(tenant, as_of))
    receipt_of = receipt_times(tenant, as_of=as_of)
    added = sum(_store(tenant, keys, batch, rules, receipt_of(batch[-1].occurred_at)) for batch in batches)
    for is_live in (True, False):
        with transaction.atomic():
            forget_counters(ledger=half_of(tenant, is_live=is_live), as_of=as_of)
    return added


def _end_of_usage(planned: DemoTenant, tenant: Tenant, as_of: datetime) -> datetime | None:
    """Return the time until which there is usage; None for a suspended tenant, which has none to add."""
    if not tenant.is_active:
        return None
    was_suspended = tenant.audit_entries.filter(action="tenant.suspended").exists()
    if planned.suspended_days_ago is None or was_suspended:
        return as_of
    return as_of - timedelta(days=planned.suspended_days_ago)


def _last_by_key(tenant: Tenant, keys: dict[str, ApiKey]) -> dict[str, datetime]:
    """Return when each key, by name, last sent an event. Replaced keys count under their name."""
    names = {key.pk: key.name for key in ApiKey.objects.of_tenant(tenant.pk).filter(name__in=keys)}
    last: dict[str, datetime] = {}
    for is_live in (True, False):
        events = Event.objects.of_ledger(tenant.pk, is_live=is_live).filter(event_id__startswith=ID_PREFIX)
        rows: list[tuple[UUID, datetime]] = list(events.values_list("api_key_id").annotate(last=Max("occurred_at")))
        for key_id, occurred_at in rows:
            name = names.get(key_id)
            if name is not None:
                last[name] = max(last.get(name, occurred_at), occurred_at)
    return last


def _boundaries(tenant: Tenant, as_of: datetime) -> list[datetime]:
    """Return when the tenant's periods ended. Usage before was reported before, else it would be late usage."""
    subscription = Subscription.objects.of_tenant(tenant.pk).order_by("created_at").first()
    boundaries: list[datetime] = []
    while subscription is not None and (not boundaries or boundaries[-1] < as_of):
        span = anchored_span(subscription.anchor_at, len(boundaries), subscription.time_zone)
        boundaries.append(span.end)
    return boundaries


def _batches(
    requests: Iterator[DemoRequest], as_of: datetime, boundaries: Sequence[datetime]
) -> Iterator[list[DemoRequest]]:
    """Yield batches in order of time: by period for what is old, by the hour for what is recent."""
    recent_from = as_of - RECENT
    pending: list[DemoRequest] = []
    period = 0
    for request in requests:
        is_other_hour = bool(pending) and request.occurred_at >= recent_from and _hour(request) != _hour(pending[-1])
        is_other_period = bisect_right(boundaries, request.occurred_at) != period
        if pending and (is_other_hour or is_other_period or len(pending) == EVENTS_PER_BATCH_MAX):
            yield pending
            pending = []
        period = bisect_right(boundaries, request.occurred_at)
        pending.append(request)
    if pending:
        yield pending


def _hour(request: DemoRequest) -> datetime:
    return request.occurred_at.replace(minute=0, second=0, microsecond=0)


def _store(
    tenant: Tenant, keys: dict[str, ApiKey], batch: list[DemoRequest], rules: IngestRules, received_at: datetime
) -> int:
    """Report a batch key by key. It is received when its last request was completed, or now if that day is signed."""
    added = 0
    for name in sorted({request.key_name for request in batch}):
        key = keys[name]
        events = [
            _parsed(request, n, received_at, rules) for n, request in enumerate(batch) if request.key_name == name
        ]
        used_at = max(request.occurred_at for request in batch if request.key_name == name)
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=used_at)
        ledger = half_of(tenant, is_live=key.kind != KeyKind.TEST)
        added += len(ingest_events(ledger=ledger, events=events, api_key_id=key.pk, as_of=received_at).accepted)
    return added


def _parsed(request: DemoRequest, index: int, received_at: datetime, rules: IngestRules) -> ParsedEvent:
    item = {
        "id": request.id,
        "type": EVENT_TYPE,
        "timestamp": request.occurred_at.isoformat(),
        "properties": request.properties,
    }
    event = parse_event(item, index, received_at, rules)
    assert isinstance(event, ParsedEvent), f"the demo created an event that is refused: {event}"
    return event
