"""What is for sale in a currency: each plan with its description, its prices and the limits that come with it."""

from collections.abc import Iterable
from dataclasses import dataclass

from billing.domain.plan_terms import SoldVersion
from billing.models import Plan
from billing.selectors.catalog.plans import plans_for_sale
from metering.models import UsagePlan


@dataclass(frozen=True, slots=True)
class ListedPlan:
    """A plan for sale: how it is shown, and its usage plan with the quotas and their meters."""

    version: SoldVersion
    plan: Plan
    usage_plan: UsagePlan


def price_list(currency: str) -> list[ListedPlan]:
    """Return the public plans that have prices in the currency, in the order of the pricing page."""
    return listed_plans(plans_for_sale(), currency)


def listed_plans(versions: Iterable[SoldVersion], currency: str) -> list[ListedPlan]:
    """Return the versions that have prices in the currency, in their order. Runs three queries for any number."""
    sold = [version for version in versions if version.fee(currency) is not None]
    codes = [version.plan_code for version in sold]
    plans = {plan.code: plan for plan in Plan.objects.filter(code__in=codes)}
    usage_plans = UsagePlan.objects.prefetch_related("quotas__meter", "throttles__event_type").in_bulk(
        {version.usage_plan_id for version in sold}
    )
    return [ListedPlan(version, plans[version.plan_code], usage_plans[version.usage_plan_id]) for version in sold]
