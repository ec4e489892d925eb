"""`POST /oauth/token` from outside: a token does what its key may, or less, while its key works."""

import logging
from base64 import b64encode
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.domain.masking import find_secrets
from accounts.keys.domain.leaks import ReportedToken
from accounts.keys.services.api_keys import CreatedKey, revoke_api_key, rotate_api_key
from accounts.keys.services.leaks import report_leaked_keys
from accounts.models import ApiKey, Tenant
from accounts.selectors.api_keys import forget_keys
from tests.accounts.conftest import SYSTEM, Api, KeyMaker, body_of, problem_of

GRANT = {"grant_type": "client_credentials"}


def ask(key: CreatedKey, *, headers: dict[str, str] | None = None, client: str = "", **form: str) -> HttpResponse:
    credentials = {} if headers else {"client_id": client or str(key.key.pk), "client_secret": key.secret}
    body = urlencode(GRANT | credentials | form).encode()
    return Client().generic(  # type: ignore[return-value]
        "POST", "/api/v1/oauth/token", body, "application/x-www-form-urlencoded", headers=headers or {}
    )


def token_of(key: CreatedKey, **form: str) -> str:
    response = ask(key, **form)
    assert response.status_code == 200, response.content
    return str(body_of(response)["access_token"])


def refusal(response: HttpResponse, status: int) -> str:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    return str(body_of(response)["error"])


def test_a_token_is_given_to_the_bearer_of_a_key_and_works_as_the_key(
    acme_key: CreatedKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    basic = b64encode(f"{acme_key.key.prefix}:{acme_key.secret}".encode()).decode()
    for response in (ask(acme_key), ask(acme_key, headers={"Authorization": f"Basic {basic}"})):
        assert response.status_code == 200
        assert (response["Cache-Control"], response["Pragma"]) == ("no-store", "no-cache")
        given = body_of(response)
        assert (given["token_type"], given["expires_in"]) == ("Bearer", 900)
        assert given["scope"] == " ".join(sorted(acme_key.key.scopes))
        assert Api(given["access_token"]).get("/keys").status_code == 200
        created = Api(given["access_token"]).post("/keys", {"name": "More", "scopes": ["usage:read"]})
        assert body_of(created)["expires_at"] is None  # the key's end, not the token's
    assert not list(find_secrets(caplog.text))


def test_a_token_has_the_scopes_that_were_asked_for_and_no_more(acme: Tenant, make_key: KeyMaker) -> None:
    key = make_key(acme, scopes=["keys:manage", "usage:read"])
    narrow = Api(token_of(key, scope="usage:read"))
    assert problem_of(narrow.get("/keys"), 403)["code"] == "scope_missing"
    assert narrow.get("/usage/monthly").status_code == 200
    assert refusal(ask(key, scope="usage:read events:write"), 400) == "invalid_scope"
    with time_machine.travel(timezone.now() + timedelta(seconds=2)):
        wide = Api(token_of(key))
        ApiKey.objects.filter(pk=key.key.pk).update(scopes=["usage:read"])
        forget_keys()
        assert problem_of(wide.get("/keys"), 403)["code"] == "scope_missing"  # what the key lost, its tokens lost


def test_a_token_ends_by_time_and_with_its_key(acme: Tenant, acme_key: CreatedKey, make_key: KeyMaker) -> None:
    now = timezone.now()
    token = Api(token_of(acme_key))
    with time_machine.travel(now + timedelta(seconds=899)):
        assert token.get("/keys").status_code == 200
    with time_machine.travel(now + timedelta(seconds=901)):
        assert problem_of(token.get("/keys"), 401)["code"] == "invalid_api_key"
    with time_machine.travel(now - timedelta(seconds=60)):
        assert token.get("/keys").status_code == 401
    soon = make_key(acme, expires_at=now + timedelta(seconds=120))
    assert body_of(ask(soon))["expires_in"] in range(110, 121)
    rotate_api_key(key=acme_key.key, grace=timedelta(0), actor=SYSTEM, as_of=timezone.now())
    assert token.get("/keys").status_code == 401
    assert refusal(ask(acme_key), 401) == "invalid_client"


def test_a_revoked_and_a_quarantined_key_take_their_tokens_along(acme: Tenant, make_key: KeyMaker) -> None:
    revoked, leaked = make_key(acme), make_key(acme)
    tokens = [Api(token_of(key)) for key in (revoked, leaked)]
    assert {token.get("/keys").status_code for token in tokens} == {200}
    revoke_api_key(key=revoked.key, actor=SYSTEM, as_of=timezone.now())
    place = ReportedToken(leaked.secret, "key", "https://pastebin.com/raw/1", "paste")
    report_leaked_keys(tokens=[place], scanner="s", actor=SYSTEM, as_of=timezone.now())
    assert problem_of(tokens[0].get("/keys"), 401)["code"] == "invalid_api_key"
    assert problem_of(tokens[1].get("/keys"), 401)["code"] == "key_quarantined"
    assert [refusal(ask(key), 401) for key in (revoked, leaked)] == ["invalid_client"] * 2


def test_the_keys_networks_hold_for_its_tokens(acme: Tenant, make_key: KeyMaker) -> None:
    key = make_key(acme, allowed_cidrs=["127.0.0.0/8"])
    token = Api(token_of(key))
    assert token.get("/keys").status_code == 200
    assert problem_of(token.get("/keys", REMOTE_ADDR="192.0.2.1"), 403)["code"] == "ip_not_allowed"
    elsewhere = make_key(acme, allowed_cidrs=["192.0.2.0/24"])
    assert refusal(ask(elsewhere), 400) == "unauthorized_client"


def test_another_clients_id_a_token_as_secret_and_another_installation_are_refused(
    acme_key: CreatedKey, settings: Settings
) -> None:
    assert refusal(ask(acme_key, client="ch_live_none"), 401) == "invalid_client"
    token = token_of(acme_key)
    again = ask(CreatedKey(acme_key.key, token))
    assert refusal(again, 401) == "invalid_client"
    assert again["WWW-Authenticate"].startswith("Basic ")
    settings.PUBLIC_URL = "https://elsewhere.example"
    forget_keys()
    assert Api(token).get("/keys").status_code == 401


def test_only_a_form_is_read(acme_key: CreatedKey) -> None:
    assert problem_of(Api("").post("/oauth/token", {}), 415)["code"] == "unsupported_media_type"
    large = Client().generic("POST", "/api/v1/oauth/token", b"a" * 70_000, "application/x-www-form-urlencoded")
    assert large.status_code == 413


def test_a_service_keys_token_names_its_tenant_as_the_key_does(make_key: KeyMaker, acme: Tenant) -> None:
    token = Api(token_of(make_key(None)))
    assert token.get("/keys", headers={"X-Tenant": "acme"}).status_code == 200
    assert problem_of(token.get("/keys"), 422)["code"] == "tenant_missing"
