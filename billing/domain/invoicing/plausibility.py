"""Whether an invoice is absurd beside what its account was invoiced before. Pure; `docs/invoicing.md`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from billing.domain.money import money_text

UNUSUAL_AMOUNT: Final = "unusual_amount"
HISTORY_INVOICES: Final = 12


class AmountCheck(StrEnum):
    """What the total of a tenant's invoice is compared with before it is finalized."""

    HISTORY = "history"
    LIMIT = "limit"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class AmountBounds:
    """How much an account may be invoiced without a person's look.

    By its history: `times` the highest of its last invoices, and `floor_minor` at least. `max_minor` is what staff set
    for the account instead.
    """

    times: int
    floor_minor: int
    check: AmountCheck = AmountCheck.HISTORY
    max_minor: int | None = None


# About how many times the minor units of a currency are needed for what a euro's minor units buy: orders of magnitude,
# for a bound that a person would set by feeling. What is not listed has two digits and is near the euro or the dollar.
MINOR_UNITS_BY_VALUE: Final = {
    10: "CLP KRW UGX CNY CZK DKK HKD MXN NOK SEK THB TRY TWD UAH ZAR BHD IQD JOD KWD LYD OMR TND".split(),  # noqa: SIM905
    100: "CLF UYW PYG VND HUF INR KES PHP PKR RUB EGP BDT".split(),  # noqa: SIM905
    1_000: "ARS COP NGN LKR KZT".split(),  # noqa: SIM905
    10_000: "IDR UZS".split(),  # noqa: SIM905
    100_000: "IRR LBP".split(),  # noqa: SIM905
}
_TIMES: Final = {currency: times for times, currencies in MINOR_UNITS_BY_VALUE.items() for currency in currencies}


def usual_floor_minor(currency: str, floor_minor: int) -> int:
    """Return the floor of a currency, if it is `floor_minor` in a currency like the euro."""
    return floor_minor * _TIMES.get(currency, 1)


def why_unusual(total_minor: int, currency: str, *, earlier_minor: Sequence[int], bounds: AmountBounds) -> str | None:
    """Return in a sentence why a person has to look at a total, or None.

    `earlier_minor` are the totals of the account's last invoices with usage. Without one, the bound is `times` the
    floor.
    """
    if bounds.check is AmountCheck.OFF:
        return None
    if bounds.check is AmountCheck.LIMIT:
        limit_minor = bounds.max_minor or 0
    elif not earlier_minor:
        limit_minor = bounds.times * bounds.floor_minor
    else:
        limit_minor = max(bounds.times * max(earlier_minor), bounds.floor_minor)
    if total_minor <= limit_minor:
        return None
    comes = f"The invoice comes to {money_text(total_minor, currency)}"
    if bounds.check is AmountCheck.LIMIT:
        return f"{comes}: above {money_text(limit_minor, currency)}, as staff set."
    if not earlier_minor:
        return f"{comes}: above {money_text(limit_minor, currency)}, and no invoice with usage came before it."
    return (
        f"{comes}: more than {bounds.times} times {money_text(max(earlier_minor), currency)}, the highest of the last"
        f" {len(earlier_minor)}, and above {money_text(bounds.floor_minor, currency)}."
    )
