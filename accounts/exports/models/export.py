"""Exports of tenants. Each file is stored in pieces, so that neither writing nor sending one holds it in memory."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.exports.domain.statuses import OPEN_STATUSES, ExportStatus
from accounts.models import Tenant


class TenantExport(models.Model):
    """All data of a tenant, requested by one of its owners.

    The worker that creates it keeps updating `claimed_at`. If the time stops moving, the worker was interrupted, and
    another continues with the first incomplete file. `attempts` counts claims since the last complete file.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="exports")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(
        max_length=7,
        choices=[(status.value, status.value.capitalize()) for status in ExportStatus],
        default=ExportStatus.QUEUED.value,
    )
    files_total = models.PositiveIntegerField(default=0, help_text="Known when the first worker begins.")
    attempts = models.PositiveSmallIntegerField(default=0)
    requested_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True, help_text="When its files are deleted.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(status__in=sorted(OPEN_STATUSES)), name="tenant_export_one_open"
            ),
            models.CheckConstraint(condition=Q(status__in=list(ExportStatus)), name="tenant_export_status_known"),
            models.CheckConstraint(
                condition=~Q(status=ExportStatus.READY) | Q(finished_at__isnull=False, expires_at__isnull=False),
                name="tenant_export_ready_ends",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "-requested_at"], name="tenant_export_by_tenant")]
        ordering: ClassVar = ["-requested_at", "-id"]

    def __str__(self) -> str:
        return f"{self.tenant} of {self.requested_at:%Y-%m-%d %H:%M}"


class ExportFile(models.Model):
    """One file of an export. It is complete once it has a digest."""

    export = models.ForeignKey(TenantExport, on_delete=models.CASCADE, related_name="files")
    position = models.PositiveIntegerField(help_text="The position in the archive.")
    name = models.CharField(max_length=200)
    rows = models.BigIntegerField(null=True, help_text="Empty for a document.")
    size_bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["export", "name"], name="export_file_once")]
        ordering: ClassVar = ["export", "position"]

    def __str__(self) -> str:
        return self.name


class ExportChunk(models.Model):
    """A piece of a file."""

    file = models.ForeignKey(ExportFile, on_delete=models.CASCADE, related_name="chunks")
    position = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["file", "position"], name="export_chunk_once")]
        ordering: ClassVar = ["file", "position"]

    def __str__(self) -> str:
        return f"{self.position}"
