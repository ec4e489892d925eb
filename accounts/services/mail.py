"""Mails about tenants.

They are handed over after the transaction that they tell of, and never stored with a link in them.
"""

from smtplib import SMTPException
from typing import Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from accounts.errors import MailNotSentError
from accounts.models import Invitation

# The portal answers under this path; it is the one address that a mail of this app holds.
INVITATION_PATH: Final = "/invitations/{token}/"


def invitation_url(token: str) -> str:
    """Return the link that a mail carries. It is made from PUBLIC_URL: a Host header is anybody's to write."""
    return f"{settings.PUBLIC_URL}{INVITATION_PATH.format(token=token)}"


def send_invitation(*, invitation: Invitation, token: str, inviter: str) -> None:
    """Mail the link. Raises `MailNotSentError`; the invitation stands, and can be sent anew by inviting again."""
    context = {"invitation": invitation, "tenant": invitation.tenant, "inviter": inviter, "url": invitation_url(token)}
    mail = EmailMultiAlternatives(
        subject=render_to_string("accounts/email/invitation_subject.txt", context).strip(),
        body=render_to_string("accounts/email/invitation.txt", context),
        to=[invitation.email],
    )
    mail.attach_alternative(render_to_string("accounts/email/invitation.html", context), "text/html")
    try:
        mail.send()
    except (OSError, SMTPException) as error:
        raise MailNotSentError(
            "The invitation is made, but its mail could not be sent. Invite again in a moment."
        ) from error
