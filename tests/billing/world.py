"""A small world for tests of money, made by the real services: a plan, a tenant on it, usage, and closed months."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

from accounts.domain.actor import Actor
from accounts.models import Tenant
from billing.domain.plan_terms import PriceOffer, VersionOffer
from billing.domain.prices import Flat, PerUnit, PriceTerms
from billing.models import ExchangeRate, Invoice, Issuer, Plan, PlanVersion, Subscription
from billing.selectors.invoicing.due import Due
from billing.services.catalog.plans import create_plan, publish_version
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.subscribing import subscribe
from metering.domain.usage_plan_terms import UsagePlanTerms
from metering.models import Meter, UsagePlan
from metering.services.usage_plans import create_usage_plan
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_meter, make_tenant, send

STAFF: Final = Actor.system("staff")
MARCH: Final = datetime(2026, 3, 1, tzinfo=UTC)
GRACE: Final = timedelta(hours=1)
CALLS: Final = "http_request"


def make_plan(
    code: str = "pro",
    *,
    fee: str | Mapping[str, str] = "49",
    usage: Mapping[str, PriceTerms] | None = None,
    trial_days: int = 0,
    as_of: datetime = LONG_AGO,
) -> PlanVersion:
    """Create a plan for sale, or the next version of one.

    `fee` is in EUR or by currency, `usage` by meter code in all of them.

    Without `usage` calls cost 0.001 each: the sum of the quantities of `http_request` events, by the meter `calls`.
    """
    if usage is None:
        usage = {"calls": PerUnit(Decimal("0.001"))}
        if not Meter.objects.filter(code="calls").exists():
            make_meter("calls", CALLS, unit="calls", aggregation="sum")
    if not UsagePlan.objects.filter(code=code).exists():
        create_usage_plan(code=code, terms=UsagePlanTerms(name=code.title()), actor=STAFF, as_of=as_of)
    plan = Plan.objects.filter(code=code).first() or create_plan(code=code, name=code.title(), actor=STAFF, as_of=as_of)
    fees = {"EUR": fee} if isinstance(fee, str) else fee
    prices = [PriceOffer(currency, Flat(Decimal(amount))) for currency, amount in fees.items()]
    prices += [PriceOffer(currency, terms, meter) for currency in fees for meter, terms in usage.items()]
    offer = VersionOffer(usage_plan_code=code, prices=tuple(prices), trial_days=trial_days)
    return publish_version(plan=plan, offer=offer, actor=STAFF, as_of=as_of)


def subscribe_tenant(
    slug: str = "acme", *, plan: PlanVersion | None = None, as_of: datetime = MARCH, **fields: Any
) -> Subscription:
    """Subscribe a new tenant to a plan since `as_of`. `fields` are the tenant's own."""
    tenant = make_tenant(slug, **({"billing_email": f"bills@{slug}.example", "backfill_days": 400} | fields))
    return subscribe(tenant=tenant, plan_version=plan or make_plan(), actor=STAFF, as_of=as_of)


def use(
    tenant: Tenant,
    quantity: int | str = 1,
    *,
    at: datetime,
    count: int = 1,
    type: str = CALLS,  # noqa: A002 - the event's own word
    as_of: datetime | None = None,
    properties: Mapping[str, object] | None = None,
) -> list[str]:
    """Create `count` live events of `quantity` each, at `at` and each second after. Return their ids."""
    events: list[dict[str, Any]] = [
        {
            "id": uuid4().hex,
            "type": type,
            "quantity": str(quantity),
            "timestamp": (at + timedelta(seconds=number)).isoformat(),
            "properties": dict(properties or {}),
        }
        for number in range(count)
    ]
    send(ledger_of(tenant), events, as_of=as_of or at + timedelta(seconds=count))
    return [event["id"] for event in events]


def close_month(subscription: Subscription, *, as_of: datetime | None = None) -> Invoice:
    """Close the running period, as the schedule would, and return the invoice that was finalized.

    `as_of` is the end of the period and its grace by default. Whatever was due before is invoiced as well.
    """
    subscription.refresh_from_db()
    before = subscription.next_boundary
    moment = as_of or subscription.period_end + GRACE
    run_invoicing(as_of=moment, due=Due(tenant_ids=[subscription.tenant_id]))
    subscription.refresh_from_db()
    assert subscription.next_boundary > before or as_of is not None, "a period was closed"
    return latest_invoice(subscription)


def first_invoice(subscription: Subscription) -> Invoice:
    """Invoice what is due at the subscription's beginning: the fee of its first period, in advance."""
    return close_month(subscription, as_of=subscription.anchor_at)


def latest_invoice(subscription: Subscription) -> Invoice:
    """Return the invoice of the latest boundary."""
    invoice: Invoice = Invoice.objects.filter(subscription=subscription).order_by("-boundary")[0]
    return invoice


def set_issuer(**fields: object) -> Issuer:
    """Fill in the seller."""
    Issuer.objects.filter(pk=1).update(**fields)
    return Issuer.objects.get(pk=1)


def know_exchange_rates(*currencies: str, first: date, last: date) -> None:
    """Store a rate to the euro for each week. Sellers who owe tax in euros print it in euros, too."""
    weeks = range((last - first).days // 7 + 1)
    ExchangeRate.objects.bulk_create(
        ExchangeRate(currency=currency, day=first + timedelta(days=7 * week), rate=Decimal("1.25"))
        for currency in currencies
        if currency != "EUR"
        for week in weeks
    )


def finalized_invoices(count: int, *, plan: PlanVersion | None = None) -> Sequence[Invoice]:
    """Create as many finalized invoices over 49.00 EUR, each of a tenant of its own, issued on 1 March 2026."""
    version = plan or make_plan()
    return [first_invoice(subscribe_tenant(f"tenant-{number}", plan=version)) for number in range(count)]
