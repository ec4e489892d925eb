"""What a tax decision is, and what it comes to: `docs/algorithms/rating.md`, section T.

`billing.taxlaw.domain.tax_rules` decides.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from billing.domain.money import EXACT, round_to_minor, to_major

_HUNDRED: Final = Decimal(100)
REVERSE_CHARGE_NOTE: Final = "Reverse charge: the recipient is liable for the tax (Article 196, Directive 2006/112/EC)."
OUT_OF_SCOPE_NOTE: Final = "Not subject to tax in the country of the seller."
MERCHANT_NOTE: Final = "Sold by {merchant}, the merchant of record. Its receipt shows the tax and is the tax document."


class TaxTreatment(StrEnum):
    """How a tenant is taxed; `automatic` follows from the countries and the tax id.

    `merchant` follows from how the tenant pays: a merchant of record sells to it, and declares the tax.
    """

    AUTOMATIC = "automatic"
    STANDARD = "standard"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"
    MERCHANT = "merchant"


# What staff may decide for a tenant.
DECIDED_BY_STAFF: Final = tuple(treatment for treatment in TaxTreatment if treatment is not TaxTreatment.MERCHANT)


class TaxCategory(StrEnum):
    """What kind of supply a line is to the tax office: the codes of UNCL 5305, as EN 16931 uses them."""

    STANDARD = "S"
    ZERO = "Z"
    EXEMPT = "E"
    REVERSE_CHARGE = "AE"
    OUT_OF_SCOPE = "O"


@dataclass(frozen=True, slots=True)
class TaxDecision:
    """The rate that holds for a supply, in percent, and why. `jurisdiction` is the country whose tax it is.

    `name` is the tax's; if a merchant of record declares it, the merchant's.
    `problem` says why the tax cannot be told: nothing that bears it gets a number.
    """

    treatment: TaxTreatment
    name: str
    percent: Decimal
    note: str = ""
    category: TaxCategory = TaxCategory.STANDARD
    jurisdiction: str = ""
    problem: str = ""

    def amount_minor(self, base_minor: int, currency: str) -> int:
        """Return the tax on the summed base, rounded half-up once."""
        exact = EXACT.divide(EXACT.multiply(to_major(base_minor, currency), self.percent), _HUNDRED)
        return round_to_minor(exact, currency)


@dataclass(frozen=True, slots=True)
class TaxTable:
    """What holds for a tenant from which day on, the earliest first; the first has no beginning."""

    periods: tuple[tuple[date | None, TaxDecision], ...]

    def on(self, day: date) -> TaxDecision:
        """Return what holds for a supply of that day."""
        if len(self.periods) == 1:
            return self.periods[0][1]
        return [decision for since, decision in self.periods if since is None or since <= day][-1]
