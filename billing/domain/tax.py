"""Tax: one rate for an invoice, from the seller's country, the buyer's country and the operator's decision.

`docs/algorithms/rating.md`, section T. Legal background: Directive 2006/112/EC, articles 44 and 196 (services to
businesses in another member state are taxed where the buyer is, who declares the tax).
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from accounts.domain.tax_ids import EU
from billing.domain.money import EXACT, round_to_minor, to_major

_HUNDRED: Final = Decimal(100)
_NOTHING: Final = Decimal(0)
REVERSE_CHARGE_NOTE: Final = "Reverse charge: the recipient is liable for the tax (Article 196, Directive 2006/112/EC)."
OUT_OF_SCOPE_NOTE: Final = "Not subject to tax in the country of the seller."


class TaxTreatment(StrEnum):
    """How a tenant is taxed; `automatic` follows from the countries and the tax id."""

    AUTOMATIC = "automatic"
    STANDARD = "standard"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"


class TaxCategory(StrEnum):
    """What kind of supply a line is to the tax office: the codes of UNCL 5305, as EN 16931 uses them."""

    STANDARD = "S"
    EXEMPT = "E"
    REVERSE_CHARGE = "AE"
    OUT_OF_SCOPE = "O"


@dataclass(frozen=True, slots=True)
class TaxDecision:
    """The rate that holds for a supply, in percent, and why. `jurisdiction` is the country whose tax it is."""

    treatment: TaxTreatment
    name: str
    percent: Decimal
    note: str = ""
    category: TaxCategory = TaxCategory.STANDARD
    jurisdiction: str = ""

    def amount_minor(self, base_minor: int, currency: str) -> int:
        """The tax on the summed base, rounded half-up once."""
        exact = EXACT.divide(EXACT.multiply(to_major(base_minor, currency), self.percent), _HUNDRED)
        return round_to_minor(exact, currency)


@dataclass(frozen=True, slots=True)
class TaxTable:
    """What holds for a tenant from which day on, the earliest first; the first has no beginning."""

    periods: tuple[tuple[date | None, TaxDecision], ...]

    def on(self, day: date) -> TaxDecision:
        """Return what holds for a supply of that day."""
        return [decision for since, decision in self.periods if since is None or since <= day][-1]


@dataclass(frozen=True, slots=True)
class TaxFacts:
    """What the decision follows from. `rates` maps a country to its tax's name and percent."""

    seller_country: str
    buyer_country: str
    buyer_tax_id: str
    treatment: TaxTreatment
    percent: Decimal | None
    exemption_reason: str
    rates: dict[str, tuple[str, Decimal]]


def decide_tax(facts: TaxFacts) -> TaxDecision:
    """Decide which tax an invoice bears."""
    country = facts.buyer_country or facts.seller_country
    name, percent = facts.rates.get(country, ("Tax", _NOTHING))
    if facts.treatment is TaxTreatment.EXEMPT:
        reason = facts.exemption_reason or "Exempt from tax."
        return TaxDecision(TaxTreatment.EXEMPT, name, _NOTHING, reason, TaxCategory.EXEMPT, country)
    if facts.treatment is TaxTreatment.REVERSE_CHARGE or (
        facts.treatment is TaxTreatment.AUTOMATIC and _is_reverse_charge(facts)
    ):
        category = TaxCategory.REVERSE_CHARGE
        return TaxDecision(TaxTreatment.REVERSE_CHARGE, name, _NOTHING, REVERSE_CHARGE_NOTE, category, country)
    if facts.percent is not None:
        return TaxDecision(TaxTreatment.STANDARD, name, facts.percent, jurisdiction=country)
    if percent:
        return TaxDecision(TaxTreatment.STANDARD, name, percent, jurisdiction=country)
    category = TaxCategory.OUT_OF_SCOPE
    return TaxDecision(TaxTreatment.STANDARD, name, _NOTHING, OUT_OF_SCOPE_NOTE, category, country)


def _is_reverse_charge(facts: TaxFacts) -> bool:
    return (
        facts.seller_country in EU
        and facts.buyer_country in EU
        and facts.seller_country != facts.buyer_country
        and bool(facts.buyer_tax_id)
    )
