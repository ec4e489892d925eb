"""While Redis is down the plan's choice applies, and what Redis missed is counted by the first request after it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings

from accounts.errors import StoreUnavailableError
from accounts.models import Tenant
from metering.domain.usage_plan_terms import UsagePlanTerms
from metering.gateways.limit_stores.chosen import limit_store, redis_limits
from metering.models import UncountedLedger, UsagePlan
from metering.selectors.uncounted import is_uncounted, uncounted_ledgers
from metering.services.limits.authorization import check_limits
from metering.services.limits.comparison import compare_counters
from metering.services.limits.counting import ingest_and_count
from metering.services.limits.reservations import commit_reservation, reserve
from metering.services.usage_plans import update_usage_plan
from tests.metering.services.limits.conftest import REDIS_URL, delete_keys, require_redis
from tests.metering.services.limits.limit_world import OPERATOR, Caller, caller_on_plan, quota_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
DOWN = "redis://127.0.0.1:1/0"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _redis(settings: Settings) -> Iterator[None]:
    require_redis()
    settings.REDIS_URL = REDIS_URL
    yield
    for tenant_id in Tenant.objects.values_list("pk", flat=True):
        delete_keys(f"countinghouse:limits:{{{tenant_id.hex}:*")
    redis_limits(REDIS_URL).close()


def lenient(limit: str) -> Caller:
    """Return a caller whose plan allows requests in an outage, with one of them used."""
    caller = caller_on_plan(NOW, [quota_of(limit)], throttle=(1, 100))
    plan = UsagePlan.objects.get(assignments__tenant=caller.tenant.id)
    terms = UsagePlanTerms("Plan", 1, 100, quotas=(quota_of(limit),), allows_in_outage=True)
    update_usage_plan(usage_plan=plan, terms=terms, actor=OPERATOR, as_of=NOW)
    assert caller.passes(NOW) == [True]
    return caller


def test_a_plan_that_allows_passes_requests_unchecked_and_counts_them_later(settings: Settings) -> None:
    caller = lenient("6")
    settings.REDIS_URL = DOWN
    assert caller.passes(NOW, 2) == [True, True]
    event = caller.event(NOW)
    checked = check_limits(principal=caller.principal, tenant=caller.tenant, event=event, as_of=NOW)
    assert (checked.is_allowed, checked.limits) == (True, ())
    assert caller.events_stored() == 3
    assert is_uncounted(caller.ledger)
    number, since = uncounted_ledgers()
    assert (number, since) == (1, NOW)
    settings.REDIS_URL = REDIS_URL
    assert caller.authorize(NOW).decision.limits[1].remaining == 2
    assert not UncountedLedger.objects.exists()
    assert caller.passes(NOW, 3) == [True, True, False]
    assert compare_counters(ledgers=[caller.ledger], as_of=NOW).drifts == ()


def test_the_same_event_again_counts_once_also_in_an_outage(settings: Settings) -> None:
    caller = lenient("3")
    settings.REDIS_URL = DOWN
    for _ in range(3):
        assert caller.authorize(NOW, "same").decision.is_allowed
    settings.REDIS_URL = REDIS_URL
    assert caller.passes(NOW, 2) == [True, False]


def test_what_is_reserved_in_an_outage_is_held_after_it(settings: Settings) -> None:
    caller = lenient("4")
    who = {"principal": caller.principal, "tenant": caller.tenant}
    settings.REDIS_URL = DOWN
    first, second = (
        reserve(**who, event=caller.event(NOW), expires_in_seconds=60, as_of=NOW).reservation for _ in range(2)
    )
    assert first is not None
    assert second is not None
    assert commit_reservation(**who, reservation_id=first.id, quantity=Decimal(1), as_of=NOW).decision.is_allowed
    settings.REDIS_URL = REDIS_URL
    assert caller.passes(NOW, 2) == [True, False], "one was used before, one committed, one is held"
    later = NOW + timedelta(seconds=60)
    assert caller.passes(later, 2) == [True, False]
    assert compare_counters(ledgers=[caller.ledger], as_of=later).drifts == ()


def test_without_that_choice_requests_are_refused_and_nothing_is_stored(settings: Settings) -> None:
    caller = caller_on_plan(NOW, [quota_of("2")])
    settings.REDIS_URL = DOWN
    with pytest.raises(StoreUnavailableError):
        caller.authorize(NOW)
    assert caller.events_stored() == 0
    assert not UncountedLedger.objects.exists()


def test_what_was_reported_in_an_outage_counts_for_the_first_request_after_it(settings: Settings) -> None:
    caller = caller_on_plan(NOW, [quota_of("3")])
    assert caller.passes(NOW) == [True]
    settings.REDIS_URL = DOWN
    events = [caller.event(NOW), caller.event(NOW)]
    ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=events, as_of=NOW)
    assert is_uncounted(caller.ledger)
    settings.REDIS_URL = REDIS_URL
    assert caller.passes(NOW) == [False]
    assert not is_uncounted(caller.ledger)


def test_the_comparison_counts_what_was_missed_even_if_no_request_comes(settings: Settings) -> None:
    caller = lenient("3")
    settings.REDIS_URL = DOWN
    assert caller.passes(NOW) == [True]
    settings.REDIS_URL = REDIS_URL
    limit_store().forget(caller.ledger, NOW)
    compare_counters(ledgers=[caller.ledger], as_of=NOW)
    assert not UncountedLedger.objects.exists()
    assert caller.passes(NOW, 2) == [True, False]
