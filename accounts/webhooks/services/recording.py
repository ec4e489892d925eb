"""What came of attempts: recorded for many endpoints at once, in one transaction.

A sender whose lease has ended still records its attempts, for they were made. The state of the delivery then belongs to
the sender that came after it.
"""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from accounts.sql import as_json, fetch_all
from accounts.webhooks.domain.schedule import JITTER_PERCENT_MAX, AttemptOutcome, Health, health_after, next_step
from accounts.webhooks.domain.statuses import DisabledBecause, EndpointStatus
from accounts.webhooks.services.claiming import ClaimedEndpoint, DueDelivery
from accounts.webhooks.services.disabling import disable_and_tell

LOCK: Final = """
SELECT id, status, failures, failing_since, last_failed_at, rests_until FROM webhooks_webhookendpoint
WHERE id = ANY(%(endpoint_ids)s) ORDER BY id FOR NO KEY UPDATE
"""
# A replay, or the sender after this one, has set another time: then the state is theirs.
RECORD: Final = """
WITH made AS (
    SELECT m.*, d.tenant_id FROM jsonb_to_recordset(%(attempts)s::jsonb) AS m(
        delivery_id uuid, claimed_for timestamptz, at timestamptz, ended_at timestamptz, status_code int, error text,
        milliseconds int, signature text, response text, status text, attempts int, next_attempt_at timestamptz
    ) JOIN webhooks_webhookdelivery AS d ON d.id = m.delivery_id
), kept AS (
    INSERT INTO webhooks_webhookattempt
        (tenant_id, delivery_id, at, status_code, error, milliseconds, signature, response)
    SELECT tenant_id, delivery_id, at, status_code, error, milliseconds, signature, response FROM made
)
UPDATE webhooks_webhookdelivery AS d
SET status = made.status, attempts_in_round = made.attempts, next_attempt_at = made.next_attempt_at,
    ended_at = CASE WHEN made.status <> 'pending' THEN made.ended_at END
FROM made WHERE d.id = made.delivery_id AND d.status = 'pending' AND d.next_attempt_at = made.claimed_for
"""
# A statement of its own: it sees the deliveries that were added before the endpoints were locked.
RELEASE: Final = """
UPDATE webhooks_webhookendpoint AS p
SET failures = h.failures, failing_since = h.failing_since, last_failed_at = h.last_failed_at,
    rests_until = h.rests_until, is_suspect = h.is_suspect,
    last_succeeded_at = coalesce(h.succeeded_at, p.last_succeeded_at), lease = NULL, leased_until = NULL,
    due_at = CASE WHEN p.status = 'active' AND d.next_attempt_at IS NOT NULL
        THEN greatest(d.next_attempt_at, h.rests_until, h.released_at) END
FROM jsonb_to_recordset(%(endpoints)s::jsonb) AS h(
    id uuid, lease uuid, failures int, failing_since timestamptz, last_failed_at timestamptz, rests_until timestamptz,
    is_suspect boolean, succeeded_at timestamptz, released_at timestamptz
)
LEFT JOIN LATERAL (
    SELECT min(w.next_attempt_at) AS next_attempt_at FROM webhooks_webhookdelivery AS w
    WHERE w.endpoint_id = h.id AND w.status = 'pending'
) AS d ON true
WHERE p.id = h.id AND p.lease = h.lease
"""


@dataclass(frozen=True, slots=True)
class MadeAttempt:
    """An attempt that was made, from its beginning to its end."""

    delivery: DueDelivery
    at: datetime
    ended_at: datetime
    signature: str
    answer: AttemptOutcome


@dataclass(frozen=True, slots=True)
class ServedEndpoint:
    """A claimed endpoint after its attempts."""

    claimed: ClaimedEndpoint
    attempts: Sequence[MadeAttempt]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Counts of what was recorded."""

    succeeded: int = 0
    failed: int = 0
    disabled: int = 0

    def plus(self, other: "Recorded") -> "Recorded":
        """Return the sums."""
        return Recorded(self.succeeded + other.succeeded, self.failed + other.failed, self.disabled + other.disabled)


def record_attempts(
    served: Collection[ServedEndpoint], *, as_of: datetime, draw: Callable[[int], int] = secrets.randbelow
) -> Recorded:
    """Record the attempts, set what follows, and release the endpoints.

    An endpoint that returned 410, or that nothing has reached for five days, is disabled, and its tenant is told.
    """
    by_endpoint = {one.claimed.id: one for one in served}
    with transaction.atomic():
        locked = {row[0]: row for row in fetch_all(LOCK, {"endpoint_ids": list(by_endpoint)})}
        present = [by_endpoint[endpoint_id] for endpoint_id in locked]  # the others were deleted meanwhile
        rows = [_attempt_row(attempt, draw) for one in present for attempt in one.attempts]
        if rows:
            fetch_all(RECORD, {"attempts": as_json(rows)})
        healths = {one.claimed.id: _health_after(locked[one.claimed.id], one) for one in present}
        fetch_all(RELEASE, {"endpoints": as_json([_release_row(one, healths, as_of) for one in present])})
        disabled = _disable(present, healths, locked, as_of)
    answers = [attempt.answer for one in present for attempt in one.attempts]
    succeeded = sum(answer.is_success for answer in answers)
    return Recorded(succeeded, len(answers) - succeeded, disabled)


def _attempt_row(attempt: MadeAttempt, draw: Callable[[int], int]) -> dict[str, object]:
    number = attempt.delivery.attempts_in_round + 1
    answer = attempt.answer
    step = next_step(attempts=number, answer=answer, at=attempt.ended_at, jitter_percent=draw(JITTER_PERCENT_MAX + 1))
    return {
        "delivery_id": attempt.delivery.id,
        "claimed_for": attempt.delivery.next_attempt_at,
        "at": attempt.at,
        "ended_at": attempt.ended_at,
        "status_code": answer.status_code,
        "error": answer.error,
        "milliseconds": answer.milliseconds,
        "signature": attempt.signature,
        "response": answer.body,
        "status": step.status.value,
        "attempts": number,
        "next_attempt_at": step.next_attempt_at,
    }


def _health_after(row: tuple[Any, ...], one: ServedEndpoint) -> Health:
    _, _, failures, failing_since, last_failed_at, rests_until = row
    health = Health(failures, failing_since, last_failed_at, rests_until=rests_until)
    for attempt in sorted(one.attempts, key=lambda made: made.ended_at):
        health = health_after(health, attempt.answer, attempt.ended_at)
    return health


def _release_row(one: ServedEndpoint, healths: Mapping[UUID, Health], as_of: datetime) -> dict[str, object]:
    health = healths[one.claimed.id]
    succeeded_at = max((made.ended_at for made in one.attempts if made.answer.is_success), default=None)
    return {
        "id": one.claimed.id,
        "lease": one.claimed.lease,
        "failures": health.failures,
        "failing_since": health.failing_since,
        "last_failed_at": health.last_failed_at,
        "rests_until": health.rests_until,
        "is_suspect": health.is_suspect,
        "succeeded_at": succeeded_at,
        "released_at": as_of,
    }


def _disable(
    present: Sequence[ServedEndpoint],
    healths: Mapping[UUID, Health],
    locked: Mapping[UUID, tuple[Any, ...]],
    as_of: datetime,
) -> int:
    """Disable the endpoints that ask for it, or that failed for too long. Return how many."""
    gone = {one.claimed.id for one in present if any(made.answer.is_gone for made in one.attempts)}
    failing = {
        endpoint_id
        for endpoint_id, health in healths.items()
        if health.disabled_because(as_of) is DisabledBecause.FAILING and locked[endpoint_id][1] == EndpointStatus.ACTIVE
    }
    return sum(
        disable_and_tell(endpoint_ids=endpoint_ids, because=because, as_of=as_of)
        for because, endpoint_ids in ((DisabledBecause.GONE, gone), (DisabledBecause.FAILING, failing - gone))
        if endpoint_ids
    )
