"""Plans as they are sold: versions with their prices, read in two queries however many there are."""

from collections.abc import Iterable
from typing import cast

from django.db.models import Max, Prefetch

from accounts.errors import NotFoundError
from billing.domain.plan_terms import SoldPrice, SoldVersion
from billing.domain.prices import PriceKind, read_terms
from billing.errors import UnknownPlanError
from billing.models import Plan, PlanVersion, Price


def sold_versions(version_ids: Iterable[int]) -> dict[int, SoldVersion]:
    """The versions with these ids, with all their prices."""
    rows = (
        PlanVersion.objects.filter(pk__in=set(version_ids))
        .select_related("plan", "usage_plan")
        .prefetch_related(Prefetch("prices", Price.objects.select_related("meter").order_by("pk")))
    )
    return {row.pk: as_sold(row) for row in rows}


def as_sold(row: PlanVersion) -> SoldVersion:
    """A stored version as a value."""
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
    """The newest version of each public plan that is not archived, in the order of the pricing page."""
    newest = (
        Plan.objects.filter(is_public=True, archived_at=None)
        .annotate(newest=Max("versions__number"))
        .exclude(newest=None)
        .order_by("position", "name", "pk")  # the model's own order is lost where rows are grouped
    )
    numbers = {plan.pk: plan.newest for plan in newest}
    rows = PlanVersion.objects.filter(plan__in=numbers).values_list("pk", "plan_id", "number")
    versions = sold_versions(pk for pk, plan_id, number in rows if numbers[plan_id] == number)
    by_code = {version.plan_code: version for version in versions.values()}
    return [by_code[plan.code] for plan in newest if plan.code in by_code]


def newest_version(plan_code: str, *, is_public_only: bool = True) -> PlanVersion:
    """The version of a plan that is sold now. Raises `UnknownPlanError`, whatever is given as its code."""
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
    """One version. Raises `NotFoundError`."""
    versions = sold_versions([version_id])
    if version_id not in versions:
        raise NotFoundError("There is no such plan version.")
    return versions[version_id]
