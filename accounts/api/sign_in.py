"""How people sign in: what django-allauth asks us."""

import base64
import hashlib
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.api.request_facts import address_of, request_id_of
from accounts.api.second_factor import must_prove, note_first_factor
from accounts.domain.actor import Actor
from accounts.domain.invitation_token import INVITATION_IN_SESSION
from accounts.models import User
from accounts.selectors.invitations import is_invitation_open
from accounts.services.audit import AuditTarget, record_audit

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - the name of no address, for a local socket; nothing is bound to it
FACTOR_ADDED = frozenset({"totp_activated", "webauthn_added"})


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up may be closed by the operator; limits by address look behind our proxies, and not further."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return whether strangers may sign up; who has an open invitation in the session may in any case."""
        if settings.SIGN_UP_OPEN:
            return True
        token = request.session.get(INVITATION_IN_SESSION)
        return isinstance(token, str) and is_invitation_open(token=token, as_of=timezone.now())

    def post_login(self, request: HttpRequest, user: User, **details: Any) -> HttpResponse:
        """Note who came in, from where, and go on."""
        self._record("signed_in", request, user)
        response: HttpResponse = super().post_login(request, user, **details)
        return response

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Note each change of how a person comes in, and tell the person; allauth calls this for every one of them."""
        what = template_prefix.rsplit("/", 1)[-1]
        if what in FACTOR_ADDED:
            note_first_factor(self.request, user)
        self._record(what, self.request, user)
        super().send_notification_mail(template_prefix, user, context, email)

    def _record(self, what: str, request: HttpRequest, user: User) -> None:
        """Add to the audit log: for instance `account.password_changed`."""
        actor = Actor.member(
            user_id=user.pk, label=user.email, ip=address_of(request) or None, request_id=request_id_of(request)
        )
        record_audit(
            actor=actor,
            action=f"account.{what}",
            tenant_id=None,
            target=AuditTarget("user", user.pk, user.email),
            as_of=timezone.now(),
        )

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Offer every way; staff who owe their second factor are offered that alone, since a password pays no debt."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        factors = [method for method in methods if method["id"].startswith("mfa_")]
        return factors if factors and must_prove(self.request) else methods

    def get_client_ip(self, request: HttpRequest) -> str:
        """Where limits count from: the address that our own proxies vouch for, as the API and the audit log see it."""
        return address_of(request) or UNKNOWN_ADDRESS


def _cipher() -> MultiFernet:
    """A cipher by the signing secret; earlier secrets still decrypt."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet(
        [
            Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"countinghouse mfa " + secret.encode()).digest()))
            for secret in secrets
        ]
    )


class MFAAdapter(DefaultMFAAdapter):
    """TOTP secrets and recovery seeds are encrypted at rest; allauth stores them in clear otherwise."""

    def encrypt(self, text: str) -> str:
        """Called before a secret is stored."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Called before a secret is used."""
        return _cipher().decrypt(encrypted_text.encode()).decode()
