"""The first steps to a counted request: a key, a command with it, and a box that waits for the event."""

from typing import Final

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from accounts.domain.api_key import KeyKind
from accounts.domain.roles import Capability
from accounts.domain.scopes import Scope
from accounts.errors import ProblemError
from accounts.selectors.directory import USABLE, keys_matching
from metering.selectors.debugger import newest_event
from metering.selectors.events import StoredEvent
from portal.access import Portal, SignedInRequest, tenant_page
from portal.snippets import KEY_PLACEHOLDER, snippets
from portal.views.keys import create_key

_SCOPES: Final = [Scope.EVENTS_WRITE.value, Scope.USAGE_READ.value]


@tenant_page("first_steps", Capability.MANAGE_KEYS, methods=("GET", "HEAD", "POST"))
def first_steps(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the three steps; a POST creates a key and shows it once."""
    secret = _create_key(request, portal) if request.method == "POST" else ""
    context = {
        "portal": portal,
        "secret": secret,
        "key_count": keys_matching(tenant_id=portal.tenant.pk, as_of=portal.as_of, state=USABLE).count(),
        "snippets": snippets(url=settings.PUBLIC_URL, key=secret or KEY_PLACEHOLDER),
        "event": _newest_event(portal),
    }
    return render(request, "portal/first_steps.html", context, status=201 if secret else 200)


@tenant_page("first_steps")
def first_event(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render only the box, which htmx requests until the event has arrived; other requests get a page with the box."""
    event = _newest_event(portal)
    if event is None and request.htmx:
        return HttpResponse(status=204)
    return render(
        request,
        "portal/first_event.html" if request.htmx else "portal/first_event_page.html",
        {"portal": portal, "event": event},
    )


def _create_key(request: SignedInRequest, portal: Portal) -> str:
    """Create a key and return its secret; return an empty text if it was refused."""
    kind = KeyKind.TEST if request.POST.get("kind") == KeyKind.TEST else KeyKind.LIVE
    name = f"First {kind.value} key"
    try:
        return create_key(portal, kind=kind, name=name, scopes=_SCOPES).secret
    except ProblemError as error:
        messages.error(request, error.detail)
        return ""


def _newest_event(portal: Portal) -> StoredEvent | None:
    return newest_event(ledgers=[portal.ledger(is_live=is_live) for is_live in (True, False)])
