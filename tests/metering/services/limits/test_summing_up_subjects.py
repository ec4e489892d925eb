"""Limits of each subject and of one event type, on both stores: each has its own; what is not known is summed up."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import ThrottleTerms, UsagePlanTerms
from metering.gateways.limit_stores.chosen import limit_store
from metering.models import UsagePlan
from metering.services.limits import summing_up
from metering.services.limits.authorization import check_limits
from metering.services.limits.comparison import compare_counters
from metering.services.limits.counting import forget_counters, ingest_and_count
from metering.services.limits.reservations import commit_reservation, release_reservation, reserve
from metering.services.reports import TenantReport, store_tenant_reports
from metering.services.usage_plans import update_usage_plan
from metering.services.voids import void_event
from tests.metering.ledger_world import make_meter
from tests.metering.services.limits.limit_world import OPERATOR, Caller, caller_on_plan, quota_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
SUBJECT = {"scope": LimitScope.SUBJECT}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list of one number, which counts how often the events of a period are summed up."""
    times = [0]
    real = summing_up.used_of_subjects

    def counted(*args: Any) -> Any:
        times[0] += 1
        return real(*args)

    monkeypatch.setattr(summing_up, "used_of_subjects", counted)
    return times


def passes(caller: Caller, subject: str | None, times: int = 1, as_of: datetime = NOW, **more: Any) -> list[bool]:
    return [caller.authorize(as_of, subject=subject, **more).decision.is_allowed for _ in range(times)]


def report(caller: Caller, *subjects: str | None, **more: Any) -> None:
    events = [caller.event(NOW, subject=subject, **more) for subject in subjects]
    ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=events, as_of=NOW)


def change_throttles(caller: Caller, *throttles: ThrottleTerms) -> None:
    plan = UsagePlan.objects.get(assignments__tenant=caller.tenant.id)
    update_usage_plan(usage_plan=plan, terms=UsagePlanTerms("Plan", throttles=throttles), actor=OPERATOR, as_of=NOW)


def test_each_subject_has_its_own_quota_and_the_tightest_is_named() -> None:
    caller = caller_on_plan(NOW, [quota_of("5"), quota_of("2", period=Period.DAY, **SUBJECT)])
    assert passes(caller, "ann", 3) == [True, True, False]
    assert passes(caller, "bob", 2) == [True, True]
    assert passes(caller, None, 2) == [True, False], "without a subject only the tenant's limits count"
    refused = caller.authorize(NOW, subject="ann").decision
    assert refused.refused_by == "quota", "the month's has the longer wait"
    assert [(state.name, state.remaining) for state in refused.limits] == [
        ("subject-quota-api_requests-day", 0), ("quota", 0),
    ]  # fmt: skip
    other = caller_on_plan(NOW, [quota_of("9"), quota_of("1", **SUBJECT)])
    assert passes(other, "ann", 2) == [True, False]
    assert other.authorize(NOW, subject="ann").decision.refused_by == "subject-quota"


def test_subjects_are_told_apart_exactly() -> None:
    caller = caller_on_plan(NOW, [quota_of("1", **SUBJECT)])
    texts = ["ann", "Ann", "ann ", "änn", "a" * 255, "x:1", "7"]
    assert [passes(caller, text, 2) for text in texts] == [[True, False]] * len(texts)


def test_a_new_subject_is_known_without_summing_up_again(sums: list[int]) -> None:
    caller = caller_on_plan(NOW, [quota_of("2", **SUBJECT)])
    report(caller, "ann", "ann", "bob", None)
    assert passes(caller, "ann") == [False], "what was reported before counts"
    assert passes(caller, "bob", 2) == [True, False]
    report(caller, "cid", "cid")
    assert passes(caller, "cid") == [False]
    assert passes(caller, "dan", 3) == [True, True, False]
    assert sums == [1]
    assert compare_counters(ledgers=[caller.ledger], as_of=NOW).drifts == ()


def test_a_batch_counts_for_each_of_its_subjects_in_each_period() -> None:
    quotas = [quota_of("3", **SUBJECT), quota_of("2", period=Period.DAY, **SUBJECT)]
    caller = caller_on_plan(NOW, quotas)
    assert passes(caller, "ann") == [True]
    yesterday = (NOW - timedelta(days=1)).isoformat()
    report(caller, "ann", "bob", timestamp=yesterday)
    report(caller, *["eve"] * 30, *(f"s{number}" for number in range(30)))
    assert passes(caller, "ann", 2) == [True, False], "two today, three in the month"
    assert passes(caller, "bob", 3) == [True, True, False]
    assert passes(caller, "s7", 2) == [True, False]
    assert passes(caller, "eve") == [False]
    assert compare_counters(ledgers=[caller.ledger], as_of=NOW).drifts == ()


@pytest.mark.parametrize("loss", ["forgotten", "gone"])
def test_what_a_store_lost_is_summed_up_from_the_events(loss: str, sums: list[int]) -> None:
    caller = caller_on_plan(NOW, [quota_of("3", **SUBJECT)])
    assert passes(caller, "ann", 2) == [True, True]
    report(caller, "bob", "bob", "bob")
    reserve(
        principal=caller.principal, tenant=caller.tenant, event=caller.event(NOW, subject="cid", quantity="1"),
        expires_in_seconds=60, as_of=NOW,
    )  # fmt: skip
    if loss == "forgotten":
        forget_counters(ledger=caller.ledger, as_of=NOW)
    else:
        limit_store().forget(caller.ledger, NOW)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM limit_counter WHERE tenant_id = %s", [caller.tenant.id])
    assert passes(caller, "ann", 2) == [True, False]
    assert passes(caller, "bob") == [False]
    assert passes(caller, "cid", 3) == [True, True, False], "one is held"
    assert sums == [2]


def test_a_void_gives_a_subject_its_quota_back() -> None:
    caller = caller_on_plan(NOW, [quota_of("1", **SUBJECT)])
    assert caller.authorize(NOW, "mine", subject="ann").decision.is_allowed
    assert passes(caller, "ann") == [False]
    forget_counters(ledger=caller.ledger, as_of=NOW)
    void_event(ledger=caller.ledger, event_id="mine", reason="not used", voided_by="test", as_of=NOW)
    assert passes(caller, "ann", 2) == [True, False]


def test_an_expired_hold_of_one_subject_is_freed_without_summing_up(sums: list[int]) -> None:
    caller = caller_on_plan(NOW, [quota_of("2", **SUBJECT)])
    assert passes(caller, "ann") == [True]
    assert hold(caller, "ann") is not None
    assert passes(caller, "ann") == [False]
    later = NOW + timedelta(seconds=60)
    assert passes(caller, "ann", 2, later) == [True, False]
    assert sums == [1]


def test_a_reservation_holds_its_subjects_quota_whichever_key_commits() -> None:
    caller = caller_on_plan(NOW, [quota_of("9"), quota_of("2", **SUBJECT)], quota=Decimal(9))
    other = Caller(caller.model, quota=Decimal(0))
    first, second = hold(caller, "ann"), hold(caller, "ann")
    assert hold(caller, "ann") is None
    assert hold(caller, "bob") is not None
    assert first is not None
    assert second is not None
    release_reservation(principal=caller.principal, tenant=caller.tenant, reservation_id=second.id, as_of=NOW)
    assert passes(caller, "ann") == [True]
    committed = commit_reservation(
        principal=other.principal, tenant=other.tenant, reservation_id=first.id, quantity=None, as_of=NOW
    )
    assert committed.decision.is_allowed
    assert passes(caller, "ann") == [False]
    assert compare_counters(ledgers=[caller.ledger], as_of=NOW).drifts == ()


def hold(caller: Caller, subject: str) -> Any:
    event = caller.event(NOW, subject=subject)
    return reserve(
        principal=caller.principal, tenant=caller.tenant, event=event, expires_in_seconds=60, as_of=NOW
    ).reservation


def test_a_throttle_counts_the_requests_of_each_subject_or_type() -> None:
    make_meter("uploads", "upload")
    caller = caller_on_plan(NOW)
    change_throttles(
        caller,
        ThrottleTerms(1, 3, LimitScope.SUBJECT),
        ThrottleTerms(1, 2, event_type="upload"),
        ThrottleTerms(1, 1, LimitScope.SUBJECT, "upload"),
    )
    assert passes(caller, "ann", 2, type="upload") == [True, False]
    assert caller.authorize(NOW, subject="ann", type="upload").decision.refused_by == "subject-throttle-upload"
    assert passes(caller, "ann", 3) == [True, True, False]
    assert caller.authorize(NOW, subject="ann").decision.refused_by == "subject-throttle"
    assert passes(caller, "bob", 1, type="upload") == [True]
    refused = caller.authorize(NOW, subject="cid", type="upload").decision
    assert refused.refused_by == "throttle-upload"
    assert {state.name for state in refused.limits} == {
        "subject-throttle", "throttle-upload", "subject-throttle-upload",
    }  # fmt: skip
    assert passes(caller, None, 4) == [True] * 4
    assert passes(caller, "ann", 2, NOW + timedelta(seconds=1)) == [True, False]


def test_a_store_agrees_with_plain_counting_whatever_comes() -> None:
    quotas = [quota_of("40"), quota_of("6", period=Period.WEEK, **SUBJECT), quota_of("4", period=Period.DAY, **SUBJECT)]
    caller = caller_on_plan(NOW, quotas)
    dice, used = random.Random(12), dict.fromkeys(("", "ann", "bob", "cid"), 0)
    steps: list[Callable[[str], None]] = []

    def ask(subject: str) -> None:
        is_free = sum(used.values()) < 40 and (not subject or used[subject] < 4)
        event = caller.event(NOW, subject=subject or None)
        checked = check_limits(principal=caller.principal, tenant=caller.tenant, event=event, as_of=NOW)
        assert checked.is_allowed == is_free
        assert passes(caller, subject or None) == [is_free]
        used[subject] += is_free

    def tell(subject: str) -> None:
        report(caller, subject or None)
        used[subject] += 1

    def lose(subject: str) -> None:
        limit_store().forget(caller.ledger, NOW)

    steps += [ask] * 6 + [tell] * 2 + [lose]
    for _ in range(60):
        dice.choice(steps)(dice.choice(list(used)))
    assert compare_counters(ledgers=[caller.ledger], as_of=NOW).drifts == ()


def test_a_subject_that_is_over_its_quota_is_named_in_the_answer_to_a_report() -> None:
    caller = caller_on_plan(NOW, [quota_of("1", **SUBJECT)])
    events = [caller.event(NOW, subject=subject) for subject in ("ann", "ann", "bob", None)]
    outcome = store_tenant_reports(
        principal=caller.principal, reports=[TenantReport(caller.tenant, events)], request_id="r", as_of=NOW
    )
    [over] = outcome.over_quota
    assert (over.name, over.subject, over.used) == ("subject-quota", "ann", 2)


def test_a_quota_of_a_formula_counts_what_the_formula_says() -> None:
    make_meter("cost", "chat", aggregation="sum", formula="tokens_in + 4 * tokens_out")
    limits = [quota_of("100", "cost", period=Period.DAY), quota_of("20", "cost", period=Period.BILLING, **SUBJECT)]
    caller = caller_on_plan(NOW, limits)
    chat = {"type": "chat", "properties": {"tokens_in": 2, "tokens_out": "2"}}
    assert passes(caller, "ann", 3, **chat) == [True, True, False], "each costs 10"
    report(caller, "bob", "bob", "bob", **chat)
    assert passes(caller, "bob", 1, **chat) == [False]
    limit_store().forget(caller.ledger, NOW)
    assert passes(caller, "ann", 1, **chat) == [False]
    assert passes(caller, None, 6, **chat) == [True] * 5 + [False]
    assert compare_counters(ledgers=[caller.ledger], as_of=NOW).drifts == ()
