"""Tenants on usage plans, and requests to pass their limits."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.principal import Principal
from accounts.domain.scopes import Scope
from accounts.models import Tenant
from accounts.selectors.tenants import facts_of
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent
from metering.domain.ledger import Ledger
from metering.domain.usage_plan_terms import QuotaTerms, UsagePlanTerms
from metering.models import Event
from metering.selectors.catalog import known_event_types
from metering.selectors.ledgers import half_of
from metering.services.limits.authorization import Authorization, authorize
from metering.services.usage_plans import assign_usage_plan, create_usage_plan
from tests.metering.ledger_world import make_key, make_tenant

OPERATOR = Actor.system("operator")


class Caller:
    """A tenant with one key, whose requests come at times that the test chooses."""

    def __init__(self, tenant: Tenant, *, kind: KeyKind = KeyKind.LIVE, **key_fields: Any) -> None:
        self.model = tenant
        key, self.secret = make_key(tenant, kind=kind, scopes=[Scope.EVENTS_WRITE], **key_fields)
        self.tenant = facts_of(tenant)
        self.principal = Principal(
            key_id=key.id,
            kind=kind,
            name=key.name,
            prefix=key.prefix,
            scopes=frozenset({Scope.EVENTS_WRITE}),
            allowed_cidrs=(),
            expires_at=None,
            throttle_rate=key.throttle_rate,
            throttle_burst=key.throttle_burst,
            quota=key.quota,
            tenant=self.tenant,
        )

    @property
    def ledger(self) -> Ledger:
        return half_of(self.tenant, is_live=self.principal.is_live)

    def event(self, as_of: datetime, event_id: str = "", **fields: Any) -> ParsedEvent:
        return parsed_event({"id": event_id or str(uuid4()), "type": "http_request", **fields}, as_of)

    def authorize(self, as_of: datetime, event_id: str = "", **fields: Any) -> Authorization:
        event = self.event(as_of, event_id, **fields)
        return authorize(principal=self.principal, tenant=self.tenant, event=event, as_of=as_of)

    def passes(self, as_of: datetime, times: int = 1) -> list[bool]:
        return [self.authorize(as_of).decision.is_allowed for _ in range(times)]

    def events_stored(self) -> int:
        return Event.objects.of_ledger(self.tenant.id, is_live=self.principal.is_live).count()


def parsed_event(fields: dict[str, Any], as_of: datetime) -> ParsedEvent:
    rules = IngestRules(
        window_start=as_of - timedelta(days=35), latest=as_of + timedelta(minutes=5), known_types=known_event_types()
    )
    event = parse_event(fields, 0, as_of, rules)
    assert isinstance(event, ParsedEvent), event
    return event


def quota_of(limit: str, meter_code: str = "api_requests", **fields: Any) -> QuotaTerms:
    return QuotaTerms(meter_code, Decimal(limit), **fields)


def put_on_plan(tenant: Tenant, as_of: datetime, *quotas: QuotaTerms, throttle: tuple[int, int] | None = None) -> None:
    rate, burst = throttle or (None, None)
    terms = UsagePlanTerms("Plan", throttle_rate=rate, throttle_burst=burst, quotas=quotas)
    usage_plan = create_usage_plan(code=f"plan-{uuid4().hex}", terms=terms, actor=OPERATOR, as_of=as_of)
    assign_usage_plan(tenant=tenant, usage_plan=usage_plan, actor=OPERATOR, as_of=as_of)


def caller_on_plan(
    as_of: datetime,
    quotas: Sequence[QuotaTerms] = (),
    *,
    throttle: tuple[int, int] | None = None,
    time_zone: str = "UTC",
    anchor_on: date | None = None,
    **key_fields: Any,
) -> Caller:
    tenant = make_tenant(f"t-{uuid4().hex[:12]}", time_zone=time_zone, period_anchor_on=anchor_on)
    put_on_plan(tenant, as_of, *quotas, throttle=throttle)
    return Caller(tenant, **key_fields)
