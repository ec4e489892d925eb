"""The tax rules by day: `docs/algorithms/tax.md`, whose table the tests read.

Pure: the rates and the registrations of the seller are passed with their days.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from accounts.domain.tax_ids import EU, tax_country
from billing.domain.tax import (
    MERCHANT_NOTE,
    OUT_OF_SCOPE_NOTE,
    REVERSE_CHARGE_NOTE,
    TaxCategory,
    TaxDecision,
    TaxTable,
    TaxTreatment,
)

_NOTHING: Final = Decimal(0)
_DAY: Final = timedelta(days=1)
UNKNOWN_NOTE: Final = "The tax is not known yet."
UNVERIFIED_MARK: Final = "The recipient's VAT number is not verified."
# A registered seller from abroad charges Swiss tax to businesses too (MWSTG, article 45); elsewhere they declare it.
CHARGES_BUSINESSES_TOO: Final = frozenset({"CH"})


class TaxScheme(StrEnum):
    """The kind of a seller's registration in another country."""

    LOCAL = "local"
    ESTABLISHMENT = "establishment"
    OSS_UNION = "oss_union"
    OSS_NON_UNION = "oss_non_union"
    SMALL = "small"


class TaxIdState(StrEnum):
    """The result of the checks of a buyer's tax id."""

    NONE = "none"
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    INVALID = "invalid"


class UnverifiedTaxIds(StrEnum):
    """The seller's policy while a VAT number of another member state is not verified."""

    MARK = "mark"
    TAX = "tax"


@dataclass(frozen=True, slots=True)
class CountryRate:
    """The tax of a country from a day on; `reason` is the reason if it is 0."""

    name: str
    percent: Decimal
    since: date | None = None
    category: TaxCategory = TaxCategory.STANDARD
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration of the seller in a country, first and last day included."""

    country: str
    scheme: TaxScheme
    tax_id: str = ""
    since: date | None = None
    until: date | None = None

    def holds_on(self, day: date) -> bool:
        """Return whether the registration is in force."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class TaxFacts:
    """The facts for the decision. `rates` maps a country to its rates, in any order.

    `merchant` is the name of the merchant of record that sells to the buyer; empty if the seller does.
    """

    seller_country: str
    buyer_country: str
    tax_id: TaxIdState = TaxIdState.NONE
    treatment: TaxTreatment = TaxTreatment.AUTOMATIC
    percent: Decimal | None = None
    exemption_reason: str = ""
    unverified: UnverifiedTaxIds = UnverifiedTaxIds.MARK
    registrations: Sequence[Registration] = ()
    rates: Mapping[str, Sequence[CountryRate]] | None = None
    merchant: str = ""

    @property
    def seller(self) -> str:
        """Return the country whose tax law applies to the seller."""
        return tax_country(self.seller_country)

    @property
    def buyer(self) -> str:
        """Return the country of the buyer in terms of tax law."""
        return tax_country(self.buyer_country)

    def rate_of(self, country: str, day: date) -> CountryRate | None:
        """Return the country's rate on that day."""
        known = [rate for rate in (self.rates or {}).get(country, ()) if rate.since is None or rate.since <= day]
        return max(known, key=lambda rate: rate.since or date.min, default=None)

    def registration(self, day: date, *schemes: TaxScheme, country: str = "") -> Registration | None:
        """Return the seller's registration of one of these schemes, in any country or in one."""
        return next(
            (
                known
                for known in self.registrations
                if known.scheme in schemes and known.holds_on(day) and country in {"", tax_country(known.country)}
            ),
            None,
        )


def tax_table(facts: TaxFacts) -> TaxTable:
    """Return the decisions for all days: a rate or a registration that begins or ends may change them."""
    days = {rate.since for rates in (facts.rates or {}).values() for rate in rates}
    days |= {registration.since for registration in facts.registrations}
    days |= {registration.until + _DAY for registration in facts.registrations if registration.until is not None}
    begins = sorted(day for day in days if day is not None)
    return TaxTable(((None, decide_tax(facts, date.min)), *((day, decide_tax(facts, day)) for day in begins)))


def decide_tax(facts: TaxFacts, day: date) -> TaxDecision:
    """Return the tax of a supply on a day. `problem` is the reason if it cannot be decided."""
    if facts.merchant:
        return _of_merchant(facts)
    if facts.treatment is TaxTreatment.EXEMPT:
        reason = facts.exemption_reason or "Exempt from tax."
        country = facts.buyer or facts.seller
        return TaxDecision(TaxTreatment.EXEMPT, "Tax", _NOTHING, reason, TaxCategory.EXEMPT, country)
    if facts.treatment is TaxTreatment.REVERSE_CHARGE or _is_reverse_charge(facts, day):
        return _reverse_charge(facts, day)
    if not facts.seller or not facts.buyer:
        missing = "The customer has no country: ask for the address."
        return _unknown(facts, missing if facts.seller else "The seller has no country: fill in the issuer.")
    if facts.percent is not None:
        return _own_rate(facts, facts.percent, day)
    return _at_rate(facts, day)


def _of_merchant(facts: TaxFacts) -> TaxDecision:
    """Return no tax of ours: the merchant of record buys from the seller, sells to the buyer and declares the tax."""
    note, country = MERCHANT_NOTE.format(merchant=facts.merchant), facts.buyer or facts.seller
    return TaxDecision(TaxTreatment.MERCHANT, facts.merchant, _NOTHING, note, TaxCategory.OUT_OF_SCOPE, country)


def _is_reverse_charge(facts: TaxFacts, day: date) -> bool:
    """Return whether the buyer, a business of another member state, declares the tax (articles 44 and 196)."""
    is_abroad = bool(facts.seller) and facts.buyer in EU and facts.buyer != facts.seller
    if facts.treatment is not TaxTreatment.AUTOMATIC or not is_abroad:
        return False
    if facts.registration(day, TaxScheme.ESTABLISHMENT, country=facts.buyer):
        return False
    is_taken = facts.tax_id is TaxIdState.UNVERIFIED and facts.unverified is UnverifiedTaxIds.MARK
    return is_taken or facts.tax_id is TaxIdState.VERIFIED


def _reverse_charge(facts: TaxFacts, day: date) -> TaxDecision:
    is_marked = facts.treatment is TaxTreatment.AUTOMATIC and facts.tax_id is TaxIdState.UNVERIFIED
    note = f"{REVERSE_CHARGE_NOTE} {UNVERIFIED_MARK}" if is_marked else REVERSE_CHARGE_NOTE
    rate = facts.rate_of(facts.buyer, day)
    name = "Tax" if rate is None else rate.name
    return TaxDecision(
        TaxTreatment.REVERSE_CHARGE, name, _NOTHING, note, TaxCategory.REVERSE_CHARGE, facts.buyer or facts.seller
    )


def _own_rate(facts: TaxFacts, percent: Decimal, day: date) -> TaxDecision:
    """Return the rate that staff set for the customer; a rate of 0 has a reason, which is printed."""
    if percent:
        return TaxDecision(TaxTreatment.STANDARD, "Tax", percent, _number_abroad(facts, day), jurisdiction=facts.buyer)
    if not facts.exemption_reason:
        return _unknown(facts, "The customer's own rate of 0 % has no reason: say why no tax is charged.")
    reason = facts.exemption_reason
    return TaxDecision(TaxTreatment.STANDARD, "Tax", _NOTHING, reason, TaxCategory.ZERO, facts.buyer)


def _at_rate(facts: TaxFacts, day: date) -> TaxDecision:
    """Return the tax at the rate of the country that taxes the supply."""
    buyer, country = facts.buyer, facts.buyer
    there = facts.registration(day, TaxScheme.LOCAL, TaxScheme.ESTABLISHMENT, country=buyer)
    if buyer != facts.seller and there is None:
        if buyer not in EU:
            return _out_of_scope(buyer)
        if not facts.registration(day, TaxScheme.OSS_UNION, TaxScheme.OSS_NON_UNION):
            if facts.seller not in EU or not facts.registration(day, TaxScheme.SMALL):
                return _unknown(
                    facts,
                    f"The seller in {facts.seller} has no registration for a customer in {buyer} without a VAT number"
                    " that is taken: enter the one-stop shop, one there, or that it is below the threshold.",
                )
            country = facts.seller
    elif there is not None and buyer not in EU | CHARGES_BUSINESSES_TOO and facts.tax_id is not TaxIdState.NONE:
        return _out_of_scope(buyer)
    rate = facts.rate_of(country, day)
    if rate is None:
        return _unknown(facts, f"No tax rate of {country} is known for the day of supply: add its row.")
    note = rate.reason or (_number_abroad(facts, day) if country == buyer else "")
    return TaxDecision(TaxTreatment.STANDARD, rate.name, rate.percent, note, rate.category, country)


def _number_abroad(facts: TaxFacts, day: date) -> str:
    """Return a note with the number under which the tax of the buyer's country is declared, if there is another."""
    there = facts.registration(day, TaxScheme.LOCAL, TaxScheme.ESTABLISHMENT, country=facts.buyer)
    if there is not None:
        return f"Seller's tax id in {facts.buyer}: {there.tax_id}." if there.tax_id else ""
    shop = facts.registration(day, TaxScheme.OSS_NON_UNION)
    is_named = shop is not None and bool(shop.tax_id) and facts.buyer in EU and facts.buyer != facts.seller
    return f"Seller's tax id in the one-stop shop: {shop.tax_id}." if shop is not None and is_named else ""


def _out_of_scope(country: str) -> TaxDecision:
    return TaxDecision(TaxTreatment.STANDARD, "Tax", _NOTHING, OUT_OF_SCOPE_NOTE, TaxCategory.OUT_OF_SCOPE, country)


def _unknown(facts: TaxFacts, problem: str) -> TaxDecision:
    country = facts.buyer or facts.seller
    return TaxDecision(TaxTreatment.STANDARD, "Tax", _NOTHING, UNKNOWN_NOTE, TaxCategory.OUT_OF_SCOPE, country, problem)
