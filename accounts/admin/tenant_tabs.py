"""The read-only tabs of a tenant's page: members, invitations and the latest audit entries."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts.admin.base import ReadOnlyInline
from accounts.models import AuditEntry, Invitation, Membership

AUDIT_ENTRIES_SHOWN = 25


class MemberInline(ReadOnlyInline, TabularInline):
    """The tenant's members."""

    model = Membership
    tab = True
    hide_title = True
    per_page = 20
    fields = ("user", "role", "created_at", "signed_in_at")
    readonly_fields = fields
    verbose_name_plural = "members"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch the users along with the memberships."""
        return super().get_queryset(request).select_related("user", "tenant")

    @display(description="Last sign-in")
    def signed_in_at(self, membership: Membership) -> datetime | None:
        """Return when the member last signed in."""
        return membership.user.last_login


class InvitationInline(ReadOnlyInline, TabularInline):
    """The tenant's invitations."""

    model = Invitation
    tab = True
    hide_title = True
    per_page = 20
    fields = ("email", "role", "created_at", "expires_at", "accepted_at", "revoked_at")
    readonly_fields = fields
    verbose_name_plural = "invitations"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave the token digests out of the query."""
        return super().get_queryset(request).select_related("tenant").defer("token_digest")


class AuditInline(ReadOnlyInline, TabularInline):
    """The latest entries of the tenant's audit log."""

    model = AuditEntry
    tab = True
    hide_title = True
    per_page = AUDIT_ENTRIES_SHOWN
    fields = ("occurred_at", "action", "actor_label", "target_label", "ip")
    readonly_fields = fields
    show_change_link = True
    verbose_name_plural = "audit log"
