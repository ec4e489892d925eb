"""The way to a payment provider's pages and back: whose they are, how to get there, what is said if it is silent.

A form that is answered with a redirect to another host is stopped by our own policy (`form-action 'self'`, in Chromium
for each redirect on the way). So it is answered with a page of ours that goes on by itself: the policy stays as strict
as it is, and holds for every host that a checkout may have.
"""

from typing import Final
from urllib.parse import urlsplit

from django.http import HttpResponse
from django.shortcuts import render

from billing.collection.errors import PaymentProviderError
from billing.collection.selectors.providers import provider_title_for
from portal.access import Portal, SignedInRequest

RETRY_AFTER: Final = "60"


def online_provider(portal: Portal) -> str:
    """Return the name of the provider that the tenant pays through; empty if online payment is not set up."""
    return provider_title_for(portal.tenant.pk)


def send_on(request: SignedInRequest, portal: Portal, url: str, *, back: str) -> HttpResponse:
    """Send the browser to a page of the provider's; `back` is where somebody goes who does not want to."""
    assert urlsplit(url).scheme in {"http", "https"}, "an address of the web"
    return render(
        request,
        "portal/leaving.html",
        {"portal": portal, "url": url, "back": back, "provider": online_provider(portal)},
    )


def provider_down(
    request: SignedInRequest, portal: Portal, error: PaymentProviderError, *, back: str, what: str
) -> HttpResponse:
    """Say that the provider did not answer, and that nothing was changed; `what` is what was to be done."""
    seconds = error.headers.get("Retry-After", RETRY_AFTER)
    context = {
        "portal": portal,
        "provider": online_provider(portal),
        "detail": error.detail,
        "back": back,
        "what": what,
        "again": request.get_full_path(),
        "seconds": seconds,
    }
    response = render(request, "portal/provider_down.html", context, status=error.status)
    response["Retry-After"] = seconds
    return response
