"""Opening, updating, suspending and closing a tenant."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Final

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.domain.reach import within_tenant
from accounts.domain.roles import Capability, Role
from accounts.domain.slugs import is_slug, slug_candidates, slugify_name
from accounts.domain.tenant_settings import clean_settings
from accounts.domain.transitions import TenantStatus, statuses_before
from accounts.errors import FieldError, InvalidFieldsError, SlugTakenError, TenantStatusError, TooManyTenantsError
from accounts.models import Membership, Tenant, User
from accounts.selectors.api_keys import forget_keys
from accounts.selectors.tenants import forget_tenant
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.changes import differing, update_changed
from accounts.services.members import invite_member
from accounts.services.rights import lock_tenant, require_capability
from accounts.services.tenant_parts import tenant_parts
from accounts.sql import fetch_all

SLUG_ATTEMPTS_MAX: Final = 50
TENANTS_OWNED_MAX: Final = 20
STATUS_ACTIONS: Final = {
    TenantStatus.ACTIVE: "tenant.reactivated",
    TenantStatus.SUSPENDED: "tenant.suspended",
    TenantStatus.CLOSED: "tenant.closed",
}
_REASON_CHARACTERS_MAX: Final = 200
_SLUG_STEM_CHARACTERS: Final = 40  # what is left of a long name when a number is appended, and less


def open_tenant(
    *,
    name: str,
    owner: User | None,
    actor: Actor,
    as_of: datetime,
    owner_email: str | None = None,
    slug: str | None = None,
    settings: Mapping[str, object] | None = None,
) -> Tenant:
    """Create a tenant with all that it begins with, for sign-up, operator and demo alike.

    `owner` becomes its first member; `owner_email` is invited as the owner. Without a slug, one is derived from the
    name. Higher apps add their parts, such as the default usage plan. All of it happens, or nothing.

    Raises `InvalidFieldsError`, `SlugTakenError`, `TooManyTenantsError`, and what `invite_member` raises.
    """
    cleaned = clean_settings({**(settings or {}), "name": name})
    if slug is not None and not is_slug(slug):
        refusal = FieldError(
            "/slug", "invalid_slug", "Lower-case letters, digits and single hyphens, and no reserved word."
        )
        raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))
    with transaction.atomic():
        _check_zone_known(cleaned)
        if owner is not None:
            _check_tenants_owned(owner)
        tenant = _insert(cleaned, [slug] if slug else _free_slugs(str(cleaned["name"])), as_of)
        with within_tenant(tenant.id):
            if owner is not None:
                Membership.objects.create(tenant=tenant, user=owner, role=Role.OWNER, created_at=as_of)
            record_audit(
                actor=actor,
                action="tenant.created",
                tenant_id=tenant.id,
                target=AuditTarget("tenant", tenant.id, tenant.slug),
                after={**cleaned, "slug": tenant.slug, "owner": None if owner is None else owner.email},
                as_of=as_of,
            )
            if owner_email is not None:
                invite_member(tenant=tenant, email=owner_email, role=Role.OWNER, actor=actor, as_of=as_of)
            for part in tenant_parts():
                part.open(tenant=tenant, actor=actor, as_of=as_of)
            return tenant


def _insert(cleaned: Mapping[str, str | int], slugs: Iterable[str], as_of: datetime) -> Tenant:
    """Insert the tenant with the first free slug. The unique constraint decides between two who want the same."""
    for slug in islice(slugs, SLUG_ATTEMPTS_MAX):
        try:
            with transaction.atomic():
                tenant: Tenant = Tenant.objects.create(id=uuid7(as_of), slug=slug, created_at=as_of, **cleaned)
                return tenant
        except IntegrityError:
            if not Tenant.objects.filter(slug=slug).exists():
                raise
    raise SlugTakenError


def _free_slugs(name: str) -> Iterator[str]:
    """Yield slugs for `name` that were free a moment ago."""
    taken = set(
        Tenant.objects.filter(slug__startswith=slugify_name(name)[:_SLUG_STEM_CHARACTERS]).values_list(
            "slug", flat=True
        )
    )
    return (slug for slug in slug_candidates(name) if slug not in taken)


def _check_tenants_owned(owner: User) -> None:
    """Count under a lock of the user's row, so that a burst of requests is counted too."""
    User.objects.select_for_update().get(pk=owner.pk)
    if Membership.objects.filter(user=owner, role=Role.OWNER).count() >= TENANTS_OWNED_MAX:
        raise TooManyTenantsError(f"A person can own at most {TENANTS_OWNED_MAX} tenants.")


def _check_zone_known(cleaned: Mapping[str, str | int]) -> None:
    """Raise if PostgreSQL, which cuts days, lacks the time zone: it may have fewer or older ones than Python."""
    zone = cleaned.get("time_zone", "UTC")
    if zone == "UTC":
        return
    if fetch_all("SELECT 1 FROM pg_timezone_names WHERE name = %(zone)s", {"zone": zone}):
        return
    refusal = FieldError("/time_zone", "invalid_time_zone", "The database does not know this time zone.")
    raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))


def update_tenant(*, tenant: Tenant, changes: Mapping[str, object], actor: Actor, as_of: datetime) -> Tenant:
    """Update settings by name, with all that follows from them. Unchanged settings are left out of the audit log.

    Raises `InvalidFieldsError`, `PermissionMissingError`, `NotFoundError`.
    """
    with transaction.atomic():
        current = lock_tenant(tenant.id)
        require_capability(actor, tenant.id, Capability.MANAGE_TENANT)
        cleaned = clean_settings(changes, stored={"country": current.country, "tax_id": current.tax_id})
        changed = differing(current, cleaned)
        if not changed:
            return current
        _check_zone_known(changed.after)
        update_changed(current, changed)
        record_audit(
            actor=actor,
            action="tenant.updated",
            tenant_id=current.id,
            target=AuditTarget("tenant", current.id, current.slug),
            before=changed.before,
            after=changed.after,
            as_of=as_of,
        )
        for part in tenant_parts():
            part.follow(tenant=current, changed=changed.after.keys(), as_of=as_of)
    _forget(current)
    return current


def suspend_tenant(*, tenant: Tenant, reason: str, actor: Actor, as_of: datetime) -> Tenant:
    """Suspend the tenant: it may read but not use the service. Effective in every process within a second.

    Raises `TenantStatusError`.
    """
    return _change_status(tenant, TenantStatus.SUSPENDED, reason=reason, actor=actor, as_of=as_of)


def reactivate_tenant(*, tenant: Tenant, actor: Actor, as_of: datetime) -> Tenant:
    """Resume the service of a suspended tenant. Raises `TenantStatusError`."""
    return _change_status(tenant, TenantStatus.ACTIVE, reason="", actor=actor, as_of=as_of)


def close_tenant(*, tenant: Tenant, reason: str, actor: Actor, as_of: datetime) -> Tenant:
    """Close a tenant for good. Its usage and debts stay. Raises `TenantStatusError`."""
    return _change_status(tenant, TenantStatus.CLOSED, reason=reason, actor=actor, as_of=as_of)


def change_tenant_status(*, tenant: Tenant, status: TenantStatus, reason: str, actor: Actor, as_of: datetime) -> Tenant:
    """Set the tenant's status, or change nothing if it has it already. Raises `TenantStatusError`."""
    if tenant.status == status:
        return tenant
    return _change_status(tenant, status, reason=reason, actor=actor, as_of=as_of)


def _change_status(tenant: Tenant, status: TenantStatus, *, reason: str, actor: Actor, as_of: datetime) -> Tenant:
    """Compare and set: of two who change the same status at once, one does, and the other gets an error."""
    with transaction.atomic():
        before = Tenant.objects.filter(pk=tenant.pk).values("status", "status_reason").get()
        allowed = statuses_before(status)
        changed = Tenant.objects.filter(pk=tenant.pk, status=before["status"], status__in=allowed).update(
            status=status, status_reason=reason[:_REASON_CHARACTERS_MAX]
        )
        if changed != 1:
            raise TenantStatusError(f"A tenant that is {before['status']} cannot become {status}.")
        record_audit(
            actor=actor,
            action=STATUS_ACTIONS[status],
            tenant_id=tenant.pk,
            target=AuditTarget("tenant", tenant.pk, tenant.slug),
            before=before,
            after={"status": status, "status_reason": reason[:_REASON_CHARACTERS_MAX]},
            as_of=as_of,
        )
        tenant.refresh_from_db()
        for part in tenant_parts():
            part.follow(tenant=tenant, changed=("status",), as_of=as_of)
    _forget(tenant)
    return tenant


def _forget(tenant: Tenant) -> None:
    """Clear the tenant from this process's cache at once; other processes see the change within a second."""
    forget_tenant(tenant.slug)
    forget_keys()
