"""Access to a tenant's pages. Every view below `/t/<slug>/` is wrapped by `tenant_page`.

A user who is not a member gets the same 404 for a tenant that exists as for one that does not; a member whose role does
not allow the page gets a 403.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, wraps
from typing import Concatenate, ParamSpec
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_htmx.middleware import HtmxDetails

from accounts.api.request_facts import address_of, request_id_of
from accounts.api.second_factor import has_proven, way_to_proof
from accounts.api.session_life import require_recent_sign_in
from accounts.api.streams import keep_reach
from accounts.api.viewing import viewed_member_of
from accounts.domain.actor import Actor
from accounts.domain.reach import Reach, WayIn, reaching, way_in
from accounts.domain.roles import Capability, Role, has_capability
from accounts.errors import NotFoundError, PermissionMissingError
from accounts.models import ApiKey, JobRun, Tenant, User
from accounts.notices.selectors.notices import UNREAD_SHOWN_MAX, unread_count
from accounts.selectors.directory import USABLE, keys_matching
from accounts.selectors.tenants import tenants_of_user
from billing.dunning.selectors.cases import TenantDunning, dunning_of
from billing.dunning.selectors.links import payment_address
from billing.selectors.subscriptions.standing import TenantStanding, standing_of
from metering.domain.ledger import Ledger
from metering.selectors.ledgers import half_of, rebuild_under_way

Parameters = ParamSpec("Parameters")


class SignedInRequest(HttpRequest):
    """A request of a signed-in user, with the attributes of django-htmx's middleware."""

    user: User
    htmx: HtmxDetails


@dataclass(frozen=True)
class Portal:
    """The context of a tenant's page: its tenant, the user and the time.

    It has no slots, so that its properties can be cached.
    """

    tenant: Tenant
    tenants: Sequence[Tenant]
    role: Role
    actor: Actor
    section: str
    as_of: datetime
    user_id: int

    @property
    def may(self) -> dict[str, bool]:
        """Return whether the member has each capability, by its name, for templates."""
        return {capability.value: has_capability(self.role, capability) for capability in Capability}

    @cached_property
    def standing(self) -> TenantStanding:
        """Return the tenant's subscription and unpaid invoices. They are read once, and only if the page shows them."""
        return standing_of(tenant_id=self.tenant.pk, as_of=self.as_of)

    @cached_property
    def dunning(self) -> TenantDunning:
        """Return what follows the unpaid invoices. It is read once, and only by a page of a tenant that owes."""
        return dunning_of(self.tenant.pk)

    @cached_property
    def payment_url(self) -> str:
        """Return the address for paying the oldest unpaid invoice without signing in; empty without one."""
        owing = self.standing.owing
        return payment_address(owing[0], as_of=self.as_of) if owing else ""

    @cached_property
    def unread(self) -> int:
        """Return how many notices the member has not read, read once; one more than the bell shows means more."""
        return unread_count(tenant_id=self.tenant.pk, user_id=self.user_id)

    @property
    def unread_text(self) -> str:
        """Return that number as the bell shows it."""
        return f"{UNREAD_SHOWN_MAX}+" if self.unread > UNREAD_SHOWN_MAX else str(self.unread)

    @cached_property
    def rebuild(self) -> JobRun | None:
        """Return the current rebuild of the tenant's usage, if any. It is read once, and only if the page shows it."""
        return rebuild_under_way(slug=self.tenant.slug)

    def ledger(self, *, is_live: bool) -> Ledger:
        """Return the live or the test half of the tenant's ledger."""
        return half_of(self.tenant, is_live=is_live)


TenantView = Callable[Concatenate[SignedInRequest, Portal, Parameters], HttpResponseBase]


def tenant_page(
    section: str,
    capability: Capability = Capability.READ_USAGE,
    *,
    methods: Sequence[str] = ("GET", "HEAD"),
    recent: Sequence[str] = (),
) -> Callable[[TenantView[Parameters]], Callable[..., HttpResponseBase]]:
    """Pass a view its `Portal`, with times in the tenant's zone; `capability` is what the member's role must allow.

    `recent` lists the methods that need a sign-in within the last ten minutes. A form keeps its input while the user
    signs in again.
    """

    def decorate(view: TenantView[Parameters]) -> Callable[..., HttpResponseBase]:
        @never_cache
        @require_http_methods(list(methods))
        @login_required
        @wraps(view)
        def page(
            request: SignedInRequest, slug: str, *args: Parameters.args, **kwargs: Parameters.kwargs
        ) -> HttpResponseBase:
            portal = _portal_of(request, slug, section)
            if portal.tenant.requires_second_factor and not _has_proven(request):
                return way_to_proof(request, otherwise=reverse("portal:overview", args=[slug]))
            if not has_capability(portal.role, capability):
                raise PermissionDenied
            if request.method in recent:
                require_recent_sign_in(request)
            try:
                with reaching(Reach(portal.tenant.pk)), timezone.override(ZoneInfo(portal.tenant.time_zone)):
                    return keep_reach(view(request, portal, *args, **kwargs))
            except NotFoundError as error:
                raise Http404 from error
            except PermissionMissingError as error:
                raise PermissionDenied from error

        return page

    return decorate


def actor_of(request: SignedInRequest, role: Role | None = None) -> Actor:
    """Return the actor for the audit log.

    If staff view as a customer, it is the member of staff, whom every service refuses to change anything.
    """
    ip, request_id = address_of(request) or None, request_id_of(request)
    user, viewed = request.user, viewed_member_of(request)
    if viewed is None:
        return Actor.member(user_id=user.pk, label=user.email, role=role, ip=ip, request_id=request_id)
    label = f"{viewed.viewing.staff_label} as {user.email}"
    return Actor.viewing(user_id=viewed.viewing.staff_id, label=label, role=viewed.role, ip=ip, request_id=request_id)


def tenants_shown(request: HttpRequest, user: User) -> list[tuple[Tenant, Role]]:
    """Return the user's tenants with the role in each; while staff view as a customer, only the viewed tenant."""
    viewed = viewed_member_of(request)
    if viewed is not None:
        return [(viewed.tenant, viewed.role)]
    return [(membership.tenant, Role(membership.role)) for membership in tenants_of_user(user)]


def highest_tenant(request: SignedInRequest) -> Tenant | None:
    """Return the user's tenant with the highest role, for a page that is of no tenant; None without one."""
    with way_in(WayIn.SIGN_IN):
        shown = tenants_shown(request, request.user)
    return min(shown, key=lambda pair: list(Role).index(pair[1]))[0] if shown else None


def key_shown_to(request: HttpRequest, as_of: datetime) -> tuple[Tenant | None, ApiKey | None]:
    """Return the first tenant of whoever is signed in, and its newest usable key, for a page that is of no tenant."""
    user = request.user
    if not isinstance(user, User):
        return None, None
    with way_in(WayIn.SIGN_IN):
        shown = tenants_shown(request, user)
    if not shown:
        return None, None
    tenant = shown[0][0]
    with reaching(Reach(tenant.pk)):
        return tenant, keys_matching(tenant_id=tenant.pk, as_of=as_of, state=USABLE).first()


def _has_proven(request: SignedInRequest) -> bool:
    """Return whether a second factor was proven in this session. Staff who view as a customer have proven theirs."""
    return viewed_member_of(request) is not None or has_proven(request)


def _portal_of(request: SignedInRequest, slug: str, section: str) -> Portal:
    with way_in(WayIn.SIGN_IN):
        shown = tenants_shown(request, request.user)
    tenant, role = next(((tenant, role) for tenant, role in shown if tenant.slug == slug), (None, Role.VIEWER))
    if tenant is None:
        raise Http404
    return Portal(
        tenant=tenant,
        tenants=[tenant for tenant, _ in shown],
        role=role,
        actor=actor_of(request, role),
        section=section,
        as_of=timezone.now(),
        user_id=request.user.pk,
    )
