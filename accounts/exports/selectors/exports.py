"""Exports for their page, and their archive for the download."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from accounts.domain.zip_outlet import NO_TIME, ZipOutlet
from accounts.errors import NotFoundError
from accounts.exports.domain.statuses import ExportStatus
from accounts.exports.models import ExportChunk, ExportFile, TenantExport

SHOWN_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class ShownExport:
    """An export with its progress: complete files, all files, and bytes so far."""

    export: TenantExport
    files_done: int
    size_bytes: int

    @property
    def percent(self) -> int:
        """Return the percentage that is done."""
        total = self.export.files_total
        return min(100, 100 * self.files_done // total) if total else 0


def exports_of_tenant(tenant_id: UUID) -> list[ShownExport]:
    """Return the tenant's latest exports, the newest first."""
    exports = list(TenantExport.objects.filter(tenant_id=tenant_id).select_related("requested_by")[:SHOWN_MAX])
    done: dict[UUID, list[int]] = {export.pk: [] for export in exports}
    complete = ExportFile.objects.filter(export__in=done).exclude(sha256="")
    for export_id, size in complete.values_list("export_id", "size_bytes"):
        done[export_id].append(size)
    return [ShownExport(export, len(done[export.pk]), sum(done[export.pk])) for export in exports]


def ready_export(*, tenant_id: UUID, export_id: UUID, as_of: datetime) -> TenantExport:
    """Return one of the tenant's exports that can be downloaded. Raises `NotFoundError`, also for another tenant's."""
    ready = TenantExport.objects.filter(tenant_id=tenant_id, status=ExportStatus.READY, expires_at__gt=as_of)
    export = ready.filter(pk=export_id).first()
    if export is None:
        raise NotFoundError
    return export


def archive_of(export: TenantExport) -> Iterator[bytes]:
    """Yield the archive in pieces as stored. Nothing is compressed again, and only one piece is in memory."""
    outlet = ZipOutlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for file_id, name in list(ExportFile.objects.filter(export=export).values_list("pk", "name")):
            with archive.open(zipfile.ZipInfo(name, NO_TIME), "w", force_zip64=True) as entry:
                for chunk_id in _chunks_of(file_id):
                    entry.write(bytes(ExportChunk.objects.get(pk=chunk_id).content))
                    yield outlet.taken()
    yield outlet.taken()


def _chunks_of(file_id: int) -> list[int]:
    return list(ExportChunk.objects.filter(file=file_id).order_by("position").values_list("pk", flat=True))
