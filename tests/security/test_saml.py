"""SAML: a customer signs in, and no false assertion is accepted. These tests need the extra `saml`."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from accounts.models import User
from config.environment import saml_apps
from tests.security.conftest import make_user
from tests.security.saml_provider import ENTITY_ID, SSO_URL, SamlProvider

pytest.importorskip("onelogin", reason="the extra is not installed: pip install 'django-allauth[saml]'")
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_cache")]
HOST = "portal.example.com"  # python3-saml refuses a host without a dot


@pytest.fixture(scope="module")
def keyed() -> SamlProvider:
    return SamlProvider()


@pytest.fixture
def idp(keyed: SamlProvider, settings: Any) -> SamlProvider:
    keyed.lies, keyed.is_signed = {}, True
    settings.ALLOWED_HOSTS = [HOST]
    apps = saml_apps(ENTITY_ID, sso_url=SSO_URL, certificate=keyed.certificate, domains=["customer.example"], name="S")
    settings.SOCIALACCOUNT_PROVIDERS = settings.SOCIALACCOUNT_PROVIDERS | {"saml": {"APPS": apps}}
    return keyed


@pytest.fixture
def browser() -> Client:
    return a_browser()


def a_browser() -> Client:
    return Client(SERVER_NAME=HOST, HTTP_HOST=HOST)


def come_in(browser: Client, idp: SamlProvider, *, email: str = "carla@customer.example") -> Any:
    sent = browser.get("/accounts/saml/customers/login/")
    answer = {"SAMLResponse": idp.answer(sent.url, name_id="c-1", email=email)}
    return post(browser, answer)


def post(browser: Client, answer: dict[str, str]) -> Any:
    received = browser.post("/accounts/saml/customers/acs/", answer)
    return browser.get(received.url)


def is_in(browser: Client) -> bool:
    return "_auth_user_id" in browser.session


def test_a_customer_signs_in_by_saml_and_is_the_same_person_the_next_time(idp: SamlProvider, browser: Client) -> None:
    come_in(browser, idp)
    assert is_in(browser)
    user = User.objects.get()
    assert (user.email, user.is_staff) == ("carla@customer.example", False)
    come_in(again := a_browser(), idp)
    assert again.session["_auth_user_id"] == str(user.pk)


LIES = [
    {"audience": "https://other.example"}, {"issuer": "https://evil.example"}, {"until": "2020-01-01T00:00:00Z"},
    {"acs": "https://other.example/acs/"}, {"request": "another"},
]  # fmt: skip


@pytest.mark.parametrize("lies", LIES, ids=str)
def test_a_false_assertion_is_refused(idp: SamlProvider, browser: Client, lies: dict[str, str]) -> None:
    idp.lies = lies
    come_in(browser, idp)
    assert not is_in(browser)
    assert not User.objects.exists()


def test_an_assertion_without_a_signature_or_by_another_key_is_refused(idp: SamlProvider, browser: Client) -> None:
    idp.is_signed = False
    come_in(browser, idp)
    assert not is_in(browser)
    stranger = SamlProvider()
    come_in(browser, stranger)
    assert not is_in(browser)


def test_an_address_of_another_domain_is_not_trusted(idp: SamlProvider, browser: Client) -> None:
    assert come_in(browser, idp, email="boss@operator.example").status_code == 403
    assert not is_in(browser)


def test_a_saml_response_belongs_to_the_browser_that_requested_it_and_works_once(
    idp: SamlProvider, browser: Client
) -> None:
    sent = browser.get("/accounts/saml/customers/login/")
    answer = {"SAMLResponse": idp.answer(sent.url, name_id="c-1", email="carla@customer.example")}
    other = a_browser()
    post(other, answer)
    assert not is_in(other)
    post(browser, answer)
    assert is_in(browser)
    browser.post("/accounts/logout/")
    post(browser, answer)
    assert not is_in(browser)


def test_a_saml_sign_in_does_not_take_over_an_account_with_the_address(idp: SamlProvider, browser: Client) -> None:
    make_user("carla@customer.example")
    come_in(browser, idp)
    assert not is_in(browser)
    assert User.objects.count() == 1


def test_an_incomplete_saml_provider_is_refused_at_start() -> None:
    assert saml_apps("", sso_url="", certificate="", domains=[], name="x") == []
    with pytest.raises(ImproperlyConfigured, match="SAML_DOMAINS"):
        saml_apps(ENTITY_ID, sso_url=SSO_URL, certificate="x", domains=[], name="x")
