"""`/webhook-endpoints` as the contract has it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from accounts.models import Tenant
from accounts.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookSecret
from tests.accounts.conftest import Api, KeyMaker, body_of, problem_of

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.com/in?x=1"


def created_by(api: Api, **fields: object) -> dict[str, str]:
    response = api.post("/webhook-endpoints", {"url": URL} | fields)
    assert response.status_code == 201, response.content
    assert response["Cache-Control"] == "no-store"
    body: dict[str, str] = body_of(response)
    return body


def patched(api: Api, endpoint_id: str, body: object) -> dict[str, object]:
    response = api.call("PATCH", f"/webhook-endpoints/{endpoint_id}", body)
    assert response.status_code == 200, response.content
    changed: dict[str, object] = body_of(response)
    return changed


def test_an_endpoint_is_created_with_its_secret_and_listed_without(api: Api, globex_api: Api) -> None:
    created = created_by(api, event_types=["invoice.paid", "invoice.drafted"], description="Books")
    secret = created.pop("secret")
    assert secret.startswith("whsec_")
    assert created == {
        "id": created["id"],
        "url": URL,
        "event_types": ["invoice.drafted", "invoice.paid"],
        "description": "Books",
        "status": "active",
        "disabled_because": None,
        "failing_since": None,
        "created_at": created["created_at"],
    }
    listed = api.get("/webhook-endpoints")
    assert body_of(listed) == {"data": [created], "next": None, "previous": None}
    assert secret not in listed.content.decode()
    assert body_of(api.get(f"/webhook-endpoints/{created['id']}")) == created
    assert body_of(globex_api.get("/webhook-endpoints"))["data"] == []


@pytest.mark.parametrize("event_types", [None, []])
def test_no_types_are_all_types(api: Api, event_types: object) -> None:
    assert created_by(api, event_types=event_types, description=None)["event_types"] == []
    assert created_by(api)["event_types"] == []


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://0x7f.1/", "http://[::ffff:10.0.0.1]/", "https://a:b@example.com/", "ftp://a.b/"],
)
def test_a_url_that_is_not_public_is_invalid(api: Api, url: str) -> None:
    problem = problem_of(api.post("/webhook-endpoints", {"url": url}), 422)
    assert problem["code"] == "invalid_url"
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/url", "invalid_url")]
    endpoint_id = created_by(api)["id"]
    assert (
        problem_of(api.call("PATCH", f"/webhook-endpoints/{endpoint_id}", {"url": url}), 422)["code"] == "invalid_url"
    )


def test_unknown_types_and_names_are_refused(api: Api) -> None:
    problem = problem_of(api.post("/webhook-endpoints", {"url": URL, "event_types": ["invoice.paid", "x"]}), 422)
    assert problem["errors"][0]["pointer"] == "/event_types/1"
    assert problem_of(api.post("/webhook-endpoints", {"url": URL, "events": []}), 400)
    assert problem_of(api.post("/webhook-endpoints", {"url": 7}), 400)
    assert problem_of(api.post("/webhook-endpoints", []), 400)


def test_the_same_idempotency_key_creates_one_endpoint_and_shows_its_secret_again(api: Api) -> None:
    headers = {"Idempotency-Key": "first"}
    first, again = (api.post("/webhook-endpoints", {"url": URL}, headers=headers) for _ in range(2))
    assert body_of(first) == body_of(again)
    assert again["Idempotency-Replayed"] == "true"
    assert WebhookEndpoint.objects.count() == 1


def test_an_endpoint_is_changed_paused_resumed_and_deleted(api: Api) -> None:
    endpoint_id = created_by(api, event_types=["invoice.paid"])["id"]
    assert patched(api, endpoint_id, {"description": "Books"})["event_types"] == ["invoice.paid"]
    assert patched(api, endpoint_id, {"event_types": None})["event_types"] == []
    assert patched(api, endpoint_id, {"status": "paused"})["status"] == "paused"
    assert problem_of(api.post(f"/webhook-endpoints/{endpoint_id}/test"), 409)["code"] == "endpoint_not_active"
    assert patched(api, endpoint_id, {"status": "active", "url": "https://example.com"})["url"] == "https://example.com"
    problem_of(api.call("PATCH", f"/webhook-endpoints/{endpoint_id}", {"status": "disabled"}), 422)
    assert api.delete(f"/webhook-endpoints/{endpoint_id}").status_code == 204
    problem_of(api.delete(f"/webhook-endpoints/{endpoint_id}"), 404)


@pytest.mark.parametrize(("body", "seconds"), [(None, 86_400), ({}, 86_400), ({"grace_seconds": 60}, 60)])
def test_a_rotation_shows_the_new_secret_and_until_when_the_old_one_signs(api: Api, body: object, seconds: int) -> None:
    created = created_by(api)
    response = api.post(f"/webhook-endpoints/{created['id']}/rotate-secret", body)
    rotated = body_of(response)
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != created["secret"]
    until = datetime.fromisoformat(rotated["expires_previous_at"])
    assert abs(until - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=30)
    assert WebhookSecret.objects.count() == 2


def test_a_grace_that_is_too_long_is_refused(api: Api) -> None:
    endpoint_id = created_by(api)["id"]
    problem_of(api.post(f"/webhook-endpoints/{endpoint_id}/rotate-secret", {"grace_seconds": 2_592_001}), 422)


def test_a_test_is_accepted_and_is_a_delivery(api: Api) -> None:
    endpoint_id = created_by(api, event_types=["invoice.paid"])["id"]
    response = api.post(f"/webhook-endpoints/{endpoint_id}/test")
    assert response.status_code == 202
    body = body_of(response)
    assert (body["endpoint"], body["event_type"], body["status"], body["attempts"]) == (
        endpoint_id, "webhook.test", "pending", [],
    )  # fmt: skip
    assert str(WebhookDelivery.objects.get().event_id) == body["message_id"]


def test_other_keys_are_refused(acme: Tenant, make_key: KeyMaker, service_api: Api) -> None:
    narrow = Api(make_key(acme, scopes=[Scope.EVENTS_WRITE]).secret)
    assert problem_of(narrow.get("/webhook-endpoints"), 403)["code"] == "scope_missing"
    problem_of(Api(make_key(acme, KeyKind.TEST).secret).get("/webhook-endpoints"), 404)
    assert service_api.get("/webhook-endpoints", headers={"X-Tenant": acme.slug}).status_code == 200
    assert Client().get("/api/v1/webhook-endpoints").status_code == 401
