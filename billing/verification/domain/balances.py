"""What does not come out even in a tenant's books, told by tenant, days, meter, right amount and amount found. Pure."""

from collections.abc import Iterator
from typing import Final

from accounts.domain.plain import plain_decimal
from billing.conservation.domain.comparing import FEE, Lived, PartedTax, Unbalanced
from billing.domain.money import money_text
from billing.verification.domain.checks import Difference

UNBILLED: Final = "unbilled"


def differences_of(found: Unbalanced) -> Iterator[Difference]:
    """Yield one difference for each imbalance, each invoice with lines beside the calendar, and what is unbilled."""
    lived = found.lived
    for one in found.imbalances:
        what = _name_of(lived, one.meter_id)
        stands, right = (money_text(minor, lived.currency) for minor in (one.found_minor, one.right_minor))
        detail = f"{lived.slug}, {what} of {one.first} to {one.last}: {stands} in force, and {right} is right."
        yield Difference(lived.number_of(one.period + 1), "conservation", detail)
    for boundary in dict.fromkeys(line.boundary for line in found.misplaced):
        detail = f"{lived.slug}: lines of usage lie on no period that the calendar of {lived.life.zone} has."
        yield Difference(lived.number_of(boundary), "period", detail)
    for lost in found.unbilled:
        note, amount = lost.taken_back, money_text(lost.amount_minor, lived.currency)
        detail = (
            f"{lived.slug}, {_name_of(lived, lost.meter_id)} of {lost.first} to {lost.last}: {amount} were supplied and"
            f" taken back ({note.reason}), and no document in force charges them."
        )
        yield Difference(note.number, UNBILLED, detail)


def _name_of(lived: Lived, meter_id: int) -> str:
    return "fees" if meter_id == FEE else lived.meters.get(meter_id, "a meter")


def difference_of(parted: PartedTax) -> Difference:
    """Return a line that does not bear the tax of what it corrects as a difference."""
    detail = (
        f"Line {parted.position} bears {plain_decimal(parted.percent)} %, and what it corrects on {parted.corrected}"
        f" bore {plain_decimal(parted.corrected_percent)} %."
    )
    return Difference(parted.number, "line_tax", detail)
