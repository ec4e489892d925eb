"""The way to a payment provider's pages and back: the provider's name, the redirect, and the page for an outage.

Our content security policy (`form-action 'self'`, in Chromium for each redirect on the way) blocks a redirect of a
form to another host. So the response is a page that forwards the browser: the policy stays strict, and this works
for every host of a checkout.
"""

from typing import Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from billing.collection.errors import PaymentProviderError
from billing.collection.selectors.providers import merchant_for, provider_title_for
from portal.access import Portal, SignedInRequest

RETRY_AFTER: Final = "60"


def online_provider(portal: Portal) -> str:
    """Return the name of the provider that the tenant pays through; empty if online payment is not set up."""
    return provider_title_for(portal.tenant.pk)


def online_merchant(portal: Portal) -> str:
    """Return the merchant of record that would sell to the tenant; empty if the issuer would."""
    return merchant_for(portal.tenant.pk)


def send_on(request: SignedInRequest, portal: Portal, url: str, *, back: str) -> HttpResponse:
    """Send the browser to a page of the provider; `back` is the address of the link back."""
    assert urlsplit(url).scheme in {"http", "https"}, "an address with http or https"
    return render(
        request,
        "portal/leaving.html",
        {"portal": portal, "url": url, "back": back, "provider": online_provider(portal)},
    )


def send_visitor_on(request: HttpRequest, url: str, *, provider: str, back: str) -> HttpResponse:
    """Send a visitor, who is not signed in, to a page of the provider."""
    assert urlsplit(url).scheme in {"http", "https"}, "an address with http or https"
    return render(request, "portal/pay_link_leaving.html", {"url": url, "back": back, "provider": provider})


def provider_down(
    request: SignedInRequest, portal: Portal, error: PaymentProviderError, *, back: str, what: str
) -> HttpResponse:
    """Render the page for a provider that does not respond; `what` names the action that was not done."""
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
