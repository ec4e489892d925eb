"""Endpoints of tenants, with their health, and the secrets that sign what they receive."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.domain.public_addresses import URL_CHARACTERS_MAX
from accounts.models import Tenant
from accounts.webhooks.domain.statuses import DisabledBecause, EndpointStatus


class WebhookEndpoint(models.Model):
    """A URL of a tenant that receives events. No `event_types` means all.

    `due_at` is when the sender next has work for it: its earliest pending delivery, or the end of a rest or a lease.
    The sender that holds the `lease` alone sends to it until `leased_until`.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="webhook_endpoints")
    url = models.CharField(max_length=URL_CHARACTERS_MAX)
    event_types = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    description = models.CharField(max_length=200, blank=True)
    status = models.CharField(
        max_length=8,
        choices=[(status.value, status.value.capitalize()) for status in EndpointStatus],
        default=EndpointStatus.ACTIVE.value,
    )
    disabled_because = models.CharField(
        max_length=7,
        blank=True,
        default=DisabledBecause.NOT.value,
        choices=[
            (DisabledBecause.GONE.value, "It returned 410 Gone"),
            (DisabledBecause.FAILING.value, "Nothing reached it for five days"),
        ],
    )
    disabled_at = models.DateTimeField(null=True)
    last_sequence = models.BigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts in a row.")
    failing_since = models.DateTimeField(null=True)
    last_failed_at = models.DateTimeField(null=True)
    last_succeeded_at = models.DateTimeField(null=True)
    is_suspect = models.BooleanField(default=False, help_text="Slow or failing: it is served apart from the others.")
    rests_until = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=list(EndpointStatus)), name="webhook_endpoint_status_known"),
            models.CheckConstraint(
                condition=(Q(status=EndpointStatus.DISABLED, disabled_at__isnull=False) & ~Q(disabled_because=""))
                | (~Q(status=EndpointStatus.DISABLED) & Q(disabled_at=None, disabled_because="")),
                name="webhook_endpoint_disabled_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(lease=None, leased_until=None) | Q(lease__isnull=False, leased_until__isnull=False),
                name="webhook_endpoint_lease_has_end",
            ),
            models.CheckConstraint(
                condition=Q(failures=0, failing_since=None) | Q(failures__gt=0, failing_since__isnull=False),
                name="webhook_endpoint_failures_have_begin",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-created_at"], name="webhook_endpoint_of_tenant"),
            models.Index(
                fields=["is_suspect", "due_at"], condition=Q(status=EndpointStatus.ACTIVE), name="webhook_endpoint_due"
            ),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.url


class WebhookSecret(models.Model):
    """A secret of an endpoint, encrypted at rest. After a rotation the earlier one signs too, until it expires."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="secrets")
    sealed = models.TextField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["endpoint"], condition=Q(expires_at=None), name="webhook_secret_one_is_current"
            ),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"secret of {self.created_at:%Y-%m-%d}"
