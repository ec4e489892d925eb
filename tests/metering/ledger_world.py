"""A small world for tests of usage: tenants, keys, meters and events that went through the real ingest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from accounts.domain.api_key import KeyKind, generate_key, parse_key
from accounts.models import ApiKey, Tenant
from metering.domain.contribution import Contribution, contributions
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent
from metering.domain.ledger import IngestResult, Ledger
from metering.domain.meter_rules import MeterRule
from metering.models import EventType, Meter
from metering.selectors.catalog import forget_catalog, known_event_types, meter_rules
from metering.services.ingest import ingest_events

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)


# Where a tenant is, so that an invoice may be issued to it.
ADDRESS = {"address_line1": "1 Main Street", "city": "Springfield", "country": "US"}


def make_tenant(slug: str, **fields: Any) -> Tenant:
    return Tenant.objects.create(id=uuid4(), slug=slug, name=slug.title(), created_at=LONG_AGO, **(ADDRESS | fields))


def make_key(
    tenant: Tenant | None, *, kind: KeyKind = KeyKind.LIVE, scopes: Sequence[str] = (), **fields: Any
) -> tuple[ApiKey, str]:
    """Create a stored key and return it with its secret."""
    secret = generate_key(kind)
    parsed = parse_key(secret)
    assert parsed is not None
    facts = {
        "digest": parsed.digest,
        "prefix": parsed.prefix,
        "last_four": parsed.last_four,
        "created_at": LONG_AGO,
        "name": "test",
    }
    key = ApiKey.objects.create(id=uuid4(), tenant=tenant, kind=kind, scopes=list(scopes), **(facts | fields))
    return key, secret


def make_meter(code: str, event_type: str, **fields: Any) -> MeterRule:
    kind, _ = EventType.objects.get_or_create(code=event_type, defaults={"name": event_type, "created_at": LONG_AGO})
    Meter.objects.create(
        code=code, name=code, event_type=kind, **({"created_at": LONG_AGO, "counts_from": LONG_AGO} | fields)
    )
    forget_catalog()
    return next(rule for rule in meter_rules() if rule.code == code)


def ledger_of(tenant: Tenant, *, is_live: bool = True) -> Ledger:
    return Ledger(tenant_id=tenant.id, is_live=is_live, time_zone=tenant.time_zone, backfill_days=tenant.backfill_days)


@dataclass(frozen=True)
class Sent:
    """One event as it was sent, and the key that sent it."""

    event: ParsedEvent
    api_key_id: UUID | None


def parsed(events: Iterable[Mapping[str, Any]], *, as_of: datetime) -> list[ParsedEvent]:
    rules = IngestRules(window_start=LONG_AGO, latest=FAR_AHEAD, known_types=known_event_types())
    verdicts = [parse_event(event, index, as_of, rules) for index, event in enumerate(events)]
    assert all(isinstance(verdict, ParsedEvent) for verdict in verdicts), verdicts
    return [verdict for verdict in verdicts if isinstance(verdict, ParsedEvent)]


def send(
    ledger: Ledger, events: Iterable[Mapping[str, Any]], *, as_of: datetime, api_key_id: UUID | None = None
) -> list[Sent]:
    """Ingest the events. Fail if one of them is not new."""
    batch = parsed(events, as_of=as_of)
    result: IngestResult = ingest_events(ledger=ledger, events=batch, api_key_id=api_key_id, as_of=as_of)
    assert len(result.accepted) == len(batch)
    return [Sent(event, api_key_id) for event in batch]


def contribution_of(sent: Sent, meter: MeterRule) -> Contribution | None:
    """Return what the event adds to the meter, computed in Python alone."""
    event = sent.event
    found = contributions(event, [meter])
    return found[0] if found else None


def total(contributed: Iterable[Contribution]) -> Decimal:
    return sum((contribution.quantity for contribution in contributed), Decimal(0))
