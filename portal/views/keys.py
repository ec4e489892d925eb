"""The pages of API keys: list, create, show, rotate, revoke, release.

A secret is in one response and nowhere else: not in a session, not in an address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.domain.api_key import KeyKind
from accounts.domain.roles import Capability
from accounts.domain.scopes import scopes_of_role
from accounts.errors import ConflictError, ProblemError
from accounts.keys.domain.labels import checked_labels
from accounts.keys.selectors.key_use import labels_in_use
from accounts.keys.selectors.leaks import leaks_of_key
from accounts.keys.services.api_keys import CreatedKey, KeyTerms, create_api_key, revoke_api_key, rotate_api_key
from accounts.keys.services.labels import label_api_key
from accounts.keys.services.leaks import release_api_key
from accounts.models import ApiKey
from accounts.selectors.api_keys import key_of_tenant
from accounts.selectors.directory import QUARANTINED, USABLE, keys_matching
from portal.access import Portal, SignedInRequest, tenant_page
from portal.confirmation import Confirmation, confirmation_page
from portal.forms.keys import KeysFilterForm, LabelsForm, NewKeyForm, RotateKeyForm, chosen
from portal.forms.problems import show_problem
from portal.key_activity import KeyGlance, activity_of, glances_of
from portal.snippets import snippets

ROWS_ON_A_PAGE: Final = 25
_LIMIT_FIELDS: Final = ("expires_at", "allowed_cidrs", "throttle_rate", "throttle_burst", "quota")


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key, whether it works now, whether the member may rotate it, and, in the list, its last days."""

    key: ApiKey
    state: str
    may_rotate: bool
    glance: KeyGlance | None = None

    @property
    def is_usable(self) -> bool:
        """Return whether the key can still be rotated or revoked."""
        return self.state in {USABLE, QUARANTINED}


def state_of(key: ApiKey, as_of: datetime) -> str:
    """Return the state of the key at the instant in a word: usable, or why not."""
    if key.revoked_at is not None and key.revoked_at <= as_of:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= as_of:
        return "expired"
    return USABLE if key.quarantined_at is None else QUARANTINED


@tenant_page("keys")
def keys(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render all keys of the tenant; members without the right to manage keys see them too."""
    in_use = labels_in_use(tenant_id=portal.tenant.pk)
    form = KeysFilterForm(request.GET, environments=in_use.environments, tags=in_use.tags)
    wanted = chosen(form)
    found = keys_matching(tenant_id=portal.tenant.pk, as_of=portal.as_of, **wanted)
    page = Paginator(found, ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    glances = glances_of(portal, list(page.object_list))
    rows = [_row(portal, key, glances[key.pk]) for key in page.object_list]
    context = {"portal": portal, "form": form, "page": page, "rows": rows, "is_filtered": any(wanted.values())}
    return render(request, "portal/keys.html", context)


@tenant_page("keys")
def key(request: SignedInRequest, portal: Portal, key_id: UUID) -> HttpResponse:
    """Render a key's scopes, limits and use, and the public places in which it was found."""
    found = _key(portal, key_id)
    leaks = leaks_of_key(tenant_id=portal.tenant.pk, key_id=key_id)
    context = {
        "portal": portal,
        "key": found,
        "row": _row(portal, found),
        "leaks": leaks,
        "activity": activity_of(portal, found),
    }
    return render(request, "portal/key.html", context)


@tenant_page("keys", Capability.MANAGE_KEYS, methods=("GET", "HEAD", "POST"), recent=("GET", "POST"))
def key_new(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the form; after a POST, show the new key once."""
    given = request.POST if request.method == "POST" else None
    form = NewKeyForm(given, scopes=scopes_of_role(portal.role), as_of=portal.as_of)
    if form.is_valid():
        try:
            return _created(request, portal, create_key(portal, **form.cleaned_data))
        except ProblemError as error:
            show_problem(form, error)
    has_limits = any(form[name].errors or form[name].value() for name in _LIMIT_FIELDS)
    context = {"portal": portal, "form": form, "has_limits": has_limits}
    return render(request, "portal/key_new.html", context, status=422 if form.errors else 200)


@tenant_page("keys", Capability.MANAGE_KEYS, methods=("GET", "HEAD", "POST"), recent=("GET", "POST"))
def key_rotate(request: SignedInRequest, portal: Portal, key_id: UUID) -> HttpResponse:
    """Render the choice of the grace period; after a POST, show the new key once."""
    old_key = _key(portal, key_id)
    form = RotateKeyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        grace = timedelta(seconds=form.cleaned_data["grace_seconds"])
        try:
            created = rotate_api_key(key=old_key, grace=grace, actor=portal.actor, as_of=portal.as_of)
        except ProblemError as error:
            show_problem(form, error)
        else:
            old_key.refresh_from_db()
            return _created(request, portal, created, old_key)
    return render(
        request,
        "portal/key_rotate.html",
        {"portal": portal, "form": form, "key": old_key},
        status=422 if form.errors else 200,
    )


@tenant_page("keys", Capability.MANAGE_KEYS, methods=("GET", "HEAD", "POST"))
def key_revoke(request: SignedInRequest, portal: Portal, key_id: UUID) -> HttpResponse:
    """Confirm first, then revoke the key."""
    found = _key(portal, key_id)
    back = reverse("portal:keys", args=[portal.tenant.slug])
    if request.method == "POST":
        revoke_api_key(key=found, actor=portal.actor, as_of=portal.as_of)
        messages.success(request, f"{found.name} is revoked. It stops working within a second.")
        return redirect(back)
    confirmation = Confirmation(
        title=f"Revoke {found.name}?",
        text=(
            f"Requests with {found.prefix}…{found.last_four} are refused within a second. This cannot be undone. "
            "To replace a key that is in use, rotate it."
        ),
        label="Revoke key",
        back=back,
    )
    return confirmation_page(request, portal, confirmation)


@tenant_page("keys", Capability.MANAGE_TENANT, methods=("GET", "HEAD", "POST"), recent=("GET", "POST"))
def key_release(request: SignedInRequest, portal: Portal, key_id: UUID) -> HttpResponse:
    """Confirm first, then end the key's quarantine. Whoever does it has just signed in again."""
    found = _key(portal, key_id)
    back = reverse("portal:key", args=[portal.tenant.slug, key_id])
    if request.method == "POST":
        try:
            release_api_key(key=found, actor=portal.actor, as_of=portal.as_of)
        except ConflictError as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, f"{found.name} is released. It works again within a second.")
        return redirect(back)
    confirmation = Confirmation(
        title=f"Release {found.name}?",
        text=(
            f"Whoever has read {found.prefix}…{found.last_four} in public can use it again. Release it only if the "
            "report is wrong; otherwise rotate the key and revoke it."
        ),
        label="Release key",
        back=back,
    )
    return confirmation_page(request, portal, confirmation)


@tenant_page("keys", Capability.MANAGE_KEYS, methods=("GET", "HEAD", "POST"))
def key_labels(request: SignedInRequest, portal: Portal, key_id: UUID) -> HttpResponse:
    """Render the form of a key's labels, or save it."""
    found = _key(portal, key_id)
    initial = {"environment": found.environment, "tags": ", ".join(found.tags)}
    form = LabelsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            labels = checked_labels(**form.cleaned_data)
            label_api_key(key=found, labels=labels, actor=portal.actor, as_of=portal.as_of)
        except ProblemError as error:
            show_problem(form, error)
        else:
            messages.success(request, "The labels are saved.")
            return redirect("portal:key", portal.tenant.slug, key_id)
    context = {"portal": portal, "form": form, "key": found}
    return render(request, "portal/key_labels.html", context, status=422 if form.errors else 200)


def create_key(
    portal: Portal, *, kind: str, environment: str = "", tags: Sequence[str] = (), **terms: Any
) -> CreatedKey:
    """Create a key of the tenant on behalf of the member."""
    return create_api_key(
        tenant=portal.tenant,
        kind=KeyKind(kind),
        terms=KeyTerms(**terms),
        labels=checked_labels(environment=environment, tags=tags),
        actor=portal.actor,
        as_of=portal.as_of,
    )


def _row(portal: Portal, key: ApiKey, glance: KeyGlance | None = None) -> KeyRow:
    gives = {scope.value for scope in scopes_of_role(portal.role)}
    may_rotate = portal.tenant.is_active and gives.issuperset(key.scopes)
    return KeyRow(key, state_of(key, portal.as_of), may_rotate, glance)


def _key(portal: Portal, key_id: UUID) -> ApiKey:
    return key_of_tenant(tenant_id=portal.tenant.pk, key_id=key_id)


def _created(
    request: SignedInRequest, portal: Portal, created: CreatedKey, old_key: ApiKey | None = None
) -> HttpResponse:
    context = {
        "portal": portal,
        "key": created.key,
        "secret": created.secret,
        "old_key": old_key,
        "snippets": snippets(url=settings.PUBLIC_URL, key=created.secret),
    }
    return render(request, "portal/key_created.html", context, status=201)
