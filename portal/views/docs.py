"""Customers' documentation below `/docs/`: quickstart, every call, errors, limits, webhooks; and `/llms.txt`.

Calls are read from the OpenAPI document, texts from `docs/`. A reader who is signed in finds the visible part of a key
of theirs in the programs; a secret is not stored, so none can be shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.models import Tenant
from accounts.webhooks.domain.event_types import EVENT_TYPES
from portal.access import key_shown_to
from portal.api_reference import Call, documented_groups, every_call
from portal.call_snippets import call_snippets
from portal.connect_page import Section, filled_in, sections_of
from portal.error_codes import CODES
from portal.snippets import KEY_PLACEHOLDER, snippets

_FOLDER: Final = Path(__file__).resolve().parents[2] / "docs"
# What concerns customers of these pages; the rest is for those who run the product.
_LIMITS: Final = ("The limits", "Reservations", "Beyond authorization")
_WEBHOOKS: Final = ("A request", "Attempts", "Replays", "Secrets")
_FOR_DEVELOPERS: Final = "tests/"


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the tenant of a reader who is signed in, and what stands for the key in programs."""

    tenant: Tenant | None
    key: str
    key_name: str


@require_safe
def quickstart(request: HttpRequest) -> HttpResponse:
    """Render how to send the first event and read what it counts."""
    reader = reader_of(request)
    programs = snippets(url=settings.PUBLIC_URL, key=reader.key)
    return _page(request, reader, "portal/docs/quickstart.html", "quickstart", {"snippets": programs})


@require_safe
def calls(request: HttpRequest) -> HttpResponse:
    """Render the list of all calls."""
    return _page(request, reader_of(request), "portal/docs/calls.html", "calls", {})


@require_safe
def call(request: HttpRequest, operation: str) -> HttpResponse:
    """Render one call: its fields, its responses, and programs that make it."""
    found = _calls_by_id().get(operation)
    if found is None:
        raise Http404
    reader = reader_of(request)
    programs = call_snippets(found, url=settings.PUBLIC_URL, key=reader.key)
    context = {"call": found, "snippets": programs}
    return _page(request, reader, "portal/docs/call.html", found.id, context)


@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    """Render every code of the API's errors with its status and meaning; each row has an anchor."""
    return _page(request, reader_of(request), "portal/docs/errors.html", "errors", {"codes": CODES})


@require_safe
def limits(request: HttpRequest) -> HttpResponse:
    """Render which limits there are and how a refusal says when to try again."""
    sections = _sections("limits.md", _LIMITS)
    return _page(request, reader_of(request), "portal/docs/limits.html", "limits", {"sections": sections})


@require_safe
def webhooks(request: HttpRequest) -> HttpResponse:
    """Render how webhooks are received and verified, and their types."""
    context = {"sections": _sections("webhooks.md", _WEBHOOKS), "types": EVENT_TYPES}
    return _page(request, reader_of(request), "portal/docs/webhooks.html", "webhooks", context)


@require_safe
def llms(request: HttpRequest) -> HttpResponse:
    """Return the documentation as an index that programs read, as llmstxt.org describes."""
    context = {"groups": documented_groups(), "codes": CODES, "url": settings.PUBLIC_URL}
    return render(request, "portal/docs/llms.txt", context, content_type="text/plain; charset=utf-8")


def reader_of(request: HttpRequest) -> Reader:
    """Return who reads. Of several tenants it is the first, and of its usable keys the newest."""
    tenant, key = key_shown_to(request, timezone.now())
    return Reader(tenant, KEY_PLACEHOLDER, "") if key is None else Reader(tenant, f"{key.prefix}…", key.name)


def _page(request: HttpRequest, reader: Reader, template: str, here: str, context: Mapping[str, Any]) -> HttpResponse:
    base = {"reader": reader, "groups": documented_groups(), "here": here, "url": settings.PUBLIC_URL}
    return render(request, template, {**base, **context})


@lru_cache(maxsize=1)
def _calls_by_id() -> Mapping[str, Call]:
    return {one.id: one for one in every_call()}


@lru_cache(maxsize=8)
def _sections(name: str, titles: tuple[str, ...]) -> tuple[Section, ...]:
    """Return some sections of a page of the documentation, without what is for developers of the product."""
    page = filled_in((_FOLDER / name).read_text(), url=settings.PUBLIC_URL, key=KEY_PLACEHOLDER, slug="acme")
    kept = [section for section in sections_of(page) if section.title in titles]
    assert [section.title for section in kept] == list(titles), "the page has these sections"
    return tuple(Section(one.title, tuple(b for b in one.blocks if _FOR_DEVELOPERS not in b.words)) for one in kept)
