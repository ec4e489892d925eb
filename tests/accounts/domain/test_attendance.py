"""When a session is over."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.domain.attendance import SessionLimits

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = SessionLimits(idle=timedelta(minutes=30), lifetime=timedelta(hours=12))
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("seen", "now", "reason"),
    [
        (timedelta(0), timedelta(minutes=30) - SECOND, None),
        (timedelta(0), timedelta(minutes=30), "idle"),
        (timedelta(hours=12) - 2 * SECOND, timedelta(hours=12) - SECOND, None),
        (timedelta(hours=12) - SECOND, timedelta(hours=12), "lifetime"),
    ],
)
def test_a_session_ends_at_the_instant_and_not_before(seen: timedelta, now: timedelta, reason: str | None) -> None:
    assert LIMITS.reason_to_end(began_at=NOON, seen_at=NOON + seen, as_of=NOON + now) == reason
