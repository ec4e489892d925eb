"""Exchange rates: an amount in the seller's currency.

Source: Directive 2006/112/EC, article 230 (the tax also in the currency of the member state) and article 91 (the rate
of the European Central Bank; between two other currencies, the euro's rate of each). Pure; `docs/algorithms/tax.md`, X.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from accounts.domain.tax_ids import EU, tax_country
from billing.domain.money import EXACT, round_to_minor, to_major

ECB: Final = "European Central Bank"
EURO: Final = "EUR"
RATE_MISSING: Final = "exchange_rate_missing"
# A rate of an earlier day is taken over weekends and holidays, and no longer.
DAYS_OLD_MAX: Final = 7
_OWN_CURRENCIES: Final = {
    "CH": "CHF", "CZ": "CZK", "DK": "DKK", "GB": "GBP", "HU": "HUF", "NO": "NOK", "PL": "PLN", "RO": "RON", "SE": "SEK",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DayRate:
    """How much of `currency` one unit of `per` was worth on a day."""

    per: str
    currency: str
    day: date
    rate: Decimal
    source: str = ECB


@dataclass(frozen=True, slots=True)
class Conversion:
    """How amounts of an invoice become the seller's currency: `rates` has one rate, or two that go over the euro."""

    invoice_currency: str
    currency: str
    rates: tuple[DayRate, ...]

    @property
    def day(self) -> date:
        """Return the day of the rates."""
        return self.rates[0].day

    def amount_minor(self, amount_minor: int) -> int:
        """Return the amount in the seller's currency, rounded half-up once."""
        exact = to_major(amount_minor, self.invoice_currency)
        at = self.invoice_currency
        for rate in self.rates:
            exact = EXACT.divide(exact, rate.rate) if rate.currency == at else EXACT.multiply(exact, rate.rate)
            at = rate.per if rate.currency == at else rate.currency
        assert at == self.currency, "the rates lead to the seller's currency"
        return round_to_minor(exact, self.currency)

    def words(self) -> str:
        """Return the rates as a document shows them."""
        said = ", ".join(f"1 {rate.per} = {rate.rate.normalize():f} {rate.currency}" for rate in self.rates)
        return f"{said} ({self.rates[0].source}, {self.day.isoformat()})"


def currency_of_seller(country: str) -> str:
    """Return the currency in which the seller owes its tax; empty if invoices need not show it."""
    country = tax_country(country)
    return _OWN_CURRENCIES.get(country, EURO if country in EU else "")


def conversion(invoice_currency: str, currency: str, known: Sequence[DayRate], day: date) -> Conversion | None:
    """Return how the currency of an invoice becomes the seller's, by the latest rates up to a day; None without one.

    A direct rate counts before two that go over the euro, and a younger day before an older one.
    """
    usable = [rate for rate in known if 0 <= (day - rate.day).days <= DAYS_OLD_MAX]
    pair = {invoice_currency, currency}
    ways: list[tuple[DayRate, ...]] = [(rate,) for rate in usable if {rate.per, rate.currency} == pair]
    if EURO not in pair:
        over = [rate for rate in usable if rate.per == EURO and rate.currency in pair]
        ways += [
            (first, second)
            for first in over
            for second in over
            if first.currency == invoice_currency and second.currency == currency and first.day == second.day
        ]
    if not ways:
        return None
    best = max(ways, key=lambda way: (way[0].day, -len(way)))
    return Conversion(invoice_currency, currency, best)
