"""`POST /reservations`, commit and release: the contract's responses, and that hostile input is refused."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.utils import timezone

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from accounts.models import Tenant, TenantStatus
from metering.models import Event, Reservation
from tests.metering.api.conftest import Api, body_of, problem_of
from tests.metering.ledger_world import make_key, make_meter
from tests.metering.services.limits.limit_world import put_on_plan, quota_of


@pytest.fixture(autouse=True)
def on_plan(acme: Tenant) -> None:
    """Assign Acme a plan of ten tokens a month and 50 requests a second."""
    make_meter("tokens", event_type="tokens", aggregation="sum")
    put_on_plan(acme, timezone.now(), quota_of("10", "tokens"), throttle=(50, 100))


def held(api: Api, **fields: Any) -> Any:
    response = api.post("/reservations", {"type": "tokens", "quantity": 8} | fields)
    assert response.status_code == 201, response.content
    return body_of(response)


def test_a_reservation_has_an_id_an_expiry_and_its_limits_also_in_headers(alice: Api) -> None:
    before = timezone.now()
    response = alice.post("/reservations", {"type": "tokens", "quantity": "8.5"})
    assert response.status_code == 201, response.content
    body = body_of(response)
    expires_at = datetime.fromisoformat(body["expires_at"])
    assert timedelta(seconds=300) <= expires_at - before <= timedelta(seconds=330)
    assert [(limit["name"], limit["remaining"]) for limit in body["limits"]] == [
        ("throttle", "99"),
        ("quota-tokens-month", "1.5"),
    ]
    assert '"quota-tokens-month";r=1;t=' in response["RateLimit"]
    assert Event.objects.count() == 0


def test_a_commit_returns_the_event_and_its_quantity_and_may_be_repeated(alice: Api) -> None:
    reservation = held(alice, id="mine", subject="s", properties={"a": 1.50, "b": "x"})
    answers = [alice.post(f"/reservations/{reservation['id']}/commit", {"quantity": "2.50"}) for _ in range(2)]
    assert [(answer.status_code, body_of(answer)) for answer in answers] == [
        (200, {"event_id": "mine", "quantity": "2.5"})
    ] * 2
    event = body_of(alice.get("/events/mine"))
    assert (event["subject"], event["quantity"], event["properties"]) == ("s", "2.5", {"a": 1.5, "b": "x"})
    assert problem_of(alice.post(f"/reservations/{reservation['id']}/commit", {}), 409)["code"] == "reservation_ended"
    assert problem_of(alice.post(f"/reservations/{reservation['id']}/release", {}), 409)["code"] == "reservation_ended"


def test_a_commit_without_a_body_records_what_was_held(alice: Api) -> None:
    reservation = held(alice)
    assert body_of(alice.post(f"/reservations/{reservation['id']}/commit", raw=b""))["quantity"] == "8"


def test_a_release_is_204_as_often_as_it_is_asked_for(alice: Api) -> None:
    reservation = held(alice)
    statuses = [alice.post(f"/reservations/{reservation['id']}/release", raw=b"").status_code for _ in range(2)]
    assert statuses == [204, 204]
    held(alice, quantity=10)


def test_beyond_the_quota_is_a_429_at_once_and_at_the_commit(alice: Api) -> None:
    reservation = held(alice)
    refused = alice.post("/reservations", {"type": "tokens", "quantity": 3})
    assert problem_of(refused, 429)["code"] == "quota_exceeded"
    assert refused["Retry-After"]
    refused = alice.post(f"/reservations/{reservation['id']}/commit", {"quantity": 11})
    assert problem_of(refused, 429)["code"] == "quota_exceeded"
    assert refused["Retry-After"]
    assert alice.post(f"/reservations/{reservation['id']}/commit", {"quantity": 10}).status_code == 200


def test_what_has_expired_can_be_released_and_not_committed(alice: Api) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        reservation = held(alice, expires_in=1)
        clock.shift(timedelta(seconds=2))
        assert (
            problem_of(alice.post(f"/reservations/{reservation['id']}/commit", {}), 409)["code"] == "reservation_ended"
        )
        assert alice.post(f"/reservations/{reservation['id']}/release", {}).status_code == 204


def test_the_same_key_and_the_same_id_reserve_once(alice: Api) -> None:
    answers = [
        alice.post("/reservations", {"type": "tokens", "quantity": 8}, Idempotency_Key="k"),
        alice.post("/reservations", {"type": "tokens", "quantity": 8}, Idempotency_Key="k"),
    ]
    assert body_of(answers[0]) == body_of(answers[1])
    assert answers[1]["Idempotency-Replayed"] == "true"
    assert held(alice, id="mine", quantity=1)["id"] == held(alice, id="mine", quantity=1)["id"]
    conflict = alice.post("/reservations", {"type": "tokens", "quantity": 2, "id": "mine"})
    assert problem_of(conflict, 409)["code"] == "event_conflict"
    assert Reservation.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"expires_in": 0}, 422, "invalid_expires_in"),
        ({"expires_in": 3601}, 422, "invalid_expires_in"),
        ({"expires_in": 10**30}, 422, "invalid_expires_in"),
        ({"expires_in": "60"}, 400, "invalid_type"),
        ({"expires_in": True}, 400, "invalid_type"),
        ({"expires_in": 1.5}, 400, "invalid_type"),
        ({"quantity": -1}, 422, "invalid_quantity"),
        ({"type": "nothing_known"}, 422, "unknown_event_type"),
        ({"record": False}, 400, "unknown_field"),
        ({"timestamp": "2026-11-21T09:30:00Z"}, 400, "unknown_field"),
        ({"subject": "\x00"}, 422, "invalid_subject"),
        ({"tenant": "acme"}, 422, "tenant_not_allowed"),
        ({"properties": {"a": []}}, 422, "invalid_properties"),
    ],
)
def test_a_bad_field_is_refused_by_its_code(alice: Api, fields: dict[str, Any], status: int, code: str) -> None:
    response = alice.post("/reservations", {"type": "tokens", "quantity": 1} | fields)
    assert problem_of(response, status)["errors"][0]["code"] == code
    assert Reservation.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"quantity": -1}', 422, "invalid_quantity"),
        (b'{"quantity": 1e400}', 422, "invalid_quantity"),
        (b'{"quantity": null}', 422, "invalid_quantity"),
        (b'{"amount": 1}', 400, "unknown_field"),
        (b'{"tenant": 7}', 400, "invalid_type"),
        (b"[]", 400, "malformed_body"),
        (b"{", 400, "malformed_body"),
        (b"\xff", 400, "malformed_body"),
    ],
)
def test_a_bad_commit_is_refused_and_the_reservation_stays(alice: Api, body: bytes, status: int, code: str) -> None:
    reservation = held(alice)
    problem = problem_of(alice.post(f"/reservations/{reservation['id']}/commit", raw=body), status)
    assert code in {problem["code"], *(error["code"] for error in problem.get("errors", ()))}
    assert alice.post(f"/reservations/{reservation['id']}/commit", {"tenant": None}).status_code == 200


def test_another_tenants_reservation_and_one_of_the_other_half_are_404(alice: Api, charlie: Api, acme: Tenant) -> None:
    reservation = held(alice)
    key, secret = make_key(acme, kind=KeyKind.TEST, scopes=[Scope.EVENTS_WRITE])
    for stranger in (charlie, Api(secret, key)):
        for verb in ("commit", "release"):
            problem_of(stranger.post(f"/reservations/{reservation['id']}/{verb}", {}), 404)
    problem_of(alice.post(f"/reservations/{uuid4()}/commit", {}), 404)
    problem_of(alice.post("/reservations/no-uuid/commit", {}), 404)


def test_a_service_key_names_the_tenant_in_the_body_or_the_header(gateway: Api) -> None:
    reservation = held(gateway, tenant="acme")
    path = f"/reservations/{reservation['id']}/commit"
    assert problem_of(gateway.post(path, {}), 422)["code"] == "tenant_missing"
    problem_of(gateway.post(path, {}, X_Tenant="unknown"), 404)
    assert gateway.post(path, {"tenant": "acme"}).status_code == 200
    assert gateway.post(path, {}, X_Tenant="acme").status_code == 200


def test_a_suspended_tenant_reserves_nothing_and_what_it_holds_is_still_recorded(alice: Api, acme: Tenant) -> None:
    reservation = held(alice)
    Tenant.objects.filter(pk=acme.pk).update(status=TenantStatus.SUSPENDED)
    with time_machine.travel(timezone.now() + timedelta(seconds=5), tick=True):
        refused = alice.post("/reservations", {"type": "tokens", "quantity": 1})
        assert problem_of(refused, 402)["code"] == "subscription_inactive"
        assert alice.post(f"/reservations/{reservation['id']}/commit", {}).status_code == 200


def test_a_key_without_the_scope_reserves_nothing(acme: Tenant) -> None:
    key, secret = make_key(acme, scopes=[Scope.USAGE_READ])
    assert problem_of(Api(secret, key).post("/reservations", {"type": "tokens"}), 403)["code"] == "scope_missing"
