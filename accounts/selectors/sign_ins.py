"""What the audit log says of how a person came in, or did not."""

from allauth.account.models import EmailAddress
from django.db.models import Q, QuerySet

from accounts.models import AuditEntry, User

SIGN_IN_PREFIX = "account."


def recent_sign_ins(*, user_id: int, limit: int) -> list[AuditEntry]:
    """Return the newest entries about the person's own sign-in, failed ones included."""
    entries = AuditEntry.objects.filter(target_kind="user", target_id=str(user_id), action__startswith=SIGN_IN_PREFIX)
    return list(entries.order_by("-occurred_at", "-id")[:limit])


def sign_ins_of_everybody(entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Narrow the audit log to signing in and to what guards it."""
    return entries.filter(action__startswith=SIGN_IN_PREFIX)


def person_at(address: str) -> User | None:
    """Return who signs in by this address, in one query whether there is such a person or not."""
    theirs = EmailAddress.objects.filter(email__iexact=address).values("user")
    return User.objects.filter(Q(email__iexact=address) | Q(pk__in=theirs)).first()
