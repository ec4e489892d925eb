"""Records that programs write: the audit log, job runs, invitations."""

import json
from datetime import timedelta
from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.models import AuditEntry, Invitation, JobRun
from accounts.selectors.sign_ins import sign_ins_of_all

OUTCOME_LABELS = {"Succeeded": "success", "Running": "info", "Needs attention": "warning", "Failed": "danger"}
SUMMARY_CHARACTERS_MAX = 120


def as_block(value: object) -> SafeString:
    """Render a JSON value as preformatted text."""
    return format_html('<pre class="staff-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False, default=str))


class AboutFilter(admin.SimpleListFilter):
    """A filter for one kind of entry."""

    title = "about"
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Offer the entries about signing in."""
        return [("sign_in", "Sign-ins")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:  # noqa: ARG002 - Django's signature
        """Filter the list by the chosen kind."""
        return sign_ins_of_all(queryset) if self.value() == "sign_in" else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyModelAdmin):
    """The audit log."""

    list_display = ("occurred_at", "action", "target", "tenant", "who", "ip")
    list_filter = (AboutFilter, ("actor_kind", ChoicesDropdownFilter), ("occurred_at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("action", "actor_label", "target_label", "tenant__slug", "request_id")
    list_select_related = ("tenant",)
    fields = (
        "occurred_at", "action", "tenant", "actor_kind", "actor_label", "target_kind", "target_label", "target_id",
        "ip", "request_id",
        "shown_before", "shown_after",
    )  # fmt: skip
    readonly_fields = ("shown_before", "shown_after")

    @display(description="Target")
    def target(self, entry: AuditEntry) -> str:
        """Return what was changed."""
        return f"{entry.target_kind}: {entry.target_label or entry.target_id}"

    @display(description="Who", header=True)
    def who(self, entry: AuditEntry) -> list[str]:
        """Return the actor and the actor's kind."""
        return [entry.actor_label, entry.get_actor_kind_display()]

    @display(description="Before")
    def shown_before(self, entry: AuditEntry) -> SafeString:
        """Render the values before the change."""
        return as_block(entry.before)

    @display(description="After")
    def shown_after(self, entry: AuditEntry) -> SafeString:
        """Render the values after the change."""
        return as_block(entry.after)


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyModelAdmin):
    """Every run of a job, scheduled or started by hand."""

    list_display = ("started_at", "name", "shown_outcome", "duration", "started_by", "short_summary")
    list_filter = ("name", ("outcome", ChoicesDropdownFilter))
    list_filter_submit = True
    search_fields = ("name", "started_by")
    fields = ("name", "started_at", "finished_at", "outcome", "started_by", "shown_summary")
    readonly_fields: ClassVar = ("shown_summary",)

    @display(description="Outcome", label=OUTCOME_LABELS, ordering="outcome")
    def shown_outcome(self, run: JobRun) -> str:
        """Return how the run ended."""
        return run.get_outcome_display()

    @display(description="Took")
    def duration(self, run: JobRun) -> str:
        """Return how long the run took."""
        if run.finished_at is None:
            return "not yet"
        milliseconds = (run.finished_at - run.started_at) // timedelta(milliseconds=1)
        return f"{milliseconds / 1000:.2f} s"

    @display(description="Found")
    def short_summary(self, run: JobRun) -> str:
        """Return the figures in one line."""
        shown = {name: value for name, value in run.summary.items() if value not in ("", [], {}, None)}
        text = ", ".join(
            f"{name.replace('_', ' ')} {', '.join(map(str, value)) if isinstance(value, list) else value}"
            for name, value in shown.items()
        )
        return text if len(text) <= SUMMARY_CHARACTERS_MAX else f"{text[:SUMMARY_CHARACTERS_MAX]}…"

    @display(description="Found")
    def shown_summary(self, run: JobRun) -> SafeString:
        """Render all figures."""
        return as_block(run.summary)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyModelAdmin):
    """Who was invited to which tenant. The link itself is never shown."""

    list_display = ("email", "tenant", "role", "created_at", "expires_at", "accepted_at", "revoked_at")
    list_filter = ("role",)
    search_fields = ("email", "tenant__name", "tenant__slug")
    list_select_related = ("tenant", "invited_by")
    exclude = ("token_digest",)
