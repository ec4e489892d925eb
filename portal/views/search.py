"""The search: a page that works without a script, and the list that Ctrl+K requests while the member types."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.domain.api_key import parse_key
from portal.access import Portal, SignedInRequest, highest_tenant, tenant_page
from portal.search import search, wanted_text


@tenant_page("search")
def search_page(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render what the tenant's portal has for a text; htmx gets only the list.

    A whole key leads to a search by its visible part, so that no secret stays in an address.
    """
    given = request.GET.get("q", "")
    text = wanted_text(given)
    if parse_key(given.strip()) is not None:
        return redirect(f"{reverse('portal:search', args=[portal.tenant.slug])}?{urlencode({'q': text})}")
    context = {"portal": portal, "text": text, "groups": search(portal, text)}
    return render(request, "portal/search_results.html" if request.htmx else "portal/search.html", context)


@never_cache
@require_safe
@login_required
def search_anywhere(request: SignedInRequest) -> HttpResponse:
    """Redirect to the search of the tenant with the user's highest role, or to the page that creates one."""
    tenant = highest_tenant(request)
    if tenant is None:
        return redirect("portal:start")
    query = urlencode({"q": wanted_text(request.GET.get("q", ""))})
    return redirect(f"{reverse('portal:search', args=[tenant.slug])}?{query}")
