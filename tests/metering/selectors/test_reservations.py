"""What reservations hold, read from their rows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings

from metering.domain.ledger import TENANT_SCOPE
from metering.domain.reservations import Held
from metering.selectors.reservations import held_by_counter, held_of, ledgers_with_expired, open_reservations
from metering.services.limits.reservations import reserve
from tests.metering.services.limits.limit_world import Caller, caller_on_plan, quota_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller(settings: Settings) -> Caller:
    """Return a caller with reservations of one request that expire after 5 and 60 seconds."""
    settings.REDIS_URL = ""
    caller = caller_on_plan(NOW, [quota_of("9")], quota=Decimal(9))
    for seconds in (5, 60):
        reserve(
            principal=caller.principal,
            tenant=caller.tenant,
            event=caller.event(NOW),
            expires_in_seconds=seconds,
            as_of=NOW,
        )
    return caller


def test_each_counter_holds_the_sum_until_the_first_expires(caller: Caller) -> None:
    held = held_of(caller.ledger, NOW)
    assert set(held.values()) == {Held(Decimal(2), NOW + timedelta(seconds=5))}
    assert {key.scope_id for key in held} == {TENANT_SCOPE, caller.principal.limits_id}
    later = held_of(caller.ledger, NOW + timedelta(seconds=5))
    assert set(later.values()) == {Held(Decimal(1), NOW + timedelta(seconds=60))}
    assert held_of(caller.ledger, NOW + timedelta(seconds=60)) == {}


def test_what_a_scope_holds_is_found_by_meter_and_period(caller: Caller) -> None:
    [((_, start, end), amount)] = held_by_counter(caller.ledger, TENANT_SCOPE, NOW).items()
    assert (start, end, amount) == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC), 2)


def test_open_and_expired_reservations_are_counted_by_time(caller: Caller) -> None:
    assert open_reservations(NOW + timedelta(seconds=4)) == (2, 1, 4)
    assert ledgers_with_expired(NOW + timedelta(seconds=4)) == []
    assert open_reservations(NOW + timedelta(seconds=7)) == (1, 1, 7)
    assert ledgers_with_expired(NOW + timedelta(seconds=7)) == [caller.ledger]
    assert open_reservations(NOW + timedelta(seconds=70)) == (0, 0, 0)
