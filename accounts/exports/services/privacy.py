"""Expiry of exports: their files are deleted after a time."""

from datetime import datetime
from typing import Final

from accounts.exports.domain.statuses import ExportStatus, statuses_before
from accounts.exports.models import ExportChunk, ExportFile, TenantExport
from accounts.services.privacy_parts import PrivacyPart

FILES_AT_ONCE: Final = 20


class ExportsPrivacy(PrivacyPart):
    """The part of exports in `settings.PRIVACY_PARTS`."""

    def clean_up(self, *, as_of: datetime) -> dict[str, int]:
        """Delete the files of expired exports. The record of the export is kept."""
        over = TenantExport.objects.filter(status__in=statuses_before(ExportStatus.EXPIRED), expires_at__lte=as_of)
        export_ids = list(over.values_list("pk", flat=True))
        # No download starts from here on, so that no archive ends in the middle.
        over.filter(pk__in=export_ids).update(status=ExportStatus.EXPIRED)
        return {"exports": len(export_ids), "export_files": _delete_files()}


def _delete_files() -> int:
    """Delete the files of expired exports in batches, and return how many there were."""
    total = 0
    expired = ExportFile.objects.filter(export__status=ExportStatus.EXPIRED).order_by("pk")
    while file_ids := list(expired.values_list("pk", flat=True)[:FILES_AT_ONCE]):
        ExportChunk.objects.filter(file__in=file_ids).delete()
        ExportFile.objects.filter(pk__in=file_ids).delete()
        total += len(file_ids)
    return total
