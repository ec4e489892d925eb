"""What follows an attempt: retries, success, rests, and the end of an endpoint."""

from datetime import datetime, timedelta

import pytest

from accounts.models import AuditEntry, Tenant
from accounts.notices.models import Notice, OutboundMail
from accounts.webhooks.domain.schedule import WAITS, AttemptOutcome
from accounts.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from accounts.webhooks.services.claiming import LEASE
from accounts.webhooks.services.endpoints import change_endpoint, delete_endpoint
from accounts.webhooks.services.replaying import replay_delivery
from tests.accounts.webhooks.world import DOWN, SECOND, SYSTEM, claim, make_endpoint, record, send, statuses, tell

pytestmark = pytest.mark.django_db


def test_a_success_ends_a_delivery_and_keeps_what_came_back(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    tell(acme, now)
    recorded = record(claim(now), now, AttemptOutcome(204, "", "thanks", 12))
    assert (recorded.succeeded, recorded.failed, recorded.disabled) == (1, 0, 0)
    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.next_attempt_at, delivery.ended_at) == ("succeeded", None, now)
    attempt = WebhookAttempt.objects.get()
    assert (attempt.status_code, attempt.error, attempt.response, attempt.milliseconds) == (204, "", "thanks", 12)
    assert attempt.signature == "v1,x"
    endpoint.refresh_from_db()
    assert (endpoint.last_succeeded_at, endpoint.due_at, endpoint.lease, endpoint.failures) == (now, None, None, 0)


def test_ten_attempts_are_made_at_the_promised_times_and_then_no_more(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now)
    at, made = now, []
    for _ in range(12):
        claimed = claim(at)
        if not claimed:
            break
        made.append(at - now)
        record(claimed, at, DOWN)
        at = WebhookEndpoint.objects.get().due_at or at
    total = timedelta(0)
    assert len(made) == 10
    for wait, moment in zip(WAITS, made, strict=True):
        total += wait
        assert moment == total
    assert WebhookDelivery.objects.get().status == "failed"
    assert WebhookAttempt.objects.count() == 10


def test_retry_after_holds_back_the_endpoint(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now)
    send(now, AttemptOutcome(429, "HTTP 429", retry_after=timedelta(minutes=2)))
    tell(acme, now + SECOND)
    assert claim(now + timedelta(seconds=119)) == []
    [endpoint] = claim(now + timedelta(seconds=120))
    assert len(endpoint.deliveries) == 2


def test_410_disables_the_endpoint_ends_what_waits_and_tells_the_owner(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now, url="https://hooks.example.com/secret-path").endpoint
    tell(acme, now, *["invoice.paid"] * 12)
    recorded = record(claim(now), now, AttemptOutcome(410, "HTTP 410"))
    assert recorded.disabled == 1
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.disabled_because, endpoint.disabled_at) == ("disabled", "gone", now)
    assert set(statuses(endpoint)) == {"failed"}
    mail = OutboundMail.objects.filter(kind="webhook_disabled").earliest("pk")
    assert mail.recipients == ["alice@example.com"]
    assert "410" in mail.text
    assert "https://hooks.example.com" in mail.text
    assert "secret-path" not in mail.text + mail.html
    entry = AuditEntry.objects.get(action="webhook_endpoint.disabled")
    assert entry.after == {"status": "disabled", "because": "gone"}
    tell(acme, now + SECOND)
    assert claim(now + SECOND) == []


def test_five_days_of_failures_disable_and_tell_once(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    for hours in range(0, 24 * 5, 12):
        tell(acme, now + timedelta(hours=hours))
        send(now + timedelta(hours=hours), DOWN)
        assert WebhookEndpoint.objects.get().status == "active"
    tell(acme, now + timedelta(days=5))
    send(now + timedelta(days=5), DOWN)
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.disabled_because) == ("disabled", "failing")
    assert Notice.objects.filter(kind="webhook_disabled").count() == 1


def test_one_success_within_the_five_days_is_enough(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    for hours in range(0, 24 * 6, 12):
        tell(acme, now + timedelta(hours=hours))
        send(now + timedelta(hours=hours), DOWN if hours != 60 else AttemptOutcome(200))
    assert WebhookEndpoint.objects.get().status == "active"


def test_a_sender_that_lost_its_lease_adds_its_attempts_and_changes_nothing_else(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now)
    late, later = claim(now), now + LEASE
    record(claim(later), later, DOWN)
    state = WebhookDelivery.objects.get().next_attempt_at, WebhookEndpoint.objects.get().failures
    record(late, later, DOWN)
    assert (WebhookDelivery.objects.get().next_attempt_at, WebhookEndpoint.objects.get().failures) == state
    assert WebhookAttempt.objects.count() == 2


def test_a_replay_during_an_attempt_is_not_lost(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now)
    claimed = claim(now)
    replay_delivery(delivery=WebhookDelivery.objects.get(), actor=SYSTEM, as_of=now + SECOND)
    record(claimed, now + 2 * SECOND)
    assert WebhookDelivery.objects.get().status == "pending"
    assert len(send(now + 3 * SECOND)) == 1
    assert WebhookDelivery.objects.get().status == "succeeded"


def test_an_event_that_is_queued_during_an_attempt_is_sent_after_it(acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now)
    tell(acme, now)
    claimed = claim(now)
    tell(acme, now + SECOND)
    assert claim(now + SECOND) == []
    record(claimed, now + 2 * SECOND)
    [again] = send(now + 2 * SECOND)
    assert [delivery.sequence for delivery in again.deliveries] == [2]


def test_an_endpoint_that_is_paused_during_an_attempt_stays_paused(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    tell(acme, now)
    claimed = claim(now)
    change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, status="paused")
    record(claimed, now, DOWN)
    assert claim(now + timedelta(days=1)) == []
    change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, status="active")
    assert len(claim(now + timedelta(days=1))) == 1


def test_an_endpoint_that_is_deleted_during_an_attempt_leaves_nothing(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    tell(acme, now)
    claimed = claim(now)
    delete_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now)
    assert record(claimed, now).succeeded == 0
    assert not WebhookAttempt.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_many_endpoints_are_recorded_by_as_many_queries_as_one(
    acme: Tenant, globex: Tenant, now: datetime, django_assert_max_num_queries: object
) -> None:
    for tenant in (acme, globex):
        for _ in range(5):
            make_endpoint(tenant, now)
        tell(tenant, now, *["invoice.paid"] * 5)
    claimed = claim(now)
    assert sum(len(endpoint.deliveries) for endpoint in claimed) == 50
    with django_assert_max_num_queries(6):  # type: ignore[operator] # a fixture
        record(claimed, now)
    assert WebhookAttempt.objects.count() == 50
