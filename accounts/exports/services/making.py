"""Creation of exports, file by file, so that an interrupted export continues with its first incomplete file.

The worker holds a claim that it renews with each page. It holds no transaction open meanwhile, and no more in memory
than a page and a megabyte.
"""

from datetime import datetime, timedelta
from itertools import chain
from time import perf_counter
from typing import Final
from urllib.parse import urljoin

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.domain.plain import plain_instant, to_plain
from accounts.exports.domain.mails import EXPORT_READY
from accounts.exports.domain.statuses import ExportStatus
from accounts.exports.models import ExportFile, TenantExport
from accounts.exports.services.storing import store_piece
from accounts.models import JobRun, Tenant
from accounts.notices.services.mails import NewMail, queue_mails
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from accounts.services.privacy_parts import ExportedDocument, ExportPiece, privacy_parts

EXPORTS_JOB: Final = "exports"
CUT_OFF_AFTER: Final = timedelta(minutes=5)
ATTEMPTS_MAX: Final = 5
# The queue ends a task after half an hour; the next run continues.
RUN_SECONDS_MAX: Final = 900
MANIFEST: Final = "manifest.json"


class ExportTakenOverError(Exception):
    """Another worker has taken over this export, because this one did not renew its claim in time."""


class _Claim:
    """The right to create an export, as long as it is renewed."""

    def __init__(self, export: TenantExport, as_of: datetime) -> None:
        self.export = export
        self._as_of = as_of
        self._started = perf_counter()

    def moment(self) -> datetime:
        """Return the current time, counted from the beginning of the claim."""
        return self._as_of + timedelta(seconds=perf_counter() - self._started)

    @property
    def is_used_up(self) -> bool:
        """Return whether the next file is left to the next run."""
        return perf_counter() - self._started > RUN_SECONDS_MAX

    def beat(self, **changes: object) -> None:
        """Renew the claim, together with `changes`. Raises `ExportTakenOverError`."""
        now = self.moment()
        held = TenantExport.objects.filter(
            pk=self.export.pk, status=ExportStatus.RUNNING, claimed_at=self.export.claimed_at
        )
        if held.update(**{"claimed_at": now, **changes}) != 1:
            raise ExportTakenOverError
        self.export.claimed_at = now


def make_exports(*, as_of: datetime) -> int:
    """Create the requested exports, the oldest first, and return how many became ready.

    Any number of workers may run at once.
    """
    made = 0
    started = perf_counter()
    while (export := _claim(as_of + timedelta(seconds=perf_counter() - started))) is not None:
        claim = _Claim(export, as_of + timedelta(seconds=perf_counter() - started))
        try:
            made += _make(claim)
        except ExportTakenOverError:
            continue
        if claim.is_used_up:
            break
    return made


def run_exports(*, started_by: str, as_of: datetime) -> JobRun:
    """Create exports as a recorded job, which needs attention if an export failed."""

    def work() -> JobReport:
        made = make_exports(as_of=as_of)
        failed = TenantExport.objects.filter(status=ExportStatus.FAILED, finished_at__gte=as_of - timedelta(days=1))
        summary = {"made": made, "failed": failed.count()}
        return JobReport(summary, needs_attention=bool(summary["failed"]))

    return run_job(name=EXPORTS_JOB, started_by=started_by, as_of=as_of, work=work)


def pieces_of(tenant: Tenant) -> list[ExportPiece]:
    """Return every file of a tenant's export except the manifest, as the apps list them."""
    pieces = list(chain.from_iterable(part.files(tenant=tenant) for part in privacy_parts()))
    assert len({piece.name for piece in pieces}) == len(pieces), "two files of one name"
    return pieces


@transaction.atomic
def _claim(as_of: datetime) -> TenantExport | None:
    """Lock the oldest export that no worker is creating. An export that was begun too often without an end fails."""
    cut_off = Q(status=ExportStatus.RUNNING, claimed_at__lt=as_of - CUT_OFF_AFTER)
    waiting = TenantExport.objects.filter(Q(status=ExportStatus.QUEUED) | cut_off)
    failed = waiting.filter(attempts__gte=ATTEMPTS_MAX)
    failed.update(
        status=ExportStatus.FAILED, finished_at=as_of, expires_at=as_of + timedelta(days=settings.EXPORT_RETENTION_DAYS)
    )
    export = waiting.select_for_update(skip_locked=True).order_by("requested_at", "pk").first()
    if export is None:
        return None
    TenantExport.objects.filter(pk=export.pk).update(
        status=ExportStatus.RUNNING, claimed_at=as_of, attempts=F("attempts") + 1
    )
    return TenantExport.objects.select_related("tenant", "requested_by").get(pk=export.pk)


def _make(claim: _Claim) -> bool:
    """Store the missing files, then the manifest. Return whether the export is ready."""
    export = claim.export
    pieces = pieces_of(export.tenant)
    claim.beat(files_total=len(pieces) + 1)
    done = set(ExportFile.objects.filter(export=export).exclude(sha256="").values_list("name", flat=True))
    for position, piece in enumerate(pieces):
        if piece.name in done:
            continue
        if claim.is_used_up:
            claim.beat(status=ExportStatus.QUEUED, claimed_at=None)
            return False
        store_piece(export=export, position=position, piece=piece, beat=claim.beat)
        claim.beat(attempts=0)
    manifest = ExportedDocument(MANIFEST, lambda: _manifest(export, claim.moment()))
    store_piece(export=export, position=len(pieces), piece=manifest, beat=claim.beat)
    _finish(claim)
    return True


def _manifest(export: TenantExport, now: datetime) -> bytes:
    """Return the list of all other files: the number of rows, the size and the SHA-256 of each."""
    files = ExportFile.objects.filter(export=export).exclude(sha256="").exclude(name=MANIFEST)
    content = {
        "tenant": export.tenant.slug,
        "tenant_id": export.tenant_id,
        "requested_at": export.requested_at,
        "made_at": now,
        "files": list(files.values("name", "rows", "size_bytes", "sha256")),
    }
    return msgspec.json.format(msgspec.json.encode(to_plain(content)))


@transaction.atomic
def _finish(claim: _Claim) -> None:
    """Mark the export as ready, and mail the owner who requested it."""
    export, now = claim.export, claim.moment()
    expires_at = now + timedelta(days=settings.EXPORT_RETENTION_DAYS)
    claim.beat(status=ExportStatus.READY, finished_at=now, expires_at=expires_at)
    record_audit(
        actor=Actor.system(),
        action="export.ready",
        tenant_id=export.tenant_id,
        target=AuditTarget("export", export.pk, export.tenant.slug),
        after={"expires_at": plain_instant(expires_at)},
        as_of=now,
    )
    context = {
        "tenant": export.tenant,
        "expires_at": expires_at,
        "url": urljoin(settings.PUBLIC_URL, reverse("portal:data", args=[export.tenant.slug])),
    }
    mail = NewMail(
        tenant_id=export.tenant_id,
        kind=EXPORT_READY.name,
        dedupe_key=f"export:{export.pk}",
        recipients=[export.requested_by.email] if export.requested_by.is_active else [],
        subject=f"The export of {export.tenant.name} is ready",
        text=render_to_string("exports/email/export_ready.txt", context),
        html=render_to_string("exports/email/export_ready.html", context),
    )
    queue_mails([mail], as_of=now)
