"""The search of a tenant's portal: pages, keys, invoices, an event by its id, and the documentation.

A member finds only what their role may open, of their own tenant. Words are compared without case, and each must
be found.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlencode

from django.urls import reverse

from accounts.domain.api_key import parse_key
from accounts.domain.roles import Capability
from accounts.selectors.directory import keys_matching
from billing.selectors.invoicing.invoices import issued_invoices
from metering.selectors.events import halves_with_event
from portal.access import Portal
from portal.api_reference import every_call
from portal.error_codes import CODES
from portal.places import places_of
from portal.templatetags.money import money

TEXT_CHARACTERS_MAX: Final = 255
ROWS_IN_A_GROUP: Final = 6
_DOCS: Final = (
    ("docs", "Quickstart", "first event curl begin"),
    ("docs_limits", "Limits", "rate quota throttle 429 headers"),
    ("errors", "Errors", "codes problem refused"),
    ("docs_webhooks", "Receive webhooks", "signature verify endpoint"),
    ("docs_calls", "All calls", "api reference openapi"),
)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result: its title, a detail beside it, and the address that it leads to."""

    title: str
    detail: str
    url: str
    icon: str


@dataclass(frozen=True, slots=True)
class SearchGroup:
    """The results of one kind."""

    title: str
    results: tuple[SearchHit, ...]


def wanted_text(given: str) -> str:
    """Return what to look for: a key that was pasted as a whole is cut to the part that may be shown."""
    text = given.strip()[:TEXT_CHARACTERS_MAX].replace("\0", "")
    return text if (key := parse_key(text)) is None else key.prefix


def search(portal: Portal, text: str) -> list[SearchGroup]:
    """Return what a member finds by a text, in groups; nothing for an empty one. It takes at most three queries."""
    if not text:
        return []
    groups = (
        SearchGroup("Pages", _places(portal, text)),
        SearchGroup("API keys", _keys(portal, text)),
        SearchGroup("Invoices", _invoices(portal, text)),
        SearchGroup("Events", _events(portal, text)),
        SearchGroup("Documentation", _docs(text)),
    )
    return [group for group in groups if group.results]


def best_matches(items: Iterable[Item], text: str, words_of: Callable[[Item], tuple[str, str]]) -> list[Item]:
    """Return the items that have every word of a text, those first whose title begins with it, then by title.

    `words_of` returns an item's title, and the other words that it is found by.
    """
    wanted = text.casefold()
    words = wanted.split()
    ranked: list[tuple[int, int, Item]] = []
    for place, item in enumerate(items):
        title, others = (part.casefold() for part in words_of(item))
        if not all(word in title or word in others for word in words):
            continue
        rank = 0 if title.startswith(wanted) else 1 if all(word in title for word in words) else 2
        ranked.append((rank, place, item))
    ranked.sort(key=lambda row: row[:2])
    return [item for _, _, item in ranked[:ROWS_IN_A_GROUP]]


def _places(portal: Portal, text: str) -> tuple[SearchHit, ...]:
    places = best_matches(places_of(portal.role), text, lambda place: (place.title, place.words))
    slug = portal.tenant.slug
    return tuple(
        SearchHit(place.title, "", reverse(f"portal:{place.name}", args=[slug]), place.icon) for place in places
    )


def _keys(portal: Portal, text: str) -> tuple[SearchHit, ...]:
    found = keys_matching(tenant_id=portal.tenant.pk, as_of=portal.as_of, search=text)[:ROWS_IN_A_GROUP]
    slug = portal.tenant.slug
    return tuple(
        SearchHit(key.name, f"{key.prefix}…{key.last_four}", reverse("portal:key", args=[slug, key.pk]), "key-round")
        for key in found
    )


def _invoices(portal: Portal, text: str) -> tuple[SearchHit, ...]:
    if not portal.may[Capability.MANAGE_BILLING]:
        return ()
    found = issued_invoices(tenant_id=portal.tenant.pk).filter(number__icontains=text)[:ROWS_IN_A_GROUP]
    return tuple(
        SearchHit(
            invoice.number or "",
            f"{money(invoice.total_minor, invoice.currency)}, {invoice.status}",
            reverse("portal:invoice", args=[portal.tenant.slug, invoice.number]),
            "receipt-text",
        )
        for invoice in found
    )


def _events(portal: Portal, text: str) -> tuple[SearchHit, ...]:
    """Return the stored events with exactly this id and no source, of both halves of the ledger."""
    page = reverse("portal:event", args=[portal.tenant.slug])
    return tuple(
        SearchHit(text, f"Event, {half}", f"{page}?{urlencode({'id': text, 'ledger': half})}", "activity")
        for half in ("live" if is_live else "test" for is_live in _halves(portal, text))
    )


def _halves(portal: Portal, text: str) -> Sequence[bool]:
    return halves_with_event(tenant_id=portal.tenant.pk, event_id=text)


def _docs(text: str) -> tuple[SearchHit, ...]:
    pages = best_matches(_DOCS, text, lambda page: (page[1], page[2]))
    calls = best_matches(every_call(), text, lambda call: (call.summary, f"{call.method} {call.path} {call.tag}"))
    codes = best_matches(CODES, text, lambda error: (error.code, str(error.status)))
    found = [
        *(SearchHit(title, "", reverse(f"portal:{name}"), "book-open") for name, title, _ in pages),
        *(
            SearchHit(
                call.summary, f"{call.method} {call.path}", reverse("portal:docs_call", args=[call.id]), "terminal"
            )
            for call in calls
        ),
        *(
            SearchHit(error.code, f"Error {error.status}", f"{reverse('portal:errors')}#{error.code}", "circle-x")
            for error in codes
        ),
    ]
    return tuple(found[:ROWS_IN_A_GROUP])
