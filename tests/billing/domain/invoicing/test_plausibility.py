"""An invoice is absurd beside the account's history, beside staff's limit, or as a first one. Any other passes."""

import pytest

from billing.domain.invoicing.plausibility import AmountBounds, AmountCheck, why_unusual

USUAL = AmountBounds(times=10, floor_minor=500_000)
LIMIT = AmountBounds(10, 500_000, AmountCheck.LIMIT, 50_000)


@pytest.mark.parametrize(
    ("total_minor", "earlier_minor", "bounds", "is_unusual"),
    [
        (1_000_000, [100_000, 20], USUAL, False),
        (1_000_001, [100_000, 20], USUAL, True),
        (500_000, [10], USUAL, False),  # fifty thousand times the highest, and below the floor
        (500_001, [10], USUAL, True),
        (500_001, [0, 0], USUAL, True),
        (5_000_000, [], USUAL, False),
        (5_000_001, [], USUAL, True),
        (50_000, [10], LIMIT, False),
        (50_001, [50_000], LIMIT, True),
        (10**12, [10], AmountBounds(10, 500_000, AmountCheck.OFF), False),
    ],
)
def test_an_absurd_amount_needs_a_person(
    total_minor: int, earlier_minor: list[int], bounds: AmountBounds, is_unusual: bool
) -> None:
    why = why_unusual(total_minor, "EUR", earlier_minor=earlier_minor, bounds=bounds)
    assert (why is not None) == is_unusual


def test_the_reason_of_an_absurd_amount_names_the_amounts() -> None:
    space = "\N{NO-BREAK SPACE}"
    assert why_unusual(912_000, "EUR", earlier_minor=[8_800, 7_000], bounds=USUAL) == (
        f"The invoice comes to 9,120.00{space}EUR: more than 10 times 88.00{space}EUR, the highest of the last 2,"
        f" and above 5,000.00{space}EUR."
    )
