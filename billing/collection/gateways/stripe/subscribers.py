"""The tenant of a request, which is dj-stripe's subscriber."""

from django.http import HttpRequest

from accounts.models import Tenant


def subscriber_of_request(request: HttpRequest) -> Tenant | None:
    """Return the tenant that a portal page has resolved, if any."""
    tenant: Tenant | None = getattr(request, "tenant", None)
    return tenant
