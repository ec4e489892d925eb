"""When a delivery is tried again, and when its endpoint rests or is disabled. Pure.

The waits are those of Standard Webhooks: ten attempts within about three days. Jitter spreads retries of many
deliveries that failed together.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from accounts.webhooks.domain.statuses import DeliveryStatus, DisabledBecause

# The wait before each attempt, counted from the end of the one before.
WAITS: Final = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
ATTEMPTS_MAX: Final = len(WAITS)
JITTER_PERCENT_MAX: Final = 10
RETRY_AFTER_MAX: Final = timedelta(hours=24)
# A receiver may hold back all of its deliveries, and not only the one that it refused.
REST_MAX: Final = timedelta(hours=1)
SUCCESS: Final = range(200, 300)
GONE: Final = 410

# The breaker: after so many failures in a row an endpoint rests before its next attempt, each time twice as long.
FAILURES_BEFORE_REST: Final = 10
REST_FIRST: Final = timedelta(seconds=5)
REST_LONGEST: Final = timedelta(minutes=1)

DISABLED_AFTER: Final = timedelta(days=5)
# Longer than the longest wait with its jitter: failures further apart than this are not continuous.
FAILURE_GAP_MAX: Final = timedelta(hours=30)
SLOW_MILLISECONDS: Final = 3000


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """The outcome of one attempt. Without `status_code` there was no response, and `error` says why."""

    status_code: int | None
    error: str = ""
    body: str = ""
    milliseconds: int = 0
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """Return whether the receiver took the event: 2xx alone is success."""
        return self.status_code in SUCCESS

    @property
    def is_gone(self) -> bool:
        """Return whether the receiver wants no more events."""
        return self.status_code == GONE


@dataclass(frozen=True, slots=True)
class NextStep:
    """The status of a delivery after an attempt, and the time of the next attempt if there is one."""

    status: DeliveryStatus
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class Health:
    """What an endpoint's recent attempts say about it."""

    failures: int = 0
    failing_since: datetime | None = None
    last_failed_at: datetime | None = None
    is_slow: bool = False
    rests_until: datetime | None = None

    @property
    def is_suspect(self) -> bool:
        """Return whether the endpoint is slow or failing, and so is served apart from the others."""
        return self.is_slow or self.failures > 0

    def disabled_because(self, at: datetime) -> DisabledBecause:
        """Return `FAILING` if nothing has reached the endpoint for five days."""
        is_over = self.failing_since is not None and self.failing_since <= at - DISABLED_AFTER
        return DisabledBecause.FAILING if is_over else DisabledBecause.NOT


def next_step(*, attempts: int, answer: AttemptOutcome, at: datetime, jitter_percent: int) -> NextStep:
    """Return what follows the attempt with number `attempts`, which ended at `at`.

    A `Retry-After` can only lengthen a wait, up to a day.
    """
    assert 1 <= attempts <= ATTEMPTS_MAX, "an attempt has a number from 1 to 10"
    assert 0 <= jitter_percent <= JITTER_PERCENT_MAX, "jitter only lengthens a wait a little"
    if answer.is_success:
        return NextStep(DeliveryStatus.SUCCEEDED, None)
    if answer.is_gone or attempts == ATTEMPTS_MAX:
        return NextStep(DeliveryStatus.FAILED, None)
    wait = WAITS[attempts] * (100 + jitter_percent) / 100
    asked = min(answer.retry_after or timedelta(0), RETRY_AFTER_MAX)
    return NextStep(DeliveryStatus.PENDING, at + max(wait, asked))


def health_after(health: Health, answer: AttemptOutcome, at: datetime) -> Health:
    """Return the endpoint's health after one more attempt, which ended at `at`."""
    is_slow = answer.milliseconds >= SLOW_MILLISECONDS
    if answer.is_success:
        return Health(is_slow=is_slow)
    failures = health.failures + 1
    is_continuous = health.last_failed_at is not None and at - health.last_failed_at <= FAILURE_GAP_MAX
    return replace(
        health,
        failures=failures,
        failing_since=health.failing_since if is_continuous and health.failing_since else at,
        last_failed_at=at,
        is_slow=is_slow,
        rests_until=at + max(_rest_after(failures), min(answer.retry_after or timedelta(0), REST_MAX)),
    )


def _rest_after(failures: int) -> timedelta:
    """Return how long an endpoint rests after so many failures in a row."""
    if failures < FAILURES_BEFORE_REST:
        return timedelta(0)
    doublings = min((failures - FAILURES_BEFORE_REST) // FAILURES_BEFORE_REST, 10)
    return min(REST_FIRST * (1 << doublings), REST_LONGEST)


def read_retry_after(text: str, at: datetime) -> timedelta | None:
    """Read a `Retry-After` header (RFC 9110, section 10.2.3): seconds or a date. Return None if it is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), RETRY_AFTER_MAX)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
    return min(max(until - at, timedelta(0)), RETRY_AFTER_MAX)
