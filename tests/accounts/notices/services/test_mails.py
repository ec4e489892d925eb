"""Mails are sent once, whatever the mail server replies, however many workers send, and wherever one is killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import StringIO
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts.domain.actor import Actor
from accounts.errors import ConflictError
from accounts.models import AuditEntry, JobOutcome, StoredFile, Tenant
from accounts.notices.domain.mails import MailStatus
from accounts.notices.models import OutboundMail
from accounts.notices.services.mails import (
    ATTEMPTS_MAX,
    BACK_OFF,
    CUT_OFF_AFTER,
    UNREACHABLE_MAX,
    Attachment,
    NewMail,
    message_id,
    queue_mails,
    run_mails,
    send_again,
    send_queued_mails,
)
from accounts.notices.tasks import send_mails
from tests.metering.ledger_world import make_tenant

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class PostOffice:
    """A real mail server. For chosen subjects it refuses, hangs up, or kills the process that sends the mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refused: set[str] = set()
        self.cut_off: set[str] = set()
        self.victim: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        if self.victim is not None:
            os.kill(self.victim.pid, signal.SIGKILL)
            self.victim = None
        if mail["Subject"] in self.refused:
            return "451 try later"
        self.mails.append(mail)
        if mail["Subject"] in self.cut_off:
            assert server.transport is not None
            server.transport.abort()
        return "250 kept"

    @property
    def subjects(self) -> list[str]:
        return [mail["Subject"] for mail in self.mails]


@pytest.fixture
def post_office(settings: Any) -> Iterator[PostOffice]:
    office = PostOffice()
    office.controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", office.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    yield office
    office.controller.stop()


@pytest.fixture
def tenant(db: None) -> Tenant:
    return make_tenant("acme")


def queue(tenant: Tenant, subject: str, *, key: str = "", attachment: Attachment | None = None) -> OutboundMail:
    mail = NewMail(
        tenant_id=tenant.pk,
        kind="invoice",
        dedupe_key=key or subject,
        recipients=["books@acme.example"],
        subject=subject,
        text="In words.",
        html="<p>In words.</p>",
        attachment=attachment,
    )
    queue_mails([mail], as_of=NOW)
    return OutboundMail.objects.get(dedupe_key=key or subject)


def test_a_mail_goes_out_once_with_its_texts_its_attachment_and_a_name_that_does_not_change(
    tenant: Tenant, post_office: PostOffice
) -> None:
    file = StoredFile.objects.create(
        sha256="a" * 64, media_type="application/pdf", content=b"%PDF-1.7 \xff", created_at=NOW
    )
    queued = queue(tenant, "Rechnung für März", attachment=Attachment(file, "INV-2026-000001.pdf"))
    assert send_queued_mails(as_of=NOW) == 1
    assert send_queued_mails(as_of=NOW + MINUTE) == 0

    [mail] = post_office.mails
    assert mail["Subject"] == "Rechnung für März"
    assert mail["To"] == "books@acme.example"
    assert mail["Message-ID"] == message_id(queued.dedupe_key)
    plain, html = [mail.get_body((kind,)) for kind in ("plain", "html")]
    assert plain is not None
    assert html is not None
    assert plain.get_content().startswith("In words.")
    assert ">In words.</p>" in html.get_content()
    [attached] = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("INV-2026-000001.pdf", "application/pdf")
    assert attached.get_content() == b"%PDF-1.7 \xff"
    queued.refresh_from_db()
    assert (queued.status, queued.attempts, queued.error) == (MailStatus.SENT, 1, "")
    assert queued.sent_at is not None


def test_a_mail_with_a_known_key_or_without_recipients_is_not_queued(tenant: Tenant) -> None:
    queue(tenant, "first", key="k")
    queue(tenant, "second", key="k")
    queue_mails([NewMail(tenant.pk, "invoice", "none", recipients=[], subject="", text="", html="")], as_of=NOW)
    assert list(OutboundMail.objects.values_list("subject", flat=True)) == ["first"]


def test_a_mail_without_html_gets_a_form_of_its_text(tenant: Tenant, post_office: PostOffice) -> None:
    mail = NewMail(tenant.pk, "invoice", "k", ["books@acme.example"], subject="plain", text="In words.", html="")
    queue_mails([mail], as_of=NOW)
    assert send_queued_mails(as_of=NOW) == 1
    html = post_office.mails[0].get_body(("html",))
    assert html is not None
    assert ">In words.</p>" in html.get_content()


def test_a_subject_with_line_breaks_is_one_line(tenant: Tenant) -> None:
    assert queue(tenant, "a\r\nBcc: x@y.example " + "z" * 400, key="k").subject.startswith("a Bcc: x@y.example zz")
    assert len(OutboundMail.objects.get().subject) == 300


def test_a_refused_mail_does_not_hold_up_the_others_and_is_tried_again_later(
    tenant: Tenant, post_office: PostOffice
) -> None:
    post_office.refused = {"second"}
    for subject in ("first", "second", "third"):
        queue(tenant, subject)
    assert send_queued_mails(as_of=NOW) == 2
    assert post_office.subjects == ["first", "third"]
    refused = OutboundMail.objects.get(subject="second")
    assert (refused.status, refused.attempts) == (MailStatus.QUEUED, 1)
    assert "try later" in refused.error
    assert NOW + BACK_OFF[0] <= refused.next_attempt_at < NOW + BACK_OFF[0] + MINUTE

    post_office.refused = set()
    assert send_queued_mails(as_of=NOW + BACK_OFF[0] / 2) == 0
    assert send_queued_mails(as_of=refused.next_attempt_at) == 1
    assert post_office.subjects == ["first", "third", "second"]
    assert OutboundMail.objects.get(subject="second").error == ""


def test_after_eight_refusals_a_mail_has_failed_until_a_person_sends_it_again(
    tenant: Tenant, post_office: PostOffice
) -> None:
    post_office.refused = {"bill"}
    mail = queue(tenant, "bill")
    for attempt in range(1, ATTEMPTS_MAX + 1):
        assert mail.status == MailStatus.QUEUED
        send_queued_mails(as_of=mail.next_attempt_at)
        mail.refresh_from_db()
        assert mail.attempts == attempt
    assert mail.status == MailStatus.FAILED
    later = mail.next_attempt_at + timedelta(days=1)
    assert run_mails(started_by="test", as_of=later).summary == {"sent": 0, "failed": 1, "unknown": 0}

    post_office.refused = set()
    send_again(mail_id=mail.pk, actor=Actor.system("ann"), as_of=later)
    assert send_queued_mails(as_of=later) == 1
    assert AuditEntry.objects.get().action == "mail.requeued"
    with pytest.raises(ConflictError):
        send_again(mail_id=mail.pk, actor=Actor.system(), as_of=later)


def test_when_the_line_breaks_after_the_text_was_sent_the_mail_is_not_sent_again(
    tenant: Tenant, post_office: PostOffice
) -> None:
    post_office.cut_off = {"second"}
    for subject in ("first", "second", "third"):
        queue(tenant, subject)
    assert send_queued_mails(as_of=NOW) == 2
    assert OutboundMail.objects.get(subject="second").status == MailStatus.UNKNOWN
    for days in range(1, 10):
        assert send_queued_mails(as_of=NOW + timedelta(days=days)) == 0
    assert post_office.subjects == ["first", "second", "third"]
    assert run_mails(started_by="test", as_of=NOW + MINUTE).outcome == JobOutcome.ATTENTION


def test_when_no_server_answers_the_rest_keep_their_attempts(tenant: Tenant, settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.EMAIL_PORT = free.getsockname()[1]
    for number in range(UNREACHABLE_MAX + 2):
        queue(tenant, f"mail {number}")
    assert send_queued_mails(as_of=NOW) == 0
    assert sorted(OutboundMail.objects.values_list("attempts", flat=True)) == [0, 0, 1, 1, 1]
    assert set(OutboundMail.objects.values_list("status", flat=True)) == {MailStatus.QUEUED}


def test_a_mail_whose_sender_died_becomes_unknown_after_a_while(tenant: Tenant, post_office: PostOffice) -> None:
    mail = queue(tenant, "bill")
    OutboundMail.objects.filter(pk=mail.pk).update(status=MailStatus.SENDING, claimed_at=NOW, attempts=1)
    assert send_queued_mails(as_of=NOW + CUT_OFF_AFTER) == 0
    mail.refresh_from_db()
    assert mail.status == MailStatus.SENDING
    assert send_queued_mails(as_of=NOW + CUT_OFF_AFTER + MINUTE) == 0
    mail.refresh_from_db()
    assert mail.status == MailStatus.UNKNOWN
    assert post_office.mails == []


def test_the_oldest_mails_are_sent_first_in_batches(tenant: Tenant, post_office: PostOffice) -> None:
    for number in range(3):
        queue(tenant, f"mail {number}")
    assert send_queued_mails(as_of=NOW, limit=2) == 2
    assert post_office.subjects == ["mail 0", "mail 1"]


def test_the_schedule_and_the_command_send_what_is_due(tenant: Tenant, post_office: PostOffice) -> None:
    queue(tenant, "one")
    assert send_mails() == JobOutcome.SUCCEEDED
    queue(tenant, "two")
    out = StringIO()
    call_command("send_mails", stdout=out)
    assert out.getvalue() == "1 sent, 0 failed, 0 unknown\n"
    assert post_office.subjects == ["one", "two"]


@pytest.mark.django_db(transaction=True)
def test_eight_workers_at_once_send_each_mail_once(post_office: PostOffice) -> None:
    tenant = make_tenant("acme")
    for number in range(20):
        queue(tenant, f"mail {number}")

    def work(_worker: int) -> int:
        try:
            return send_queued_mails(as_of=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(work, range(8))) == 20
    assert sorted(post_office.subjects) == sorted(f"mail {number}" for number in range(20))


@pytest.mark.django_db(transaction=True)
@pytest.mark.takes_long("it kills processes")
def test_a_sender_that_is_killed_while_the_server_takes_the_mail_leaves_it_unknown_and_the_others_to_the_next(
    post_office: PostOffice, process_environment: dict[str, str]
) -> None:
    tenant, now = make_tenant("acme"), datetime.now(UTC)
    for subject in ("first", "second"):
        queue(tenant, subject)
    OutboundMail.objects.filter(subject="second").update(next_attempt_at=NOW + MINUTE)
    environment = process_environment | {"EMAIL_URL": f"smtp://127.0.0.1:{post_office.port}"}
    command = [sys.executable, "manage.py", "send_mails"]
    sender = post_office.victim = subprocess.Popen(command, env=environment)
    assert sender.wait(timeout=120) == -signal.SIGKILL

    assert send_queued_mails(as_of=now) == 1
    assert send_queued_mails(as_of=now + timedelta(hours=1)) == 0
    assert post_office.subjects == ["first", "second"]
    assert OutboundMail.objects.get(subject="first").status == MailStatus.UNKNOWN


def test_a_mail_has_a_known_status_and_a_sent_one_its_time(tenant: Tenant) -> None:
    mail = queue(tenant, "bill")
    with pytest.raises(IntegrityError, match="outbound_mail_status_known"), transaction.atomic():
        OutboundMail.objects.filter(pk=mail.pk).update(status="lost")
    with pytest.raises(IntegrityError, match="outbound_mail_sent_has_time"), transaction.atomic():
        OutboundMail.objects.filter(pk=mail.pk).update(status=MailStatus.SENT)
