"""An estimate is what the invoice of a whole month charges, for every price model."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.domain.estimating import estimate_month
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume
from billing.models import InvoiceLine
from billing.selectors.catalog.plans import sold_version
from tests.billing.world import CALLS, MARCH, close_month, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import make_meter

TIERS = (Tier(Decimal(10), Decimal(0)), Tier(Decimal(50), Decimal("0.125"), Decimal(2)), Tier(None, Decimal("0.0333")))


@pytest.mark.parametrize(
    "terms",
    [
        PerUnit(Decimal("0.0333")),
        Flat(Decimal("3.5")),
        Package(Decimal(7), Decimal("0.99")),
        Graduated(TIERS),
        Volume(TIERS),
        Graduated((Tier(None, Decimal(1), Decimal(4)),), charges_flat_at_zero=True),
    ],
)
@pytest.mark.parametrize("quantity", [0, 11, 73])
def test_an_estimate_is_what_the_invoice_of_that_month_charges(db: None, terms: PriceTerms, quantity: int) -> None:
    make_meter("calls", CALLS, unit="calls", aggregation="sum")
    version = make_plan(fee="49.90", usage={"calls": terms})
    subscription = subscribe_tenant(plan=version)
    first_invoice(subscription)
    if quantity:
        use(subscription.tenant, quantity, at=MARCH + timedelta(days=3))
    invoice = close_month(subscription)

    estimate = estimate_month(sold_version(version.pk), "EUR", {"calls": Decimal(quantity)})

    charged = InvoiceLine.objects.filter(invoice=invoice)
    assert estimate.total_minor == sum(line.amount_minor for line in charged)
    [(_, charge)] = estimate.usage
    assert charge.amount_minor == sum(line.amount_minor for line in charged if line.kind == "usage")


def test_a_meter_without_an_entry_counts_nothing(db: None) -> None:
    version = make_plan(fee={"EUR": "49", "USD": "55"})

    estimate = estimate_month(sold_version(version.pk), "USD", {"other": Decimal(5)})

    assert (estimate.fee_minor, estimate.total_minor) == (5500, 5500)
