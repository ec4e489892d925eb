"""Data of channels about a tenant and a person: channels without their secrets, and what they were told."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from accounts.channels.domain.statuses import WAITING
from accounts.channels.models import Channel, ChannelMessage, StaffNotice
from accounts.models import Tenant
from accounts.services.privacy_parts import ErasedPerson, ExportPiece, PrivacyPart, exported_table

MESSAGES_AT_ONCE: Final = 1000


class ChannelsPrivacy(PrivacyPart):
    """The part of channels in `settings.PRIVACY_PARTS`."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the files of channels and messages, without addresses, which are secrets."""
        own = {"tenant_id": tenant.pk}
        yield exported_table(
            "channels.json", Channel.objects.filter(**own), "id", "type", "name", "origin", "kinds", "quiet_begins",
            "quiet_ends", "digest_at", "time_zone", "status", "created_at", member_email="membership__user__email",
        )  # fmt: skip
        yield exported_table(
            "channel_messages.ndjson.gz", ChannelMessage.objects.filter(**own), "id", "channel_id", "notice_id",
            "digest_on", "digest_id", "status", "attempts", "error", "created_at", "ended_at",
        )  # fmt: skip

    def forget(self, *, person: ErasedPerson) -> None:
        """Take the person out of the names of channels. Their own channels go with their memberships."""
        for channel in Channel.objects.only("pk", "name"):
            name = person.without(channel.name)
            if name != channel.name:
                Channel.objects.filter(pk=channel.pk).update(name=name)

    def clean_up(self, *, as_of: datetime) -> dict[str, int]:
        """Delete messages that ended long ago."""
        before = as_of - timedelta(days=settings.MAIL_RETENTION_DAYS)
        old = ChannelMessage.objects.exclude(status__in=WAITING).filter(created_at__lte=before).order_by("created_at")
        total = 0
        while message_ids := list(old.values_list("pk", flat=True)[:MESSAGES_AT_ONCE]):
            total += ChannelMessage.objects.filter(pk__in=message_ids).delete()[0]
        old_notices = StaffNotice.objects.filter(at__lte=before)
        while notice_ids := list(old_notices.values_list("pk", flat=True)[:MESSAGES_AT_ONCE]):
            StaffNotice.objects.filter(pk__in=notice_ids).delete()
        return {"channel_messages": total}
