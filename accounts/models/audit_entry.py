"""The audit log: who changed what, its values before and after, and the address. Rows are added and never changed."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.domain.actor import ActorKind
from accounts.models.tenant import Tenant

ACTOR_KIND_LABELS = {kind: "API key" if kind is ActorKind.API_KEY else kind.value.capitalize() for kind in ActorKind}


class AuditEntry(models.Model):
    """One change. The application's database role may neither update nor delete these rows."""

    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.PROTECT, related_name="audit_entries")
    actor_kind = models.CharField(
        max_length=8, choices=[(kind.value, label) for kind, label in ACTOR_KIND_LABELS.items()]
    )
    actor_user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    actor_label = models.CharField(max_length=254)
    action = models.CharField(max_length=60)
    target_kind = models.CharField(max_length=60)
    target_id = models.CharField(max_length=64)
    target_label = models.CharField(max_length=254, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=128, blank=True)
    occurred_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(actor_kind__in=[kind.value for kind in ActorKind]), name="audit_entry_actor_kind_known"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-occurred_at", "-id"], name="audit_entry_by_tenant"),
            models.Index(fields=["-occurred_at", "-id"], name="audit_entry_by_time"),
            models.Index(
                fields=["target_id", "-occurred_at", "-id"],
                name="audit_entry_of_person",
                condition=Q(target_kind="user"),
            ),
        ]
        ordering: ClassVar = ["-occurred_at", "-id"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.action} {self.target_label or self.target_id}"
