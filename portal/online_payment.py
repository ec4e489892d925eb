"""The way to Stripe's pages and back: whether there is one, how a browser is sent there, and what is said where Stripe is silent.

A form that is answered with a redirect to another host is stopped by our own policy (`form-action 'self'`, in Chromium for each
redirect on the way). So it is answered with a page of ours that goes on by itself: the policy stays as strict as it is, and
holds for every host that a checkout may have.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from billing.errors import PaymentProviderError
from portal.access import Portal, SignedInRequest


def is_online_payment_on() -> bool:
    """Whether customers can pay here by themselves."""
    return bool(settings.STRIPE_SECRET_KEY)


def send_on(request: SignedInRequest, portal: Portal, url: str, *, back: str) -> HttpResponse:
    """Send the browser to a page of Stripe's; `back` is where somebody goes who does not want to."""
    assert urlsplit(url).scheme in {"http", "https"}, "an address of the web"
    return render(request, "portal/leaving.html", {"portal": portal, "url": url, "back": back})


def provider_down(
    request: SignedInRequest, portal: Portal, error: PaymentProviderError, *, back: str, what: str
) -> HttpResponse:
    """Say that Stripe did not answer, and that nothing was changed; `what` is what was to be done."""
    context = {"portal": portal, "detail": error.detail, "back": back, "what": what, "again": request.get_full_path()}
    response = render(request, "portal/provider_down.html", context, status=error.status)
    response["Retry-After"] = "60"
    return response
