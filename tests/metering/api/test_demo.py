"""The demo resources: their responses, and that each call is metered."""

import pytest
from django.utils import timezone

from accounts.domain.scopes import Scope
from accounts.models import Tenant, TenantStatus
from accounts.selectors.tenants import forget_tenant
from metering.models import Event
from tests.metering.api.conftest import Api, body_of, problem_of
from tests.metering.ledger_world import make_key
from tests.metering.services.limits.limit_world import put_on_plan, quota_of


def metered(tenant: Tenant) -> list[tuple[str, str, str]]:
    events = Event.objects.of_ledger(tenant.pk, is_live=True).order_by("received_at", "event_id")
    return [(event.type, event.properties["http_method"], event.properties["resource_path"]) for event in events]


def test_each_demo_resource_responds_and_is_metered_under_its_path(alice: Api, acme: Tenant) -> None:
    example = body_of(alice.get("/demo/example"))
    data = body_of(alice.post("/demo/data", {"a": [1, "two"]}))
    text = body_of(alice.get("/demo/random/strings", {"len": "12"}))
    assert example["message"]
    assert data["data"] == {"a": [1, "two"]}
    assert len(text["data"]) == 12
    for body in (example, data, text):
        assert body["api_key_id"] == str(alice.key.pk)
        assert body["timestamp"].endswith("Z")
    assert metered(acme) == [
        ("http_request", "GET", "/api/v1/demo/example"),
        ("http_request", "POST", "/api/v1/demo/data"),
        ("http_request", "GET", "/api/v1/demo/random/strings"),
    ]


def test_the_echo_returns_the_body_unchanged(alice: Api) -> None:
    body = b'{"b": 1.10, "a": 12345678901234567890.123, "text": "\\u00e9"}'
    assert body in alice.post("/demo/data", raw=body).content
    assert body_of(alice.post("/demo/data", raw=b"[null]"))["data"] == [None]
    problem_of(alice.post("/demo/data", raw=b"{"), 400)


def test_strings_are_random_and_seven_long_by_default(alice: Api) -> None:
    one, other = (body_of(alice.get("/demo/random/strings"))["data"] for _ in range(2))
    assert len(one) == len(other) == 7
    assert one != other


@pytest.mark.parametrize("length", ["0", "-1", "1001", "seven", "", "7.0", "\u0667", "1" * 5000])
def test_a_string_length_out_of_bounds_is_refused(alice: Api, length: str) -> None:
    problem = problem_of(alice.get("/demo/random/strings", {"len": length}), 422)
    assert problem["errors"][0]["pointer"] == "/len"


def test_a_refused_request_that_was_counted_has_its_limits_in_headers(alice: Api, acme: Tenant) -> None:
    put_on_plan(acme, timezone.now(), quota_of("10"))
    for response in (alice.get("/demo/random/strings", {"len": "x"}), alice.post("/demo/data", raw=b"{")):
        assert response.status_code in (400, 422)
        assert '"quota";q=10' in response["RateLimit-Policy"]
        assert '"quota";r=' in response["RateLimit"]
    assert len(metered(acme)) == 2


@pytest.mark.parametrize("length", ["1", "1000"])
def test_the_bounds_of_the_string_length_are_allowed(alice: Api, length: str) -> None:
    assert len(body_of(alice.get("/demo/random/strings", {"len": length}))["data"]) == int(length)


def test_limits_apply_to_demo_calls_and_are_in_their_headers(alice: Api, acme: Tenant) -> None:
    put_on_plan(acme, timezone.now(), quota_of("2"), throttle=(1, 2))
    response = alice.get("/demo/example")
    assert response["RateLimit-Policy"].startswith('"throttle";q=2;w=2, "quota";q=2;w=')
    assert response["RateLimit"].startswith('"throttle";r=1;t=1, "quota";r=1;t=')
    assert alice.get("/demo/random/strings").status_code == 200
    refused = alice.post("/demo/data", {})
    assert problem_of(refused, 429)["code"] == "quota_exceeded"
    assert int(refused["Retry-After"]) >= 1
    assert len(metered(acme)) == 2


def test_only_callers_with_a_valid_key_may_call_a_demo_resource(acme: Tenant, gateway: Api) -> None:
    key, secret = make_key(acme, scopes=[Scope.USAGE_READ])
    assert Api(secret, key).get("/demo/example").status_code == 200
    problem_of(Api("ch_live_nothing", key).get("/demo/example"), 401)
    assert gateway.get("/demo/example", X_Tenant="acme").status_code == 200
    Tenant.objects.filter(pk=acme.pk).update(status=TenantStatus.SUSPENDED)
    forget_tenant("acme")
    problem_of(gateway.get("/demo/example", X_Tenant="acme"), 402)


def test_a_method_that_a_resource_lacks_is_not_metered(alice: Api, acme: Tenant) -> None:
    problem_of(alice.post("/demo/example", {}), 405)
    assert metered(acme) == []
