"""What a month of some usage costs on a plan, by the rules of the invoice: the fee, and each meter rated by its price.

Pure; `docs/plans.md`, section Estimator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from billing.domain.plan_terms import SoldPrice, SoldVersion
from billing.domain.rating import Charge, rate

_ONE: Final = Decimal(1)
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A whole month on one plan, before tax: `fee_minor`, and the charge of each meter with a price."""

    version: SoldVersion
    currency: str
    fee_minor: int
    usage: tuple[tuple[SoldPrice, Charge], ...]

    @property
    def total_minor(self) -> int:
        """Return the sum before tax, in minor units."""
        return self.fee_minor + sum(charge.amount_minor for _, charge in self.usage)


def estimate_month(version: SoldVersion, currency: str, quantities: Mapping[str, Decimal]) -> Estimate:
    """Return what a month costs if each meter counts `quantities[code]` units, 0 without an entry.

    The version must be sold in the currency.
    """
    fee = version.fee(currency)
    assert fee is not None, "it is sold in the currency"
    usage = tuple(
        (price, rate(price.terms, quantities.get(price.meter_code, _NOTHING), currency))
        for price in version.usage_prices(currency)
    )
    return Estimate(version, currency, rate(fee.terms, _ONE, currency).amount_minor, usage)
