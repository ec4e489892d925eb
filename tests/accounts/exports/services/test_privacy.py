"""How exports expire."""

from datetime import datetime, timedelta

from accounts.exports.models import ExportChunk, ExportFile, TenantExport
from accounts.exports.services.making import make_exports
from accounts.exports.services.privacy import ExportsPrivacy


def test_the_files_of_an_export_expire_and_its_row_stays(export: TenantExport, now: datetime) -> None:
    make_exports(as_of=now)
    assert ExportsPrivacy().clean_up(as_of=now + timedelta(days=6)) == {"exports": 0, "export_files": 0}
    assert ExportsPrivacy().clean_up(as_of=now + timedelta(days=8)) == {"exports": 1, "export_files": 10}
    assert not ExportChunk.objects.exists()
    assert not ExportFile.objects.exists()
    export.refresh_from_db()
    assert export.status == "expired"
