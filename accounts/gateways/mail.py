"""Mail by SMTP: bounded by a request's deadline, and not tried while the server does not answer."""

from collections.abc import Sequence
from smtplib import SMTPConnectError, SMTPServerDisconnected
from socket import gaierror
from typing import Final

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from accounts.gateways.deadlines import is_in_request
from accounts.gateways.outside import NO_ANSWER, ask

CIRCUIT: Final = "mail"
# Not each `OSError`: a server that refuses an address has answered, and every error of `smtplib` is one.
OUTAGES: Final = (SMTPServerDisconnected, SMTPConnectError, ConnectionError, TimeoutError, gaierror)


class BoundedSmtp(EmailBackend):
    """Django's backend. In a request, a server that does not answer is an `OSError` within the request's time."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send them as Django does; a job waits as long as `EMAIL_TIMEOUT` says, and tries again by its own rules."""
        if not is_in_request():
            return super().send_messages(email_messages) or 0
        try:
            return ask(CIRCUIT, lambda: super(BoundedSmtp, self).send_messages(email_messages) or 0, OUTAGES)
        except NO_ANSWER as error:
            raise TimeoutError(f"The mail server did not answer: {error}") from error
