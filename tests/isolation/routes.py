"""Every route of the application, found in the URL resolver, and whom each of them is for.

A route that is not in the table fails a test until a developer has decided whom it is for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


class Room(StrEnum):
    """Who may enter."""

    PUBLIC = "public"  # the same for every visitor
    OWN_ACCOUNT = "own account"  # about the person who is signed in, or who holds the secret in the address
    OWN_TENANT = "own tenant"  # about the tenant whose key calls; names nothing in its path
    TENANT_OBJECT = "tenant object"  # names one thing of a tenant in its path
    TENANT_PAGE = "tenant page"  # below a tenant's slug
    OPERATOR = "operator"  # service keys with the scope, and staff
    STAFF = "staff"


@dataclass(frozen=True)
class Route:
    """One address, as written in the URL configuration."""

    path: str
    pattern: URLPattern

    @property
    def methods(self) -> set[str]:
        """Return the methods that an API view has."""
        view: Any = getattr(self.pattern.callback, "cls", None)
        assert view is not None, f"{self.path} is not an API view"
        return {name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)}


# Everything below these is of one kind: the admin's pages come from its registered models (they are tried apart,
# as a member), allauth's are about the person who is signed in.
ROOMS_BELOW = {"admin/": Room.STAFF, "hijack/": Room.STAFF, "accounts/": Room.OWN_ACCOUNT}

ROOMS = {
    "healthz": Room.PUBLIC,
    "readyz": Room.PUBLIC,
    "metrics": Room.PUBLIC,
    "": Room.PUBLIC,
    "api/schema/": Room.PUBLIC,
    "api/docs/": Room.PUBLIC,
    "docs/errors": Room.PUBLIC,
    "docs/": Room.PUBLIC,
    "docs/api/": Room.PUBLIC,
    "docs/api/<slug:operation>/": Room.PUBLIC,
    "docs/limits/": Room.PUBLIC,
    "docs/webhooks/": Room.PUBLIC,
    "llms.txt": Room.PUBLIC,
    "clients/<str:name>": Room.PUBLIC,
    "webhooks/<slug:provider>": Room.PUBLIC,  # the same for every caller but the provider, who signs
    "webhooks/<slug:provider>/<str:address>": Room.PUBLIC,  # as above
    "^api/(?P<path>.*)$": Room.PUBLIC,
    "pricing/": Room.PUBLIC,
    "pricing/<slug:code>/": Room.PUBLIC,  # leads on to the visitor's own
    "search/": Room.OWN_ACCOUNT,
    "start/": Room.OWN_ACCOUNT,
    "account/delete/": Room.OWN_ACCOUNT,
    "invitations/<str:token>/": Room.OWN_ACCOUNT,
    "pay/<str:token>/": Room.OWN_ACCOUNT,
    "mail/stop/<str:token>/": Room.OWN_ACCOUNT,
    "api/v1/keys": Room.OWN_TENANT,
    "api/v1/keys/<uuid:key_id>": Room.TENANT_OBJECT,
    "api/v1/keys/<uuid:key_id>/rotate": Room.TENANT_OBJECT,
    "api/v1/alert-thresholds": Room.OWN_TENANT,
    "api/v1/alert-thresholds/<uuid:threshold_id>": Room.TENANT_OBJECT,
    "api/v1/budgets": Room.OWN_TENANT,
    "api/v1/budgets/<uuid:budget_id>": Room.TENANT_OBJECT,
    "api/v1/webhook-endpoints": Room.OWN_TENANT,
    "api/v1/webhook-endpoints/<uuid:endpoint_id>": Room.TENANT_OBJECT,
    "api/v1/webhook-endpoints/<uuid:endpoint_id>/rotate-secret": Room.TENANT_OBJECT,
    "api/v1/webhook-endpoints/<uuid:endpoint_id>/test": Room.TENANT_OBJECT,
    "api/v1/webhook-endpoints/<uuid:endpoint_id>/replay": Room.TENANT_OBJECT,
    "api/v1/webhook-deliveries": Room.OWN_TENANT,
    "api/v1/webhook-deliveries/<uuid:delivery_id>/replay": Room.TENANT_OBJECT,
    "api/v1/embed-tokens": Room.OWN_TENANT,
    "embed/usage": Room.PUBLIC,  # about the tenant of the token in the address
    "embed/usage.json": Room.PUBLIC,
    "embed/spend": Room.PUBLIC,
    "embed/spend.json": Room.PUBLIC,
    "embed/invoices": Room.PUBLIC,
    "embed/invoices.json": Room.PUBLIC,
    "embed/theme.css": Room.PUBLIC,
    "api/v1/oauth/token": Room.PUBLIC,  # about the key that is in the request
    "api/v1/leaked-keys": Room.PUBLIC,  # the same for every caller but the secret scanner, who signs
    "api/v1/events": Room.OWN_TENANT,
    "api/v1/events/<event_id:event_id>": Room.TENANT_OBJECT,
    "api/v1/events/<event_id:event_id>/void": Room.TENANT_OBJECT,
    "api/v1/proofs/events/<proven_event_id:event_id>": Room.TENANT_OBJECT,
    "api/v1/proofs/<str:day>": Room.OWN_TENANT,  # a day of the key's own tenant
    ".well-known/countinghouse-keys.json": Room.PUBLIC,
    "api/v1/access-logs": Room.OWN_TENANT,
    "api/v1/authorize": Room.OWN_TENANT,
    "api/v1/authorize/forward": Room.OWN_TENANT,
    "api/v1/reservations": Room.OWN_TENANT,
    "api/v1/reservations/<uuid:reservation_id>/commit": Room.TENANT_OBJECT,
    "api/v1/reservations/<uuid:reservation_id>/release": Room.TENANT_OBJECT,
    "api/v1/demo/example": Room.OWN_TENANT,
    "api/v1/demo/data": Room.OWN_TENANT,
    "api/v1/demo/random/strings": Room.OWN_TENANT,
    "api/v1/usage/monthly": Room.OWN_TENANT,
    "api/v1/usage/daily": Room.OWN_TENANT,
    "api/v1/usage/realtime": Room.OWN_TENANT,
    "api/v1/usage/query": Room.OWN_TENANT,
    "api/v1/usage/sql": Room.OWN_TENANT,
    "api/v1/plans": Room.OWN_TENANT,
    "api/v1/subscription": Room.OWN_TENANT,
    "api/v1/subscription/preview": Room.OWN_TENANT,
    "api/v1/invoices": Room.OWN_TENANT,
    "api/v1/invoices/<str:number>": Room.TENANT_OBJECT,
    "api/v1/invoices/<str:number>/pdf": Room.TENANT_OBJECT,
    "api/v1/invoices/<str:number>/evidence": Room.TENANT_OBJECT,
    "api/v1/invoices/<str:number>/lines/<int:position>/events": Room.TENANT_OBJECT,
    "api/v1/payments": Room.OWN_TENANT,
    "api/v1/payments/<int:payment_id>/receipt": Room.TENANT_OBJECT,
    "api/v1/credit-notes": Room.OWN_TENANT,
    "api/v1/alerts": Room.OWN_TENANT,
    "api/v1/operator/monitor": Room.OPERATOR,
    "api/v1/operator/aggregate": Room.OPERATOR,
    "api/v1/operator/product-codes": Room.OPERATOR,
    "api/v1/operator/product-codes/<str:code>": Room.OPERATOR,
    "api/v1/operator/tenants": Room.OPERATOR,
    "api/v1/operator/tenants/<slug:slug>": Room.OPERATOR,
    "api/v1/operator/invoices": Room.OPERATOR,
    "t/<slug:slug>/": Room.TENANT_PAGE,
    "t/<slug:slug>/first-steps/": Room.TENANT_PAGE,
    "t/<slug:slug>/first-steps/event/": Room.TENANT_PAGE,
    "t/<slug:slug>/connect/": Room.TENANT_PAGE,
    "t/<slug:slug>/usage/": Room.TENANT_PAGE,
    "t/<slug:slug>/usage.csv": Room.TENANT_PAGE,
    "t/<slug:slug>/events/": Room.TENANT_PAGE,
    "t/<slug:slug>/events/one/": Room.TENANT_PAGE,
    "t/<slug:slug>/events/refused/<int:verdict_id>/": Room.TENANT_PAGE,
    "t/<slug:slug>/notices/": Room.TENANT_PAGE,
    "t/<slug:slug>/notices/<uuid:notice_id>/": Room.TENANT_PAGE,
    "t/<slug:slug>/alerts/": Room.TENANT_PAGE,
    "t/<slug:slug>/alerts/<int:alert_id>/": Room.TENANT_PAGE,
    "t/<slug:slug>/budgets/": Room.TENANT_PAGE,
    "t/<slug:slug>/budgets/new/": Room.TENANT_PAGE,
    "t/<slug:slug>/budgets/<uuid:budget_id>/edit/": Room.TENANT_PAGE,
    "t/<slug:slug>/budgets/<uuid:budget_id>/pause/": Room.TENANT_PAGE,
    "t/<slug:slug>/budgets/<uuid:budget_id>/delete/": Room.TENANT_PAGE,
    "t/<slug:slug>/keys/": Room.TENANT_PAGE,
    "t/<slug:slug>/keys/new/": Room.TENANT_PAGE,
    "t/<slug:slug>/keys/<uuid:key_id>/": Room.TENANT_PAGE,
    "t/<slug:slug>/keys/<uuid:key_id>/rotate/": Room.TENANT_PAGE,
    "t/<slug:slug>/keys/<uuid:key_id>/revoke/": Room.TENANT_PAGE,
    "t/<slug:slug>/keys/<uuid:key_id>/labels/": Room.TENANT_PAGE,
    "t/<slug:slug>/keys/<uuid:key_id>/release/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/new/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/<uuid:endpoint_id>/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/<uuid:endpoint_id>/edit/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/<uuid:endpoint_id>/rotate/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/<uuid:endpoint_id>/replay/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/<uuid:endpoint_id>/test/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/<uuid:endpoint_id>/status/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/<uuid:endpoint_id>/delete/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/deliveries/<uuid:delivery_id>/": Room.TENANT_PAGE,
    "t/<slug:slug>/webhooks/deliveries/<uuid:delivery_id>/replay/": Room.TENANT_PAGE,
    "t/<slug:slug>/plan/": Room.TENANT_PAGE,
    "t/<slug:slug>/plan/choose/": Room.TENANT_PAGE,
    "t/<slug:slug>/plan/cancel/": Room.TENANT_PAGE,
    "t/<slug:slug>/plan/undo/": Room.TENANT_PAGE,
    "t/<slug:slug>/plan/card/": Room.TENANT_PAGE,
    "t/<slug:slug>/plan/checkout-done/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/next/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/payments/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/payments/<int:payment_id>/receipt/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/statement/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/<str:number>/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/<str:number>/pdf/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/<str:number>/evidence/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/<str:number>/credit-note/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/<str:number>/credit-notes/<str:note>/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/<str:number>/pay/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/<str:number>/lines/<int:position>/events/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/<str:number>/lines/<int:position>/ask/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices/questions/<uuid:question_id>/withdraw/": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices.csv": Room.TENANT_PAGE,
    "t/<slug:slug>/audit.csv": Room.TENANT_PAGE,
    "t/<slug:slug>/invoices.zip": Room.TENANT_PAGE,
    "t/<slug:slug>/search/": Room.TENANT_PAGE,
    "t/<slug:slug>/team/": Room.TENANT_PAGE,
    "t/<slug:slug>/team/invite/": Room.TENANT_PAGE,
    "t/<slug:slug>/team/second-factor/": Room.TENANT_PAGE,
    "t/<slug:slug>/team/invitations/<int:invitation_id>/resend/": Room.TENANT_PAGE,
    "t/<slug:slug>/team/invitations/<int:invitation_id>/revoke/": Room.TENANT_PAGE,
    "t/<slug:slug>/team/<int:membership_id>/": Room.TENANT_PAGE,
    "t/<slug:slug>/team/<int:membership_id>/remove/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/channels/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/channels/new/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/channels/<uuid:channel_id>/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/channels/<uuid:channel_id>/edit/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/channels/<uuid:channel_id>/test/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/channels/<uuid:channel_id>/status/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/channels/<uuid:channel_id>/delete/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/data/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/data/exports/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/data/<uuid:export_id>/": Room.TENANT_PAGE,
    "t/<slug:slug>/settings/close/": Room.TENANT_PAGE,
    "t/<slug:slug>/security/": Room.TENANT_PAGE,
    "t/<slug:slug>/audit/": Room.TENANT_PAGE,
}


def every_route() -> list[Route]:
    """Return all routes, in the resolver's order."""
    return list(_routes(get_resolver().url_patterns, ""))


def routes_of(*rooms: Room) -> list[Route]:
    """Return the routes of some rooms."""
    return [route for route in every_route() if room_of(route) in rooms]


def room_of(route: Route) -> Room | None:
    """Return whom a route is for, or None if that is not decided."""
    below = [room for prefix, room in ROOMS_BELOW.items() if route.path.startswith(prefix)]
    return below[0] if below else ROOMS.get(route.path)


def _routes(patterns: Sequence[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield Route(path, pattern)
        else:
            yield from _routes(pattern.url_patterns, path)
