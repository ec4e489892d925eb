"""Data of notices about a tenant and a person: mails, preferences, and the outbox."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q

from accounts.models import Tenant
from accounts.notices.domain.mails import MailStatus
from accounts.notices.models import MailPreference, MemberNotice, Notice, OutboundMail, OutboxEvent
from accounts.services.privacy_parts import ErasedPerson, ExportPiece, PrivacyPart, exported_table

ERASED_TEXT: Final = "Erased together with the person to whom it was sent."
MAILS_AT_ONCE: Final = 1000
ENDED: Final = (MailStatus.SENT, MailStatus.FAILED, MailStatus.UNKNOWN)


class NoticesPrivacy(PrivacyPart):
    """The part of notices in `settings.PRIVACY_PARTS`."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the files of mail preferences, mails, and webhook events."""
        own = {"tenant_id": tenant.pk}
        yield exported_table(
            "mail_preferences.json", MailPreference.objects.filter(**own), "id", "kind", "is_wanted",
            member_email="membership__user__email",
        )  # fmt: skip
        yield exported_table(
            "mails.ndjson.gz", OutboundMail.objects.filter(**own), "id", "kind", "recipients", "subject", "text",
            "attachment_name", "status", "created_at", "sent_at",
        )  # fmt: skip
        yield exported_table(
            "notices.ndjson.gz", Notice.objects.filter(**own), "id", "kind", "title", "text", "page", "at"
        )
        yield exported_table(
            "notices_of_members.ndjson.gz", MemberNotice.objects.filter(**own), "notice_id", "at", "read_at",
            member_email="membership__user__email",
        )  # fmt: skip
        yield exported_table(
            "webhook_events.ndjson.gz", OutboxEvent.objects.filter(**own), "id", "type", "payload", "occurred_at"
        )

    def forget(self, *, person: ErasedPerson) -> None:
        """Remove the person from mails. A mail that was only to them loses its text, and is not sent any more."""
        addresses = list(person.addresses)
        named = OutboundMail.objects.extra(
            where=["lower(recipients::text)::varchar[] && %s::varchar[]"], params=[addresses]
        )
        for mail in named.only("pk", "recipients", "subject", "text", "html", "status"):
            _take_out(mail, person)
        patterns = "|".join(re.escape(address) for address in addresses)
        for notice in Notice.objects.filter(Q(title__iregex=patterns) | Q(text__iregex=patterns)).only("title", "text"):
            changes = {"title": _cut(notice.title, person), "text": _cut(notice.text, person)}
            Notice.objects.filter(pk=notice.pk).update(**changes)

    def clean_up(self, *, as_of: datetime) -> dict[str, int]:
        """Delete mails whose sending ended long ago, and notices of that time."""
        before = as_of - timedelta(days=settings.MAIL_RETENTION_DAYS)
        old = OutboundMail.objects.filter(status__in=ENDED, created_at__lte=before).order_by("pk")
        total = 0
        while mail_ids := list(old.values_list("pk", flat=True)[:MAILS_AT_ONCE]):
            total += OutboundMail.objects.filter(pk__in=mail_ids).delete()[0]
        return {"mails": total, "notices": _delete_notices(before)}


def _delete_notices(before: datetime) -> int:
    """Delete old notices in batches, with the rows of members. Return how many notices there were."""
    old, total = Notice.objects.filter(at__lte=before).order_by("at"), 0
    while notice_ids := list(old.values_list("pk", flat=True)[:MAILS_AT_ONCE]):
        MemberNotice.objects.filter(notice_id__in=notice_ids).delete()
        total += Notice.objects.filter(pk__in=notice_ids).delete()[0]
    return total


def _take_out(mail: OutboundMail, person: ErasedPerson) -> None:
    others = [address for address in mail.recipients if not person.is_named(address)]
    if others:
        changes: dict[str, object] = {
            "recipients": others,
            "subject": person.without(mail.subject),
            "text": _cut(mail.text, person),
            "html": _cut(mail.html, person),
        }
    else:
        recipients = [f"{person.pseudonym}@erased.invalid"]
        changes = {"recipients": recipients, "subject": mail.kind, "text": ERASED_TEXT, "html": ""}
        if mail.status in {MailStatus.QUEUED, MailStatus.SENDING}:
            changes |= {"status": MailStatus.FAILED, "error": ERASED_TEXT}
    OutboundMail.objects.filter(pk=mail.pk).update(**changes)


def _cut(text: str, person: ErasedPerson) -> str:
    """Return the text of a mail to several people without the person's addresses, in any case of letters."""
    for address in person.addresses:
        text = re.sub(re.escape(address), person.pseudonym, text, flags=re.IGNORECASE)
    return text
