"""Retries, rests and the end of an endpoint, as the promise has them."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.webhooks.domain.schedule import (
    ATTEMPTS_MAX,
    DISABLED_AFTER,
    REST_LONGEST,
    WAITS,
    AttemptOutcome,
    Health,
    health_after,
    next_step,
    read_retry_after,
)
from accounts.webhooks.domain.statuses import DeliveryStatus, DisabledBecause

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
DOWN = AttemptOutcome(500, "HTTP 500")


def test_ten_attempts_wait_as_promised() -> None:
    assert [wait.total_seconds() for wait in WAITS] == [
        0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]  # fmt: skip
    waits = []
    for number in range(1, ATTEMPTS_MAX):
        step = next_step(attempts=number, answer=DOWN, at=AT, jitter_percent=0)
        assert step.status is DeliveryStatus.PENDING
        assert step.next_attempt_at is not None
        waits.append(step.next_attempt_at - AT)
    assert tuple(waits) == WAITS[1:]
    assert next_step(attempts=10, answer=DOWN, at=AT, jitter_percent=10).status is DeliveryStatus.FAILED


def test_jitter_only_lengthens_a_wait_by_a_tenth() -> None:
    step = next_step(attempts=2, answer=DOWN, at=AT, jitter_percent=10)
    assert step.next_attempt_at == AT + timedelta(seconds=330)


@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_2xx_is_success(code: int) -> None:
    assert (
        next_step(attempts=1, answer=AttemptOutcome(code), at=AT, jitter_percent=0).status is DeliveryStatus.SUCCEEDED
    )


@pytest.mark.parametrize("code", [None, 100, 199, 300, 301, 304, 400, 404, 429, 500, 503])
def test_everything_else_is_tried_again(code: int | None) -> None:
    assert (
        next_step(attempts=1, answer=AttemptOutcome(code, "?"), at=AT, jitter_percent=0).status
        is DeliveryStatus.PENDING
    )


def test_410_ends_a_delivery() -> None:
    assert next_step(attempts=1, answer=AttemptOutcome(410, "HTTP 410"), at=AT, jitter_percent=0).status == "failed"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("999999999999999999999999", 86_400),
        ("Mon, 30 Nov 2026 12:01:00 GMT", 60),
        ("Mon, 30 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("1.5", None),
        ("\u0661", None),
        ("Mon, 99 Nov 2026 12:01:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: int | None) -> None:
    wait = read_retry_after(text, AT)
    assert wait == (None if seconds is None else timedelta(seconds=seconds))


def test_retry_after_lengthens_a_wait_and_never_shortens_it() -> None:
    asked = AttemptOutcome(429, "HTTP 429", retry_after=timedelta(minutes=1))
    assert next_step(attempts=1, answer=asked, at=AT, jitter_percent=0).next_attempt_at == AT + timedelta(minutes=1)
    assert next_step(attempts=2, answer=asked, at=AT, jitter_percent=0).next_attempt_at == AT + timedelta(minutes=5)


def test_an_endpoint_rests_longer_the_longer_it_fails_and_a_success_ends_it() -> None:
    health, rests = Health(), []
    for _ in range(60):
        health = health_after(health, DOWN, AT)
        assert health.rests_until is not None
        rests.append((health.rests_until - AT).total_seconds())
    assert rests[:9] == [0] * 9
    assert rests[9] == 5
    assert rests[-1] == REST_LONGEST.total_seconds()
    assert rests == sorted(rests)
    assert health.is_suspect
    assert health_after(health, AttemptOutcome(200), AT) == Health()


def test_a_receiver_that_asks_for_time_holds_back_all_of_its_deliveries_for_up_to_an_hour() -> None:
    for asked, rests in ((timedelta(minutes=1), timedelta(minutes=1)), (timedelta(days=1), timedelta(hours=1))):
        assert health_after(Health(), AttemptOutcome(429, "?", retry_after=asked), AT).rests_until == AT + rests


def test_a_slow_success_makes_an_endpoint_suspect() -> None:
    assert health_after(Health(), AttemptOutcome(200, milliseconds=3000), AT).is_suspect
    assert not health_after(Health(), AttemptOutcome(200, milliseconds=2999), AT).is_suspect


def test_five_days_of_failures_disable_and_failures_far_apart_do_not() -> None:
    health = health_after(Health(), DOWN, AT)
    for hours in range(24, 24 * 5 + 1, 24):
        assert health.disabled_because(AT + timedelta(hours=hours - 1)) is DisabledBecause.NOT
        health = health_after(health, DOWN, AT + timedelta(hours=hours))
    assert health.disabled_because(AT + DISABLED_AFTER) is DisabledBecause.FAILING
    later = health_after(health_after(Health(), DOWN, AT), DOWN, AT + timedelta(days=6))
    assert later.failing_since == AT + timedelta(days=6)
    assert later.disabled_because(AT + timedelta(days=6)) is DisabledBecause.NOT
