"""An invoice with its evidence: usage of some days, a month that is closed, and days that are signed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.evidence.domain.bundle import EventsShown
from billing.evidence.services.bundles import evidence_of
from billing.models import Invoice, Subscription
from metering.proofs.services.day_signing import sign_days
from tests.billing.world import close_month, first_invoice, subscribe_tenant, use

SIGNED_AT = datetime(2026, 4, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def march(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def invoiced_march(subscription: Subscription | None = None) -> Invoice:
    """Return the invoice of a March with usage on three days, two of which a tree has when the month is signed."""
    subscription = subscription or subscribe_tenant()
    first_invoice(subscription)
    use(subscription.tenant, 10, at=march(3), count=5)
    use(subscription.tenant, "2.5", at=march(4), count=3)
    use(subscription.tenant, 7, at=march(31, 20), count=2, as_of=datetime(2026, 4, 1, 0, 30, tzinfo=UTC))
    return close_month(subscription)


def sign_all(as_of: datetime = SIGNED_AT) -> None:
    sign_days(as_of=as_of)


def text_of(invoice: Invoice, shown: EventsShown = EventsShown.FULL) -> bytes:
    return b"".join(evidence_of(invoice=invoice, shown=shown, as_of=SIGNED_AT))


def bundle_of(invoice: Invoice, shown: EventsShown = EventsShown.FULL) -> dict[str, Any]:
    bundle: dict[str, Any] = json.loads(text_of(invoice, shown))
    return bundle
