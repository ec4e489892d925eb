"""What the admin's search (Ctrl+K) finds: tenants, people, keys and documents, by what their own lists search in."""

from collections.abc import Iterator
from typing import Final

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from accounts.models import ApiKey, Tenant, User
from billing.models import CreditNote, Invoice, Plan, Subscription

SEARCHED: Final = (
    (Tenant, "apartment"),
    (User, "group"),
    (ApiKey, "key"),
    (Invoice, "receipt_long"),
    (CreditNote, "undo"),
    (Subscription, "autorenew"),
    (Plan, "sell"),
)
FOUND_OF_ONE_KIND_MAX: Final = 8


def search_everything(request: HttpRequest, term: str) -> list[SearchResult]:
    """Return the first rows of each kind that match and that the member of staff may see, tenants first."""
    return [
        found for model, icon in SEARCHED for found in _found(request, admin.site.get_model_admin(model), term, icon)
    ]


def _found(request: HttpRequest, page: ModelAdmin, term: str, icon: str) -> Iterator[SearchResult]:  # type: ignore[type-arg]
    if not page.has_view_permission(request):
        return
    ordered = page.get_queryset(request).order_by(*page.get_ordering(request))
    rows, may_repeat = page.get_search_results(request, ordered, term)
    name = f"admin:{page.opts.app_label}_{page.opts.model_name}_change"
    for row in (rows.distinct() if may_repeat else rows)[:FOUND_OF_ONE_KIND_MAX]:
        yield SearchResult(
            title=str(row),
            description=str(page.opts.verbose_name).capitalize(),
            link=reverse(name, args=[row.pk]),
            icon=icon,
        )
