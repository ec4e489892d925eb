"""What can be a threshold of a tenant's own."""

from decimal import Decimal

import pytest

from accounts.errors import InvalidFieldsError
from metering.alerts.domain.own_thresholds import OwnThresholdTerms, check_own_threshold
from metering.domain.periods import Period


@pytest.mark.parametrize(
    ("percent", "quantity", "code"),
    [
        (None, None, "invalid_measure"),
        (50, "5", "invalid_measure"),
        (0, None, "invalid_threshold"),
        (-1, None, "invalid_threshold"),
        (1001, None, "invalid_threshold"),
        (80, None, "standard_threshold"),
        (95, None, "standard_threshold"),
        (100, None, "standard_threshold"),
        (None, "0", "invalid_quantity"),
        (None, "-1", "invalid_quantity"),
        (None, "NaN", "invalid_quantity"),
        (None, "Infinity", "invalid_quantity"),
        (None, "1E11", "invalid_quantity"),
        (None, "0.0000000001", "invalid_quantity"),
    ],
)
def test_what_cannot_be_a_threshold_is_refused_by_name(percent: int | None, quantity: str | None, code: str) -> None:
    terms = OwnThresholdTerms("tokens", Period.DAY, percent, None if quantity is None else Decimal(quantity))
    with pytest.raises(InvalidFieldsError) as refused:
        check_own_threshold(terms)
    assert [error.code for error in refused.value.field_errors] == [code]


@pytest.mark.parametrize(
    ("percent", "quantity"), [(1, None), (1000, None), (None, "0.000000001"), (None, "99999999999.999999999")]
)
def test_any_other_percentage_or_quantity_can_be_one(percent: int | None, quantity: str | None) -> None:
    check_own_threshold(
        OwnThresholdTerms("tokens", Period.DAY, percent, None if quantity is None else Decimal(quantity))
    )
