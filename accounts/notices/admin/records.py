"""The outbox and the mails, to look at; a mail that did not go out is sent again from here."""

from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ByState, ConfirmForm, posted
from accounts.admin.records import as_block
from accounts.notices.domain.mails import MailStatus
from accounts.notices.models import OutboundMail, OutboxEvent
from accounts.notices.services.mails import send_again

MAIL_LABELS = {"Queued": "info", "Sending": "info", "Sent": "success", "Failed": "danger", "Unknown": "warning"}


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyModelAdmin):
    """What happened, in the words of webhooks to come."""

    list_display = ("occurred_at", "type", "tenant", "id")
    list_filter = ("type", ("occurred_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("type", "tenant__slug", "dedupe_key")
    fields = ("id", "type", "tenant", "occurred_at", "dedupe_key", "shown_payload")
    readonly_fields = ("id", "shown_payload")

    @display(description="Payload")
    def shown_payload(self, event: OutboxEvent) -> SafeString:
        """All of it."""
        return as_block(event.payload)


@admin.register(OutboundMail)
class OutboundMailAdmin(ByState, ReadOnlyModelAdmin):
    """Mails that must go out once. One that failed, or of which nobody knows, is sent again by a person."""

    list_display = ("created_at", "tenant", "mail", "state", "attempts", "error")
    list_filter = (("status", ChoicesDropdownFilter), "kind", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("subject", "tenant__slug", "recipients", "attachment_name")
    fields = (
        "tenant", "kind", "state", "to", "subject", "attachment_name", "attempts", "error", "created_at",
        "next_attempt_at", "claimed_at",
        "sent_at", "shown_text",
    )  # fmt: skip
    readonly_fields = ("state", "to", "shown_text")
    actions_detail: ClassVar = ["send_again"]

    @display(description="Status", label=MAIL_LABELS, ordering="status")
    def state(self, mail: OutboundMail) -> str:
        """Whether it went out."""
        return str(mail.get_status_display())

    @display(description="Mail", header=True, ordering="subject")
    def mail(self, mail: OutboundMail) -> list[str]:
        """Its subject above the addresses."""
        return [mail.subject, self.to(mail)]

    @display(description="To")
    def to(self, mail: OutboundMail) -> str:
        """The addresses."""
        return ", ".join(mail.recipients)

    @display(description="Text")
    def shown_text(self, mail: OutboundMail) -> SafeString:
        """As plain text; the mail has the same in HTML."""
        return format_html('<pre class="staff-json">{}</pre>', mail.text)

    has_send_permission = holds("notices.change_outboundmail")

    def offered(self, obj: OutboundMail) -> frozenset[str]:
        """What went out, or will, is not sent again."""
        return frozenset({"send_again"} if obj.status in {MailStatus.FAILED, MailStatus.UNKNOWN} else ())

    @action(description="Send again", permissions=["send"], icon="forward_to_inbox")
    def send_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and queue it anew."""
        mail = found_or_404(OutboundMail.objects.all(), object_id)
        doubt = (
            "It was cut off while it was handed over, so it may have gone out: then it arrives twice."
            if mail.status == MailStatus.UNKNOWN
            else f"The mail server refused it: {mail.error}"
        )
        return self.decide(
            request,
            mail,
            ConfirmForm(posted(request)),
            lambda _: send_again(mail_id=mail.pk, actor=staff_actor(request), as_of=timezone.now()),
            name="send_again",
            said="The mail is queued and goes out within a minute.",
            question=Question(
                title=f"Send “{mail.subject}” again?",
                explanation=f"To {self.to(mail)}. {doubt}",
                button="Send it again",
            ),
        )
