"""The live debugger: the outcome of each sent event, and the page of a stored event."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec
from django.http import Http404, HttpResponse
from django.shortcuts import render

from accounts.selectors.directory import SERVICE_KEY, KeyLabel, key_labels
from metering.api.events import event_body
from metering.domain.ledger import Ledger
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.selectors.catalog import known_event_types
from metering.selectors.debugger import SentEventCursor, SentEventPage, refused_event, sent_events
from metering.selectors.events import event_by_id
from metering.selectors.retention import deleted_before, refuse_deleted
from portal.access import Portal, SignedInRequest, tenant_page
from portal.error_codes import CODES
from portal.event_links import links_of
from portal.forms.events import EventsForm

ROWS_ON_A_PAGE: Final = 50
ID_CHARACTERS_MAX: Final = 255
SEEN_CHARACTERS: Final = 16
_FILTERS: Final = ("outcome", "type", "api_key", "start", "end", "event_id", "source")
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


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
        "is_filtered": any(request.GET.get(name) for name in _FILTERS),
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
        "raw": msgspec.json.format(_ENCODER.encode(event_body(found)), indent=2).decode(),
        "links": links_of(portal, ledger, found),
        "ledger": "live" if is_live else "test",
        "key_label": _label(labels, found.api_key_id),
        "is_own_key": found.api_key_id in labels,
    }
    return render(request, "portal/event.html", context)


@tenant_page("events")
def event_refused(request: SignedInRequest, portal: Portal, verdict_id: int) -> HttpResponse:
    """Render an event that was not stored: why, and the stored one of the same id, if there is one."""
    found = refused_event(tenant_id=portal.tenant.pk, verdict_id=verdict_id)
    labels = key_labels(tenant_id=portal.tenant.pk)
    ledger = portal.ledger(is_live=found.is_live)
    stored = event_by_id(ledger=ledger, event_id=found.event_id, source=found.source) if found.event_id else None
    context = {
        "portal": portal,
        "refused": found,
        "meaning": next((error.meaning for error in CODES if error.code == found.code), ()),
        "stored": stored,
        "ledger": "live" if found.is_live else "test",
        "key_label": _label(labels, found.api_key_id),
        "is_own_key": found.api_key_id in labels,
    }
    return render(request, "portal/event_refused.html", context)


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
