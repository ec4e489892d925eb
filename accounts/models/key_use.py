"""What is known of a key's use beside its events: the addresses it was used from, and what was refused."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models.api_key import ApiKey
from accounts.models.tenant import Tenant


class KeyAddress(models.Model):
    """An address from which a key was used. A key has about a hundred, those that were used last."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="addresses")
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    address = models.GenericIPAddressField()
    first_used_at = models.DateTimeField()
    last_used_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["api_key", "address"], name="key_address_once"),
            models.CheckConstraint(
                condition=Q(first_used_at__lte=models.F("last_used_at")), name="key_address_first_before_last"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["last_used_at"], name="key_address_by_time")]
        ordering: ClassVar = ["-last_used_at", "-id"]

    def __str__(self) -> str:
        return str(self.address)


class KeyRefusal(models.Model):
    """How many requests with a key were refused on a day of UTC, for one reason."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="refusals")
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    code = models.CharField(max_length=60)
    requests = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["api_key", "day", "code"], name="key_refusal_once_a_day"),
        ]
        indexes: ClassVar = [models.Index(fields=["day"], name="key_refusal_by_day")]
        ordering: ClassVar = ["-day", "code"]

    def __str__(self) -> str:
        return f"{self.code} on {self.day}"
