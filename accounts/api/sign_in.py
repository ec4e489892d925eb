"""How people sign in: what django-allauth asks us."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from accounts.api.request_facts import address_of
from accounts.api.second_factor import must_prove, note_first_factor
from accounts.api.session_life import begin_life
from accounts.api.sign_in_log import note, note_failure, note_limit, ways_in
from accounts.api.single_sign_on import note_factors_of_provider
from accounts.at_rest import TOTP, seal_text, unseal_text
from accounts.domain.invitation_token import INVITATION_IN_SESSION
from accounts.models import User
from accounts.selectors.invitations import is_invitation_open
from accounts.selectors.sign_ins import person_at

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - the name of no address, for a local socket; nothing is bound to it
RESET_MAIL = "account/email/password_reset_code"
FACTOR_ADDED = frozenset({"totp_activated", "webauthn_added"})


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up may be closed by the operator; limits by address look behind our proxies, and not further."""

    _is_asked_again = False

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return whether strangers may sign up; who has an open invitation in the session may in any case."""
        if settings.SIGN_UP_OPEN:
            return True
        token = request.session.get(INVITATION_IN_SESSION)
        return isinstance(token, str) and is_invitation_open(token=token, as_of=timezone.now())

    def post_login(self, request: HttpRequest, user: User, **details: Any) -> HttpResponse:
        """Note who came in, from where, and go on."""
        begin_life(request)
        note_factors_of_provider(request, user, (details.get("signal_kwargs") or {}).get("sociallogin"))
        note(request, "signed_in", user, **{"with": ways_in(request, user)})
        response: HttpResponse = super().post_login(request, user, **details)
        return response

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Note each change of how a person comes in, and tell the person; allauth calls this for every one of them."""
        what = template_prefix.rsplit("/", 1)[-1]
        if what in FACTOR_ADDED:
            note_first_factor(self.request, user)
        note(self.request, what, user)
        super().send_notification_mail(template_prefix, user, context, email)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Let the attempt count against the limits. Raises `ValidationError` beyond them, which is noted."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            note_limit(request)
            raise

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Note an attempt that failed, at the account if there is one."""
        what = "reauthentication_failed" if self._is_asked_again else "sign_in_failed"
        note_failure(request, what, person_at(str(credentials.get("email", ""))))

    def reauthenticate(self, user: User, password: str) -> bool:
        """Return whether this is the person's password; a failure is noted as one of asking again."""
        self._is_asked_again = True
        return bool(super().reauthenticate(user, password))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Note who is sent a code for a new password, and send what is to be sent."""
        if template_prefix == RESET_MAIL:
            note_failure(self.request, "password_reset_asked", person_at(email))
        super().send_mail(template_prefix, email, context)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Offer every way; staff who owe their second factor are offered that alone, since a password pays no debt.

        Whoever has neither password nor factor here signs in again.
        """
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if not methods and user.is_authenticated:
            return [{"id": "sign_in_again", "description": "Sign in again", "url": reverse("sign_in_again")}]
        factors = [method for method in methods if method["id"].startswith("mfa_")]
        return factors if factors and must_prove(self.request) else methods

    def get_client_ip(self, request: HttpRequest) -> str:
        """Where limits count from: the address that our own proxies vouch for, as the API and the audit log see it."""
        return address_of(request) or UNKNOWN_ADDRESS


class MFAAdapter(DefaultMFAAdapter):
    """TOTP secrets and recovery seeds are encrypted at rest; allauth stores them in clear otherwise."""

    def encrypt(self, text: str) -> str:
        """Called before a secret is stored."""
        return seal_text(text, purpose=TOTP)

    def decrypt(self, encrypted_text: str) -> str:
        """Called before a secret is used."""
        return unseal_text(encrypted_text, purpose=TOTP)
