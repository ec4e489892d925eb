"""Usage of an invoice as charges: the stretches of one meter in one period are rated together, from one position.

Pure; `docs/algorithms/rating.md`, section S.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from accounts.domain.plain import plain_decimal
from billing.domain.invoicing.lines import InvoicedUsage, Used
from billing.domain.invoicing.state import BillingState
from billing.domain.plan_terms import SoldPrice
from billing.domain.rating import Charge, Stretch, rate_stretches
from billing.errors import UnbillableError

# As much as a line holds, and far more than anybody uses.
QUANTITY_BELOW: Final = Decimal(10) ** 29


def charges_of_usage(state: BillingState, usage: Sequence[Used]) -> list[Charge]:
    """Return what each stretch of `state.usage_wanted()` costs. Raises `UnbillableError`."""
    wanted = [price for _, price, _ in state.usage_wanted()]
    for price, used in zip(wanted, usage, strict=True):
        _require_plausible(price, used, "this period")
    alone = state.rates_stretches_alone
    return _rated(
        (
            (number if alone else price.meter_id, price, used)
            for number, (price, used) in enumerate(zip(wanted, usage, strict=True))
        ),
        state.currency,
    )


def charges_now(invoiced: Sequence[InvoicedUsage], currency: str) -> Iterator[tuple[InvoicedUsage, Charge]]:
    """Yield what was invoiced with what it costs now, where one may differ from the other. Raises `UnbillableError`.

    A stretch of several may cost something else although its own usage is the same: its position has moved.
    """
    open_ones = [known for known in invoiced if known.is_stretch or known.now != known.invoiced]
    for known in open_ones:
        _require_plausible(known.price, known.now, known.number)
    in_order = sorted(open_ones, key=lambda known: known.span.start)
    charges = _rated(
        (
            ((known.number, known.price.meter_id) if known.is_stretch else known.line_id, known.price, known.now)
            for known in in_order
        ),
        currency,
    )
    charge_of = {known.line_id: charge for known, charge in zip(in_order, charges, strict=True)}
    return ((known, charge_of[known.line_id]) for known in open_ones)


def _rated(usage: Iterable[tuple[Hashable, SoldPrice, Used]], currency: str) -> list[Charge]:
    """Return the charges of usage in its order: what has the same key is rated together."""
    groups: dict[Hashable, list[tuple[int, Stretch]]] = defaultdict(list)
    for number, (key, price, used) in enumerate(usage):
        groups[key].append((number, Stretch(price.id, price.terms, used.quantity)))
    charge_of: dict[int, Charge] = {}
    for group in groups.values():
        charges = rate_stretches([stretch for _, stretch in group], currency)
        charge_of |= {number: charge for (number, _), charge in zip(group, charges, strict=True)}
    return [charge_of[number] for number in range(len(charge_of))]


def _require_plausible(price: SoldPrice, used: Used, where: str) -> None:
    told = f"{price.meter_code} comes to {plain_decimal(used.quantity)} in {where}."
    if used.quantity < 0:
        raise UnbillableError("negative_usage", told)
    if used.quantity >= QUANTITY_BELOW:
        raise UnbillableError("absurd_quantity", told)
