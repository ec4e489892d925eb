"""States of subscriptions as values, for tests of invoices: two plans in EUR, a meter of calls and one of bytes."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from billing.domain.invoicing.computing import ComputedInvoice, compute_invoice
from billing.domain.invoicing.lines import InvoicedUsage, Used
from billing.domain.invoicing.state import BillingState, Phase
from billing.domain.plan_terms import SoldPrice, SoldVersion
from billing.domain.prices import Flat, Graduated, PerUnit, PriceKind, PriceTerms, Tier
from billing.domain.tax import TaxDecision, TaxTable, TaxTreatment
from metering.domain.periods import Span

MARCH: Final = datetime(2026, 3, 1, tzinfo=UTC)
APRIL: Final = datetime(2026, 4, 1, tzinfo=UTC)
MAY: Final = datetime(2026, 5, 1, tzinfo=UTC)
VAT: Final = TaxDecision(TaxTreatment.STANDARD, "VAT", Decimal(21))
NO_TAX: Final = TaxDecision(TaxTreatment.STANDARD, "Tax", Decimal(0))
VAT_ALWAYS: Final = TaxTable(((None, VAT),))
UNTAXED: Final = TaxTable(((None, NO_TAX),))
METERS: Final = {"calls": 1, "bytes": 2}


def version(number: int, name: str, fee: str, **usage: PriceTerms) -> SoldVersion:
    """Return a version with these fees and prices by meter. Its ids follow from `number`."""
    prices = [SoldPrice(number * 10, PriceKind.RECURRING, "EUR", Flat(Decimal(fee)))]
    prices += [
        SoldPrice(
            number * 10 + place, PriceKind.USAGE, "EUR", terms, METERS[code], code, code.title(), code.rstrip("s")
        )
        for place, (code, terms) in enumerate(usage.items(), start=1)
    ]
    return SoldVersion(number, name.lower(), name, 1, number, name.lower(), 0, "", tuple(prices))


BASIC: Final = version(1, "Basic", "49", calls=PerUnit(Decimal("0.001")))
TEAM: Final = version(
    2,
    "Team",
    "199",
    bytes=PerUnit(Decimal("0.000001")),
    calls=Graduated((Tier(Decimal(100000), Decimal(0)), Tier(None, Decimal("0.0005")))),
)
PASS: Final = version(3, "Pass", "19", calls=Flat(Decimal(5)))


def state(boundary: int = 1, **changes: Any) -> BillingState:
    """Return a subscription to BASIC since 1 March 2026, at the given boundary."""
    facts = {
        "subscription_id": UUID(int=1),
        "tenant_id": UUID(int=2),
        "currency": "EUR",
        "time_zone": "UTC",
        "anchor_at": MARCH,
        "boundary": boundary,
        "closes_at": (MARCH, APRIL, MAY)[boundary],
        "is_ending": False,
        "phases": (Phase(MARCH, BASIC),),
        "backfill_days": 35,
    }
    return BillingState(**(facts | changes))


def used(quantity: int | str, events: int = 1) -> Used:
    return Used(Decimal(quantity), events)


def invoiced(before: Used, now: Used, amount_minor: int, **changes: Any) -> InvoicedUsage:
    """Return BASIC's line for March's calls on INV-2026-000001."""
    facts = {
        "line_id": 7,
        "number": "INV-2026-000001",
        "plan_version_id": BASIC.id,
        "price": BASIC.usage_prices("EUR")[0],
        "span": Span(MARCH, APRIL),
        "tax": NO_TAX,
    }
    return InvoicedUsage(invoiced=before, amount_minor=amount_minor, now=now, **(facts | changes))


def compute(
    of: BillingState,
    usage: list[Used] | None = None,
    known: tuple[InvoicedUsage, ...] = (),
    *,
    credit_minor: int = 0,
    taxes: TaxTable = UNTAXED,
) -> ComputedInvoice:
    """Compute an invoice, without usage if none is given."""
    wanted = [used(0, 0) for _ in of.usage_wanted()] if usage is None else usage
    return compute_invoice(of, usage=wanted, invoiced=known, credit_minor=credit_minor, taxes=taxes)
