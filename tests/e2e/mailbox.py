"""A real SMTP server that keeps what it is sent, so that a test can open the mail as its addressee would."""

import re
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

MAIL_SECONDS_MAX = 10


class Mailbox:
    """Every mail that arrived, whoever it is for."""

    def __init__(self, port: int) -> None:
        """Listen on the port once `start` is called."""
        self.port = port
        self._arrival = threading.Condition()
        self._mails: list[EmailMessage] = []
        self._controller = Controller(self, hostname="127.0.0.1", port=port)

    def start(self) -> None:
        """Open the server."""
        self._controller.start()

    def stop(self) -> None:
        """Close the server."""
        self._controller.stop()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one mail."""
        assert isinstance(envelope.content, bytes), "SMTP carries bytes"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        with self._arrival:
            self._mails.append(mail)
            self._arrival.notify_all()
        return "250 kept"

    @property
    def texts(self) -> list[str]:
        """Return every mail as it came, decoded."""
        parts = [part for mail in self._mails for part in mail.walk() if part.get_content_maintype() == "text"]
        return [str(part.get_content()) for part in parts]

    def text_for(self, address: str, *, containing: str) -> str:
        """Wait for a mail to the address with these words. Return the plain text of the newest."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: self._find(address, containing), MAIL_SECONDS_MAX), (
                f"no mail to {address} with {containing!r}; there are {[(m['To'], m['Subject']) for m in self._mails]}"
            )
            return self._find(address, containing)

    def code_for(self, address: str) -> str:
        """Return the code that verifies the address."""
        text = self.text_for(address, containing="verification code")
        found = re.search(r"^\s*([A-Z0-9]{3,}(?:-[A-Z0-9]{3,})?)\s*$", text, re.MULTILINE)
        assert found, f"the mail has no code:\n{text}"
        return found[1]

    def link_for(self, address: str) -> str:
        """Return the link by which an invitation is accepted."""
        found = re.search(
            r"^\s*(http://\S+/invitations/\S+)\s*$", self.text_for(address, containing="invit"), re.MULTILINE
        )
        assert found, "the mail has no link"
        return found[1]

    def _find(self, address: str, containing: str) -> str:
        for mail in reversed(self._mails):
            body = mail.get_body(("plain",))
            text = body.get_content() if body else ""
            if address in mail["To"] and containing in text:
                return str(text)
        return ""
