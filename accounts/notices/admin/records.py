"""Notices, the outbox and the mails, read-only. Staff send a mail again from here if it was not sent."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ByState, ConfirmForm, posted
from accounts.admin.mail_style import as_frame
from accounts.admin.records import as_block
from accounts.domain.mail_form import MailFoot, html_of_text
from accounts.notices.domain.mails import MailStatus
from accounts.notices.models import Notice, OutboundMail, OutboxEvent
from accounts.notices.selectors.stops import foot_of
from accounts.notices.services.mails import send_again
from accounts.selectors.mail_style import mail_style
from accounts.services.mail_forms import render_mail

MAIL_LABELS = {"Queued": "info", "Sending": "info", "Sent": "success", "Failed": "danger", "Unknown": "warning"}


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyModelAdmin):
    """Events, in the form of the webhooks that report them."""

    list_display = ("occurred_at", "type", "tenant", "id")
    list_filter = ("type", ("occurred_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("type", "tenant__slug", "dedupe_key")
    fields = ("id", "type", "tenant", "occurred_at", "dedupe_key", "shown_payload")
    readonly_fields = ("id", "shown_payload")

    @display(description="Payload")
    def shown_payload(self, event: OutboxEvent) -> SafeString:
        """Render the whole payload."""
        return as_block(event.payload)


@admin.register(Notice)
class NoticeAdmin(ReadOnlyModelAdmin):
    """Notices, with how many members were told and how many have read them."""

    list_display = ("at", "tenant", "kind", "title", "told", "read")
    list_filter = ("kind", ("at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("title", "tenant__slug", "dedupe_key")
    fields = ("id", "tenant", "kind", "title", "text", "page", "at", "told", "read", "dedupe_key")
    readonly_fields = ("id", "told", "read")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        """Return the notices with the counts of members."""
        has_read = Q(members__read_at__isnull=False)
        counts = {"members_told": Count("members"), "members_read": Count("members", filter=has_read)}
        rows: QuerySet[Notice] = super().get_queryset(request).annotate(**counts)
        return rows

    @display(description="Told")
    def told(self, notice: Notice) -> int:
        """Return the number of members who were told."""
        return int(getattr(notice, "members_told", 0))

    @display(description="Read")
    def read(self, notice: Notice) -> int:
        """Return the number of members who have read it."""
        return int(getattr(notice, "members_read", 0))


@admin.register(OutboundMail)
class OutboundMailAdmin(ByState, ReadOnlyModelAdmin):
    """Mails that must be sent once. Only staff send one again that failed or whose outcome is unknown."""

    list_display = ("created_at", "tenant", "mail", "state", "attempts", "error")
    list_filter = (("status", ChoicesDropdownFilter), "kind", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("subject", "tenant__slug", "recipients", "attachment_name")
    fields = (
        "tenant", "kind", "state", "to", "subject", "attachment_name", "attempts", "error", "created_at",
        "next_attempt_at", "claimed_at",
        "sent_at", "preview", "shown_text",
    )  # fmt: skip
    readonly_fields = ("state", "to", "preview", "shown_text")
    actions_detail: ClassVar = ["send_again"]

    @display(description="Status", label=MAIL_LABELS, ordering="status")
    def state(self, mail: OutboundMail) -> str:
        """Return whether the mail was sent."""
        return str(mail.get_status_display())

    @display(description="Mail", header=True, ordering="subject")
    def mail(self, mail: OutboundMail) -> list[str]:
        """Return the subject and the addresses."""
        return [mail.subject, self.to(mail)]

    @display(description="To")
    def to(self, mail: OutboundMail) -> str:
        """Return the addresses."""
        return ", ".join(mail.recipients)

    @display(description="Text")
    def shown_text(self, mail: OutboundMail) -> SafeString:
        """Render the plain text; the mail has the same in HTML."""
        return format_html('<pre class="staff-json">{}</pre>', mail.text)

    @display(description="Preview")
    def preview(self, mail: OutboundMail) -> SafeString:
        """Render the mail as it looks with the current style, without the address that stops it."""
        foot = MailFoot(foot_of(mail).reason, "#")
        return as_frame(
            render_mail(mail.html or html_of_text(mail.text), subject=mail.subject, foot=foot, style=mail_style())
        )

    has_send_permission = holds("notices.change_outboundmail")

    def offered(self, obj: OutboundMail) -> frozenset[str]:
        """Return the action to send again, if the mail failed or its outcome is unknown."""
        return frozenset({"send_again"} if obj.status in {MailStatus.FAILED, MailStatus.UNKNOWN} else ())

    @action(description="Send again", permissions=["send"], icon="forward_to_inbox")
    def send_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm, then queue the mail again."""
        mail = found_or_404(OutboundMail.objects.all(), object_id)
        doubt = (
            "Sending was interrupted, so it may have been sent. If so, it arrives twice."
            if mail.status == MailStatus.UNKNOWN
            else f"The mail server refused it: {mail.error}"
        )
        return self.decide(
            request,
            mail,
            ConfirmForm(posted(request)),
            lambda _: send_again(mail_id=mail.pk, actor=staff_actor(request), as_of=timezone.now()),
            name="send_again",
            said="The mail is queued and will be sent within a minute.",
            question=Question(
                title=f"Send “{mail.subject}” again?",
                explanation=f"To {self.to(mail)}. {doubt}",
                button="Send again",
            ),
        )
