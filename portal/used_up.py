"""The banner of used-up hard quotas: until when requests are refused, how many were, and which plan allows more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from accounts.domain.roles import Capability
from billing.domain.plan_terms import SoldVersion, fee_amount
from billing.selectors.catalog.plans import plans_for_sale, sold_version
from billing.selectors.catalog.price_list import ListedPlan, listed_plans
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import days_of, local_day, start_of_day
from metering.selectors.operations import QuotaUse, quota_uses
from portal.access import Portal
from portal.refusals import refused_by_quotas


@dataclass(frozen=True, slots=True)
class UsedUpQuota:
    """A hard quota of which as much is used as it allows, or more, and the day on which it starts again.

    `refused` is how many requests quotas refused since its period began. `upgrade` is the next plan that allows more
    than is used; None if none is for sale, or the member may not choose one.
    """

    use: QuotaUse
    next_first_day: date
    refused: int
    upgrade: SoldVersion | None


def used_up_quotas_of(portal: Portal) -> list[UsedUpQuota]:
    """Return the tenant's hard quotas that are used up now."""
    tenant = portal.tenant
    today = local_day(portal.as_of, tenant.time_zone)
    uses = quota_uses(as_of=portal.as_of, tenant_ids=[tenant.pk]).get(tenant.pk, [])
    full = [use for use in uses if use.is_hard and use.used >= use.limit]
    dearer = _dearer_plans(portal) if full and portal.may[Capability.MANAGE_BILLING] else []
    found = []
    for use in full:
        first, end = days_of(use.period, today, tenant.period_anchor_on)
        refused = refused_by_quotas(portal, start_of_day(first, tenant.time_zone))
        found.append(UsedUpQuota(use, end, refused, _allowing(use, dearer)))
    return found


def _dearer_plans(portal: Portal) -> Sequence[ListedPlan]:
    """Return the plans for sale whose fee is above that of the tenant's own, in the order of the price list."""
    own = portal.standing.subscription
    currency = portal.tenant.currency if own is None else own.currency
    paid = None if own is None else sold_version(own.plan_version_id).fee(currency)
    least = None if paid is None else fee_amount(paid)
    listed = listed_plans(plans_for_sale(), currency)
    fees = [(plan, plan.version.fee(currency)) for plan in listed]
    return [plan for plan, fee in fees if fee is not None and (least is None or fee_amount(fee) > least)]


def _allowing(use: QuotaUse, plans: Sequence[ListedPlan]) -> SoldVersion | None:
    """Return the first plan whose quotas do not refuse what is used already."""
    for plan in plans:
        quotas = [
            quota
            for quota in plan.usage_plan.quotas.all()
            if quota.meter.code == use.meter and quota.scope == LimitScope.TENANT and quota.is_hard
        ]
        if all(quota.period == use.period and quota.limit > use.used for quota in quotas):
            return plan.version
    return None
