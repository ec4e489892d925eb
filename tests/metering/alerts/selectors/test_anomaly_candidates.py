"""Candidates are a superset of what the rules find, and all their numbers come from the live ledger."""

from decimal import Decimal
from random import Random

import pytest

from accounts.models import Tenant
from metering.alerts.domain.anomalies import AnomalyRules, History, Use, judge_day, judge_hour, judge_silence
from metering.alerts.selectors.anomaly_candidates import (
    NO_KEY,
    MeterOf,
    active_zones,
    anomaly_candidates,
    days_of_keys,
    histories_of,
)
from metering.models import Meter
from tests.metering.alerts.alert_world import TOKENS, customer, quota
from tests.metering.alerts.anomaly_world import DAY, HOUR, MONDAY, steady_hours, store_hours
from tests.metering.ledger_world import make_meter

pytestmark = pytest.mark.django_db
NOON = MONDAY + 12 * HOUR
RULES = AnomalyRules()


def random_hours(random: Random) -> dict[object, int]:
    """Return changes of the last two days: spikes, gaps and whole days of another level."""
    changed = {MONDAY - random.randrange(1, 800) * HOUR: random.choice([0, 50, 900]) for _ in range(60)}
    level = random.choice([None, None, 0, 3, 17, 120, 400])
    if level is not None:
        changed |= {MONDAY - n * HOUR: level for n in range(1, 25)}
    if random.random() < 0.3:
        changed |= {NOON - n * HOUR: 0 for n in range(random.randrange(2, 12))}
    changed[NOON] = random.choice([0, 4, 260, 480, 520, 1200])
    return changed  # type: ignore[return-value]


@pytest.mark.takes_long("months of usage, many times")
def test_no_meter_that_the_rules_would_find_is_left_out() -> None:
    meter = make_meter("scratch", "scratch", aggregation="sum")
    known: dict[MeterOf, History] = {}
    for number in range(40):
        tenant = customer(f"t{number}", quota(1))
        random = Random(number)
        hours = steady_hours(random.choice([10, 20, 40, 40]), until=NOON + HOUR, changed=random_hours(random))  # type: ignore[arg-type]
        hours = {hour: use for hour, use in hours.items() if hour <= NOON}
        store_hours(tenant, Meter.objects.get(pk=meter.id), hours)
        known[MeterOf(tenant.pk, meter.id)] = History(hours, "UTC", min(hours))

    as_of = NOON + HOUR / 2
    found = anomaly_candidates(as_of=as_of, looked_back_to=NOON - DAY, rules=RULES)
    loaded = histories_of(
        known, zones=dict.fromkeys([one.tenant_id for one in known], "UTC"), since=NOON - 50 * DAY, until=as_of
    )

    assert loaded == known
    told = 0
    for one, history in known.items():
        for hour in (NOON - n * HOUR for n in range(25)):
            if judge_hour(history, hour, rules=RULES):
                told += 1
                assert (one, hour) in found.hours
        if judge_day(history, (MONDAY - DAY).date(), rules=RULES):
            told += 1
            assert (one, (MONDAY - DAY).date()) in found.days
        if judge_silence(history, as_of, rules=RULES):
            told += 1
            assert one in found.silent
    assert told > 10
    assert len(found.hours) < 40 * 25 / 4


def test_days_of_keys_stand_beside_usage_without_one() -> None:
    acme = customer("acme", quota(1))
    meter = Meter.objects.get(code=TOKENS)
    store_hours(acme, meter, {NOON: Use(Decimal(1), 1)})
    one = MeterOf(acme.pk, meter.pk)
    assert days_of_keys([one], until=NOON) == {one: {NO_KEY: {NOON.date(): Use(Decimal(1), 1)}}}


def test_zones_are_those_of_active_tenants() -> None:
    acme = customer("acme", quota(1), time_zone="Asia/Tokyo")
    customer("beta", quota(1), time_zone="Europe/Berlin")
    assert active_zones(None) == ["Asia/Tokyo", "Europe/Berlin"]
    assert active_zones([acme.pk]) == ["Asia/Tokyo"]
    Tenant.objects.filter(pk=acme.pk).update(status="suspended")
    assert active_zones(None) == ["Europe/Berlin"]
