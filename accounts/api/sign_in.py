"""Sign-in: the adapters that django-allauth calls."""

from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, EmailMultiAlternatives
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
from accounts.domain.mail_form import MailFoot
from accounts.models import User
from accounts.selectors.invitations import is_invitation_open
from accounts.selectors.sign_ins import person_at
from accounts.services.mail_forms import dress

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - the name of no address, for a local socket; nothing is bound to it
RESET_MAIL = "account/email/password_reset_code"
CODE_SENT: Final = "account/messages/email_confirmation_sent.txt"
SIGN_IN_REASON = "You get this because this address signs in here, or someone entered it. Such mails always come."
FACTOR_ADDED = frozenset({"totp_activated", "webauthn_added"})


class AccountAdapter(DefaultAccountAdapter):
    """The account adapter. The operator may close sign-up; limits by address trust only our own proxies."""

    _is_asked_again = False

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return whether strangers may sign up. A person with an open invitation in the session always may."""
        if settings.SIGN_UP_OPEN:
            return True
        token = request.session.get(INVITATION_IN_SESSION)
        return isinstance(token, str) and is_invitation_open(token=token, as_of=timezone.now())

    def post_login(self, request: HttpRequest, user: User, **details: Any) -> HttpResponse:
        """Record who signed in and from which address, then continue."""
        begin_life(request)
        note_factors_of_provider(request, user, (details.get("signal_kwargs") or {}).get("sociallogin"))
        note(request, "signed_in", user, **{"with": ways_in(request, user)})
        response: HttpResponse = super().post_login(request, user, **details)
        return response

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Record each change of how a person signs in, and mail the person. allauth calls this for each one."""
        what = template_prefix.rsplit("/", 1)[-1]
        if what in FACTOR_ADDED:
            note_first_factor(self.request, user)
        note(self.request, what, user)
        super().send_notification_mail(template_prefix, user, context, email)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt against the limits. Raises `ValidationError` beyond them, which is recorded."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            note_limit(request)
            raise

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Record a failed attempt, at the account if there is one."""
        what = "reauthentication_failed" if self._is_asked_again else "sign_in_failed"
        note_failure(request, what, person_at(str(credentials.get("email", ""))))

    def reauthenticate(self, user: User, password: str) -> bool:
        """Return whether this is the person's password. Record a failure as one of authenticating again."""
        self._is_asked_again = True
        return bool(super().reauthenticate(user, password))

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Add a message for the next page. That a first code was sent is said by the page that asks for it."""
        is_first = request.path != reverse("account_email_verification_sent")
        if message_template == CODE_SENT and is_first:
            return
        super().add_message(request, level, message_template, *args, **kwargs)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Record who is sent a code for a new password, and send the mail."""
        if template_prefix == RESET_MAIL:
            note_failure(self.request, "password_reset_asked", person_at(email))
        super().send_mail(template_prefix, email, context)

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> EmailMessage:
        """Return the mail in the seller's style. It is about how a person signs in: no link in it stops such mails."""
        message: EmailMessage = super().render_mail(template_prefix, email, context, headers)
        if isinstance(message, EmailMultiAlternatives) and not message.alternatives:
            dress(message, "", MailFoot(SIGN_IN_REASON))
        return message

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Offer every method. Staff who have yet to prove their second factor are offered only that one.

        A person with neither a password nor a second factor here signs in again.
        """
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if not methods and user.is_authenticated:
            return [{"id": "sign_in_again", "description": "Sign in again", "url": reverse("sign_in_again")}]
        factors = [method for method in methods if method["id"].startswith("mfa_")]
        return factors if factors and must_prove(self.request) else methods

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address that limits count by: as our own proxies report it, the same as in the audit log."""
        return address_of(request) or UNKNOWN_ADDRESS


class MFAAdapter(DefaultMFAAdapter):
    """The adapter of second factors. It encrypts TOTP secrets and recovery seeds, which allauth stores in clear."""

    def encrypt(self, text: str) -> str:
        """Encrypt a secret before it is stored."""
        return seal_text(text, purpose=TOTP)

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt a secret before it is used."""
        return unseal_text(encrypted_text, purpose=TOTP)
