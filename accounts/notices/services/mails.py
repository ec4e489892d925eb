"""Mails that must be sent once: stored in the transaction they report, sent afterwards, each claimed before it is sent.

A mail that the mail server refused is tried again later. If it is unknown whether the server took the mail (the
connection broke during sending, or our process died), the mail becomes `unknown`, and only staff send it again: no mail
is sent twice automatically.
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
from accounts.notices.domain.texts import beginning_of
from accounts.notices.models import OutboundMail
from accounts.notices.selectors.stops import foot_of
from accounts.notices.services.telling import NewNotice, notify_members
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from accounts.services.mail_forms import dress

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
    """The outcome of one attempt."""

    SENT = auto()
    REFUSED = auto()
    UNREACHABLE = auto()
    CUT_OFF = auto()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The outcome of an attempt, and the mail server's message."""

    outcome: _Outcome
    error: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored file attached to a mail, and its name there."""

    file: StoredFile
    name: str


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail to queue, one for each recipient, and the notice that it is about.

    `notice_key` names the notice if the mail repeats one that was told before. Without `page` the notice links to the
    page of its kind.
    """

    tenant_id: UUID
    kind: str
    dedupe_key: str
    recipients: Sequence[str]
    subject: str
    text: str
    html: str
    attachment: Attachment | None = None
    notice_key: str = ""
    page: str = ""


def queue_mails(mails: Iterable[NewMail], *, as_of: datetime) -> None:
    """Store mails and the notices that they are about, in the caller's transaction. The first of a key stays.

    A notice is told to the members whose role may see it, whether or not they want a mail. Raises `LookupError` for a
    kind that is not registered.
    """
    queued = list(mails)
    notify_members((_notice(mail) for mail in queued), as_of=as_of)
    add_mails(queued, as_of=as_of)


def add_mails(queued: Sequence[NewMail], *, as_of: datetime) -> None:
    """Store mails alone, in the caller's transaction: what they say is no notice, or is told already."""
    keys = [mail.dedupe_key for mail in queued]
    known = set(OutboundMail.objects.filter(dedupe_key__in=keys).values_list("dedupe_key", flat=True))
    OutboundMail.objects.bulk_create(
        (
            _row(mail, recipient, position, as_of)
            for mail in queued
            if mail.dedupe_key not in known
            for position, recipient in enumerate(mail.recipients)
        ),
        ignore_conflicts=True,
    )


def _notice(mail: NewMail) -> NewNotice:
    return NewNotice(
        tenant_id=mail.tenant_id,
        kind=mail.kind,
        dedupe_key=mail.notice_key or mail.dedupe_key,
        title=mail.subject,
        text=beginning_of(mail.text, besides=mail.subject),
        page=mail.page,
    )


def _row(mail: NewMail, recipient: str, position: int, as_of: datetime) -> OutboundMail:
    """Return the mail to one recipient: the others' addresses are not theirs to see, and each stops it alone."""
    name = hashlib.sha256(recipient.lower().encode()).hexdigest()[:16]
    return OutboundMail(
        tenant_id=mail.tenant_id,
        kind=mail.kind,
        dedupe_key=f"{mail.dedupe_key}:{name}" if position else mail.dedupe_key,
        recipients=[recipient],
        subject=" ".join(mail.subject.split())[:_SUBJECT_CHARACTERS_MAX],
        text=mail.text,
        html=mail.html,
        attachment=None if mail.attachment is None else mail.attachment.file,
        attachment_name="" if mail.attachment is None else mail.attachment.name,
        created_at=as_of,
        next_attempt_at=as_of,
    )


def send_queued_mails(*, as_of: datetime, limit: int = 100) -> int:
    """Send at most `limit` mails that are due, the oldest first. Return how many were sent.

    Any number of workers may run at once.
    """
    started = perf_counter()
    OutboundMail.objects.filter(status=MailStatus.SENDING, claimed_at__lt=as_of - CUT_OFF_AFTER).update(
        status=MailStatus.UNKNOWN, error="The process that sent it did not finish; it may have been sent."
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
            break  # the server is unavailable: the other mails keep their attempts
    return sent


def run_mails(*, started_by: str, as_of: datetime, limit: int = MAILS_PER_RUN) -> JobRun:
    """Send mails as a recorded job, which needs attention if a mail of the last day failed or is unknown."""

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
    """Queue a mail again that failed or whose outcome is unknown, as staff decided.

    Raises `ConflictError` for any other mail.
    """
    ended = OutboundMail.objects.filter(pk=mail_id, status__in=[MailStatus.FAILED, MailStatus.UNKNOWN])
    if ended.update(status=MailStatus.QUEUED, attempts=0, error="", next_attempt_at=as_of) != 1:
        raise ConflictError("Only a mail that failed, or whose outcome is unknown, can be sent again.")
    mail = OutboundMail.objects.get(pk=mail_id)
    record_audit(
        actor=actor,
        action="mail.requeued",
        tenant_id=mail.tenant_id,
        target=AuditTarget("mail", mail.pk, mail.subject),
        as_of=as_of,
    )


def message_id(dedupe_key: str) -> str:
    """Return the mail's Message-ID: the same at each attempt, so that mail programs recognize a copy."""
    name = hashlib.sha256(dedupe_key.encode()).hexdigest()[:32]
    return f"<{name}@{urlsplit(settings.PUBLIC_URL).hostname or 'localhost'}>"


def _claim(mail_id: int, now: datetime) -> OutboundMail | None:
    """Claim the mail. Return None if another worker has.

    The claim is durable: sending cannot be rolled back, so neither may the claim be.
    """
    with transaction.atomic(durable=True):
        queued = OutboundMail.objects.filter(pk=mail_id, status=MailStatus.QUEUED)
        if not queued.update(status=MailStatus.SENDING, claimed_at=now, attempts=F("attempts") + 1):
            return None
        return OutboundMail.objects.get(pk=mail_id)


def _send(mail: OutboundMail) -> _Attempt:
    """Send the mail on its own connection, so that its failure affects no other mail."""
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
        # The server has accepted or refused the mail; how the connection is closed does not matter.
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
    dress(message, mail.html, foot_of(mail))
    if mail.attachment is not None:
        message.attach(mail.attachment_name, bytes(mail.attachment.content), mail.attachment.media_type)
    return message


def _record(mail: OutboundMail, attempt: _Attempt, now: datetime) -> None:
    """Record how the attempt ended.

    If another worker took the claim for interrupted meanwhile, that is corrected: this process knows the outcome.
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
