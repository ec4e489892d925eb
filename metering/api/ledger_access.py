"""The half of the ledger that a request may use."""

from rest_framework.request import Request

from accounts.api.authentication import principal_of
from accounts.api.tenancy import require_active, tenant_of
from accounts.domain.principal import Principal, TenantFacts
from metering.domain.ledger import Ledger
from metering.selectors.limits import ledger_of


def readable_ledger(request: Request) -> Ledger:
    """Return the ledger that the key may read; a suspended tenant may still read."""
    return ledger_of(principal_of(request), tenant_of(request))


def require_may_write(principal: Principal, tenant: TenantFacts) -> None:
    """Raise 402 if a suspended tenant reports by itself.

    The operator's service keys may still report what was used.
    """
    if principal.tenant is not None:
        require_active(tenant)
