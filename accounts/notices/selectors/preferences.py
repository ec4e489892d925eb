"""The mail preferences of a member and of a tenant."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Membership
from accounts.notices.domain.mails import MailKind
from accounts.notices.models import MailPreference


def wishes_of(*, membership: Membership, kinds: Iterable[MailKind]) -> dict[MailKind, bool]:
    """Return for each kind whether the member gets it by their own choice and their role."""
    chosen = dict(MailPreference.objects.filter(membership=membership).values_list("kind", "is_wanted"))
    return {
        kind: may_want(membership=membership, kind=kind)
        and chosen.get(kind.name, membership.role in kind.roles_by_default)
        for kind in kinds
    }


def may_want(*, membership: Membership, kind: MailKind) -> bool:
    """Return whether the member's role may get mails of this kind."""
    return membership.role in kind.roles_allowed


def tenant_wants(*, tenant_id: UUID, kind: MailKind) -> bool:
    """Return whether mails of this kind are sent for the tenant. They are if the tenant has not chosen."""
    return not _turned_off(kind).filter(tenant_id=tenant_id).exists()


def is_turned_off(kind: MailKind, *, tenant: str = "tenant") -> Exists:
    """Return the condition that the tenant of a row, found by the path `tenant`, has turned mails of this kind off."""
    return Exists(_turned_off(kind).filter(tenant=OuterRef(tenant)))


def _turned_off(kind: MailKind) -> QuerySet[MailPreference]:
    return MailPreference.objects.filter(membership=None, kind=kind.name, is_wanted=False)
