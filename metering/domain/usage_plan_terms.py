"""The terms of a usage plan, and their check.

Exact arithmetic bounds the throttle; each meter and period has one quota.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from accounts.errors import FieldError, InvalidFieldsError
from metering.domain.limits import BURST_MAX, RATE_MAX
from metering.domain.periods import Period

NAME_CHARACTERS_MAX: Final = 120
LIMIT_BELOW: Final = Decimal(10) ** 11
LIMIT_STEP: Final = Decimal(10) ** -9


@dataclass(frozen=True, slots=True)
class QuotaTerms:
    """The limit on a meter in a day or a month, in the meter's unit. A soft quota never refuses."""

    meter_code: str
    limit: Decimal
    period: Period = Period.MONTH
    is_hard: bool = True


@dataclass(frozen=True, slots=True)
class UsagePlanTerms:
    """All terms of a usage plan. `throttle_rate` is in requests a second, `throttle_burst` in requests at once."""

    name: str
    throttle_rate: int | None = None
    throttle_burst: int | None = None
    quotas: tuple[QuotaTerms, ...] = ()
    is_default: bool = False


def check_terms(terms: UsagePlanTerms) -> None:
    """Check a usage plan's terms. Raises `InvalidFieldsError` that names every invalid term."""
    found = (*_name_errors(terms), *_throttle_errors(terms), *quota_errors(terms.quotas))
    if found:
        raise InvalidFieldsError("The usage plan cannot be saved.", field_errors=found)


def _name_errors(terms: UsagePlanTerms) -> Iterator[FieldError]:
    if not 1 <= len(terms.name.strip()) <= NAME_CHARACTERS_MAX:
        yield FieldError("/name", "invalid_name", f"A name has 1 to {NAME_CHARACTERS_MAX} characters.")


def _throttle_errors(terms: UsagePlanTerms) -> Iterator[FieldError]:
    if (terms.throttle_rate is None) != (terms.throttle_burst is None):
        yield FieldError("/throttle", "incomplete_throttle", "A throttle has a rate and a burst, or neither.")
    if terms.throttle_rate is not None and not 1 <= terms.throttle_rate <= RATE_MAX:
        yield FieldError("/throttle/rate", "invalid_rate", f"A rate is between 1 and {RATE_MAX}.")
    if terms.throttle_burst is not None and not 1 <= terms.throttle_burst <= BURST_MAX:
        yield FieldError("/throttle/burst", "invalid_burst", f"A burst is between 1 and {BURST_MAX}.")


def quota_errors(quotas: tuple[QuotaTerms, ...]) -> Iterator[FieldError]:
    """Yield the faults of quotas; a pointer names a quota by its position."""
    seen: set[tuple[str, Period]] = set()
    for position, quota in enumerate(quotas):
        if not _is_storable(quota.limit):
            yield FieldError(
                f"/quotas/{position}/limit", "invalid_limit", "0 or more, below 10^11, 9 digits after the point."
            )
        if (quota.meter_code, quota.period) in seen:
            yield FieldError(f"/quotas/{position}", "repeated_quota", "A meter has one quota a period.")
        seen.add((quota.meter_code, quota.period))


def _is_storable(limit: Decimal) -> bool:
    return limit.is_finite() and 0 <= limit < LIMIT_BELOW and limit == limit.quantize(LIMIT_STEP)
