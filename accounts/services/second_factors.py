"""Removal of the second factors of a person who has lost them and the recovery codes as well."""

from datetime import datetime

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction

from accounts.domain.actor import Actor
from accounts.models import User
from accounts.services.audit import AuditTarget, record_audit


def remove_second_factors(*, user: User, actor: Actor, as_of: datetime) -> int:
    """Delete every factor and the recovery codes, end the person's sessions, and return the number of deleted rows.

    At the next sign-in a member of staff must set one up.
    """
    with transaction.atomic():
        removed, _ = Authenticator.objects.filter(user=user).delete()
        keys = list(UserSession.objects.filter(user=user).values_list("session_key", flat=True))
        Session.objects.filter(session_key__in=keys).delete()
        record_audit(
            actor=actor,
            action="account.second_factors_removed",
            tenant_id=None,
            target=AuditTarget("user", user.pk, user.email),
            before={"factors": removed},
            as_of=as_of,
        )
    return int(removed)
