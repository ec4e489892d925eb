"""Thresholds that a customer adds to the standard ones: what is entered, and whether it can be. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from accounts.errors import FieldError, InvalidFieldsError
from metering.alerts.domain.alerts import PERCENT_MAX, THRESHOLDS
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import LIMIT_BELOW, LIMIT_STEP

OWN_THRESHOLDS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class OwnThresholdTerms:
    """What a customer enters: either `percent` of a quota, or a `quantity` in units of its meter."""

    meter_code: str
    period: Period
    percent: int | None = None
    quantity: Decimal | None = None


def check_own_threshold(terms: OwnThresholdTerms) -> None:
    """Check the terms. Raises `InvalidFieldsError` with all faults."""
    faults = tuple(_faults(terms))
    if faults:
        raise InvalidFieldsError(faults[0].detail, field_errors=faults)


def _faults(terms: OwnThresholdTerms) -> Iterator[FieldError]:
    if (terms.percent is None) == (terms.quantity is None):
        yield FieldError("/threshold", "invalid_measure", "Name a percentage or a quantity, and not both.")
    if terms.percent is not None and not 1 <= terms.percent <= PERCENT_MAX:
        yield FieldError("/threshold", "invalid_threshold", f"A threshold is a percentage from 1 to {PERCENT_MAX}.")
    if terms.percent in THRESHOLDS:
        yield FieldError("/threshold", "standard_threshold", "There is always an alert at 80, 95 and 100 percent.")
    if terms.quantity is not None and not _is_quantity(terms.quantity):
        yield FieldError("/threshold_quantity", "invalid_quantity", "More than 0, below 10^11, 9 decimal places.")


def _is_quantity(quantity: Decimal) -> bool:
    return quantity.is_finite() and 0 < quantity < LIMIT_BELOW and quantity == quantity.quantize(LIMIT_STEP)
