"""Embedded pages: who may see what, on which site, and until when; nothing else of the portal opens to a token."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import time_machine
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from accounts.at_rest import embed_keys
from accounts.domain.api_key import KeyKind
from accounts.keys.services.api_keys import revoke_api_key
from accounts.models import ApiKey, Tenant
from billing.services.subscriptions.subscribing import subscribe
from tests.billing.world import MARCH, STAFF, first_invoice, make_plan, use
from tests.metering.ledger_world import make_key, make_tenant
from tests.portal.conftest import NOW

SITE = "https://app.example.com"
SCOPES = ("keys:manage", "usage:read", "billing:read")
ALL = ["usage", "spend", "invoices"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def allowed(settings: Settings) -> None:
    settings.EMBED_FRAME_ANCESTORS = [SITE, "https://other.example.com"]


@pytest.fixture
def acme() -> Tenant:
    """Return a tenant with a plan, an invoice over 49 EUR, and 716 calls in March."""
    tenant: Tenant = make_tenant("acme", billing_email="bills@acme.example", backfill_days=400)
    subscription = subscribe(tenant=tenant, plan_version=make_plan(), actor=STAFF, as_of=MARCH)
    first_invoice(subscription)
    use(tenant, 716, at=MARCH + timedelta(days=2))
    return tenant


def ask(secret: str, *, headers: dict[str, str] | None = None, **body: object) -> HttpResponse:
    return Client().post(  # type: ignore[return-value]
        "/api/v1/embed-tokens",
        json.dumps({"shows": ALL, "audience": SITE} | body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"} | (headers or {}),
    )


def token_of(secret: str, **body: Any) -> str:
    response = ask(secret, **body)
    assert response.status_code == 200, response.content
    return str(json.loads(response.content)["token"])


def view(name: str, token: str, **query: str) -> HttpResponse:
    return Client().get(f"/embed/{name}", {"token": token} | query)  # type: ignore[return-value]


def test_a_token_shows_usage_spend_and_invoices_as_pages_and_as_json(acme: Tenant) -> None:
    _, secret = make_key(acme, scopes=SCOPES)
    answer = json.loads(ask(secret, expires_in=60).content)
    token = answer["token"]

    assert answer["audience"] == SITE
    assert answer["expires_at"] == "2026-03-10T12:31:00Z"
    assert list(answer["frames"]) == ["invoices", "spend", "usage"]
    assert urlsplit(answer["frames"]["usage"]).path == "/embed/usage"
    assert parse_qs(urlsplit(answer["frames"]["usage"]).query) == {"token": [token]}
    usage = json.loads(view("usage.json", token).content)
    assert {meter["meter"]: meter["quantity"] for meter in usage["meters"]}["calls"] == "716"
    spend = json.loads(view("spend.json", token).content)
    assert (spend["currency"], spend["total_minor"]) == ("EUR", 4972)
    [invoice] = json.loads(view("invoices.json", token).content)["data"]
    assert (invoice["total_minor"], invoice["status"]) == (4900, "finalized")
    assert "716" in view("usage", token).content.decode()
    assert "49.72\N{NO-BREAK SPACE}EUR" in view("spend", token).content.decode()
    assert invoice["number"] in view("invoices", token).content.decode()


@pytest.mark.parametrize("name", [*ALL, "usage.json", "spend.json", "invoices.json"])
def test_only_the_tokens_site_frames_it_and_no_cookie_is_set(acme: Tenant, name: str) -> None:
    _, secret = make_key(acme, scopes=SCOPES)

    response = view(name, token_of(secret))

    assert response.status_code == 200
    assert f"frame-ancestors {SITE}" in response["Content-Security-Policy"].split("; ")
    assert "unsafe" not in response["Content-Security-Policy"]
    assert "X-Frame-Options" not in response
    assert not response.cookies
    assert response["Access-Control-Allow-Origin"] == SITE
    assert (response["Cache-Control"], response["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert b"<script" not in response.content
    assert b"style=" not in response.content
    assert b'href="/t/' not in response.content


def test_a_token_shows_only_what_was_asked_for(acme: Tenant) -> None:
    _, secret = make_key(acme, scopes=SCOPES)
    token = token_of(secret, shows=["usage"])

    assert view("usage", token).status_code == 200
    for name in ("spend", "spend.json", "invoices", "invoices.json"):
        response = view(name, token)
        assert response.status_code == 403
        assert b"49" not in response.content


def test_a_token_shows_one_tenant_and_a_service_key_names_it(acme: Tenant) -> None:
    rival = make_tenant("rival")
    use(rival, 4242, at=MARCH + timedelta(days=2))
    _, secret = make_key(None, kind=KeyKind.SERVICE, scopes=SCOPES)

    of_rival = token_of(secret, headers={"X-Tenant": "rival"})
    of_acme = token_of(secret, headers={"X-Tenant": "acme"})

    assert b"4242" in view("usage.json", of_rival).content
    assert b"4242" not in view("usage.json", of_acme).content
    assert json.loads(view("invoices.json", of_rival).content) == {"data": []}
    assert b"4242" not in Client().get("/embed/usage.json", {"token": of_acme, "tenant": "rival"}).content
    assert ask(secret).status_code == 422
    assert ask(secret, headers={"X-Tenant": "nobody"}).status_code == 404


def test_a_token_ends_by_time_with_its_key_with_the_keys_scope_and_with_the_site(
    acme: Tenant, settings: Settings
) -> None:
    key, secret = make_key(acme, scopes=SCOPES)
    token = token_of(secret, expires_in=3600)
    with time_machine.travel(NOW + timedelta(seconds=3599)):
        assert view("usage", token).status_code == 200
    with time_machine.travel(NOW + timedelta(seconds=3600)):
        expired = view("usage", token)
        assert (expired.status_code, b"expired" in expired.content) == (401, True)
        assert b"716" not in expired.content
    settings.EMBED_FRAME_ANCESTORS = ["https://other.example.com"]
    assert view("usage", token).status_code == 401
    settings.EMBED_FRAME_ANCESTORS = [SITE]
    with time_machine.travel(NOW + timedelta(seconds=2)):
        ApiKey.objects.filter(pk=key.pk).update(scopes=["keys:manage", "usage:read"])
        assert (view("usage", token).status_code, view("spend", token).status_code) == (200, 403)
    with time_machine.travel(NOW + timedelta(seconds=4)):
        revoke_api_key(key=key, actor=STAFF, as_of=NOW + timedelta(seconds=4))
    with time_machine.travel(NOW + timedelta(seconds=5)):
        assert view("usage", token).status_code == 401


def test_a_token_never_outlives_its_key(acme: Tenant) -> None:
    _, secret = make_key(acme, scopes=SCOPES, expires_at=NOW + timedelta(minutes=5))

    assert json.loads(ask(secret, expires_in=3600).content)["expires_at"] == "2026-03-10T12:35:00Z"


@pytest.mark.parametrize(
    ("scopes", "body", "status"),
    [
        (("usage:read", "billing:read"), {}, 403),
        (("keys:manage", "usage:read"), {}, 403),
        (("keys:manage", "usage:read"), {"shows": ["usage"]}, 200),
        (SCOPES, {"shows": []}, 422),
        (SCOPES, {"shows": ["keys"]}, 422),
        (SCOPES, {"expires_in": 3601}, 422),
        (SCOPES, {"expires_in": 59}, 422),
        (SCOPES, {"audience": "https://evil.example"}, 403),
        (SCOPES, {"audience": "app.example.com"}, 422),
        (SCOPES, {"audience": "https://app.example.com/path"}, 422),
        (SCOPES, {"audience": "https://app.example.com; script-src *"}, 422),
        (SCOPES, {"audience": "*"}, 422),
        (SCOPES, {"audience": "HTTPS://APP.EXAMPLE.COM/"}, 200),
        (SCOPES, {"tenant": "rival"}, 400),
    ],
)
def test_what_is_asked_for_is_checked(
    acme: Tenant, scopes: tuple[str, ...], body: dict[str, object], status: int
) -> None:
    make_tenant("rival")
    _, secret = make_key(acme, scopes=scopes)

    assert ask(secret, **body).status_code == status


def test_a_test_key_gets_no_token(acme: Tenant) -> None:
    _, secret = make_key(acme, scopes=SCOPES, kind=KeyKind.TEST)

    assert ask(secret).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"sub": "01a1fe23-21a0-7312-846f-ca0091650000"},
        {"exp": 9999999999},
        {"site": "https://evil.example"},
        {"shows": "usage spend invoices keys"},
        {"aud": "https://elsewhere.example/embed"},
    ],
)
def test_a_changed_token_is_none(acme: Tenant, change: dict[str, object]) -> None:
    _, secret = make_key(acme, scopes=SCOPES)
    token = token_of(secret, shows=["usage"])
    claims = jwt.decode(token, options={"verify_signature": False}) | change
    header = jwt.get_unverified_header(token)
    forged = jwt.encode(claims, "0" * 64, algorithm="HS256", headers=header)
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"typ": header["typ"], "kid": header["kid"]})

    for text in (forged, unsigned, token[:-2], "", "\x00", "ü", "a.b.c", "x" * 5000):
        assert view("usage", text).status_code in {400, 401}


def test_a_tokens_claims_are_read_strictly_even_if_we_signed_them(acme: Tenant) -> None:
    _, secret = make_key(acme, scopes=SCOPES)
    token = token_of(secret)
    claims = jwt.decode(token, options={"verify_signature": False})
    header = jwt.get_unverified_header(token)
    for change in ({"exp": True}, {"exp": "soon"}, {"shows": "all"}, {"sub": "acme"}, {"shows": 3}):
        wrong = jwt.encode(claims | change, embed_keys()[0].secret, algorithm="HS256", headers=header)
        assert view("usage", wrong).status_code == 401


def test_an_embed_token_opens_no_call_and_an_access_token_or_key_opens_no_frame(acme: Tenant) -> None:
    key, secret = make_key(acme, scopes=SCOPES)
    token = token_of(secret)
    for path in ("/api/v1/usage/monthly", "/api/v1/invoices", "/api/v1/keys"):
        assert Client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    form = {"grant_type": "client_credentials", "client_id": str(key.pk), "client_secret": secret}
    access = json.loads(Client().post("/api/v1/oauth/token", form).content or b"{}")
    for other in (secret, access.get("access_token", "x")):
        assert view("usage", other).status_code == 401


def test_a_token_opens_no_other_page(acme: Tenant) -> None:
    _, secret = make_key(acme, scopes=SCOPES)
    token = token_of(secret)
    client = Client()
    for path in (f"/t/{acme.slug}/", f"/t/{acme.slug}/invoices/", "/start/", "/admin/", "/account/delete/"):
        response = client.get(path, {"token": token}, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code in {302, 404, 403}, path
    assert not client.cookies.get(settings.SESSION_COOKIE_NAME)


def test_every_embedded_route_is_one_of_these() -> None:
    found = sorted(
        str(pattern.pattern)
        for entry in get_resolver().url_patterns
        if isinstance(entry, URLResolver)
        for pattern in entry.url_patterns
        if isinstance(pattern, URLPattern) and str(pattern.pattern).startswith("embed/")
    )
    pages = [f"embed/{name}{end}" for name in ALL for end in ("", ".json")]
    assert found == sorted([*pages, "embed/theme.css"])


def test_nothing_may_frame_without_the_setting(acme: Tenant, settings: Settings) -> None:
    settings.EMBED_FRAME_ANCESTORS = []
    _, secret = make_key(acme, scopes=SCOPES)

    assert ask(secret).status_code == 403
    response = view("usage", "x")
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


def test_json_takes_the_token_as_a_bearer(acme: Tenant) -> None:
    _, secret = make_key(acme, scopes=SCOPES)

    response = Client().get("/embed/usage.json", headers={"Authorization": f"Bearer {token_of(secret)}"})

    assert response.status_code == 200


def test_the_theme_is_a_style_sheet_of_checked_values(acme: Tenant) -> None:
    _, secret = make_key(acme, scopes=SCOPES)
    page = view("usage", token_of(secret), accent="7a1f5c", size="14", mode="dark", accent_dark="#F0A6D6")

    assert 'data-theme="dark"' in page.content.decode()
    assert "/embed/theme.css?accent=7a1f5c&amp;accent_dark=f0a6d6&amp;size=14&amp;mode=dark" in page.content.decode()
    css = Client().get("/embed/theme.css?accent=7a1f5c&accent_dark=f0a6d6&size=14").content.decode()
    assert ":root{font-size:14px}" in css
    assert ":root{--accent:#7a1f5c}" in css
    assert ':root[data-theme="dark"]{--accent:#f0a6d6}' in css


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accent", "red"),
        ("accent", "ffffff"),
        ("accent", "000000}body{display:none"),
        ("accent", "0b5d47\n"),
        ("accent_dark", "111111"),
        ("size", "11"),
        ("size", "23"),
        ("size", "1e1"),
        ("size", "\N{ARABIC-INDIC DIGIT ONE}5"),
        ("mode", "blue"),
        ("mode", '"><script>'),
    ],
)
def test_a_wrong_theme_is_refused_and_reaches_no_style_sheet(acme: Tenant, name: str, value: str) -> None:
    _, secret = make_key(acme, scopes=SCOPES)

    response = view("usage", token_of(secret), **{name: value})

    assert response.status_code == 422
    assert b"716" not in response.content
    assert b"<script" not in response.content
    assert Client().get("/embed/theme.css", {name: value}).content == b":root{font-size:16px}"
