"""Plans as they are sold: versions with their prices, read in one query however many there are."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, cast

from django.db.models import Max

from accounts.errors import NotFoundError
from accounts.sql import fetch_all
from billing.domain.plan_terms import SoldPrice, SoldVersion
from billing.domain.prices import PriceKind, read_terms
from billing.errors import UnknownPlanError
from billing.models import Plan, PlanVersion, Price

# Each computation of invoices asks for it, and building the ORM's two queries took longer than running them.
SOLD_VERSIONS: Final = """
SELECT v.id, p.code, p.name, v.number, v.usage_plan_id, u.code, v.trial_days, v.digest,
    r.id, r.kind, r.currency, r.model, r.terms::text,
    r.meter_id, coalesce(m.code, ''), coalesce(m.name, ''), coalesce(m.unit, ''),
    ARRAY(SELECT mv.begins_at FROM metering_meterversion AS mv WHERE mv.meter_id = m.id ORDER BY mv.number)
FROM billing_planversion AS v
JOIN billing_plan AS p ON p.id = v.plan_id
JOIN metering_usageplan AS u ON u.id = v.usage_plan_id
LEFT JOIN billing_price AS r ON r.plan_version_id = v.id
LEFT JOIN metering_meter AS m ON m.id = r.meter_id
WHERE v.id = ANY(%(version_ids)s)
ORDER BY v.id, r.id
"""


def sold_versions(version_ids: Iterable[int]) -> dict[int, SoldVersion]:
    """Return the versions with these ids, with all their prices, as they are stored now."""
    found: dict[int, tuple[Any, ...]] = {}
    prices: dict[int, tuple[SoldPrice, ...]] = defaultdict(tuple)
    for row in fetch_all(SOLD_VERSIONS, {"version_ids": list(set(version_ids))}):
        version, price = row[:8], row[8:]
        found[row[0]] = version
        if price[0] is not None:
            prices[row[0]] += (_read_price(*price),)
    return {key: SoldVersion(*(*version, prices[key])) for key, version in found.items()}


def _read_price(price_id: int, kind: str, currency: str, model: str, terms: str, *meter: Any) -> SoldPrice:
    meter_id, code, name, unit, borders = meter
    priced = read_terms(model, json.loads(terms))
    return SoldPrice(price_id, PriceKind(kind), currency, priced, meter_id, code, name, unit, tuple(borders))


def as_sold(row: PlanVersion) -> SoldVersion:
    """Return a stored version as a value, without the borders of its meters' versions."""
    return SoldVersion(
        id=row.pk,
        plan_code=row.plan.code,
        plan_name=row.plan.name,
        number=row.number,
        usage_plan_id=row.usage_plan_id,
        usage_plan_code=row.usage_plan.code,
        trial_days=row.trial_days,
        digest=row.digest,
        prices=tuple(_as_sold_price(price) for price in row.prices.all()),
    )


def _as_sold_price(price: Price) -> SoldPrice:
    meter = price.meter
    return SoldPrice(
        id=price.pk,
        kind=PriceKind(price.kind),
        currency=price.currency,
        terms=read_terms(price.model, cast("dict[str, object]", price.terms)),
        meter_id=None if meter is None else meter.pk,
        meter_code="" if meter is None else meter.code,
        meter_name="" if meter is None else meter.name,
        unit="" if meter is None else meter.unit,
    )


def plans_for_sale() -> list[SoldVersion]:
    """Return the newest version of each public plan that is not archived, in the order of the pricing page."""
    newest = (
        Plan.objects.filter(is_public=True, archived_at=None)
        .annotate(newest=Max("versions__number"))
        .exclude(newest=None)
        .order_by("position", "name", "pk")  # grouping rows drops the model's own order
    )
    numbers = {plan.pk: plan.newest for plan in newest}
    rows = PlanVersion.objects.filter(plan__in=numbers).values_list("pk", "plan_id", "number")
    versions = sold_versions(pk for pk, plan_id, number in rows if numbers[plan_id] == number)
    by_code = {version.plan_code: version for version in versions.values()}
    return [by_code[plan.code] for plan in newest if plan.code in by_code]


def newest_version(plan_code: str, *, is_public_only: bool = True) -> PlanVersion:
    """Return the version of a plan that is sold now. Raises `UnknownPlanError`, whatever is given as its code."""
    if "\x00" in plan_code:  # PostgreSQL takes no text with it, and no plan has it
        raise UnknownPlanError("No plan has this code.")
    versions = PlanVersion.objects.filter(plan__code=plan_code, plan__archived_at=None)
    if is_public_only:
        versions = versions.filter(plan__is_public=True)
    version = versions.select_related("plan", "usage_plan").order_by("-number").first()
    if version is None:
        raise UnknownPlanError(f"No plan that is for sale has the code {plan_code[:60]!r}.")
    return version


def sold_version(version_id: int) -> SoldVersion:
    """Return one version. Raises `NotFoundError`."""
    versions = sold_versions([version_id])
    if version_id not in versions:
        raise NotFoundError("There is no such plan version.")
    return versions[version_id]
