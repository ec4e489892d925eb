"""The latest entries of the audit log."""

from accounts.models import AuditEntry


def latest_entry() -> AuditEntry:
    return AuditEntry.objects.order_by("-pk")[0]
