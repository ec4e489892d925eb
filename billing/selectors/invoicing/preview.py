"""The next invoice before it is made: by the same computation as the real one, with nothing written.

A preview under another plan is computed from the state that the change would leave behind.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from accounts.domain.plain import plain_instant
from accounts.errors import FieldError, InvalidFieldsError
from accounts.models import Tenant
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.state import BillingState, Phase
from billing.domain.plan_terms import SoldVersion
from billing.domain.statuses import SubscriptionStatus
from billing.domain.tax import TaxTable
from billing.errors import CurrencyNotOfferedError, SubscriptionChangedError, UnbillableError, UnknownPlanError
from billing.models import Subscription
from billing.selectors.catalog.plans import newest_version, sold_version
from billing.selectors.invoicing.computation import Computation, compute_invoices
from billing.selectors.invoicing.outlook import Outlook, outlook_of
from billing.selectors.invoicing.states import states_at_due
from billing.selectors.policy import fee_refund
from billing.selectors.subscriptions.current import as_offered, current_subscription
from metering.domain.periods import local_day, start_of_day
from metering.selectors.ledgers import half_of

FIRST_PERIOD_WITHIN: Final = timedelta(days=366)


def preview_next_invoice(
    *,
    subscription: Subscription,
    version: SoldVersion | None = None,
    at: datetime | None = None,
    taxes: TaxTable | None = None,
) -> ComputedInvoice:
    """Compute the invoice at the next boundary with usage as it is now.

    With `version`, as if that held from `at` on, or from the boundary. `taxes` is what would hold for the tenant, if
    that is not what is stored.

    Raises `CurrencyNotOfferedError`, `UnbillableError`.
    """
    state = _state(subscription, version, at)
    return _only(compute_invoices([state], taxes=_of(state, taxes)))


def project_next_invoice(*, subscription: Subscription, as_of: datetime) -> ComputedInvoice:
    """Compute the same with the usage that is expected at the period's end. Raises `UnbillableError`."""
    return next_invoice_outlook(subscription=subscription, as_of=as_of).expected


def next_invoice_outlook(*, subscription: Subscription, as_of: datetime) -> Outlook:
    """Compute the invoice at the next boundary with usage as it is now, and as it is expected at the period's end.

    Raises `UnbillableError`.
    """
    return outlook_of(_state(subscription, None, None), ledger=half_of(subscription.tenant, is_live=True), as_of=as_of)


def preview_under_plan(
    *, tenant_id: UUID, plan_code: str, at: datetime | None, as_of: datetime
) -> tuple[SoldVersion, ComputedInvoice]:
    """Compute the tenant's next invoice as if a plan for sale held from `at` on.

    With `at` None it holds from the end of the period.

    Without a subscription it is the first one. Raises `UnknownPlanError`, `CurrencyNotOfferedError`, `UnbillableError`,
    `InvalidFieldsError`, and `SubscriptionChangedError` while a boundary that has come is not invoiced.
    """
    subscription = current_subscription(tenant_id)
    version = sold_version(_version_id(plan_code, subscription))
    if subscription is None:
        _require(at is not None, "no_period", "There is no subscription yet, and so no period that ends.")
        _require_between(at, as_of, as_of + FIRST_PERIOD_WITHIN)
        tenant = Tenant.objects.get(pk=tenant_id)
        return version, preview_first_invoice(tenant=tenant, version=version, as_of=at or as_of)
    if subscription.due_at is not None and subscription.due_at <= as_of:
        raise SubscriptionChangedError("Its period is just being invoiced: try again in a minute.")
    _require_between(at, as_of, subscription.period_end)
    return version, preview_next_invoice(subscription=subscription, version=version, at=at)


def preview_first_invoice(
    *, tenant: Tenant, version: SoldVersion, as_of: datetime, taxes: TaxTable | None = None
) -> ComputedInvoice:
    """Compute the first invoice of a tenant without a subscription, after a trial if there is one.

    `taxes` is what would hold for the tenant, if that differs from what is stored.

    Raises `CurrencyNotOfferedError`, `UnbillableError`.
    """
    if version.fee(tenant.currency) is None:
        raise CurrencyNotOfferedError(f"{version.plan_name} has no prices in {tenant.currency}.")
    [offered] = as_offered([version], tenant.pk)
    begins_on = local_day(as_of, tenant.time_zone) + timedelta(days=offered.trial_days)
    anchor_at = start_of_day(begins_on, tenant.time_zone)
    state = BillingState(
        subscription_id=None,
        tenant_id=tenant.pk,
        currency=tenant.currency,
        time_zone=tenant.time_zone,
        anchor_at=anchor_at,
        boundary=0,
        closes_at=anchor_at,
        is_ending=False,
        phases=(Phase(as_of, version),),
        backfill_days=tenant.backfill_days,
    )
    return _only(compute_invoices([state], taxes=_of(state, taxes)))


def _state(subscription: Subscription, version: SoldVersion | None, at: datetime | None) -> BillingState:
    state = states_at_due([subscription])[0]
    if version is None:
        return state
    if version.fee(state.currency) is None:
        raise CurrencyNotOfferedError(f"{version.plan_name} has no prices in {state.currency}.")
    is_on_it = (
        version.id == subscription.plan_version_id
    )  # to stay on it takes back what waits, and changes nothing else
    begins_at = state.closes_at if at is None or is_on_it else min(at, state.closes_at)
    kept = tuple(phase for phase in state.phases if phase.starts_at < begins_at)
    return replace(state, phases=(*kept, Phase(begins_at, version, fee_refund())), is_ending=False)


def preview_end(*, subscription: Subscription, at: datetime | None, as_of: datetime) -> ComputedInvoice | None:
    """Compute the last invoice with usage as it is now, as if the subscription ended at `at`, or with its period.

    It is what `cancel_subscription` leads to; None in a trial, which ends without an invoice. Raises
    `UnbillableError`, `InvalidFieldsError`, and `SubscriptionChangedError` while a boundary that has come is not
    invoiced.
    """
    if subscription.status == SubscriptionStatus.TRIALING:
        return None
    if subscription.due_at is not None and subscription.due_at <= as_of:
        raise SubscriptionChangedError("Its period is just being invoiced: try again in a minute.")
    _require_between(at, as_of, subscription.period_end)
    state = states_at_due([subscription])[0]
    ends_at = state.closes_at if at is None else at
    phases = tuple(phase for phase in state.phases if phase.starts_at < state.closes_at)
    ended = replace(state, phases=phases, closes_at=ends_at, ended_at=ends_at, is_ending=True, end_refund=fee_refund())
    return _only(compute_invoices([ended]))


def _version_id(plan_code: str, subscription: Subscription | None) -> int:
    """Return the version that is sold now, or the tenant's own version if its plan is not for sale."""
    try:
        return newest_version(plan_code).pk
    except UnknownPlanError:
        if subscription is not None and subscription.plan_version.plan.code == plan_code:
            return subscription.plan_version_id
        raise


def _require_between(at: datetime | None, earliest: datetime, latest: datetime) -> None:
    _require(at is None or at >= earliest, "in_the_past", "A change takes effect now or later.")
    _require(
        at is None or at <= latest, "too_late", f"At most {plain_instant(latest)}: the next invoice shows no later one."
    )


def _require(is_right: bool, code: str, detail: str) -> None:  # noqa: FBT001 - what is required comes first
    if not is_right:
        raise InvalidFieldsError(detail, field_errors=(FieldError("/at", code, detail),))


def _of(state: BillingState, taxes: TaxTable | None) -> dict[UUID, TaxTable] | None:
    return None if taxes is None else {state.tenant_id: taxes}


def _only(computed: Sequence[Computation]) -> ComputedInvoice:
    """Return the one result. Raises `UnbillableError`, so that the page can say why."""
    found = computed[0]
    if isinstance(found, ComputedInvoice):
        return found
    raise UnbillableError(found.code, found.detail)
