"""The plans side by side as a table: prices, limits and benefits, each in a row of its own."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from accounts.domain.numbers import counted
from billing.domain.plan_terms import SoldPrice
from billing.domain.usage_cost import included_units
from portal.price_list import MeterPrice, PlanOffer, price_of, quota_text, throttle_texts


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """What a plan has in a row: lines of text, or only whether it has a benefit."""

    lines: tuple[str, ...] = ()
    has_benefit: bool | None = None


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One row: its name, and a cell for each plan."""

    name: str
    cells: tuple[ComparedCell, ...]


@dataclass(frozen=True, slots=True)
class ComparedGroup:
    """Rows under a heading."""

    name: str
    rows: tuple[ComparedRow, ...]


def comparison_of(offers: Sequence[PlanOffer]) -> list[ComparedGroup]:
    """Return the rows by group. A group that has no row is left out."""
    groups = (
        ComparedGroup("Price", (_row("Monthly fee", offers, _fee), *_rows_if_any("Free trial", offers, _trial))),
        *(ComparedGroup(name, tuple(_usage_rows(code, offers))) for code, name in _meters(offers)),
        ComparedGroup("Limits", tuple(_limit_rows(offers))),
        ComparedGroup("Benefits", tuple(_benefit_rows(offers))),
    )
    return [group for group in groups if group.rows]


def _meters(offers: Iterable[PlanOffer]) -> list[tuple[str, str]]:
    found = {
        price.meter_code: price.meter_name for offer in offers for price in offer.version.usage_prices(offer.currency)
    }
    return sorted(found.items())


def _usage_rows(code: str, offers: Sequence[PlanOffer]) -> list[ComparedRow]:
    def included(offer: PlanOffer) -> ComparedCell:
        price = _price(code, offer)
        units = None if price is None else included_units(price)
        if units is not None and price is not None:
            return ComparedCell((f"{counted(units, price.unit)} a month",))
        return ComparedCell(("None",) if price is not None else ("Not charged",))

    def prices(offer: PlanOffer) -> ComparedCell:
        price = _price(code, offer)
        return ComparedCell(("Not charged",) if price is None else _lines(price_of(price, offer.currency)))

    rows = [_row("Price", offers, prices)]
    is_included = any(
        price is not None and included_units(price) is not None for price in (_price(code, offer) for offer in offers)
    )
    return [_row("Included", offers, included), *rows] if is_included else rows


def _price(code: str, offer: PlanOffer) -> SoldPrice | None:
    return next((price for price in offer.version.usage_prices(offer.currency) if price.meter_code == code), None)


def _lines(price: MeterPrice) -> tuple[str, ...]:
    if price.line:
        return (price.line,)
    return tuple(f"{step.reach}: {step.price}" for step in price.steps)


def _fee(offer: PlanOffer) -> ComparedCell:
    return ComparedCell((offer.fee,))


def _trial(offer: PlanOffer) -> ComparedCell:
    return ComparedCell((counted(offer.version.trial_days, "days"),) if offer.version.trial_days else ())


def _limit_rows(offers: Sequence[PlanOffer]) -> list[ComparedRow]:
    names = sorted({quota.meter.name for offer in offers for quota in offer.usage_plan.quotas.all()})

    def quotas(name: str) -> Callable[[PlanOffer], ComparedCell]:
        return lambda offer: ComparedCell(
            tuple(quota_text(quota) for quota in offer.usage_plan.quotas.all() if quota.meter.name == name)
            or ("No limit",)
        )

    def throttles(offer: PlanOffer) -> ComparedCell:
        return ComparedCell(tuple(throttle_texts(offer.usage_plan)) or ("No limit",))

    rows = [_row(name, offers, quotas(name)) for name in names]
    is_throttled = any(throttle_texts(offer.usage_plan) for offer in offers)
    return [*rows, _row("Rate", offers, throttles)] if is_throttled else rows


def _benefit_rows(offers: Sequence[PlanOffer]) -> list[ComparedRow]:
    names = dict.fromkeys(feature for offer in offers for feature in offer.features)
    return [
        ComparedRow(name, tuple(ComparedCell(has_benefit=name in offer.features) for offer in offers)) for name in names
    ]


def _rows_if_any(
    name: str, offers: Sequence[PlanOffer], cell: Callable[[PlanOffer], ComparedCell]
) -> list[ComparedRow]:
    row = _row(name, offers, cell)
    return [row] if any(one.lines for one in row.cells) else []


def _row(name: str, offers: Sequence[PlanOffer], cell: Callable[[PlanOffer], ComparedCell]) -> ComparedRow:
    return ComparedRow(name, tuple(cell(offer) for offer in offers))
