"""First responses of creating calls, so that a retry gets the same one.

A row is written in the transaction of the work itself. An advisory lock shows a running twin, so a crash leaves nothing
to clean up.
"""

from typing import ClassVar

from django.db import models


class IdempotencyRecord(models.Model):
    """A response under (scope, key). `scope_id` is the tenant, or the service key itself.

    `tenant_id` is the owner of the response, for row-level security. The operator's own has none.
    """

    scope_id = models.UUIDField()
    tenant_id = models.UUIDField(null=True)
    key = models.CharField(max_length=255)
    request_digest = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    is_sealed = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["scope_id", "key"], name="idempotency_record_once_per_scope")
        ]

    def __str__(self) -> str:
        return self.key
