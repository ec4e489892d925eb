"""The terms of a usage plan, and their check.

Exact arithmetic bounds the throttle; each meter and period has one quota.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from accounts.errors import FieldError, InvalidFieldsError
from metering.domain.limit_scopes import LimitScope
from metering.domain.limits import BURST_MAX, RATE_MAX
from metering.domain.periods import Period

NAME_CHARACTERS_MAX: Final = 120
LIMIT_BELOW: Final = Decimal(10) ** 11
LIMIT_STEP: Final = Decimal(10) ** -9


@dataclass(frozen=True, slots=True)
class QuotaTerms:
    """The limit on a meter in a period, in the meter's unit. A soft quota never refuses."""

    meter_code: str
    limit: Decimal
    period: Period = Period.MONTH
    is_hard: bool = True
    scope: LimitScope = LimitScope.TENANT


@dataclass(frozen=True, slots=True)
class ThrottleTerms:
    """A throttle of each subject, of one type of events, or of both: in requests a second, and at once."""

    rate: int
    burst: int
    scope: LimitScope = LimitScope.TENANT
    event_type: str | None = None


@dataclass(frozen=True, slots=True)
class UsagePlanTerms:
    """All terms of a usage plan. `throttle_rate` is in requests a second, `throttle_burst` in requests at once."""

    name: str
    throttle_rate: int | None = None
    throttle_burst: int | None = None
    quotas: tuple[QuotaTerms, ...] = ()
    is_default: bool = False
    throttles: tuple[ThrottleTerms, ...] = ()
    allows_in_outage: bool = False


def check_terms(terms: UsagePlanTerms) -> None:
    """Check a usage plan's terms. Raises `InvalidFieldsError` that names every invalid term."""
    found = (
        *_name_errors(terms),
        *_throttle_errors(terms),
        *quota_errors(terms.quotas),
        *more_throttle_errors(terms.throttles),
    )
    if found:
        raise InvalidFieldsError("The usage plan cannot be saved.", field_errors=found)


def _name_errors(terms: UsagePlanTerms) -> Iterator[FieldError]:
    if not 1 <= len(terms.name.strip()) <= NAME_CHARACTERS_MAX:
        yield FieldError("/name", "invalid_name", f"A name has 1 to {NAME_CHARACTERS_MAX} characters.")


def _throttle_errors(terms: UsagePlanTerms) -> Iterator[FieldError]:
    if (terms.throttle_rate is None) != (terms.throttle_burst is None):
        yield FieldError("/throttle", "incomplete_throttle", "A throttle has a rate and a burst, or neither.")
    yield from _bound_errors("/throttle", terms.throttle_rate, terms.throttle_burst)


def more_throttle_errors(throttles: tuple[ThrottleTerms, ...]) -> Iterator[FieldError]:
    """Yield the faults of throttles; a pointer names one by its position."""
    seen: set[tuple[LimitScope, str | None]] = set()
    for position, throttle in enumerate(throttles):
        place = f"/throttles/{position}"
        yield from _bound_errors(place, throttle.rate, throttle.burst)
        if throttle.scope is LimitScope.TENANT and throttle.event_type is None:
            yield FieldError(place, "throttle_of_all", "The throttle of all requests is the plan's own.")
        if (throttle.scope, throttle.event_type) in seen:
            yield FieldError(place, "repeated_throttle", "A scope and event type has one throttle.")
        seen.add((throttle.scope, throttle.event_type))


def _bound_errors(place: str, rate: int | None, burst: int | None) -> Iterator[FieldError]:
    if rate is not None and not 1 <= rate <= RATE_MAX:
        yield FieldError(f"{place}/rate", "invalid_rate", f"A rate is between 1 and {RATE_MAX}.")
    if burst is not None and not 1 <= burst <= BURST_MAX:
        yield FieldError(f"{place}/burst", "invalid_burst", f"A burst is between 1 and {BURST_MAX}.")


def quota_errors(quotas: tuple[QuotaTerms, ...]) -> Iterator[FieldError]:
    """Yield the faults of quotas; a pointer names a quota by its position."""
    seen: set[tuple[str, Period, LimitScope]] = set()
    for position, quota in enumerate(quotas):
        if not _is_storable(quota.limit):
            yield FieldError(
                f"/quotas/{position}/limit", "invalid_limit", "0 or more, below 10^11, 9 digits after the point."
            )
        if (quota.meter_code, quota.period, quota.scope) in seen:
            yield FieldError(f"/quotas/{position}", "repeated_quota", "A meter has one quota a period and scope.")
        seen.add((quota.meter_code, quota.period, quota.scope))


def _is_storable(limit: Decimal) -> bool:
    return limit.is_finite() and 0 <= limit < LIMIT_BELOW and limit == limit.quantize(LIMIT_STEP)
