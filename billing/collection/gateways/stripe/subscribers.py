"""dj-stripe's subscriber is the tenant; this tells which one a request speaks for."""

from django.http import HttpRequest

from accounts.models import Tenant


def subscriber_of_request(request: HttpRequest) -> Tenant | None:
    """The tenant that a portal page has resolved, if any."""
    tenant: Tenant | None = getattr(request, "tenant", None)
    return tenant
