"""Mails about tenants.

They are sent after the transaction that they report, and never stored with a link in them.
"""

from smtplib import SMTPException
from typing import Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from accounts.domain.mail_form import MailFoot
from accounts.errors import MailNotSentError
from accounts.models import Invitation
from accounts.services.mail_forms import dress

# The portal serves this path; it is the only address in a mail of this app.
INVITATION_PATH: Final = "/invitations/{token}/"


def invitation_url(token: str) -> str:
    """Return the link in the mail. It is built from PUBLIC_URL, since anyone can write a Host header."""
    return f"{settings.PUBLIC_URL}{INVITATION_PATH.format(token=token)}"


def send_invitation(*, invitation: Invitation, token: str, inviter: str) -> None:
    """Mail the link. Raises `MailNotSentError`; the invitation is kept, and inviting again sends a new mail."""
    context = {"invitation": invitation, "tenant": invitation.tenant, "inviter": inviter, "url": invitation_url(token)}
    mail = EmailMultiAlternatives(
        subject=render_to_string("accounts/email/invitation_subject.txt", context).strip(),
        body=render_to_string("accounts/email/invitation.txt", context),
        to=[invitation.email],
    )
    reason = f"You get this because {inviter} entered this address. Nothing else is sent to it."
    dress(mail, render_to_string("accounts/email/invitation.html", context), MailFoot(reason))
    try:
        mail.send()
    except (OSError, SMTPException) as error:
        raise MailNotSentError(
            "The invitation was created, but its mail could not be sent. Invite again in a moment."
        ) from error
