"""What does not come out even in a tenant's books, told by tenant, days, meter, right amount and amount found. Pure."""

from collections.abc import Iterator

from accounts.domain.plain import plain_decimal
from billing.conservation.domain.comparing import FEE, PartedTax, Unbalanced
from billing.domain.money import money_text
from billing.verification.domain.checks import Difference


def differences_of(found: Unbalanced) -> Iterator[Difference]:
    """Yield one difference for each imbalance, and one for each invoice with lines beside the calendar."""
    lived = found.lived
    for one in found.imbalances:
        what = "fees" if one.meter_id == FEE else lived.meters.get(one.meter_id, "a meter")
        stands, right = (money_text(minor, lived.currency) for minor in (one.found_minor, one.right_minor))
        detail = f"{lived.slug}, {what} of {one.first} to {one.last}: {stands} in force, and {right} is right."
        yield Difference(lived.number_of(one.period + 1), "conservation", detail)
    for boundary in dict.fromkeys(line.boundary for line in found.misplaced):
        detail = f"{lived.slug}: lines of usage lie on no period that the calendar of {lived.life.zone} has."
        yield Difference(lived.number_of(boundary), "period", detail)


def difference_of(parted: PartedTax) -> Difference:
    """Return a line that does not bear the tax of what it corrects as a difference."""
    detail = (
        f"Line {parted.position} bears {plain_decimal(parted.percent)} %, and what it corrects on {parted.corrected}"
        f" bore {plain_decimal(parted.corrected_percent)} %."
    )
    return Difference(parted.number, "line_tax", detail)
