"""Data of the core of accounts about a tenant and a person."""

from collections.abc import Iterable

from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.db.models.functions import Lower
from django_q.models import Task

from accounts.models import (
    ApiKey,
    AuditEntry,
    Discrepancy,
    Invitation,
    JobRun,
    KeyAddress,
    KeyLeak,
    KeyRefusal,
    Membership,
    Tenant,
)
from accounts.services.privacy_parts import ErasedPerson, ExportPiece, PrivacyPart, exported_table
from accounts.sql import fetch_all


class AccountsPrivacy(PrivacyPart):
    """The part of the core in `settings.PRIVACY_PARTS`."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the files of settings, people, keys without their digests, and the audit log."""
        own = {"tenant_id": tenant.pk}
        yield exported_table(
            "settings.json", Tenant.objects.filter(pk=tenant.pk), "id", "slug", "name", "status", "status_reason",
            "time_zone", "currency", "backfill_days", "period_anchor_on", "legal_name", "billing_email",
            "address_line1", "address_line2", "postal_code", "city", "region", "country", "tax_id",
            "requires_second_factor", "created_at",
        )  # fmt: skip
        yield exported_table(
            "members.json", Membership.objects.filter(**own), "id", "role", "created_at", email="user__email",
            name="user__name",
        )  # fmt: skip
        yield exported_table(
            "invitations.json", Invitation.objects.filter(**own), "id", "email", "role", "created_at", "expires_at",
            "accepted_at", "revoked_at", invited_by_email="invited_by__email",
        )  # fmt: skip
        yield exported_table(
            "keys.json", ApiKey.objects.of_tenant(tenant.pk), "id", "kind", "name", "prefix", "last_four",
            "environment", "tags", "scopes", "allowed_cidrs", "throttle_rate", "throttle_burst", "quota",
            "rotated_from_id", "created_at", "expires_at", "revoked_at", "quarantined_at", "last_used_at",
            created_by_email="created_by__email",
        )  # fmt: skip
        yield exported_table(
            "key_leaks.json", KeyLeak.objects.filter(**own), "id", "api_key_id", "url", "source", "token_type",
            "reported_at", "usage_voided_at", "usage_report",
        )  # fmt: skip
        yield exported_table(
            "key_addresses.json", KeyAddress.objects.filter(**own), "id", "api_key_id", "address", "first_used_at",
            "last_used_at",
        )  # fmt: skip
        yield exported_table(
            "key_refusals.json", KeyRefusal.objects.filter(**own), "id", "api_key_id", "day", "code", "requests",
            "last_at",
        )  # fmt: skip
        yield exported_table(
            "audit_log.ndjson.gz", AuditEntry.objects.filter(**own), "id", "actor_kind", "actor_label", "action",
            "target_kind", "target_id", "target_label", "before", "after", "ip", "request_id", "occurred_at",
        )  # fmt: skip

        yield exported_table(
            "discrepancies.json", Discrepancy.objects.filter(**own), "id", "code", "detail", "opened_at", "seen_at",
            "closed_at", "accepted_at", "acceptance",
        )  # fmt: skip

    def forget(self, *, person: ErasedPerson) -> None:
        """Erase the person from the audit log, invitations, job runs and Django's own log, and end their sessions."""
        fetch_all("SELECT audit_forget_person(%(person)s)", {"person": person.user_id})
        named = Invitation.objects.annotate(address=Lower("email")).filter(address__in=person.addresses)
        named.filter(accepted_at=None, revoked_at=None).delete()
        named.update(email=f"{person.pseudonym}@erased.invalid")
        started = Q()
        for address in person.addresses:
            started |= Q(started_by__icontains=address)
        for run in JobRun.objects.filter(started).only("started_by"):
            JobRun.objects.filter(pk=run.pk).update(started_by=person.without(run.started_by))
        Discrepancy.objects.annotate(label=Lower("accepted_by")).filter(label__in=person.addresses).update(
            accepted_by=person.pseudonym
        )
        LogEntry.objects.annotate(label=Lower("object_repr")).filter(label__in=person.addresses).update(
            object_repr=person.pseudonym
        )
        _forget_finished_tasks(person)
        # A session that is not listed there ends by itself: its password's digest is gone.
        sessions = UserSession.objects.filter(user=person.user_id).values_list("session_key", flat=True)
        Session.objects.filter(session_key__in=list(sessions)).delete()


def _forget_finished_tasks(person: ErasedPerson) -> None:
    """Delete finished tasks of the queue that name the person, in their arguments or their result."""
    named = [
        task.pk
        for task in Task.objects.order_by().iterator(chunk_size=500)
        if any(address in repr((task.args, task.kwargs, task.result)).casefold() for address in person.addresses)
    ]
    Task.objects.filter(pk__in=named).delete()
