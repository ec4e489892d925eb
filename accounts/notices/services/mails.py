"""Mails that must go out once: stored with what they tell of, sent afterwards, each row claimed before it is sent.

What the mail server refused is tried again later. Where nobody can say whether it took the mail (the line broke while
it was handed over, or our process died), the mail becomes `unknown`, and only a person sends it again: never twice by
itself.
"""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.domain.masking import mask_secrets
from accounts.errors import ConflictError
from accounts.models import JobRun, StoredFile
from accounts.notices.domain.mails import MailStatus
from accounts.notices.models import OutboundMail
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job

MAILS_JOB: Final = "mails"
MAILS_PER_RUN: Final = 500
ATTEMPTS_MAX: Final = 8
# Seven waits between eight attempts: a mail server may be away for a night.
BACK_OFF: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720))
CUT_OFF_AFTER: Final = timedelta(minutes=15)
UNREACHABLE_MAX: Final = 3
ATTENTION_SPAN: Final = timedelta(days=1)
_SUBJECT_CHARACTERS_MAX: Final = 300
_ERROR_CHARACTERS_MAX: Final = 300


class _Outcome(Enum):
    """What became of one attempt."""

    SENT = auto()
    REFUSED = auto()
    UNREACHABLE = auto()
    CUT_OFF = auto()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How an attempt ended, and what the mail server said."""

    outcome: _Outcome
    error: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored file that goes with a mail, and its name there."""

    file: StoredFile
    name: str


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail to write down; one without recipients is none."""

    tenant_id: UUID
    kind: str
    dedupe_key: str
    recipients: Sequence[str]
    subject: str
    text: str
    html: str
    attachment: Attachment | None = None


def queue_mails(mails: Iterable[NewMail], *, as_of: datetime) -> None:
    """Write mails down in the caller's transaction. Of two with one `dedupe_key` the first is kept."""
    OutboundMail.objects.bulk_create(
        (
            OutboundMail(
                tenant_id=mail.tenant_id,
                kind=mail.kind,
                dedupe_key=mail.dedupe_key,
                recipients=list(mail.recipients),
                subject=" ".join(mail.subject.split())[:_SUBJECT_CHARACTERS_MAX],
                text=mail.text,
                html=mail.html,
                attachment=None if mail.attachment is None else mail.attachment.file,
                attachment_name="" if mail.attachment is None else mail.attachment.name,
                created_at=as_of,
                next_attempt_at=as_of,
            )
            for mail in mails
            if mail.recipients
        ),
        ignore_conflicts=True,
    )


def send_queued_mails(*, as_of: datetime, limit: int = 100) -> int:
    """Send at most `limit` mails that are due, the oldest first; answers how many went out.

    Any number of workers may do so at once.
    """
    started = perf_counter()
    OutboundMail.objects.filter(status=MailStatus.SENDING, claimed_at__lt=as_of - CUT_OFF_AFTER).update(
        status=MailStatus.UNKNOWN, error="The process that sent it did not finish; it may have gone out."
    )
    due = OutboundMail.objects.filter(status=MailStatus.QUEUED, next_attempt_at__lte=as_of)
    sent = unreachable = 0
    for mail_id in list(due.order_by("next_attempt_at", "pk").values_list("pk", flat=True)[:limit]):
        now = as_of + timedelta(seconds=perf_counter() - started)
        mail = _claim(mail_id, now)
        if mail is None:
            continue
        attempt = _send(mail)
        _record(mail, attempt, now)
        sent += attempt.outcome is _Outcome.SENT
        unreachable = unreachable + 1 if attempt.outcome is _Outcome.UNREACHABLE else 0
        if unreachable == UNREACHABLE_MAX:
            break  # no server, no mail: the others keep their attempts
    return sent


def run_mails(*, started_by: str, as_of: datetime, limit: int = MAILS_PER_RUN) -> JobRun:
    """The same as a recorded job, which asks for attention where a mail of the last day failed or is unknown."""

    def work() -> JobReport:
        sent = send_queued_mails(as_of=as_of, limit=limit)
        recent = OutboundMail.objects.filter(claimed_at__gte=as_of - ATTENTION_SPAN)
        failed = recent.filter(status=MailStatus.FAILED).count()
        unknown = recent.filter(status=MailStatus.UNKNOWN).count()
        summary = {"sent": sent, "failed": failed, "unknown": unknown}
        return JobReport(summary, needs_attention=bool(failed or unknown))

    return run_job(name=MAILS_JOB, started_by=started_by, as_of=as_of, work=work)


@transaction.atomic
def send_again(*, mail_id: int, actor: Actor, as_of: datetime) -> None:
    """Queue a mail anew that failed, or of which nobody knows.

    A person's decision; raises `ConflictError` for any other mail.
    """
    ended = OutboundMail.objects.filter(pk=mail_id, status__in=[MailStatus.FAILED, MailStatus.UNKNOWN])
    if ended.update(status=MailStatus.QUEUED, attempts=0, error="", next_attempt_at=as_of) != 1:
        raise ConflictError("Only a mail that failed, or that may not have gone out, is sent again.")
    mail = OutboundMail.objects.get(pk=mail_id)
    record_audit(
        actor=actor,
        action="mail.requeued",
        tenant_id=mail.tenant_id,
        target=AuditTarget("mail", mail.pk, mail.subject),
        as_of=as_of,
    )


def message_id(dedupe_key: str) -> str:
    """The mail's name for mail programs: the same at each attempt, so that even a copy would be known as one."""
    name = hashlib.sha256(dedupe_key.encode()).hexdigest()[:32]
    return f"<{name}@{urlsplit(settings.PUBLIC_URL).hostname or 'localhost'}>"


def _claim(mail_id: int, now: datetime) -> OutboundMail | None:
    """Take the mail, or None where another worker has.

    Durable: what follows cannot be rolled back, so neither may this be.
    """
    with transaction.atomic(durable=True):
        queued = OutboundMail.objects.filter(pk=mail_id, status=MailStatus.QUEUED)
        if not queued.update(status=MailStatus.SENDING, claimed_at=now, attempts=F("attempts") + 1):
            return None
        return OutboundMail.objects.get(pk=mail_id)


def _send(mail: OutboundMail) -> _Attempt:
    """Hand the mail over on a connection of its own, so that a mail's failure is that mail's alone."""
    message = _message(mail)
    server: BaseEmailBackend = get_connection()
    try:
        server.open()
    except (OSError, SMTPException) as error:
        return _Attempt(_Outcome.UNREACHABLE, _said(error))
    try:
        server.send_messages([message])
    except (SMTPResponseException, SMTPRecipientsRefused) as error:
        return _Attempt(_Outcome.REFUSED, _said(error))
    except (OSError, SMTPException) as error:
        return _Attempt(_Outcome.CUT_OFF, _said(error))
    finally:
        # The server has answered for the mail; how the line is closed does not matter.
        with suppress(OSError, SMTPException):
            server.close()
    return _Attempt(_Outcome.SENT)


def _message(mail: OutboundMail) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        to=mail.recipients,
        headers={"Message-ID": message_id(mail.dedupe_key), "Auto-Submitted": "auto-generated"},
    )
    if mail.html:
        message.attach_alternative(mail.html, "text/html")
    if mail.attachment is not None:
        message.attach(mail.attachment_name, bytes(mail.attachment.content), mail.attachment.media_type)
    return message


def _record(mail: OutboundMail, attempt: _Attempt, now: datetime) -> None:
    """Write down how the attempt ended.

    A claim that was taken for cut off meanwhile is corrected: this process knows.
    """
    claimed = OutboundMail.objects.filter(
        pk=mail.pk, claimed_at=mail.claimed_at, status__in=[MailStatus.SENDING, MailStatus.UNKNOWN]
    )
    error = attempt.error[:_ERROR_CHARACTERS_MAX]
    if attempt.outcome is _Outcome.SENT:
        claimed.update(status=MailStatus.SENT, sent_at=now, error="")
    elif attempt.outcome is _Outcome.CUT_OFF:
        claimed.update(status=MailStatus.UNKNOWN, error=error)
    elif mail.attempts >= ATTEMPTS_MAX:
        claimed.update(status=MailStatus.FAILED, error=error)
    else:
        wait = BACK_OFF[mail.attempts - 1]
        claimed.update(status=MailStatus.QUEUED, next_attempt_at=now + wait, error=error)


def _said(error: Exception) -> str:
    return mask_secrets(f"{type(error).__name__}: {error}")
