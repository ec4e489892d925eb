"""The life of a key through the API."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.domain.api_key import KeyKind, parse_key
from accounts.domain.scopes import Scope
from accounts.keys.services.api_keys import CreatedKey
from accounts.models import ApiKey, AuditEntry, Tenant
from accounts.selectors.api_keys import forget_keys
from accounts.services.tenants import suspend_tenant
from tests.accounts.conftest import SYSTEM, Api, KeyMaker, body_of, problem_of

NEW = {"name": "Nightly import", "scopes": ["usage:read", "events:write"]}


def test_a_key_is_created_shown_once_and_works(api: Api) -> None:
    response = api.post("/keys", NEW)
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    made = body_of(response)
    parsed = parse_key(made["secret"])
    assert parsed is not None
    assert (made["prefix"], made["last_four"], made["kind"]) == (parsed.prefix, parsed.last_four, "live")
    assert made["scopes"] == ["events:write", "usage:read"]
    listed = body_of(api.get("/keys"))["data"]
    assert listed[0] == {name: value for name, value in made.items() if name != "secret"}
    problem = problem_of(Api(made["secret"]).get("/keys"), 403)
    assert problem["code"] == "scope_missing"


def test_every_term_of_a_key_is_kept(api: Api) -> None:
    terms = NEW | {
        "kind": "test",
        "expires_at": "2099-01-01T01:00:00+01:00",
        "allowed_cidrs": ["127.0.0.0/8", "2001:DB8::/32"],
        "quota": "1000.5",
        "throttle": {"rate": 10, "burst": 20},
    }
    made = body_of(api.post("/keys", terms))
    assert made["secret"].startswith("ch_test_")
    assert made["expires_at"] == "2099-01-01T00:00:00Z"
    assert made["allowed_cidrs"] == ["127.0.0.0/8", "2001:db8::/32"]
    assert made["quota"] == "1000.5"
    assert made["throttle"] == {"rate": 10, "burst": 20}


@pytest.mark.parametrize(
    ("change", "status", "pointer", "code"),
    [
        ({"name": None}, 400, "/name", "null"),
        ({"name": 7}, 400, "/name", "invalid_type"),
        ({"name": ""}, 422, "/name", "blank"),
        ({"name": " \t"}, 422, "/name", "blank"),
        ({"name": "x" * 101}, 422, "/name", "max_length"),
        ({"name": "a\u202eb"}, 422, "/name", "invalid_characters"),
        ({"scopes": "events:write"}, 400, "/scopes", "not_a_list"),
        ({"scopes": []}, 422, "/scopes", "required"),
        ({"scopes": ["events:write", "operator"]}, 422, "/scopes/1", "invalid_scope"),
        ({"scopes": [3]}, 400, "/scopes/0", "invalid_type"),
        ({"expires_at": "2099-01-01T00:00:00"}, 422, "/expires_at", "invalid_time"),
        ({"expires_at": "2000-01-01T00:00:00Z"}, 422, "/expires_at", "in_the_past"),
        ({"expires_at": -1}, 422, "/expires_at", "invalid_time"),
        ({"expires_at": 10**30}, 422, "/expires_at", "invalid_time"),
        ({"expires_at": True}, 400, "/expires_at", "invalid_type"),
        ({"allowed_cidrs": ["10.0.0.1/8"]}, 422, "/allowed_cidrs/0", "invalid_cidr"),
        ({"quota": "1e3"}, 422, "/quota", "invalid"),
        ({"quota": -1}, 422, "/quota", "out_of_range"),
        ({"quota": "0.0000000001"}, 422, "/quota", "max_decimal_places"),
        ({"throttle": {"rate": 1}}, 400, "/throttle/burst", "required"),
        ({"throttle": {"rate": 0, "burst": 1}}, 422, "/throttle/rate", "out_of_range"),
        ({"throttle": {"rate": True, "burst": 1}}, 400, "/throttle/rate", "invalid_type"),
        ({"throttle": {"rate": 10**40, "burst": 1}}, 422, "/throttle/rate", "out_of_range"),
        ({"kind": "service"}, 422, "/kind", "invalid_choice"),
        ({"expiry": "2099-01-01T00:00:00Z"}, 400, "/expiry", "unknown_field"),
    ],
)
def test_a_bad_term_is_refused_by_name(
    api: Api, change: dict[str, object], status: int, pointer: str, code: str
) -> None:
    problem = problem_of(api.post("/keys", NEW | change), status)
    assert {"pointer": pointer, "code": code}.items() <= problem["errors"][0].items(), problem
    assert ApiKey.objects.count() == 1


def test_a_key_gives_no_scope_that_it_lacks(acme: Tenant, make_key: KeyMaker) -> None:
    api = Api(make_key(acme, scopes=[Scope.KEYS_MANAGE]).secret)
    assert problem_of(api.post("/keys", NEW), 403)["code"] == "wider_than_own"
    assert api.post("/keys", NEW | {"scopes": ["keys:manage"]}).status_code == 201


def test_a_key_gives_neither_a_wider_network_nor_a_later_end(acme: Tenant, make_key: KeyMaker, now: datetime) -> None:
    end = now + timedelta(days=1)
    api = Api(make_key(acme, allowed_cidrs=["127.0.0.0/8"], expires_at=end).secret)
    made = body_of(api.post("/keys", NEW))
    assert made["allowed_cidrs"] == ["127.0.0.0/8"]
    assert made["expires_at"] == end.isoformat().replace("+00:00", "Z")
    assert api.post("/keys", NEW | {"allowed_cidrs": ["127.0.0.1/32"]}).status_code == 201
    for wider in (
        {"allowed_cidrs": ["10.0.0.0/8"]},
        {"allowed_cidrs": ["::/0"]},
        {"expires_at": "2099-01-01T00:00:00Z"},
    ):
        assert problem_of(api.post("/keys", NEW | wider), 403)["code"] == "wider_than_own"


def test_a_test_key_creates_no_live_key(acme: Tenant, make_key: KeyMaker) -> None:
    api = Api(make_key(acme, KeyKind.TEST).secret)
    assert problem_of(api.post("/keys", NEW | {"kind": "live"}), 403)["code"] == "wider_than_own"
    assert body_of(api.post("/keys", NEW))["kind"] == "test"


def test_rotation_leaves_the_old_key_working_until_the_grace_ends(api: Api, acme_key: CreatedKey) -> None:
    response = api.post(f"/keys/{acme_key.key.pk}/rotate", {"grace_seconds": 60})
    assert response.status_code == 201
    successor = body_of(response)
    assert successor["rotated_from"] == str(acme_key.key.pk)
    assert api.get("/keys").status_code == 200
    with time_machine.travel(datetime.now().astimezone() + timedelta(seconds=61), tick=False):
        assert problem_of(api.get("/keys"), 401)["code"] == "invalid_api_key"
        assert Api(successor["secret"]).get("/keys").status_code == 200


def test_a_key_is_rotated_once(api: Api, acme_key: CreatedKey) -> None:
    path = f"/keys/{acme_key.key.pk}/rotate"
    assert api.post(path, {"grace_seconds": 60}).status_code == 201
    assert problem_of(api.post(path, {"grace_seconds": 60}), 409)["code"] == "key_ended"
    assert ApiKey.objects.count() == 2


def test_rotation_gives_no_more_than_the_calling_key_has(acme: Tenant, make_key: KeyMaker) -> None:
    api, wide = Api(make_key(acme, scopes=[Scope.KEYS_MANAGE]).secret), make_key(acme)
    assert problem_of(api.post(f"/keys/{wide.key.pk}/rotate", {}), 403)["code"] == "wider_than_own"


@pytest.mark.parametrize("grace", [-1, 30 * 86400 + 1, 1.5, "60", None, True])
def test_a_grace_out_of_bounds_is_refused(api: Api, acme_key: CreatedKey, grace: object) -> None:
    response = api.post(f"/keys/{acme_key.key.pk}/rotate", {"grace_seconds": grace})
    assert response.status_code in {400, 422}
    assert body_of(response)["errors"][0]["pointer"] == "/grace_seconds"


def test_a_revoked_key_is_refused_and_revoking_again_changes_nothing(
    api: Api, acme: Tenant, make_key: KeyMaker
) -> None:
    other = make_key(acme)
    assert Api(other.secret).get("/keys").status_code == 200
    for _ in range(2):
        response = api.delete(f"/keys/{other.key.pk}")
        assert (response.status_code, response.content) == (204, b"")
    assert problem_of(Api(other.secret).get("/keys"), 401)["code"] == "invalid_api_key"
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1


def test_a_key_of_another_tenant_is_not_found(globex_api: Api, acme_key: CreatedKey) -> None:
    assert body_of(globex_api.get("/keys"))["data"][0]["id"] != str(acme_key.key.pk)
    for method, path in (("DELETE", ""), ("POST", "/rotate")):
        problem_of(globex_api.call(method, f"/keys/{acme_key.key.pk}{path}"), 404)
    acme_key.key.refresh_from_db()
    assert acme_key.key.revoked_at is None


def test_an_expired_key_is_refused_to_the_instant(acme: Tenant, make_key: KeyMaker, now: datetime) -> None:
    api = Api(make_key(acme, expires_at=now + timedelta(seconds=10)).secret)
    with time_machine.travel(now + timedelta(seconds=9.999), tick=False):
        assert api.get("/keys").status_code == 200
    with time_machine.travel(now + timedelta(seconds=10), tick=False):
        problem_of(api.get("/keys"), 401)


def test_a_key_is_refused_from_an_address_that_it_does_not_allow(acme: Tenant, make_key: KeyMaker) -> None:
    api = Api(make_key(acme, allowed_cidrs=["192.0.2.0/24"]).secret)
    assert api.get("/keys", REMOTE_ADDR="192.0.2.9").status_code == 200
    assert problem_of(api.get("/keys", REMOTE_ADDR="198.51.100.1"), 403)["code"] == "ip_not_allowed"
    forged = {"X-Forwarded-For": "192.0.2.9"}
    assert problem_of(api.get("/keys", REMOTE_ADDR="198.51.100.1", headers=forged), 403)["code"] == "ip_not_allowed"


def test_a_suspended_tenant_may_list_and_revoke_keys_but_not_create_them(
    api: Api, acme: Tenant, acme_key: CreatedKey, now: datetime
) -> None:
    suspend_tenant(tenant=acme, reason="unpaid", actor=SYSTEM, as_of=now)
    assert api.get("/keys").status_code == 200
    assert problem_of(api.post("/keys", NEW), 402)["code"] == "subscription_inactive"
    assert api.delete(f"/keys/{acme_key.key.pk}").status_code == 204


def test_a_service_key_names_the_tenant(service_api: Api, acme: Tenant) -> None:
    assert problem_of(service_api.get("/keys"), 422)["code"] == "tenant_missing"
    assert problem_of(service_api.get("/keys", headers={"X-Tenant": "unknown"}), 404)["code"] == "not_found"
    made = body_of(service_api.post("/keys", NEW, headers={"X-Tenant": acme.slug}))
    assert ApiKey.objects.get(pk=made["id"]).tenant == acme


def test_a_tenant_key_cannot_name_another_tenant(api: Api, globex: Tenant, acme_key: CreatedKey) -> None:
    listed = body_of(api.get(f"/keys?tenant={globex.slug}", headers={"X-Tenant": globex.slug}))
    assert [key["id"] for key in listed["data"]] == [str(acme_key.key.pk)]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer ch_live_" + "0" * 38},
        {"Authorization": "Bearer ché"},
        {"X-Api-Key": ""},
        {"X-Api-Key": "x" * 8000},
    ],
)
def test_a_missing_or_bad_key_gets_the_authenticate_header(db: None, headers: dict[str, str]) -> None:
    response = Client().get("/api/v1/keys", headers=headers)
    assert problem_of(response, 401)["code"] == "invalid_api_key"
    assert response["WWW-Authenticate"].startswith('Bearer realm="countinghouse"')


def test_either_header_carries_the_key_and_two_different_ones_are_refused(acme_key: CreatedKey) -> None:
    for headers in ({"X-Api-Key": acme_key.secret}, {"Authorization": f"bearer {acme_key.secret}"}):
        assert Client().get("/api/v1/keys", headers=headers).status_code == 200
    both = {"X-Api-Key": acme_key.secret, "Authorization": "Bearer ch_live_other"}
    problem_of(Client().get("/api/v1/keys", headers=both), 401)


def test_the_last_use_of_a_key_is_noted_once_a_minute(api: Api, acme_key: CreatedKey, now: datetime) -> None:
    first, later = now + timedelta(seconds=5), now + timedelta(seconds=65)
    for instant, noted in ((first, first), (first + timedelta(seconds=50), first), (later, later)):
        with time_machine.travel(instant, tick=False):
            assert api.get("/keys").status_code == 200
        acme_key.key.refresh_from_db()
        assert acme_key.key.last_used_at == noted


def test_a_list_of_keys_takes_as_many_queries_for_one_key_as_for_many(
    api: Api, acme: Tenant, make_key: KeyMaker, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api.get("/keys")  # notes the use
    for many in (0, 30):
        for _ in range(many):
            make_key(acme)
        forget_keys()
        with django_assert_num_queries(2):  # the calling key, the page
            assert len(body_of(api.get("/keys"))["data"]) == many + 1


def test_a_remembered_key_takes_no_query(api: Api, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    api.get("/keys")
    with django_assert_num_queries(1):
        api.get("/keys")


def test_pages_hold_every_key_once_and_lead_back(api: Api, acme: Tenant, make_key: KeyMaker) -> None:
    for _ in range(6):
        make_key(acme)
    seen, url, pages = [], "/api/v1/keys?limit=3", []
    while url:
        page = body_of(Client().get(url, headers={"X-Api-Key": api.secret}))
        pages.append(page)
        seen += [key["id"] for key in page["data"]]
        url = page["next"]
    assert seen == [str(pk) for pk in ApiKey.objects.order_by("-created_at", "-id").values_list("pk", flat=True)]
    assert [len(page["data"]) for page in pages] == [3, 3, 1]
    assert pages[0]["previous"] is None
    back = body_of(Client().get(pages[2]["previous"], headers={"X-Api-Key": api.secret}))
    assert back["data"] == pages[1]["data"]
    first = body_of(Client().get(back["previous"], headers={"X-Api-Key": api.secret}))
    assert (first["data"], first["previous"]) == (pages[0]["data"], None)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=-1", "limit=x", "limit=٣", "limit=9999999999", "cursor=x", "cursor=W10",
     "cursor=" + "A" * 2000,
     "cursor=WyJuIiwgIjIwMjYtMDEtMDFUMDA6MDA6MDArMDA6MDAiLCAibm8tdXVpZCJd", "cursor=%E2%82%AC", "cursor=W1tbW1tb"],
)  # fmt: skip
def test_a_bad_page_is_refused(api: Api, query: str) -> None:
    problem = problem_of(api.get(f"/keys?{query}"), 422)
    assert problem["errors"][0]["pointer"] in {"/limit", "/cursor"}


def test_a_path_that_is_no_id_is_not_found(api: Api) -> None:
    for path in ("/keys/7", f"/keys/{UUID(int=7)}"):
        problem_of(api.delete(path), 404)


def test_keys_are_listed_by_environment_and_tag(api: Api) -> None:
    made = body_of(api.post("/keys", NEW | {"environment": "Staging", "tags": ["EU", "eu", "batch"]}))
    assert (made["environment"], made["tags"]) == ("staging", ["eu", "batch"])
    for query, found in (
        ("environment=staging", [made["id"]]),
        ("tag=batch", [made["id"]]),
        ("tag=EU&environment=staging", [made["id"]]),
        ("tag=us", []),
        (f"tag={'x' * 500}", []),
    ):
        assert [key["id"] for key in body_of(api.get(f"/keys?{query}"))["data"]] == found
    problem = problem_of(api.post("/keys", NEW | {"tags": ["a b"]}), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/tags/0"]
