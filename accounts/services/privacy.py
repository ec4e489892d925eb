"""What the core of accounts keeps of a tenant and of a person."""

from collections.abc import Iterable

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models.functions import Lower

from accounts.models import ApiKey, AuditEntry, Invitation, JobRun, Membership, Tenant
from accounts.services.privacy_parts import ErasedPerson, ExportPiece, PrivacyPart, exported_table


class AccountsPrivacy(PrivacyPart):
    """What `settings.PRIVACY_PARTS` names."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return settings, people, keys without their digests, and the audit log."""
        own = {"tenant_id": tenant.pk}
        yield exported_table(
            "settings.json", Tenant.objects.filter(pk=tenant.pk), "id", "slug", "name", "status", "status_reason",
            "time_zone", "currency", "backfill_days", "legal_name", "billing_email", "address_line1", "address_line2",
            "postal_code", "city", "region", "country", "tax_id", "created_at",
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
            "keys.json", ApiKey.objects.of_tenant(tenant.pk), "id", "kind", "name", "prefix", "last_four", "scopes",
            "allowed_cidrs", "throttle_rate", "throttle_burst", "quota", "rotated_from_id", "created_at", "expires_at",
            "revoked_at", "last_used_at", created_by_email="created_by__email",
        )  # fmt: skip
        yield exported_table(
            "audit_log.ndjson.gz", AuditEntry.objects.filter(**own), "id", "actor_kind", "actor_label", "action",
            "target_kind", "target_id", "target_label", "before", "after", "ip", "request_id", "occurred_at",
        )  # fmt: skip

    def forget(self, *, person: ErasedPerson) -> None:
        """Erase the person from invitations, job runs, Django's own log and their sessions."""
        named = Invitation.objects.annotate(address=Lower("email")).filter(address__in=person.addresses)
        named.filter(accepted_at=None, revoked_at=None).delete()
        named.update(email=f"{person.pseudonym}@erased.invalid")
        for run in JobRun.objects.filter(started_by__icontains="@").only("started_by"):
            if person.without(run.started_by) != run.started_by:
                JobRun.objects.filter(pk=run.pk).update(started_by=person.without(run.started_by))
        LogEntry.objects.annotate(label=Lower("object_repr")).filter(label__in=person.addresses).update(
            object_repr=person.pseudonym
        )
        Session.objects.filter(session_key__in=_sessions_of(person)).delete()


def _sessions_of(person: ErasedPerson) -> list[str]:
    """Return the keys of the sessions in which the person is signed in; none is longer than two weeks old."""
    return [
        session.session_key
        for session in Session.objects.iterator(chunk_size=1000)
        if session.get_decoded().get("_auth_user_id") == str(person.user_id)
    ]
