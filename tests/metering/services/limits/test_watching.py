"""Reports beyond a hard quota are stored, and their response names the quota: on both stores, and in rounds."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings

from accounts.database.line import Line
from accounts.domain.reach import WayIn
from metering.domain.events import ParsedEvent
from metering.domain.over_quota import OverQuota
from metering.domain.periods import Period
from metering.gateways.limit_stores.chosen import limit_store
from metering.services.limits import watching
from metering.services.limits.counting import forget_counters
from metering.services.limits.reservations import reserve
from metering.services.limits.watching import have_seen, over_quotas_after_round, watch
from metering.services.partitions import ensure_partitions_of
from metering.services.reports import TenantReport, store_tenant_reports
from metering.services.rounds.requests import report_for_round
from metering.services.rounds.storing import store_reports
from tests.metering.services.limits.limit_world import Caller, caller_on_plan, quota_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def report(caller: Caller, events: Sequence[ParsedEvent], as_of: datetime = NOW) -> tuple[OverQuota, ...]:
    reports = [TenantReport(caller.tenant, list(events))]
    outcome = store_tenant_reports(principal=caller.principal, reports=reports, request_id="r", as_of=as_of)
    return outcome.over_quota


def said(over: Sequence[OverQuota]) -> list[tuple[str, int, int]]:
    return [(one.name, int(one.limit), int(one.used)) for one in over]


@pytest.mark.django_db
@pytest.mark.usefixtures("backend")
class TestOnBothStores:
    def test_the_report_that_goes_beyond_says_so_and_so_does_each_later_one(self) -> None:
        caller = caller_on_plan(NOW, [quota_of("2")])
        first = caller.event(NOW)
        assert report(caller, [first, caller.event(NOW)]) == (), "a quota that is just used up is not exceeded"
        [over] = report(caller, [caller.event(NOW)])
        end = datetime(2026, 4, 1, tzinfo=UTC)
        assert over == OverQuota("quota", Decimal(2), Decimal(3), end, caller.tenant.slug)
        assert said(report(caller, [caller.event(NOW)])) == [("quota", 2, 4)]
        assert said(report(caller, [first])) == [("quota", 2, 4)], "a duplicate is told as well, and counts nothing"
        assert caller.events_stored() == 4

    def test_each_exceeded_quota_is_named_and_no_soft_one(self) -> None:
        quotas = [
            quota_of("1", period=Period.DAY),
            quota_of("2", period=Period.WEEK, is_hard=False),
            quota_of("9", period=Period.BILLING),
        ]
        caller = caller_on_plan(NOW, quotas, anchor_on=date(2026, 3, 9), quota=Decimal(2))
        batch = [caller.event(NOW) for _ in range(3)]
        assert said(report(caller, batch)) == [("quota-api_requests-day", 1, 3), ("key-quota", 2, 3)]

    def test_usage_of_another_period_is_not_about_the_current_quota(self) -> None:
        caller = caller_on_plan(NOW, [quota_of("1", period=Period.DAY)])
        report(caller, [caller.event(NOW) for _ in range(2)])
        yesterday = caller.event(NOW, timestamp=(NOW - timedelta(days=1)).isoformat())
        assert report(caller, [yesterday]) == ()

    def test_what_is_held_counts(self) -> None:
        caller = caller_on_plan(NOW, [quota_of("3")])
        reserve(
            principal=caller.principal,
            tenant=caller.tenant,
            event=caller.event(NOW, "job"),
            expires_in_seconds=60,
            as_of=NOW,
        )
        assert said(report(caller, [caller.event(NOW) for _ in range(3)])) == [("quota", 3, 4)]

    def test_a_store_that_lost_its_counters_is_summed_up_before_the_next_answer(self) -> None:
        caller = caller_on_plan(NOW, [quota_of("1")])
        report(caller, [caller.event(NOW) for _ in range(2)])
        forget_counters(ledger=caller.ledger, as_of=NOW)
        assert report(caller, [caller.event(NOW)]) == (), "this process believed that the level was known"
        assert said(report(caller, [caller.event(NOW)])) == [("quota", 1, 4)]

    def test_without_a_hard_quota_no_store_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        caller = caller_on_plan(NOW, [quota_of("1", is_hard=False)])
        monkeypatch.setattr(watching, "limit_store", lambda: pytest.fail("no level was wanted"))
        assert report(caller, [caller.event(NOW) for _ in range(2)]) == ()


@pytest.mark.django_db
def test_a_report_is_stored_if_the_store_of_limits_is_down(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    caller = caller_on_plan(NOW, [quota_of("1")])
    assert report(caller, [caller.event(NOW) for _ in range(2)]) == ()
    assert caller.events_stored() == 2


@pytest.mark.django_db(transaction=True)
def test_a_round_says_what_the_long_way_says(settings: Settings) -> None:
    settings.REDIS_URL = ""
    ensure_partitions_of(days=[NOW.date()])
    one, two = (caller_on_plan(NOW, [quota_of("2"), quota_of("100", period=Period.DAY)]) for _ in range(2))

    def work(caller: Caller) -> object:
        return report_for_round(
            principal=caller.principal, tenant=caller.tenant, event=caller.event(NOW), as_of=NOW, is_limited=False
        )

    assert work(one) is None, "a level that this process has not seen is found out by the request alone"
    for caller in (one, two):
        assert report(caller, [caller.event(NOW)]) == ()

    def by_round(*callers: Caller) -> list[list[tuple[str, int, int]]]:
        reports = [work(caller) for caller in callers]

        async def hold() -> list[tuple[Decimal, ...] | None]:
            line = Line(WayIn.INGEST)
            try:
                outcomes = await line.hold(store_reports(reports))  # type: ignore[arg-type]  # none is None
            finally:
                line.close()
            return [None if outcome is None else outcome.used for outcome in outcomes]

        levels = asyncio.run(hold())
        return [
            said(over_quotas_after_round(report.watched, used, caller.tenant))  # type: ignore[attr-defined]
            for report, used, caller in zip(reports, levels, callers, strict=True)
        ]

    assert by_round(one, two) == [[], []]
    assert by_round(one, one, two) == [[("quota", 2, 4)], [("quota", 2, 4)], [("quota", 2, 3)]]
    assert said(report(one, [one.event(NOW)])) == [("quota", 2, 5)]
    limit_store().forget(one.ledger, NOW)
    watched = watch(principal=one.principal, tenant=one.tenant, events=[one.event(NOW)], as_of=NOW)
    assert have_seen(watched)
    assert by_round(one) == [[]]
    assert not have_seen(watched), "the next one goes alone, which sums up"
    assert said(report(one, [one.event(NOW)])) == [("quota", 2, 7)]
