"""API keys of tenants and service keys of the operator. The secret itself is never stored."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.domain.api_key import KeyKind
from accounts.models.tenant import Tenant
from accounts.querysets import ApiKeyQuerySet


class ApiKey(models.Model):
    """A key's digest, what it may do, and its limits. A service key has no tenant."""

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="api_keys")
    kind = models.CharField(max_length=8, choices=[(kind.value, kind.value.capitalize()) for kind in KeyKind])
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    prefix = models.CharField(max_length=12, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    scopes = ArrayField(models.CharField(max_length=30))
    allowed_cidrs = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    throttle_rate = models.PositiveIntegerField(null=True, blank=True, help_text="Requests per second.")
    throttle_burst = models.PositiveIntegerField(null=True, blank=True)
    quota = models.DecimalField(
        max_digits=20, decimal_places=9, null=True, blank=True, help_text="The most API requests in a calendar month."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    rotated_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="rotated_to"
    )
    family_id = models.UUIDField(
        null=True,
        editable=False,
        help_text="The first key of a chain of rotated keys, which share their limits. Empty for the first key.",
    )
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    environment = models.CharField(
        max_length=30, blank=True, default="", help_text="What the key is used in, such as production."
    )
    tags = ArrayField(models.CharField(max_length=30), default=list, blank=True)
    quarantined_at = models.DateTimeField(
        null=True, editable=False, help_text="Since when the key is refused because it was found in public."
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind=KeyKind.SERVICE, tenant=None) | (~Q(kind=KeyKind.SERVICE) & Q(tenant__isnull=False)),
                name="api_key_service_means_no_tenant",
            ),
            models.CheckConstraint(condition=Q(kind__in=[kind.value for kind in KeyKind]), name="api_key_kind_known"),
            models.CheckConstraint(
                # A comparison with NULL is neither true nor false, and a check passes it: so NULL is named.
                condition=Q(throttle_rate=None, throttle_burst=None)
                | Q(
                    throttle_rate__isnull=False,
                    throttle_burst__isnull=False,
                    throttle_rate__gte=1,
                    throttle_burst__gte=1,
                ),
                name="api_key_throttle_whole",
            ),
            models.CheckConstraint(condition=Q(quota=None) | Q(quota__gte=0), name="api_key_quota_not_negative"),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "-created_at"], name="api_key_by_tenant")]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last_four})"
