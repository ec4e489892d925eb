"""Exports as their page shows them."""

from datetime import datetime, timedelta

import pytest

from accounts.errors import NotFoundError
from accounts.exports.models import ExportFile, TenantExport
from accounts.exports.selectors.exports import exports_of_tenant, ready_export
from accounts.exports.services.making import make_exports
from accounts.models import Tenant


def test_progress_counts_complete_files(export: TenantExport, acme: Tenant, globex: Tenant) -> None:
    assert [shown.percent for shown in exports_of_tenant(acme.pk)] == [0]
    TenantExport.objects.update(files_total=4)
    ExportFile.objects.create(export=export, position=0, name="a", size_bytes=7, sha256="0" * 64)
    ExportFile.objects.create(export=export, position=1, name="b")

    shown = exports_of_tenant(acme.pk)[0]

    assert (shown.files_done, shown.percent, shown.size_bytes) == (1, 25, 7)
    assert exports_of_tenant(globex.pk) == []


def test_an_export_is_found_by_its_tenant_while_it_is_kept(
    export: TenantExport, acme: Tenant, globex: Tenant, now: datetime
) -> None:
    with pytest.raises(NotFoundError):
        ready_export(tenant_id=acme.pk, export_id=export.pk, as_of=now)
    make_exports(as_of=now)
    assert ready_export(tenant_id=acme.pk, export_id=export.pk, as_of=now) == export
    for tenant, moment in ((globex, now), (acme, now + timedelta(days=8))):
        with pytest.raises(NotFoundError):
            ready_export(tenant_id=tenant.pk, export_id=export.pk, as_of=moment)
