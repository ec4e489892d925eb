"""Records of events that were sent and not stored, for the live debugger: bounded per request and in age."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from accounts.domain.masking import mask_secrets
from accounts.domain.reach import within_tenant
from metering.domain.cloud_events import SOURCE_CHARACTERS_MAX
from metering.domain.ledger import Ledger
from metering.models import IngestVerdict, Verdict

VERDICTS_PER_REQUEST_MAX: Final = 50
DELETED_AT_ONCE_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class UnstoredEvent:
    """One event that was not stored: a duplicate, a conflict, or rejected with a code."""

    verdict: Verdict
    event_id: str
    event_type: str
    code: str
    detail: str
    source: str = ""


def record_verdicts(
    *, ledger: Ledger, refusals: Sequence[UnstoredEvent], api_key_id: UUID | None, request_id: str, as_of: datetime
) -> None:
    """Store the first refusals of a request; a batch of duplicates says no more than its first fifty."""
    verdicts = [
        IngestVerdict(
            tenant_id=ledger.tenant_id,
            is_live=ledger.is_live,
            received_at=as_of,
            api_key_id=api_key_id,
            request_id=request_id[:128],
            event_id=_storable(refusal.event_id)[:255],
            source=_storable(refusal.source)[:SOURCE_CHARACTERS_MAX],
            event_type=_storable(refusal.event_type)[:100],
            verdict=refusal.verdict,
            code=refusal.code[:60],
            detail=_storable(refusal.detail)[:500],
        )
        for refusal in refusals[:VERDICTS_PER_REQUEST_MAX]
    ]
    with within_tenant(ledger.tenant_id):
        IngestVerdict.objects.bulk_create(verdicts)


def delete_old_verdicts(*, as_of: datetime) -> int:
    """Delete verdicts older than `VERDICT_RETENTION_DAYS`, in bounded steps, and return how many."""
    before = as_of - timedelta(days=settings.VERDICT_RETENTION_DAYS)
    deleted = 0
    while True:
        oldest = IngestVerdict.objects.filter(received_at__lt=before).order_by("received_at", "pk")
        step, _ = IngestVerdict.objects.filter(
            pk__in=list(oldest.values_list("pk", flat=True)[:DELETED_AT_ONCE_MAX])
        ).delete()
        deleted += step
        if step < DELETED_AT_ONCE_MAX:
            return deleted


def _storable(text: str) -> str:
    """Return the part of a refused text that PostgreSQL can store and that we may store: no secret."""
    return mask_secrets(text.replace("\x00", "␀").encode("utf-8", "replace").decode())
