"""Mail by SMTP: limited by a request's deadline, and not tried while the server is unavailable."""

from collections.abc import Sequence
from smtplib import SMTPConnectError, SMTPServerDisconnected
from socket import gaierror
from typing import Final

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from accounts.gateways.deadlines import is_in_request
from accounts.gateways.outside import NO_ANSWER, call_outside

CIRCUIT: Final = "mail"
# Not every `OSError`: a server that refuses an address has responded, and every error of `smtplib` is an `OSError`.
OUTAGES: Final = (SMTPServerDisconnected, SMTPConnectError, ConnectionError, TimeoutError, gaierror)


class BoundedSmtp(EmailBackend):
    """Django's backend. In a request, an unavailable server raises `OSError` within the request's time."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send the mails as Django does. A job waits as long as `EMAIL_TIMEOUT` says, and retries by its own rules."""
        if not is_in_request():
            return super().send_messages(email_messages) or 0
        try:
            return call_outside(CIRCUIT, lambda: super(BoundedSmtp, self).send_messages(email_messages) or 0, OUTAGES)
        except NO_ANSWER as error:
            raise TimeoutError(f"The mail server did not answer: {error}") from error
