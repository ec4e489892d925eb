"""An invoice that staff wrote comes to its quantities, prices and rates, or each fault is named."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from billing.conservation.domain.written import WrittenInvoice, WrittenLine, WrittenTax, faults_of

VAT = ("BE", "S", "VAT", Decimal(21))
LINES = (
    WrittenLine(1, Decimal(1), Decimal(250), 25_000, VAT, is_on_its_day=True),
    WrittenLine(2, Decimal("2.5"), Decimal("99.99"), 24_998, VAT, is_on_its_day=True),
)
RIGHT = WrittenInvoice("INV-1", "EUR", (49_998, 10_500, 60_498), LINES, (WrittenTax(VAT, 49_998, 10_500),))


def test_what_comes_out_even_has_no_fault() -> None:
    assert list(faults_of(RIGHT)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"lines": (LINES[0], replace(LINES[1], amount_minor=24_997))},
            "Line 2 is over 24997, and quantity times price is 24998.",
        ),
        ({"lines": (LINES[0], replace(LINES[1], unit_price=None))}, "Line 2 is over 24998"),
        ({"lines": (LINES[0], replace(LINES[1], is_on_its_day=False))}, "another day than its last one"),
        ({"taxes": (WrittenTax(VAT, 49_998, 10_499),)}, "Its taxes are not the rates"),
        ({"taxes": ()}, "Its taxes are not the rates"),
        ({"sums": (49_998, 10_500, 60_499)}, "are [49998, 10500, 60499], and [49998, 10500, 60498] is right."),
    ],
)
def test_each_fault_is_named(changes: dict[str, Any], said: str) -> None:
    assert any(said in fault for fault in faults_of(replace(RIGHT, **changes)))
