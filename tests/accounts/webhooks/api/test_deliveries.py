"""`/webhook-deliveries` and replays as the contract has them."""

from datetime import datetime
from uuid import uuid4

import pytest

from accounts.domain.plain import plain_instant
from accounts.models import Tenant
from accounts.webhooks.models import WebhookDelivery
from tests.accounts.conftest import Api, body_of, problem_of
from tests.accounts.webhooks.world import DOWN, SECOND, make_endpoint, send, tell

pytestmark = pytest.mark.django_db


def test_deliveries_are_listed_with_their_attempts(api: Api, acme: Tenant, now: datetime, globex_api: Api) -> None:
    endpoint = make_endpoint(acme, now, "invoice.paid").endpoint
    tell(acme, now)
    send(now, DOWN)
    send(now + 5 * SECOND)
    delivery = WebhookDelivery.objects.get()
    [listed] = body_of(api.get("/webhook-deliveries"))["data"]
    assert listed == {
        "id": str(delivery.pk),
        "message_id": str(delivery.event_id),
        "endpoint": str(endpoint.pk),
        "event_type": "invoice.paid",
        "sequence": 1,
        "status": "succeeded",
        "attempts": [
            {"at": plain_instant(now), "status_code": 500, "error": "HTTP 500"},
            {"at": plain_instant(now + 5 * SECOND), "status_code": 200, "error": None},
        ],
        "next_attempt_at": None,
        "created_at": plain_instant(now),
    }
    assert body_of(globex_api.get("/webhook-deliveries"))["data"] == []


def test_deliveries_are_filtered_and_paged(api: Api, acme: Tenant, now: datetime) -> None:
    endpoint, other = (
        make_endpoint(acme, now, "invoice.paid").endpoint,
        make_endpoint(acme, now, "invoice.paid").endpoint,
    )
    tell(acme, now, *["invoice.paid"] * 3)
    send(now)
    tell(acme, now)
    send(now, DOWN)

    def found(query: str) -> int:
        return len(body_of(api.get(f"/webhook-deliveries{query}"))["data"])

    assert found("") == 8
    assert found(f"?endpoint={endpoint.pk}") == 4
    assert found(f"?endpoint={other.pk}&status=succeeded") == 3
    assert found("?status=pending") == 2
    assert found(f"?endpoint={uuid4()}") == 0
    page = body_of(api.get("/webhook-deliveries?limit=5"))
    assert (len(page["data"]), page["previous"]) == (5, None)
    rest = api.client.get(page["next"], headers={"Authorization": f"Bearer {api.secret}"})
    assert len(body_of(rest)["data"]) == 3
    for query in ("?status=lost", "?endpoint=x", "?limit=0"):
        problem_of(api.get(f"/webhook-deliveries{query}"), 422)


def test_a_replay_keeps_the_message_id(api: Api, acme: Tenant, now: datetime) -> None:
    make_endpoint(acme, now, "invoice.paid")
    tell(acme, now)
    send(now)
    delivery = WebhookDelivery.objects.get()
    response = api.post(f"/webhook-deliveries/{delivery.pk}/replay")
    assert response.status_code == 202
    body = body_of(response)
    assert (body["id"], body["message_id"]) == (str(delivery.pk), str(delivery.event_id))
    assert (body["status"], len(body["attempts"])) == ("pending", 1)
    assert body["next_attempt_at"] is not None
    problem_of(api.post(f"/webhook-deliveries/{uuid4()}/replay"), 404)


def test_all_that_failed_and_all_of_a_span_are_replayed(api: Api, acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now, "invoice.paid").endpoint
    tell(acme, now, *["invoice.paid"] * 3)
    send(now)
    WebhookDelivery.objects.filter(sequence=1).update(status="failed")
    path = f"/webhook-endpoints/{endpoint.pk}/replay"
    assert body_of(api.post(path)) == {"deliveries": 1}
    start, end = plain_instant(now), plain_instant(now + SECOND)
    response = api.post(path, {"start": start, "end": end, "only": "all"})
    assert (response.status_code, body_of(response)) == (202, {"deliveries": 3})
    problem_of(api.post(path, {"start": end, "end": start}), 422)
    problem_of(api.post(path, {"only": "succeeded"}), 422)
