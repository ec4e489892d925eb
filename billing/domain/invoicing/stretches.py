"""Usage of an invoice as charges: the stretches of one meter in one period are rated together, from one position.

Pure; `docs/algorithms/rating.md`, section S.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from accounts.domain.plain import plain_decimal
from billing.domain.invoicing.lines import InvoicedUsage, Used
from billing.domain.invoicing.state import BillingState
from billing.domain.plan_terms import SoldPrice, SoldVersion
from billing.domain.rating import Charge, Stretch, rate, rate_stretches
from billing.errors import UnbillableError
from metering.domain.periods import Span

# As much as a line holds, and far more than anybody uses.
QUANTITY_BELOW: Final = Decimal(10) ** 29


def charges_of_usage(
    state: BillingState, usage: Sequence[Used]
) -> list[tuple[SoldVersion, SoldPrice, Span, Used, Charge]]:
    """Return each stretch of `state.usage_wanted()` with its usage and what it costs. Raises `UnbillableError`."""
    wanted = [(*one, used) for one, used in zip(state.usage_wanted(), usage, strict=True)]
    for _, price, _, used in wanted:
        _require_plausible(price, used, "this period")
    alone = state.rates_stretches_alone
    keyed = [(number if alone else price.meter_id, price, used) for number, (_, price, _, used) in enumerate(wanted)]
    return [(*one, charge) for one, charge in zip(wanted, _rated(keyed, state.currency), strict=True)]


def charges_now(invoiced: Sequence[InvoicedUsage], currency: str) -> Iterator[tuple[InvoicedUsage, Charge]]:
    """Yield what was invoiced with what it costs now, if one may differ from the other. Raises `UnbillableError`.

    One stretch of several may cost a different amount although its own usage is the same: its position has moved.
    """
    open_ones = [known for known in invoiced if known.is_stretch or known.is_touched or known.now != known.invoiced]
    for known in open_ones:
        _require_plausible(known.price, known.now, known.number)
    in_order = sorted(open_ones, key=lambda known: known.span.start)
    charges = _rated(
        [
            ((known.number, known.price.meter_id) if known.is_stretch else known.line_id, known.price, known.now)
            for known in in_order
        ],
        currency,
    )
    charge_of = {known.line_id: charge for known, charge in zip(in_order, charges, strict=True)}
    return ((known, charge_of[known.line_id]) for known in open_ones)


def _rated(usage: Sequence[tuple[Hashable, SoldPrice, Used]], currency: str) -> list[Charge]:
    """Return the charges of usage in its order: what has the same key is rated together."""
    if len({key for key, _, _ in usage}) == len(usage):
        return [rate(price.terms, used.quantity, currency) for _, price, used in usage]
    groups: dict[Hashable, list[tuple[int, Stretch]]] = defaultdict(list)
    for number, (key, price, used) in enumerate(usage):
        groups[key].append((number, Stretch(price.id, price.terms, used.quantity)))
    charge_of: dict[int, Charge] = {}
    for group in groups.values():
        charges = rate_stretches([stretch for _, stretch in group], currency)
        charge_of |= {number: charge for (number, _), charge in zip(group, charges, strict=True)}
    return [charge_of[number] for number in range(len(charge_of))]


def _require_plausible(price: SoldPrice, used: Used, place: str) -> None:
    if not 0 <= used.quantity < QUANTITY_BELOW:
        reason = "negative_usage" if used.quantity < 0 else "absurd_quantity"
        raise UnbillableError(reason, f"{price.meter_code} comes to {plain_decimal(used.quantity)} in {place}.")
