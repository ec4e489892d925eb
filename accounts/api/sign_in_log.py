"""Sign-ins in the audit log: who signed in, who failed, from which address, and how the account is protected.

What a visitor typed is never stored. If no account has the address, not even the address is stored, since people type
passwords into the wrong field. Only staff and the person see the entries; they do not change what a visitor sees.
allauth calls its adapter for some of these events and sends a signal for the others.
"""

from typing import Any, Final

from allauth.account.authentication import get_authentication_records
from allauth.account.signals import (
    authentication_step_completed,
    email_verification_code_rejected,
    password_reset_code_rejected,
)
from allauth.mfa.signals import authentication_failed
from django.contrib.auth.signals import user_logged_out
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone

from accounts.api.request_facts import address_of, request_id_of
from accounts.domain.actor import Actor, ActorKind
from accounts.domain.reach import WayIn, way_in
from accounts.models import User
from accounts.services.audit import AuditTarget, record_audit

UNKNOWN: Final = "unknown address"
LIMIT_NOTED_EVERY_SECONDS: Final = 60


def note(request: HttpRequest, what: str, user: User, **after: object) -> None:
    """Record an action of a person on their own sign-in, such as `account.signed_in`."""
    ip, request_id = address_of(request) or None, request_id_of(request)
    _add(Actor.member(user_id=user.pk, label=user.email, ip=ip, request_id=request_id), what, user, after)


def note_failure(request: HttpRequest, what: str, user: User | None, **after: object) -> None:
    """Record a visitor's failed attempt. Who it was is unknown, even if the account is known."""
    actor = Actor(ActorKind.VISITOR, "visitor", ip=address_of(request) or None, request_id=request_id_of(request))
    _add(actor, what, user, after)


def note_limit(request: HttpRequest) -> None:
    """Record at most once a minute that an address tries too often, so that a guesser cannot fill the log."""
    if cache.add(f"sign-in-limit-noted:{address_of(request)}", True, LIMIT_NOTED_EVERY_SECONDS):  # noqa: FBT003 - Django's signature
        note_failure(request, "sign_in_limited", None)


def ways_in(request: HttpRequest, user: User) -> list[str]:
    """Return the steps of this session's sign-in, such as `password` and `totp`."""
    records = get_authentication_records(request, user)
    steps = [str(record.get("type") or record.get("provider") or record["method"]) for record in records]
    return list(dict.fromkeys(steps))


def _add(actor: Actor, what: str, user: User | None, after: dict[str, object]) -> None:
    target = AuditTarget("user", "", UNKNOWN) if user is None else AuditTarget("user", user.pk, user.email)
    action = f"account.{what}"
    with way_in(WayIn.SIGN_IN):
        record_audit(actor=actor, action=action, tenant_id=None, target=target, after=after, as_of=timezone.now())


def _factor_refused(request: HttpRequest, user: User, authenticator: Any, **more: Any) -> None:
    what = "reauthentication_failed" if more.get("reauthentication") else "second_factor_failed"
    note_failure(request, what, user, factor=str(authenticator.type))


def _code_refused(request: HttpRequest, user: User | None, **_: Any) -> None:
    note_failure(request, "code_refused", user)


def _step_completed(request: HttpRequest, user: User, method: str, **more: Any) -> None:
    if more.get("reauthenticated"):
        note(request, "reauthenticated", user, **{"with": str(more.get("type") or method)})


def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        note(request, "signed_out", user)


authentication_failed.connect(_factor_refused)
password_reset_code_rejected.connect(_code_refused)
email_verification_code_rejected.connect(_code_refused)
authentication_step_completed.connect(_step_completed)
user_logged_out.connect(_signed_out)
