"""The live debugger: the outcome of each sent event, and the page of a stored event."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render

from accounts.selectors.directory import SERVICE_KEY, KeyLabel, key_labels
from metering.domain.ledger import Ledger
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.selectors.catalog import known_event_types
from metering.selectors.debugger import SentEventCursor, SentEventPage, sent_events
from metering.selectors.events import event_by_id
from metering.selectors.retention import deleted_before, refuse_deleted
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.events import EventsForm

ROWS_ON_A_PAGE: Final = 50
ID_CHARACTERS_MAX: Final = 255
SEEN_CHARACTERS: Final = 16


@tenant_page("events")
def events(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render sent events, newest first; htmx requests only the list, and gets an empty response if nothing is new."""
    labels = key_labels(tenant_id=portal.tenant.pk)
    form = EventsForm(request.GET, event_types=known_event_types(), keys=labels.items())
    cursor = SentEventCursor.parse(request.GET.get("cursor", ""))
    refusal = ""
    try:
        page = sent_events(
            ledger=portal.ledger(is_live=form.is_live), filters=form.filters, cursor=cursor, limit=ROWS_ON_A_PAGE
        )
    except QueryTooLargeError as error:
        page, refusal = SentEventPage((), None), error.detail
    seen = hashlib.sha256(repr(page.rows).encode()).hexdigest()[:SEEN_CHARACTERS]
    if request.htmx and request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    context = {
        "portal": portal,
        "form": form,
        "page": page,
        "refusal": refusal,
        "seen": seen,
        "rows": [(row, _label(labels, row.api_key_id)) for row in page.rows],
        "deleted": deleted_before(),
        "is_first_page": cursor == SentEventCursor(),
        "is_filtered": any(request.GET.get(name) for name in ("outcome", "type", "api_key", "event_id", "source")),
        "ledger": "live" if form.is_live else "test",
    }
    return render(request, "portal/events_list.html" if request.htmx else "portal/events.html", context)


@tenant_page("events")
def event(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render one stored event, named by its id and source, with its void if it has one."""
    event_id, source = request.GET.get("id", ""), request.GET.get("source", "")
    if not 0 < len(event_id) <= ID_CHARACTERS_MAX or "\0" in event_id + source:
        raise Http404
    is_live = request.GET.get("ledger") != "test"
    ledger = portal.ledger(is_live=is_live)
    found = event_by_id(ledger=ledger, event_id=event_id, source=source)
    if found is None:
        return _gone(request, portal, ledger, event_id, source)
    labels = key_labels(tenant_id=portal.tenant.pk)
    context = {
        "portal": portal,
        "event": found,
        "properties": json.loads(found.properties_json, parse_int=str, parse_float=str, parse_constant=str),
        "ledger": "live" if is_live else "test",
        "key_label": _label(labels, found.api_key_id),
    }
    return render(request, "portal/event.html", context)


def _gone(request: SignedInRequest, portal: Portal, ledger: Ledger, event_id: str, source: str) -> HttpResponse:
    """Render the page of an event that was deleted after its retention. Raises 404 if it never existed."""
    try:
        refuse_deleted(ledger, event_id=event_id, source=source)
    except EventsDeletedError as error:
        context = {"portal": portal, "event_id": event_id, "refusal": error.detail}
        return render(request, "portal/event_deleted.html", context, status=error.status)
    raise Http404


def _label(labels: Mapping[UUID, KeyLabel], key_id: UUID | None) -> KeyLabel | str:
    """Return the key's name, or an empty text for an imported event."""
    return labels.get(key_id, SERVICE_KEY) if key_id else ""
