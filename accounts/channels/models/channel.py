"""Channels: the places that notices are sent to, beside the portal and its mails."""

from typing import ClassVar
from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from accounts.channels.domain.quiet import QuietHours
from accounts.channels.domain.statuses import ChannelStatus
from accounts.channels.domain.types import TYPES, ChannelType
from accounts.models import Membership, Tenant


class Channel(models.Model):
    """A channel of a tenant, of one of its members or, without a tenant, of staff. No `kinds` means all.

    The URL holds a secret, so it is sealed; `origin` is what of it may be shown. `sealed_secret` signs what a webhook
    receives. With `digest_at`, what is not urgent waits for `next_digest_at`.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.PROTECT, related_name="channels")
    membership = models.ForeignKey(Membership, null=True, on_delete=models.CASCADE, related_name="channels")
    type = models.CharField(max_length=11, choices=[(one.value, terms.label) for one, terms in TYPES.items()])
    name = models.CharField(max_length=80)
    origin = models.CharField(max_length=300, blank=True)
    sealed_url = models.TextField(blank=True)
    sealed_secret = models.TextField(blank=True)
    kinds = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    quiet_begins = models.TimeField(null=True)
    quiet_ends = models.TimeField(null=True)
    digest_at = models.TimeField(null=True)
    next_digest_at = models.DateTimeField(null=True)
    time_zone = models.CharField(max_length=64, blank=True)
    status = models.CharField(
        max_length=7,
        choices=[(one.value, one.value.capitalize()) for one in ChannelStatus],
        default=ChannelStatus.ACTIVE.value,
    )
    stopped_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts in a row.")
    failing_since = models.DateTimeField(null=True)
    last_failed_at = models.DateTimeField(null=True)
    last_succeeded_at = models.DateTimeField(null=True)
    rests_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=list(ChannelStatus)), name="channel_status_known"),
            models.CheckConstraint(condition=Q(type__in=list(ChannelType)), name="channel_type_known"),
            models.CheckConstraint(
                condition=Q(status=ChannelStatus.STOPPED, stopped_at__isnull=False)
                | (~Q(status=ChannelStatus.STOPPED) & Q(stopped_at=None)),
                name="channel_stopped_has_time",
            ),
            models.CheckConstraint(
                condition=Q(quiet_begins=None, quiet_ends=None)
                | (Q(quiet_begins__isnull=False, quiet_ends__isnull=False) & ~Q(quiet_begins=F("quiet_ends"))),
                name="channel_quiet_hours_have_two_ends",
            ),
            models.CheckConstraint(
                condition=Q(digest_at=None, next_digest_at=None)
                | Q(digest_at__isnull=False, next_digest_at__isnull=False),
                name="channel_digest_has_next_time",
            ),
            models.CheckConstraint(
                condition=Q(membership=None) | Q(tenant__isnull=False), name="channel_of_member_has_tenant"
            ),
            models.CheckConstraint(
                condition=(Q(type=ChannelType.MAIL, sealed_url="") & Q(membership__isnull=False))
                | (~Q(type=ChannelType.MAIL) & ~Q(sealed_url="")),
                name="channel_has_url_or_member",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_digest_at"],
                condition=Q(status=ChannelStatus.ACTIVE, next_digest_at__isnull=False),
                name="channel_digest_due",
            ),
        ]
        ordering: ClassVar = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def quiet(self) -> QuietHours | None:
        """Return the quiet hours, if there are any."""
        if self.quiet_begins is None or self.quiet_ends is None:
            return None
        return QuietHours(self.quiet_begins, self.quiet_ends)

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone of quiet hours and digest: the channel's own, or that of the tenant."""
        of_tenant = "UTC" if self.tenant is None else self.tenant.time_zone
        return ZoneInfo(self.time_zone or of_tenant)
