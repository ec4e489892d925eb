"""Proration by the day: a fee's share for the days of a billing period that remain.

`docs/algorithms/rating.md`, section P.

Days are calendar days of the subscription's time zone, so that a day of 23 or 25 hours counts as one.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from accounts.domain.plain import plain_decimal
from billing.domain.money import EXACT, currency_digits, round_to_minor


class FeeRefund(StrEnum):
    """What the seller gives back of a fee that was charged in advance, whichever way a plan or a subscription ends."""

    BY_DAY = "by_day"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ShareOfPeriod:
    """`days` of a period of `days_in_period`."""

    days: int
    days_in_period: int

    def of(self, fee: Decimal, currency: str) -> int:
        """Return the share of a fee given in the major unit, as minor units, rounded half-up once."""
        exact = EXACT.divide(EXACT.multiply(fee, Decimal(self.days)), Decimal(self.days_in_period))
        return round_to_minor(exact, currency)

    def explanation(self, fee: Decimal, currency: str) -> dict[str, object]:
        """Return how the amount was computed, in the form that a line stores."""
        return {
            "model": "proration",
            "fee": plain_decimal(fee),
            "days": self.days,
            "days_in_period": self.days_in_period,
            "rounding": {"mode": "half_up", "digits": currency_digits(currency)},
        }


def remaining_share(
    *, period_starts_on: date, period_ends_on: date, changed_on: date, ended_on: date | None = None
) -> ShareOfPeriod:
    """Return the share of the days from `changed_on` up to and without `ended_on`, by default the period's end.

    The day of a change, or of an end, counts to what comes then.
    """
    days_in_period = max((period_ends_on - period_starts_on).days, 1)
    days = ((period_ends_on if ended_on is None else ended_on) - changed_on).days
    return ShareOfPeriod(min(max(days, 0), days_in_period), days_in_period)
