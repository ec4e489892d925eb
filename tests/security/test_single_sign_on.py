"""Single sign-on over real HTTP: customers and staff sign in, and no false token is accepted."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount, SocialToken
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from config.environment import openid_apps
from tests.security.conftest import SECRET, code_now, entered
from tests.security.openid_provider import CLIENT_ID, CLIENT_SECRET, CLIENTS, OpenIDProvider, openid_provider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_cache", "still_clock")]
CARLA = {"sub": "c-1", "email": "carla@customer.example", "email_verified": True, "name": "Carla Lopez"}
SAM = {"sub": "s-1", "email": "sam@operator.example", "email_verified": True, "groups": ["everyone", "billing-staff"]}


@pytest.fixture(scope="session")
def keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    first, second = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    return first, second


@pytest.fixture
def idp(keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey], settings: Any) -> Iterator[OpenIDProvider]:
    settings.STAFF_OIDC_VALUE = "billing-staff"
    settings.STAFF_SECOND_FACTOR = True
    with openid_provider(keys) as provider:
        settings.SOCIALACCOUNT_PROVIDERS = {
            "openid_connect": {
                "OAUTH_PKCE_ENABLED": True,
                "APPS": [
                    app
                    for name, client_id in CLIENTS.items()
                    for app in openid_apps(
                        name, provider.url, client_id=client_id, secret=CLIENT_SECRET, name=f"Login of {name}"
                    )
                ],
            }
        }
        provider.claims = CARLA
        yield provider


def to_the_provider(client: Client, who: str = "customers", **query: str) -> str:
    """Return the address to which the provider redirects the browser."""
    sent = client.get(f"/accounts/oidc/{who}/login/?{urlencode(query)}")
    assert sent.status_code == 302
    back = requests.get(sent.url, allow_redirects=False, timeout=5)
    return str(back.headers["Location"]).removeprefix("http://testserver")


def come_in(client: Client, who: str = "customers", **query: str) -> Any:
    return client.get(to_the_provider(client, who, **query))


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_customer_signs_in_by_openid_and_is_the_same_person_the_next_time(
    idp: OpenIDProvider, client: Client
) -> None:
    assert "Login of customers" in client.get("/accounts/login/").text
    assert come_in(client, next="/start/?new").url == "/start/?new"
    user = User.objects.get()
    assert (user.email, user.name, user.is_staff, user.has_usable_password()) == (
        "carla@customer.example", "Carla Lopez", False, False
    )  # fmt: skip
    come_in(again := Client())
    assert again.session["_auth_user_id"] == str(user.pk)
    assert not SocialToken.objects.exists()
    assert AuditEntry.objects.filter(action="account.signed_in").first().after == {"with": ["customers"]}


def test_staff_sign_in_by_their_group_and_a_second_factor(idp: OpenIDProvider, client: Client) -> None:
    idp.claims = SAM
    come_in(client, "staff", next="/admin/")
    assert User.objects.get().is_staff
    assert urlsplit(client.get("/admin/").url).path == reverse("second_factor")


def test_staff_with_a_factor_must_use_it_after_the_provider(idp: OpenIDProvider, client: Client) -> None:
    idp.claims = SAM
    come_in(client, "staff")
    TOTP.activate(User.objects.get(), SECRET)
    asked = come_in(again := Client(), "staff")
    assert (asked.url, is_in(again)) == (reverse("mfa_authenticate"), False)
    again.post(asked.url, {"code": code_now()})
    assert again.get("/admin/").status_code == 200


def test_a_second_factor_at_the_provider_of_staff_counts(idp: OpenIDProvider, client: Client) -> None:
    idp.claims = SAM | {"amr": ["pwd", "mfa"]}
    come_in(client, "staff")
    assert client.get("/admin/").status_code == 200


def test_a_person_outside_of_the_group_is_no_staff_and_one_who_leaves_it_is_none_any_more(
    idp: OpenIDProvider, client: Client
) -> None:
    for claims in (CARLA, CARLA | {"groups": ["everyone"]}, CARLA | {"groups": "billing-staff-not"}):
        idp.claims = claims
        assert come_in(client, "staff").status_code == 403
        assert not User.objects.exists()
    idp.claims = SAM
    come_in(client, "staff")
    idp.claims = SAM | {"groups": []}
    assert come_in(Client(), "staff").status_code == 403
    assert not User.objects.get().is_staff
    assert client.get("/admin/").status_code == 302
    assert AuditEntry.objects.filter(action="account.staff_rights_taken").count() == 1


def test_the_provider_of_customers_gives_no_staff_rights(idp: OpenIDProvider, client: Client) -> None:
    idp.claims = SAM
    come_in(client)
    assert not User.objects.get().is_staff


LIES = [
    {"nonce": "another"}, {"nonce": None}, {"aud": "another-client"}, {"aud": [CLIENT_ID, "other"], "azp": "other"},
    {"iss": "https://evil.example"}, {"exp": 1}, {"email_verified": False}, {"email_verified": "no"},
    {"email_verified": ["true"]}, {"email": ""},
]  # fmt: skip


@pytest.mark.parametrize("who", ["customers", "staff"])
@pytest.mark.parametrize("lies", LIES, ids=str)
def test_a_false_token_is_refused(idp: OpenIDProvider, client: Client, lies: dict[str, Any], who: str) -> None:
    idp.claims, idp.lies = SAM, lies
    answer = come_in(client, who)
    assert "You are not signed in" in answer.text
    assert not is_in(client)
    assert not User.objects.exists()
    assert AuditEntry.objects.get().action == "account.single_sign_on_failed"


@pytest.mark.parametrize(("algorithm", "by_stranger"), [("RS256", True), ("HS256", False), ("none", False)])
def test_a_token_that_the_provider_did_not_sign_is_refused(
    idp: OpenIDProvider, client: Client, algorithm: str, by_stranger: bool
) -> None:
    idp.algorithm, idp.is_signed_by_stranger = algorithm, by_stranger
    come_in(client)
    assert not is_in(client)
    assert not User.objects.exists()


def test_an_openid_response_belongs_to_the_browser_that_requested_it_and_works_once(
    idp: OpenIDProvider, client: Client
) -> None:
    back = to_the_provider(client)
    other = Client()
    other.get(back)
    assert not is_in(other)
    state = parse_qs(urlsplit(back).query)["state"][0]
    client.get(back.replace(state, "made-up"))
    assert not is_in(client)
    client.get(back)
    assert is_in(client)
    client.post(reverse("account_logout"))
    client.get(back)
    assert not is_in(client)


def test_a_code_without_the_verifier_of_the_browser_is_refused(idp: OpenIDProvider, client: Client) -> None:
    # PKCE: the provider refuses a code that another sign-in of the same person got.
    stolen = parse_qs(urlsplit(to_the_provider(Client())).query)["code"][0]
    back = to_the_provider(client)
    own = parse_qs(urlsplit(back).query)["code"][0]
    client.get(back.replace(own, stolen))
    assert not is_in(client)


def test_an_openid_sign_in_does_not_take_over_an_account_with_the_address(
    idp: OpenIDProvider, client: Client, dora: User
) -> None:
    for who, claims in (("customers", CARLA), ("staff", SAM)):
        idp.claims = claims | {"email": "DORA@example.com"}
        come_in(client, who)
        assert not is_in(client)
    assert not SocialAccount.objects.exists()
    dora.refresh_from_db()
    assert not dora.is_staff


def test_the_accounts_owner_connects_it_after_a_sign_in(idp: OpenIDProvider, dora: User) -> None:
    client = entered(dora)
    TOTP.activate(dora, SECRET)
    asked = client.get("/accounts/oidc/customers/login/?process=connect")
    assert "reauthenticate" in asked.url
    client.post(reverse("mfa_reauthenticate"), {"code": code_now()})
    come_in(client, process="connect")
    assert SocialAccount.objects.get().user == dora
    assert "Login of customers" in client.get(reverse("socialaccount_connections")).text


def test_the_provider_of_customers_signs_in_no_staff(idp: OpenIDProvider, client: Client, robin: User) -> None:
    SocialAccount.objects.create(user=robin, provider="customers", uid="c-1")
    assert come_in(client).status_code == 403
    assert not is_in(client)


def test_a_provider_that_is_down_shows_a_message_and_is_not_called_for_every_visitor(
    idp: OpenIDProvider, client: Client
) -> None:
    back = to_the_provider(client)
    cache.clear()
    idp.is_broken = True
    for path in ("/accounts/oidc/customers/login/", back):
        answer = client.get(path)
        assert answer.status_code < 500
        assert "You are not signed in" in answer.text
    idp.is_broken = False
    assert "You are not signed in" in client.get("/accounts/oidc/customers/login/").text
    cache.clear()
    assert client.get("/accounts/oidc/customers/login/").status_code == 302


def test_a_provider_that_describes_another_issuer_is_not_used(idp: OpenIDProvider, client: Client) -> None:
    idp.lies_about_issuer = "https://evil.example"
    assert "You are not signed in" in client.get("/accounts/oidc/staff/login/").text


def test_an_unknown_provider_is_not_found(idp: OpenIDProvider, client: Client) -> None:
    for path in ("login/", "login/callback/"):
        assert client.get(f"/accounts/oidc/another/{path}").status_code == 404


def test_an_incomplete_openid_provider_is_refused_at_start() -> None:
    assert openid_apps("customers", "", client_id="", secret="", name="x") == []
    for issuer, secret in (("login.example.com", "s"), ("https://login.example.com", "")):
        with pytest.raises(ImproperlyConfigured, match="single sign-on"):
            openid_apps("customers", issuer, client_id="c", secret=secret, name="x")
