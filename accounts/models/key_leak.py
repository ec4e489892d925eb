"""Places where a secret scanner found a key. The key itself is not stored, here as everywhere."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models.api_key import ApiKey
from accounts.models.tenant import Tenant


class KeyLeak(models.Model):
    """One place where a key was found. A service key's leak has no tenant."""

    id = models.UUIDField(primary_key=True, editable=False)
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="leaks")
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="key_leaks")
    place_digest = models.BinaryField(max_length=32, editable=False)
    url = models.CharField(max_length=2000, blank=True)
    source = models.CharField(max_length=100, blank=True, help_text="The kind of place, as the scanner names it.")
    token_type = models.CharField(max_length=100, blank=True)
    scanner = models.CharField(max_length=100, help_text="The identifier of the scanner's public key.")
    reported_at = models.DateTimeField()
    usage_voided_at = models.DateTimeField(null=True)
    usage_report = models.JSONField(null=True, help_text="What staff voided of the usage after the leak.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["api_key", "place_digest"], name="key_leak_once_a_place"),
            models.CheckConstraint(
                condition=Q(usage_voided_at=None, usage_report=None)
                | Q(usage_voided_at__isnull=False, usage_report__isnull=False),
                name="key_leak_report_has_time",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "-reported_at"], name="key_leak_by_tenant")]
        ordering: ClassVar = ["-reported_at", "-id"]
        verbose_name = "leaked key"

    def __str__(self) -> str:
        return f"{self.source or 'unknown place'} at {self.reported_at:%Y-%m-%d %H:%M}"
