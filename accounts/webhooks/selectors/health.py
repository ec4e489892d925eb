"""The state of webhooks of all tenants, for staff and metrics."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from accounts.sql import fetch_all

DAY: Final = timedelta(days=1)

STATE: Final = """
SELECT count(*) FILTER (WHERE status = 'active'), count(*) FILTER (WHERE status = 'paused'),
    count(*) FILTER (WHERE status = 'disabled'), count(*) FILTER (WHERE status = 'active' AND failures > 0),
    min(due_at) FILTER (WHERE status = 'active' AND due_at <= %(as_of)s), min(failing_since),
    (SELECT count(*) FROM notices_unsentevent),
    (SELECT min(e.occurred_at) FROM notices_unsentevent AS u JOIN notices_outboxevent AS e ON e.id = u.event_id)
FROM webhooks_webhookendpoint
"""
DELIVERIES: Final = """
SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'succeeded'),
    count(*) FILTER (WHERE status = 'failed')
FROM webhooks_webhookdelivery WHERE created_at >= %(since)s
"""


@dataclass(frozen=True, slots=True)
class WebhooksState:
    """Counts of endpoints, of the last day's deliveries, and the age of what waits longest."""

    active: int
    paused: int
    disabled: int
    failing: int
    failing_since: datetime | None
    events_waiting: int
    queue_age: timedelta
    pending: int
    succeeded: int
    failed: int


def webhooks_state(*, as_of: datetime) -> WebhooksState:
    """Return the state now. The queue's age is that of the event or the endpoint that waits longest for a sender."""
    [(active, paused, disabled, failing, due_at, failing_since, waiting, oldest_at)] = fetch_all(
        STATE, {"as_of": as_of}
    )
    [(pending, succeeded, failed)] = fetch_all(DELIVERIES, {"since": as_of - DAY})
    ages = [as_of - at for at in (due_at, oldest_at) if at is not None and at < as_of]
    age = max(ages, default=timedelta(0))
    return WebhooksState(active, paused, disabled, failing, failing_since, waiting, age, pending, succeeded, failed)
