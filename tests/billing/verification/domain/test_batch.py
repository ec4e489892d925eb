"""What the ledger may have contained while an event was in flight."""

from decimal import Decimal

import pytest

from billing.domain.invoicing.lines import Used
from billing.verification.domain.batch import UsageBounds


@pytest.mark.parametrize(
    ("quantity", "events", "holds"),
    [
        ("10", 1, True),
        ("30", 3, True),
        ("20", 2, True),
        ("9", 1, False),
        ("31", 3, False),
        ("20", 0, False),
        ("20", 4, False),
    ],
)
def test_bounds_contain_the_quantities_and_events_between_them(quantity: str, events: int, *, holds: bool) -> None:
    bounds = UsageBounds(Used(Decimal(10), 1), Used(Decimal(30), 3))
    assert bounds.hold(Used(Decimal(quantity), events)) is holds


def test_bounds_print_as_one_value_if_they_are_equal() -> None:
    least, most = Used(Decimal("10.50"), 1), Used(Decimal(30), 3)
    assert str(UsageBounds(least, least)) == "10.5 in 1 event"
    assert str(UsageBounds(least, most)) == "between 10.5 in 1 event and 30 in 3 events"
