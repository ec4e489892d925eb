"""The next invoice before it is made: by the same computation as the real one, with nothing written.

A preview under another plan is computed from the state that the change would leave behind.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from accounts.models import Tenant
from billing.domain.invoicing import BillingState, ComputedInvoice, Phase
from billing.domain.plan_terms import SoldVersion
from billing.errors import CurrencyNotOfferedError, UnbillableError
from billing.models import Subscription
from billing.selectors.computation import Computation, compute_invoices, states_at_due
from metering.domain.periods import local_day, start_of_day


def preview_next_invoice(
    *, subscription: Subscription, version: SoldVersion | None = None, at: datetime | None = None
) -> ComputedInvoice:
    """The invoice at the next boundary with usage as it is now; with `version`, as if it held from `at` on, or from the boundary.

    Raises `CurrencyNotOfferedError`, `UnbillableError`.
    """
    state = _state(subscription, version, at)
    return _only(compute_invoices([state]))


def project_next_invoice(*, subscription: Subscription, as_of: datetime) -> ComputedInvoice:
    """The same with usage projected in a straight line to the end of the period. Raises `UnbillableError`."""
    state = _state(subscription, None, None)
    return _only(compute_invoices([state], projected_at=as_of))


def preview_first_invoice(*, tenant: Tenant, version: SoldVersion, as_of: datetime) -> ComputedInvoice:
    """What a tenant without a subscription would be invoiced first, after a trial if there is one.

    Raises `CurrencyNotOfferedError`, `UnbillableError`.
    """
    if version.fee(tenant.currency) is None:
        raise CurrencyNotOfferedError(f"{version.plan_name} has no prices in {tenant.currency}.")
    anchor_at = start_of_day(local_day(as_of, tenant.time_zone), tenant.time_zone)
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
    )
    return _only(compute_invoices([state]))


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
    return replace(state, phases=(*kept, Phase(begins_at, version)), is_ending=False)


def _only(computed: Sequence[Computation]) -> ComputedInvoice:
    """The one result; what cannot be billed is raised, so that the page can say why."""
    found = computed[0]
    if isinstance(found, ComputedInvoice):
        return found
    raise UnbillableError(found.code, found.detail)
