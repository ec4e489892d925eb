"""Mails in the seller's style."""

import pytest
from django.core.mail import EmailMultiAlternatives

from accounts.domain.mail_form import MailFoot
from accounts.models import MailStyle
from accounts.services.mail_forms import dress, render_mail
from tests.accounts.services.test_mail_logo import PICTURE

pytestmark = pytest.mark.django_db
STOP = "https://portal.example/mail/stop/x/"


def html_of(message: EmailMultiAlternatives) -> str:
    [alternative] = message.alternatives
    return str(alternative[0])


def test_a_mail_has_sender_reply_address_logo_footer_reason_and_one_click() -> None:
    MailStyle.objects.create(
        sender_name="Acme <Cloud>", reply_to="help@acme.example", colour="#123456", footer="Acme & Co", logo=PICTURE
    )
    message = dress(
        EmailMultiAlternatives("S", "Text.", to=["a@b.example"]), "<p>Text.</p>", MailFoot("Because.", STOP)
    )
    sent = message.message()
    assert sent["From"] == '"Acme <Cloud>" <no-reply@localhost>'
    assert sent["Reply-To"] == "help@acme.example"
    assert sent["List-Unsubscribe"] == f"<{STOP}>"
    assert sent["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message.body == f"Text.\n\n-- \nBecause.\nStop mails of this kind: {STOP}\nAcme & Co\n"
    html = html_of(message)
    assert 'src="cid:logo"' in html
    assert "Acme &amp; Co" in html
    assert "prefers-color-scheme: dark" in html
    assert any(part["Content-ID"] == "<logo>" for part in sent.walk())


def test_a_mail_that_must_come_has_no_address_that_stops_it_and_html_of_its_text() -> None:
    message = dress(EmailMultiAlternatives("S", "Your code: 12", to=["a@b.example"]), "", MailFoot("Because."))
    assert "List-Unsubscribe" not in message.message()
    assert "Your code: 12</p>" in html_of(message)
    assert "Stop mails" not in html_of(message) + str(message.body)


def test_a_mail_that_was_stored_as_a_whole_document_stays_as_it_is() -> None:
    document = "<!DOCTYPE html><html></html>"
    assert render_mail(document, subject="S", foot=MailFoot(""), style=MailStyle()) == document
