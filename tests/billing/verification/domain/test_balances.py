"""A difference names tenant, days, meter, the amount in force and the right one."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

from billing.conservation.domain.comparing import (
    FEE,
    Booked,
    Imbalance,
    Life,
    Lived,
    PartedTax,
    TakenBack,
    Unbalanced,
    Unbilled,
)
from billing.verification.domain.balances import difference_of, differences_of

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def test_differences_name_the_tenant_the_days_and_the_amounts() -> None:
    life = Life("UTC", 2, JANUARY, 1, (), (), {})
    lived = Lived(uuid4(), "acme", "EUR", life, {0: "INV-1", 1: "INV-2"}, {7: "calls"})
    days = date(2026, 1, 1), date(2026, 1, 31)
    wrong = [Imbalance(0, *days, 7, 0, 5000), Imbalance(5, *days, FEE, 2900, 0), Imbalance(0, *days, 8, 0, 1)]
    beside = [Booked(1, "usage", 7, JANUARY, FEBRUARY, 0), Booked(1, "usage", 8, JANUARY, FEBRUARY, 0)]
    lost = [Unbilled(*days, 7, 12100, TakenBack("CN-1", "Lost"))]
    told = [
        str(one).replace("\N{NO-BREAK SPACE}", " ") for one in differences_of(Unbalanced(lived, wrong, beside, lost))
    ]
    unbilled = (
        "CN-1: unbilled: acme, calls of 2026-01-01 to 2026-01-31: 121.00 EUR were supplied and taken back (Lost),"
        " and no document in force charges them."
    )
    assert told == [
        "INV-2: conservation: acme, calls of 2026-01-01 to 2026-01-31: 50.00 EUR in force, and 0.00 EUR is right.",
        "INV-2: conservation: acme, fees of 2026-01-01 to 2026-01-31: 0.00 EUR in force, and 29.00 EUR is right.",
        "INV-2: conservation: acme, a meter of 2026-01-01 to 2026-01-31: 0.01 EUR in force, and 0.00 EUR is right.",
        "INV-2: period: acme: lines of usage lie on no period that the calendar of UTC has.",
        unbilled,
    ]


def test_a_line_with_another_tax_than_what_it_corrects_is_named() -> None:
    parted = PartedTax("INV-3", 2, Decimal("25.0000"), "INV-2", Decimal("21.0000"))
    assert str(difference_of(parted)) == "INV-3: line_tax: Line 2 bears 25 %, and what it corrects on INV-2 bore 21 %."
