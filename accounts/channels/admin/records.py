"""Channels and their messages of all tenants, read-only. The address of a channel is a secret: staff see its origin.

Staff make channels of their own here, test, pause and delete them.
"""

from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ByState, ConfirmForm, posted
from accounts.channels.admin.forms import StaffChannelForm, terms_of, type_of
from accounts.channels.domain.statuses import ChannelStatus
from accounts.channels.models import Channel, ChannelMessage, StaffNotice
from accounts.channels.services.channels import (
    create_channel,
    delete_channel,
    pause_channel,
    resume_channel,
)
from accounts.channels.services.testing import send_test_message
from accounts.webhooks.domain.schedule import AttemptOutcome

CHANNEL_LABELS = {"Active": "success", "Failing": "warning", "Paused": "info", "Stopped": "danger"}
MESSAGE_LABELS = {
    "Held": "info", "Pending": "info", "Sent": "success", "Digested": "success", "Failed": "danger",
    "Unknown": "warning", "Dropped": "info",
}  # fmt: skip


@admin.register(Channel)
class ChannelAdmin(ByState, ReadOnlyModelAdmin):
    """Channels with their health. Those without a tenant are of staff."""

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
    actions_list: ClassVar = ["new_staff_channel"]
    actions_detail: ClassVar = ["send_test", "pause", "resume", "remove"]

    has_make_permission = holds("channels.add_channel")
    has_manage_permission = holds("channels.change_channel")

    @display(description="State", label=CHANNEL_LABELS, ordering="status")
    def state(self, channel: Channel) -> str:
        """Return the status, and whether an active channel is failing."""
        is_failing = channel.status == ChannelStatus.ACTIVE and channel.failures > 0
        return "Failing" if is_failing else str(channel.get_status_display())

    def offered(self, obj: Channel) -> frozenset[str]:
        """Return the actions of a channel of staff; customers manage their own."""
        if obj.tenant_id is not None:
            return frozenset()
        return frozenset({"send_test", "remove", "pause" if obj.status == ChannelStatus.ACTIVE else "resume"})

    @action(description="New channel of staff", permissions=["make"], icon="add", url_path="new-staff-channel")
    def new_staff_channel(self, request: HttpRequest) -> HttpResponse:
        """Render the form, or create the channel."""
        form = StaffChannelForm(posted(request))
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            return self.attempt(
                request,
                lambda: create_channel(
                    tenant=None, membership=None, channel_type=type_of(said), terms=terms_of(said),
                    actor=staff_actor(request), as_of=timezone.now(),
                ),
                said="The channel is created. Send a test message to see that it works.",
                back=self.page_of(Channel()),
            )  # fmt: skip
        question = Question(
            title="New channel of staff",
            explanation="Failed payments, exceptions, differences in the books, new customers and unusual usage are"
            " sent to it from now on.",
            button="Create channel",
        )
        return self.confirmation_page(request, Channel(), form, question=question)

    @action(description="Send test message", permissions=["manage"], icon="send")
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm, then send a test and say what came of it."""
        channel = self._of_staff(object_id)

        def work() -> AttemptOutcome:
            return send_test_message(
                channel=channel, actor=staff_actor(request), as_of=timezone.now(), clock=timezone.now
            )

        question = Question(title=f"Send a test to “{channel.name}”?", explanation=channel.origin, button="Send")
        form = ConfirmForm(posted(request))
        return self.decide(
            request, channel, form, lambda _: work(), name="send_test", said=_said_of_test, question=question
        )

    @action(description="Pause", permissions=["manage"], icon="pause")
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm, then pause the channel."""
        channel = self._of_staff(object_id)
        question = Question(f"Pause “{channel.name}”?", "What waits for it is dropped.", "Pause")
        return self.decide(
            request,
            channel,
            ConfirmForm(posted(request)),
            lambda _: pause_channel(channel=channel, actor=staff_actor(request), as_of=timezone.now()),
            name="pause",
            said="The channel is paused.",
            question=question,
        )

    @action(description="Resume", permissions=["manage"], icon="play_arrow")
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm, then resume the channel."""
        channel = self._of_staff(object_id)
        question = Question(f"Resume “{channel.name}”?", "It is told what happens from now on.", "Resume")
        return self.decide(
            request,
            channel,
            ConfirmForm(posted(request)),
            lambda _: resume_channel(channel=channel, actor=staff_actor(request), as_of=timezone.now()),
            name="resume",
            said="The channel is active.",
            question=question,
        )

    @action(description="Delete", permissions=["manage"], icon="delete")
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm, then delete the channel with its messages."""
        channel = self._of_staff(object_id)
        if request.method == "POST":
            return self.attempt(
                request,
                lambda: delete_channel(channel=channel, actor=staff_actor(request), as_of=timezone.now()),
                said="The channel is deleted.",
                back=self.page_of(Channel()),
            )
        question = Question(f"Delete “{channel.name}”?", "Its messages are deleted, too.", "Delete")
        return self.confirmation_page(request, channel, ConfirmForm(), question=question)

    @staticmethod
    def _of_staff(object_id: str) -> Channel:
        return found_or_404(Channel.objects.filter(tenant=None), object_id)


@admin.register(ChannelMessage)
class ChannelMessageAdmin(ReadOnlyModelAdmin):
    """Messages to channels."""

    list_display = ("created_at", "tenant", "channel", "said", "state", "attempts", "error", "next_attempt_at")
    list_filter = (("status", ChoicesDropdownFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant", "channel", "notice", "staff_notice")
    search_fields = ("channel__name", "tenant__slug", "notice__title")
    fields = (
        "id", "tenant", "channel", "notice", "staff_notice", "digest_on", "digest", "state", "attempts", "error",
        "next_attempt_at", "leased_until", "created_at", "ended_at",
    )  # fmt: skip
    readonly_fields = ("id", "state")

    @display(description="Message")
    def said(self, message: ChannelMessage) -> str:
        """Return what it says."""
        return str(message)

    @display(description="Status", label=MESSAGE_LABELS, ordering="status")
    def state(self, message: ChannelMessage) -> str:
        """Return its outcome."""
        return str(message.get_status_display())


@admin.register(StaffNotice)
class StaffNoticeAdmin(ReadOnlyModelAdmin):
    """What staff were told through their channels."""

    list_display = ("at", "kind", "title")
    list_filter = (("kind", ChoicesDropdownFilter), ("at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("title", "dedupe_key")
    fields = ("id", "kind", "title", "text", "page", "at", "dedupe_key")
    readonly_fields = ("id",)


def _said_of_test(outcome: AttemptOutcome) -> str:
    return "The test message arrived." if outcome.is_success else f"It did not arrive: {outcome.error}"
