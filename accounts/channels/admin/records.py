"""Channels and their messages of all tenants, read-only. The address of a channel is a secret: staff see its origin."""

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.channels.domain.statuses import ChannelStatus
from accounts.channels.models import Channel, ChannelMessage

CHANNEL_LABELS = {"Active": "success", "Failing": "warning", "Paused": "info", "Stopped": "danger"}
MESSAGE_LABELS = {
    "Held": "info", "Pending": "info", "Sent": "success", "Digested": "success", "Failed": "danger",
    "Unknown": "warning", "Dropped": "info",
}  # fmt: skip


@admin.register(Channel)
class ChannelAdmin(ReadOnlyModelAdmin):
    """Channels with their health."""

    list_display = ("tenant", "name", "type", "origin", "state", "failures", "last_error", "last_succeeded_at")
    list_filter = (("status", ChoicesDropdownFilter), ("type", ChoicesDropdownFilter))
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("name", "tenant__slug", "origin")
    fields = (
        "id", "tenant", "membership", "type", "name", "origin", "kinds", "quiet_begins", "quiet_ends", "digest_at",
        "next_digest_at", "time_zone", "state", "stopped_at", "last_error", "failures", "failing_since",
        "last_failed_at", "last_succeeded_at", "rests_until", "created_at",
    )  # fmt: skip
    readonly_fields = ("id", "state")

    @display(description="State", label=CHANNEL_LABELS, ordering="status")
    def state(self, channel: Channel) -> str:
        """Return the status, and whether an active channel is failing."""
        is_failing = channel.status == ChannelStatus.ACTIVE and channel.failures > 0
        return "Failing" if is_failing else str(channel.get_status_display())


@admin.register(ChannelMessage)
class ChannelMessageAdmin(ReadOnlyModelAdmin):
    """Messages to channels."""

    list_display = ("created_at", "tenant", "channel", "said", "state", "attempts", "error", "next_attempt_at")
    list_filter = (("status", ChoicesDropdownFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant", "channel", "notice")
    search_fields = ("channel__name", "tenant__slug", "notice__title")
    fields = (
        "id", "tenant", "channel", "notice", "digest_on", "digest", "state", "attempts", "error", "next_attempt_at",
        "leased_until", "created_at", "ended_at",
    )  # fmt: skip
    readonly_fields = ("id", "state")

    @display(description="Message")
    def said(self, message: ChannelMessage) -> str:
        """Return what it says."""
        return str(message)

    @display(description="Status", label=MESSAGE_LABELS, ordering="status")
    def state(self, message: ChannelMessage) -> str:
        """Return what became of it."""
        return str(message.get_status_display())
