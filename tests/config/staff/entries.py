"""What the audit log says last."""

from accounts.models import AuditEntry


def latest_entry() -> AuditEntry:
    return AuditEntry.objects.order_by("-pk")[0]
