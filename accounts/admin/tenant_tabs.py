"""The tabs of a tenant's page: members, invitations and the latest of its audit log, all to be read."""

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
        """With the people."""
        return super().get_queryset(request).select_related("user", "tenant")

    @display(description="Last sign-in")
    def signed_in_at(self, membership: Membership) -> datetime | None:
        """When the member was here last."""
        return membership.user.last_login


class InvitationInline(ReadOnlyInline, TabularInline):
    """Who was invited."""

    model = Invitation
    tab = True
    hide_title = True
    per_page = 20
    fields = ("email", "role", "created_at", "expires_at", "accepted_at", "revoked_at")
    readonly_fields = fields
    verbose_name_plural = "invitations"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without the digests."""
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
