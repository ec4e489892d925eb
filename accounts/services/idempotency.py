"""First responses of creating calls, stored for a day, in the transaction of the work itself.

An advisory lock that ends with its transaction shows a running twin, so a crash leaves nothing behind: neither the
work, nor its response, nor the lock. Only a success is stored; a refusal changed nothing and may be tried again.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.errors import IdempotencyInProgressError, IdempotencyKeyReusedError
from accounts.models import IdempotencyRecord
from accounts.sql import fetch_all

ANSWERS_KEPT: Final = timedelta(hours=24)
CLAIM: Final = "SELECT pg_try_advisory_xact_lock(%(lock_number)s)"


def claim_idempotency_key(
    *, scope_id: UUID, key: str, request_digest: bytes, as_of: datetime
) -> IdempotencyRecord | None:
    """Claim the key for the rest of this transaction, or return the first response under it.

    Raises `IdempotencyInProgressError` if another transaction holds it, `IdempotencyKeyReusedError` if the first
    request was a different one.
    """
    assert transaction.get_connection().in_atomic_block, "the claim lasts as long as the work's transaction"
    [(is_free,)] = fetch_all(CLAIM, {"lock_number": _lock_number(scope_id, key)})
    if not is_free:
        raise IdempotencyInProgressError("A request with this Idempotency-Key is still running. Try again.")
    record = IdempotencyRecord.objects.filter(scope_id=scope_id, key=key).first()
    if record is None:
        return None
    if record.expires_at <= as_of:
        record.delete()
        return None
    if bytes(record.request_digest) != request_digest:
        raise IdempotencyKeyReusedError("The first request with this Idempotency-Key was a different one.")
    return record


def store_response(
    *,
    scope_id: UUID,
    tenant_id: UUID | None,
    key: str,
    request_digest: bytes,
    status: int,
    body: bytes,
    is_sealed: bool,
    as_of: datetime,
) -> None:
    """Store the first response under a claimed key."""
    IdempotencyRecord.objects.create(
        scope_id=scope_id,
        tenant_id=tenant_id,
        key=key,
        request_digest=request_digest,
        status=status,
        body=body,
        is_sealed=is_sealed,
        created_at=as_of,
        expires_at=as_of + ANSWERS_KEPT,
    )


def _lock_number(scope_id: UUID, key: str) -> int:
    """Return 64 bits of a hash, signed as PostgreSQL expects."""
    digest = hashlib.sha256(b"idempotency" + scope_id.bytes + key.encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
