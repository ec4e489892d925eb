"""Sign-ins and failed sign-ins in the audit log."""

from allauth.account.models import EmailAddress
from django.db.models import Q, QuerySet

from accounts.models import AuditEntry, User

SIGN_IN_PREFIX = "account."


def recent_sign_ins(*, user_id: int, limit: int) -> list[AuditEntry]:
    """Return the newest entries about the person's own sign-in, failed ones included."""
    entries = AuditEntry.objects.filter(target_kind="user", target_id=str(user_id), action__startswith=SIGN_IN_PREFIX)
    return list(entries.order_by("-occurred_at", "-id")[:limit])


def sign_ins_of_all(entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Filter the audit log to sign-ins and changes of how people sign in."""
    return entries.filter(action__startswith=SIGN_IN_PREFIX)


def person_at(address: str) -> User | None:
    """Return the user with this address, in one query whether there is such a user or not."""
    theirs = EmailAddress.objects.filter(email__iexact=address).values("user")
    return User.objects.filter(Q(email__iexact=address) | Q(pk__in=theirs)).first()
