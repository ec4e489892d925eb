"""A tenant's keys, members, invitations and audit entries as filtered lists, for pages that people read.

Each function returns an ordered queryset, which the page cuts. Every one takes the tenant.
"""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.domain.api_key import KeyKind
from accounts.models import ApiKey, AuditEntry, Invitation, Membership

USABLE: Final = "usable"
ENDED: Final = "ended"
QUARANTINED: Final = "quarantined"


class KeyLabel(NamedTuple):
    """A label for a key: its name, and the characters that tell it from another of the same name."""

    name: str
    characters: str

    def __str__(self) -> str:
        return f"{self.name} ({self.characters})" if self.characters else self.name


SERVICE_KEY: Final = KeyLabel("Service key", "")
"""The label of a key that is not the tenant's own: one of the operator's, which reports for many tenants."""


def key_labels(*, tenant_id: UUID) -> dict[UUID, KeyLabel]:
    """Return a label for each of the tenant's keys, including ended ones, newest first."""
    keys = (
        ApiKey.objects.of_tenant(tenant_id)
        .order_by("-created_at", "-id")
        .values_list("id", "name", "prefix", "last_four")
    )
    return {key_id: KeyLabel(name, f"{prefix}…{last_four}") for key_id, name, prefix, last_four in keys}


def keys_matching(
    *,
    tenant_id: UUID,
    as_of: datetime,
    search: str = "",
    state: str = "",
    kind: str = "",
    environment: str = "",
    tag: str = "",
) -> QuerySet[ApiKey]:
    """Return the tenant's keys, newest first. `search` is a part of the name or the beginning of the key."""
    keys: QuerySet[ApiKey] = ApiKey.objects.of_tenant(tenant_id).select_related("created_by")
    if search:
        keys = keys.filter(Q(name__icontains=search) | Q(prefix__startswith=search[:12]))
    if state:
        usable = ApiKey.objects.of_tenant(tenant_id).usable_at(as_of).values("pk")
        keys = keys.exclude(pk__in=usable) if state == ENDED else keys.filter(pk__in=usable)
        if state in {USABLE, QUARANTINED}:
            keys = keys.filter(quarantined_at__isnull=state == USABLE)
    if kind in {KeyKind.LIVE, KeyKind.TEST}:
        keys = keys.filter(kind=kind)
    if environment:
        keys = keys.filter(environment=environment)
    if tag:
        keys = keys.filter(tags__contains=[tag])
    return keys.order_by("-created_at", "-id")


def members_matching(*, tenant_id: UUID, search: str = "", role: str = "") -> QuerySet[Membership]:
    """Return the tenant's members with their users, by address."""
    members = Membership.objects.filter(tenant_id=tenant_id).select_related("user")
    if search:
        members = members.filter(Q(user__email__icontains=search) | Q(user__name__icontains=search))
    if role:
        members = members.filter(role=role)
    return members.order_by("user__email")


def member_of_tenant(*, tenant_id: UUID, membership_id: int) -> Membership | None:
    """Return one of the tenant's memberships with its user, or None."""
    return Membership.objects.filter(tenant_id=tenant_id, pk=membership_id).select_related("user").first()


def membership_of(*, tenant_id: UUID, user_id: int) -> Membership:
    """Return the membership of a user who belongs to the tenant."""
    return Membership.objects.get(tenant_id=tenant_id, user_id=user_id)


def open_invitations(*, tenant_id: UUID, as_of: datetime) -> QuerySet[Invitation]:
    """Return the tenant's invitations that may still be accepted, newest first."""
    invitations: QuerySet[Invitation] = Invitation.objects.open_at(as_of).filter(tenant_id=tenant_id)
    return invitations.select_related("invited_by").order_by("-created_at", "-id")


def invitation_of_tenant(*, tenant_id: UUID, invitation_id: int) -> Invitation | None:
    """Return one of the tenant's invitations in any state, or None."""
    return Invitation.objects.filter(tenant_id=tenant_id, pk=invitation_id).first()


def audit_entries_matching(
    *, tenant_id: UUID, search: str = "", action: str = "", start: datetime | None = None, end: datetime | None = None
) -> QuerySet[AuditEntry]:
    """Return the tenant's audit entries, newest first. `search` is a part of the actor or the target."""
    entries = AuditEntry.objects.filter(tenant_id=tenant_id)
    if search:
        entries = entries.filter(
            Q(actor_label__icontains=search) | Q(target_label__icontains=search) | Q(target_id=search[:64])
        )
    if action:
        entries = entries.filter(action=action)
    if start is not None:
        entries = entries.filter(occurred_at__gte=start)
    if end is not None:
        entries = entries.filter(occurred_at__lt=end)
    return entries.order_by("-occurred_at", "-id")


def audit_actions(*, tenant_id: UUID) -> list[str]:
    """Return every action in the tenant's audit log."""
    return list(
        AuditEntry.objects.filter(tenant_id=tenant_id).order_by("action").values_list("action", flat=True).distinct()
    )
