"""A tenant whose days are signed: events are sent on some days, and the days signed on a later one."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from accounts.models import Tenant
from metering.domain.ledger import Ledger
from metering.proofs.models import DayRoot
from metering.proofs.services.day_signing import Signed, sign_days
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send

FIRST = date(2026, 3, 10)
QUARTER_PAST = timedelta(minutes=20)


def noon(day: int = 0, **after: float) -> datetime:
    return datetime(2026, 3, 10, 12, tzinfo=UTC) + timedelta(days=day, **after)


def proven_tenant(slug: str = "acme") -> tuple[Tenant, Ledger]:
    make_meter(f"calls_{slug}", "proven_call")
    tenant = make_tenant(slug)
    return tenant, ledger_of(tenant)


def use(ledger: Ledger, *ids: str, at: datetime, **members: Any) -> None:
    send(ledger, [{"id": id_, "type": "proven_call", **members} for id_ in ids], as_of=at)


def sign_until(day: int) -> Signed:
    """Sign all days up to and including the one that is `day` days after the first."""
    return sign_days(as_of=datetime(2026, 3, 11, tzinfo=UTC) + timedelta(days=day) + QUARTER_PAST)


def days_of(ledger: Ledger) -> list[DayRoot]:
    return list(DayRoot.objects.filter(tenant_id=ledger.tenant_id, is_live=ledger.is_live).order_by("day"))
