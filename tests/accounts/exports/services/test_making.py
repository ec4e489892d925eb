"""One worker continues an export that was cut off. An export that cannot be made ends as failed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.exports.models import ExportChunk, ExportFile, TenantExport
from accounts.exports.services import making
from accounts.exports.services.making import CUT_OFF_AFTER, make_exports, run_exports
from accounts.exports.services.storing import store_piece
from accounts.models import Tenant, User
from accounts.notices.models import OutboundMail


class KilledError(Exception):
    """The worker is gone."""


def killed_at(number: int, store: Callable[..., Any] = store_piece) -> Callable[..., ExportFile]:
    """Store files as usual, until one is half stored and the worker dies."""
    left = [number]

    def store_or_die(**given: Any) -> ExportFile:
        if not left[0]:
            ExportFile.objects.filter(name=given["piece"].name).delete()
            ExportFile.objects.create(export=given["export"], position=given["position"], name=given["piece"].name)
            raise KilledError
        left[0] -= 1
        return store(**given)

    return store_or_die


def test_a_killed_export_goes_on_with_the_first_file_that_is_not_complete(
    export: TenantExport, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "store_piece", killed_at(2))
    with pytest.raises(KilledError):
        make_exports(as_of=now)
    complete = dict(ExportFile.objects.exclude(sha256="").values_list("name", "pk"))
    assert list(complete) == ["settings.json", "members.json"]
    monkeypatch.undo()

    assert make_exports(as_of=now + CUT_OFF_AFTER / 2) == 0  # the worker that began it may still be alive
    assert make_exports(as_of=now + CUT_OFF_AFTER + timedelta(seconds=30)) == 1

    export.refresh_from_db()
    files = dict(ExportFile.objects.values_list("name", "pk"))
    assert export.status == "ready"
    assert complete.items() <= files.items()  # not made again
    assert len(files) == export.files_total == 10
    assert OutboundMail.objects.get(kind="export").recipients == ["alice@example.com"]


def test_a_paused_worker_loses_its_claim_on_an_export(
    export: TenantExport, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(**given: Any) -> ExportFile:
        TenantExport.objects.filter(pk=export.pk).update(claimed_at=now + timedelta(hours=1))
        return store_piece(**given)

    monkeypatch.setattr(making, "store_piece", overtaken)
    assert make_exports(as_of=now) == 0
    export.refresh_from_db()
    assert export.status == "running"
    assert not ExportFile.objects.exclude(sha256="").exists()


def test_an_export_that_kills_its_workers_fails_in_the_end(
    export: TenantExport, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "store_piece", killed_at(0))
    for attempt in range(making.ATTEMPTS_MAX):
        with pytest.raises(KilledError):
            make_exports(as_of=now + attempt * timedelta(hours=1))

    run = run_exports(started_by="test", as_of=now + timedelta(days=1))

    export.refresh_from_db()
    assert (export.status, run.outcome, run.summary) == ("failed", "attention", {"made": 0, "failed": 1})


def test_an_export_too_long_for_one_run_is_continued_by_the_next(
    export: TenantExport, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "RUN_SECONDS_MAX", -1)
    assert make_exports(as_of=now) == 0
    export.refresh_from_db()
    assert (export.status, export.claimed_at) == ("queued", None)
    monkeypatch.undo()
    assert make_exports(as_of=now) == 1


@pytest.mark.parametrize(
    ("constraint", "changes"),
    [
        ("tenant_export_status_known", {"status": "lost"}),
        ("tenant_export_ready_ends", {"status": "ready"}),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(
    export: TenantExport, constraint: str, changes: dict[str, object]
) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        TenantExport.objects.filter(pk=export.pk).update(**changes)


def test_one_export_of_a_tenant_is_open_with_each_file_and_piece_once(
    export: TenantExport, acme: Tenant, alice: User
) -> None:
    with pytest.raises(IntegrityError, match="tenant_export_one_open"), transaction.atomic():
        TenantExport.objects.create(id=acme.pk, tenant=acme, requested_by=alice, requested_at=timezone.now())
    file = ExportFile.objects.create(export=export, position=0, name="a")
    with pytest.raises(IntegrityError, match="export_file_once"), transaction.atomic():
        ExportFile.objects.create(export=export, position=1, name="a")
    ExportChunk.objects.create(file=file, position=0, content=b"")
    with pytest.raises(IntegrityError, match="export_chunk_once"), transaction.atomic():
        ExportChunk.objects.create(file=file, position=0, content=b"")
