"""Removal of expired rows in every app: docs/privacy.md. The audit log is not touched.

Rows are deleted in small batches, each in its own transaction, so that a backlog of millions locks nothing for long.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from psycopg import sql

from accounts.domain.job_report import JobReport
from accounts.models import IdempotencyRecord, Invitation, JobOutcome, JobRun, KeyAddress, KeyRefusal
from accounts.services.privacy_parts import privacy_parts

BATCH_ROWS: Final = 1000
DATABASE_CACHE: Final = "django.core.cache.backends.db.DatabaseCache"
# Some jobs run each minute: after some days only the last successful run of each name is kept.
SUCCESSES_KEPT: Final = timedelta(days=3)
# From which addresses a key was used, and what was refused, is of use while a leak may be looked into.
KEY_USE_KEPT: Final = timedelta(days=90)


def clean_up(*, as_of: datetime) -> JobReport:
    """Delete expired rows, and report how many rows of each kind were deleted."""
    dead = Q(expires_at__lte=as_of - timedelta(days=settings.INVITATION_RETENTION_DAYS), accepted_at=None)
    old = JobRun.objects.filter(started_at__lte=as_of - timedelta(days=settings.JOB_RUN_RETENTION_DAYS))
    of_parts: dict[str, object] = {}
    for part in privacy_parts():
        of_parts |= part.clean_up(as_of=as_of)
    sessions = _remove(Session.objects.filter(expire_date__lte=as_of))
    return JobReport(
        {
            "idempotency_records": _remove(IdempotencyRecord.objects.filter(expires_at__lte=as_of)),
            "sessions": sessions,
            "session_facts": _remove(
                UserSession.objects.exclude(session_key__in=Session.objects.values("session_key"))
            ),
            "invitations": _remove(Invitation.objects.filter(dead)),
            "key_addresses": _remove(KeyAddress.objects.filter(last_used_at__lte=as_of - KEY_USE_KEPT)),
            "key_refusals": _remove(KeyRefusal.objects.filter(day__lt=(as_of - KEY_USE_KEPT).date())),
            "cache_rows": _remove_cache_rows(as_of),
            "job_runs": _remove(old) + _remove(_successes_followed(as_of)),
            **of_parts,
        }
    )


def _successes_followed(as_of: datetime) -> QuerySet[JobRun]:
    """Return successful runs that are some days old and were followed by another success of the job."""
    later = JobRun.objects.filter(
        name=OuterRef("name"), outcome=JobOutcome.SUCCEEDED, started_at__gt=OuterRef("started_at")
    )
    old = JobRun.objects.filter(outcome=JobOutcome.SUCCEEDED, started_at__lte=as_of - SUCCESSES_KEPT)
    return old.filter(Exists(later))


def _remove_cache_rows(as_of: datetime) -> int:
    """Delete expired rows of the database cache, which does so itself only when it is full.

    Redis always does it itself.
    """
    location = settings.CACHES["default"]
    if location["BACKEND"] != DATABASE_CACHE:
        return 0
    with connection.cursor() as cursor:
        statement = sql.SQL("DELETE FROM {} WHERE expires < %s").format(sql.Identifier(str(location["LOCATION"])))
        cursor.execute(statement, [as_of])
        return int(cursor.rowcount)


def _remove(rows: QuerySet[Any]) -> int:
    model: type[Model] = rows.model
    total = 0
    while True:
        batch = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH_ROWS])
        total += model._default_manager.filter(pk__in=batch).delete()[0]  # noqa: SLF001 - Django's documented name
        if len(batch) < BATCH_ROWS:
            return total
