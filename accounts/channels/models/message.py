"""Messages: one notice to one channel, or the digest of a day."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.channels.domain.statuses import MessageStatus
from accounts.channels.models.channel import Channel
from accounts.channels.models.staff_notice import StaffNotice
from accounts.models import Tenant
from accounts.notices.models import Notice


class ChannelMessage(models.Model):
    """A message that is sent once. The digest that told a held one is `digest`.

    The sender that holds the `lease` alone sends it until `leased_until`.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="messages", db_index=False)
    notice = models.ForeignKey(Notice, null=True, on_delete=models.CASCADE, related_name="channel_messages")
    staff_notice = models.ForeignKey(StaffNotice, null=True, on_delete=models.CASCADE, related_name="channel_messages")
    digest_on = models.DateField(null=True)
    digest = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="told")
    status = models.CharField(
        max_length=8,
        choices=[(one.value, one.value.capitalize()) for one in MessageStatus],
        default=MessageStatus.PENDING.value,
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    next_attempt_at = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "notice"], name="channel_message_once"),
            models.UniqueConstraint(fields=["channel", "staff_notice"], name="channel_message_to_staff_once"),
            models.UniqueConstraint(fields=["channel", "digest_on"], name="channel_digest_once_a_day"),
            models.CheckConstraint(condition=Q(status__in=list(MessageStatus)), name="channel_message_status_known"),
            models.CheckConstraint(
                condition=Q(notice__isnull=False, staff_notice=None, digest_on=None)
                | Q(notice=None, staff_notice__isnull=False, digest_on=None)
                | Q(notice=None, staff_notice=None, digest_on__isnull=False),
                name="channel_message_of_notice_or_day",
            ),
            models.CheckConstraint(
                condition=Q(status=MessageStatus.PENDING, next_attempt_at__isnull=False, ended_at=None)
                | Q(status=MessageStatus.HELD, next_attempt_at=None, ended_at=None)
                | (
                    ~Q(status__in=[MessageStatus.PENDING, MessageStatus.HELD])
                    & Q(next_attempt_at=None, ended_at__isnull=False)
                ),
                name="channel_message_waiting_or_ended",
            ),
            models.CheckConstraint(
                condition=Q(lease=None, leased_until=None)
                | Q(lease__isnull=False, leased_until__isnull=False, status=MessageStatus.PENDING),
                name="channel_message_lease_has_end",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(status=MessageStatus.PENDING), name="channel_message_due"
            ),
            models.Index(fields=["channel"], condition=Q(lease__isnull=False), name="channel_message_leased"),
            models.Index(fields=["channel", "-created_at", "-id"], name="channel_message_of_channel"),
            models.Index(fields=["created_at"], name="channel_message_age"),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return str(self.notice or self.staff_notice or f"digest of {self.digest_on}")
