"""Staff rights by the word of a single sign-on provider."""

from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.models import User
from accounts.services.audit import AuditTarget, record_audit


def apply_provider_claim(*, user: User, is_staff: bool, provider: str, actor: Actor, as_of: datetime) -> bool:
    """Grant or revoke staff rights as the provider says, and return whether anything changed.

    The permissions of a member of staff stay as a superuser has set them.
    """
    with transaction.atomic():
        changed = User.objects.filter(pk=user.pk).exclude(is_staff=is_staff).update(is_staff=is_staff)
        if changed:
            record_audit(
                actor=actor,
                action="account.staff_rights_given" if is_staff else "account.staff_rights_taken",
                tenant_id=None,
                target=AuditTarget("user", user.pk, user.email),
                after={"provider": provider},
                as_of=as_of,
            )
    user.is_staff = is_staff
    return bool(changed)
