"""The pages of webhooks: endpoints, their deliveries, and each attempt.

A secret is in one response and nowhere else: not in a session, not in an address.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.domain.roles import Capability
from accounts.errors import ProblemError
from accounts.webhooks.domain.schedule import ATTEMPTS_MAX
from accounts.webhooks.domain.signing import message_body
from accounts.webhooks.domain.statuses import DeliveryStatus, EndpointStatus
from accounts.webhooks.models import WebhookDelivery, WebhookEndpoint
from accounts.webhooks.selectors.deliveries import attempts_of, deliveries_matching, delivery_of_tenant
from accounts.webhooks.selectors.endpoints import (
    counts_by_status,
    endpoint_of_tenant,
    endpoints_of_tenant,
    previous_secret_ends_at,
)
from accounts.webhooks.services.endpoints import (
    NewSecret,
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    rotate_secret,
)
from accounts.webhooks.services.replaying import replay_delivery, replay_span, send_test
from portal.access import Portal, SignedInRequest, tenant_page
from portal.confirmation import Confirmation, confirmation_page
from portal.forms.keys import chosen
from portal.forms.problems import show_problem
from portal.forms.webhooks import FAILED, DeliveriesFilterForm, EndpointForm, ReplayForm, RotateSecretForm

ROWS_ON_A_PAGE: Final = 25
WRITES: Final = ("GET", "HEAD", "POST")
BADGES: Final = {
    EndpointStatus.ACTIVE: "ok",
    EndpointStatus.PAUSED: "warn",
    EndpointStatus.DISABLED: "danger",
    DeliveryStatus.PENDING: "info",
    DeliveryStatus.SUCCEEDED: "ok",
    DeliveryStatus.FAILED: "danger",
}


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint with its badge and the number of its deliveries by status."""

    endpoint: WebhookEndpoint
    badge: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery with its badge and the outcome of its last attempt."""

    delivery: WebhookDelivery
    badge: str
    attempts: int
    outcome: str


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS)
def webhooks(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render all endpoints of the tenant: there are few."""
    found = list(endpoints_of_tenant(tenant_id=portal.tenant.pk))
    counts = counts_by_status(endpoint_ids=[endpoint.pk for endpoint in found])
    rows = [EndpointRow(endpoint, BADGES[EndpointStatus(endpoint.status)], counts[endpoint.pk]) for endpoint in found]
    return render(request, "portal/webhooks.html", {"portal": portal, "rows": rows})


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS)
def webhook(request: SignedInRequest, portal: Portal, endpoint_id: UUID) -> HttpResponse:
    """Render an endpoint and its deliveries, newest first."""
    endpoint = _endpoint(portal, endpoint_id)
    form = DeliveriesFilterForm(request.GET)
    wanted = {name: value for name, value in chosen(form).items() if value}
    found = deliveries_matching(tenant_id=portal.tenant.pk, endpoint_id=endpoint.pk, **wanted)
    page = Paginator(found, ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "portal": portal,
        "endpoint": endpoint,
        "badge": BADGES[EndpointStatus(endpoint.status)],
        "previous_secret_ends_at": previous_secret_ends_at(endpoint_id=endpoint.pk, as_of=portal.as_of),
        "counts": counts_by_status(endpoint_ids=[endpoint.pk])[endpoint.pk],
        "form": form,
        "page": page,
        "rows": [_row(delivery) for delivery in page.object_list],
        "is_filtered": bool(wanted),
    }
    return render(request, "portal/webhook.html", context)


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS, methods=WRITES, recent=("GET", "POST"))
def webhook_new(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the form; after a POST, show the secret once."""
    form = EndpointForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            created = create_endpoint(tenant=portal.tenant, actor=portal.actor, as_of=portal.as_of, **form.cleaned_data)
        except ProblemError as error:
            show_problem(form, error)
        else:
            return _secret(request, portal, created)
    context = {"portal": portal, "form": form}
    return render(request, "portal/webhook_form.html", context, status=422 if form.errors else 200)


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS, methods=WRITES)
def webhook_edit(request: SignedInRequest, portal: Portal, endpoint_id: UUID) -> HttpResponse:
    """Render the form of an endpoint, or save it."""
    endpoint = _endpoint(portal, endpoint_id)
    initial = {"url": endpoint.url, "description": endpoint.description, "event_types": endpoint.event_types}
    form = EndpointForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            change_endpoint(endpoint=endpoint, actor=portal.actor, as_of=portal.as_of, **form.cleaned_data)
        except ProblemError as error:
            show_problem(form, error)
        else:
            messages.success(request, "The endpoint is saved.")
            return _back(portal, endpoint_id)
    context = {"portal": portal, "form": form, "endpoint": endpoint}
    return render(request, "portal/webhook_form.html", context, status=422 if form.errors else 200)


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS, methods=WRITES, recent=("GET", "POST"))
def webhook_rotate(request: SignedInRequest, portal: Portal, endpoint_id: UUID) -> HttpResponse:
    """Render the choice of the grace period; after a POST, show the new secret once."""
    endpoint = _endpoint(portal, endpoint_id)
    form = RotateSecretForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        grace = timedelta(seconds=form.cleaned_data["grace_seconds"])
        rotated = rotate_secret(endpoint=endpoint, grace=grace, actor=portal.actor, as_of=portal.as_of)
        return _secret(request, portal, rotated)
    context = {"portal": portal, "form": form, "endpoint": endpoint}
    return render(request, "portal/webhook_rotate.html", context, status=422 if form.errors else 200)


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS, methods=WRITES)
def webhook_replay(request: SignedInRequest, portal: Portal, endpoint_id: UUID) -> HttpResponse:
    """Render the choice of what is sent again, or send it."""
    endpoint = _endpoint(portal, endpoint_id)
    form = ReplayForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        wanted = form.cleaned_data
        try:
            number = replay_span(
                endpoint=endpoint,
                start=wanted["start"],
                end=wanted["end"],
                is_only_failed=wanted["only"] == FAILED,
                actor=portal.actor,
                as_of=portal.as_of,
            )
        except ProblemError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{number} deliver{'y is' if number == 1 else 'ies are'} sent again.")
            return _back(portal, endpoint_id)
    context = {"portal": portal, "form": form, "endpoint": endpoint}
    return render(request, "portal/webhook_replay.html", context, status=422 if form.errors else 200)


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS, methods=WRITES)
def webhook_test(request: SignedInRequest, portal: Portal, endpoint_id: UUID) -> HttpResponse:
    """Send a test event to the endpoint, and show its delivery. Opened by its address, confirm first."""
    endpoint = _endpoint(portal, endpoint_id)
    if request.method != "POST":
        return _confirm(request, portal, endpoint, "Send a test event?", "Send test event")
    try:
        delivery = send_test(endpoint=endpoint, actor=portal.actor, as_of=portal.as_of)
    except ProblemError as error:
        messages.error(request, error.detail)
        return _back(portal, endpoint_id)
    messages.success(request, "A test event is on its way. Reload the page to see what came of it.")
    return redirect("portal:webhook_delivery", portal.tenant.slug, delivery.pk)


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS, methods=WRITES)
def webhook_status(request: SignedInRequest, portal: Portal, endpoint_id: UUID) -> HttpResponse:
    """Pause an endpoint that is active, and resume or enable any other. Opened by its address, confirm first."""
    endpoint = _endpoint(portal, endpoint_id)
    if request.method != "POST":
        is_active = endpoint.status == EndpointStatus.ACTIVE
        verb = "Pause" if is_active else "Resume"
        return _confirm(request, portal, endpoint, f"{verb} this endpoint?", f"{verb} endpoint")
    wanted = EndpointStatus.PAUSED if endpoint.status == EndpointStatus.ACTIVE else EndpointStatus.ACTIVE
    change_endpoint(endpoint=endpoint, actor=portal.actor, as_of=portal.as_of, status=wanted.value)
    is_paused = wanted is EndpointStatus.PAUSED
    said = "The endpoint is paused. Events wait until you resume it." if is_paused else "The endpoint is active."
    messages.success(request, said)
    return _back(portal, endpoint_id)


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS, methods=WRITES)
def webhook_delete(request: SignedInRequest, portal: Portal, endpoint_id: UUID) -> HttpResponse:
    """Confirm first, then delete the endpoint."""
    endpoint = _endpoint(portal, endpoint_id)
    if request.method == "POST":
        delete_endpoint(endpoint=endpoint, actor=portal.actor, as_of=portal.as_of)
        messages.success(request, "The endpoint is deleted.")
        return redirect("portal:webhooks", portal.tenant.slug)
    confirmation = Confirmation(
        title="Delete this endpoint?",
        text=(
            f"Nothing is sent to {endpoint.url} any more. Its deliveries and secrets are deleted."
            " To stop it for a while, pause it instead."
        ),
        label="Delete endpoint",
        back=reverse("portal:webhook", args=[portal.tenant.slug, endpoint_id]),
    )
    return confirmation_page(request, portal, confirmation)


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS)
def webhook_delivery(request: SignedInRequest, portal: Portal, delivery_id: UUID) -> HttpResponse:
    """Render a delivery: what was sent, and every attempt with the response."""
    delivery = delivery_of_tenant(tenant_id=portal.tenant.pk, delivery_id=delivery_id)
    event = delivery.event
    body = message_body(event_type=event.type, occurred_at=event.occurred_at, data=json.dumps(event.payload))
    context = {
        "portal": portal,
        "delivery": delivery,
        "badge": BADGES[DeliveryStatus(delivery.status)],
        "attempts": attempts_of(delivery)[::-1],
        "attempts_left": ATTEMPTS_MAX - delivery.attempts_in_round,
        "body": json.dumps(json.loads(body), indent=2, ensure_ascii=False),
        "may_replay": delivery.endpoint.status != EndpointStatus.DISABLED,
    }
    return render(request, "portal/webhook_delivery.html", context)


@tenant_page("webhooks", Capability.MANAGE_WEBHOOKS, methods=WRITES)
def webhook_delivery_replay(request: SignedInRequest, portal: Portal, delivery_id: UUID) -> HttpResponse:
    """Send a delivery again. Opened by its address, confirm first."""
    delivery = delivery_of_tenant(tenant_id=portal.tenant.pk, delivery_id=delivery_id)
    if request.method != "POST":
        return _confirm(request, portal, delivery.endpoint, "Send this event again?", "Send again")
    try:
        replay_delivery(delivery=delivery, actor=portal.actor, as_of=portal.as_of)
    except ProblemError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, "The event is sent again. Reload the page to see what came of it.")
    return redirect("portal:webhook_delivery", portal.tenant.slug, delivery_id)


def _endpoint(portal: Portal, endpoint_id: UUID) -> WebhookEndpoint:
    return endpoint_of_tenant(tenant_id=portal.tenant.pk, endpoint_id=endpoint_id)


def _confirm(
    request: SignedInRequest, portal: Portal, endpoint: WebhookEndpoint, title: str, label: str
) -> HttpResponse:
    back = reverse("portal:webhook", args=[portal.tenant.slug, endpoint.pk])
    confirmation = Confirmation(title=title, text=f"The endpoint is {endpoint.url}.", label=label, back=back)
    return confirmation_page(request, portal, confirmation)


def _back(portal: Portal, endpoint_id: UUID) -> HttpResponse:
    return redirect("portal:webhook", portal.tenant.slug, endpoint_id)


def _row(delivery: WebhookDelivery) -> DeliveryRow:
    attempts = attempts_of(delivery)
    outcome = (attempts[-1].error or f"HTTP {attempts[-1].status_code}") if attempts else "Not sent yet"
    return DeliveryRow(delivery, BADGES[DeliveryStatus(delivery.status)], len(attempts), outcome)


def _secret(request: SignedInRequest, portal: Portal, created: NewSecret) -> HttpResponse:
    context = {
        "portal": portal,
        "endpoint": created.endpoint,
        "secret": created.secret,
        "expires_previous_at": created.expires_previous_at,
        "is_previous_valid": created.expires_previous_at is not None and created.expires_previous_at > portal.as_of,
    }
    return render(request, "portal/webhook_secret.html", context, status=201)
