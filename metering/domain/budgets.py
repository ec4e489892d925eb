"""Budgets: limits that a customer sets on its own usage or spend, with thresholds, and perhaps a stop. Pure.

A budget is in units of a meter, or in minor units of a currency. What is spent is rated by an app above. A budget in
units that stops is a hard quota of the limit policy; one in money stops from the check that finds it exceeded until
its period ends, by a `Stop`. docs/budgets.md has the rules.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from accounts.errors import FieldError, InvalidFieldsError
from metering.domain.http_requests import API_REQUESTS
from metering.domain.periods import Period, Span
from metering.domain.quantities import EXACT, divided
from metering.domain.usage_plan_terms import LIMIT_BELOW, LIMIT_STEP

THRESHOLDS_DEFAULT: Final = (50, 75, 90, 100)
THRESHOLDS_MAX: Final = 10
PERCENT_MAX: Final = 1000
BUDGETS_MAX: Final = 100
SCOPE_ID_CHARACTERS_MAX: Final = 255
_NAME: Final = "budget"
_MICROSECOND: Final = timedelta(microseconds=1)


class BudgetScope(StrEnum):
    """Whose usage a budget counts."""

    TENANT = "tenant"
    API_KEY = "api_key"
    SUBJECT = "subject"


_PREFIXES: Final = {BudgetScope.TENANT: "", BudgetScope.API_KEY: "key-", BudgetScope.SUBJECT: "subject-"}


@dataclass(frozen=True, slots=True)
class BudgetTerms:
    """What a customer enters. `scope_id` is a key's id or a subject, empty for the whole tenant.

    Either `meter_code` or `currency` is set. A limit of money is in minor units.
    """

    scope: BudgetScope
    period: Period
    limit: Decimal
    scope_id: str = ""
    meter_code: str = ""
    currency: str = ""
    thresholds: tuple[int, ...] = THRESHOLDS_DEFAULT
    does_stop: bool = False
    is_paused: bool = False


def checked_budget(terms: BudgetTerms) -> BudgetTerms:
    """Return the terms with their thresholds in order, once each. Raises `InvalidFieldsError` with all faults."""
    faults = tuple(_faults(terms))
    if faults:
        raise InvalidFieldsError(faults[0].detail, field_errors=faults)
    return BudgetTerms(
        scope=terms.scope,
        period=terms.period,
        limit=terms.limit,
        scope_id=terms.scope_id,
        meter_code=terms.meter_code,
        currency=terms.currency,
        thresholds=tuple(sorted(set(terms.thresholds))),
        does_stop=terms.does_stop,
        is_paused=terms.is_paused,
    )


def threshold_errors(thresholds: Sequence[int], *, pointer: str = "/thresholds") -> Iterator[FieldError]:
    """Yield the faults of thresholds in percent."""
    if len(thresholds) > THRESHOLDS_MAX:
        yield FieldError(pointer, "too_many", f"At most {THRESHOLDS_MAX} thresholds.")
    if any(not 1 <= threshold <= PERCENT_MAX for threshold in thresholds):
        yield FieldError(pointer, "invalid_threshold", f"A threshold is a percentage from 1 to {PERCENT_MAX}.")


def budget_limit_name(scope: BudgetScope, meter_code: str, period: Period) -> str:
    """Return the name under which clients see the limit: `budget` for requests a month, as quotas are named."""
    name = f"{_PREFIXES[scope]}{_NAME}"
    return name if meter_code == API_REQUESTS and period is Period.MONTH else f"{name}-{meter_code}-{period}"


def money_limit_name(scope: BudgetScope, currency: str, period: Period) -> str:
    """Return the name of a budget in money: `budget-EUR-month`."""
    return f"{_PREFIXES[scope]}{_NAME}-{currency}-{period}"


def straight_line(quantity: Decimal, span: Span, as_of: datetime) -> Decimal:
    """Return what a quantity that was counted in a span until `as_of` comes to at its end, to 9 places.

    Before the span has begun and after its end it is the quantity itself.
    """
    elapsed, length = (as_of - span.start) // _MICROSECOND, (span.end - span.start) // _MICROSECOND
    if not 0 < elapsed < length:
        return quantity
    return divided(EXACT.multiply(quantity, Decimal(length)), Decimal(elapsed))


def _faults(terms: BudgetTerms) -> Iterator[FieldError]:
    if bool(terms.meter_code) == bool(terms.currency):
        yield FieldError("/meter", "invalid_measure", "A budget is on a meter or in a currency: name one of them.")
    if (terms.scope is BudgetScope.TENANT) == bool(terms.scope_id):
        yield FieldError("/scope_id", "invalid_scope_id", "A key's id or a subject; none for the whole organisation.")
    if len(terms.scope_id) > SCOPE_ID_CHARACTERS_MAX:
        yield FieldError("/scope_id", "too_long", f"At most {SCOPE_ID_CHARACTERS_MAX} characters.")
    if not _is_limit(terms.limit):
        yield FieldError("/limit", "invalid_limit", "More than 0, below 10^11, 9 digits after the point.")
    elif terms.currency and terms.limit % 1:
        yield FieldError("/limit", "invalid_limit", "An amount is a whole number of the currency's minor unit.")
    yield from threshold_errors(terms.thresholds)


def _is_limit(limit: Decimal) -> bool:
    return limit.is_finite() and 0 < limit < LIMIT_BELOW and limit == limit.quantize(LIMIT_STEP)
