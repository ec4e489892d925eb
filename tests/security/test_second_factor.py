"""No staff page opens with a password alone: neither the admin, nor viewing as a customer, nor operator calls."""

import json
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, TOTP
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.models import AuditEntry, User
from accounts.services.tenants import open_tenant
from tests.isolation.routes import Room, every_route, room_of
from tests.security.conftest import PASSWORD, SECRET, code_now, entered, log_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_cache", "still_clock")]


@pytest.fixture(autouse=True)
def as_in_production(settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True


def leads_to(response: Any) -> str:
    return urlsplit(response.url).path


STAFF_ADDRESSES = sorted(
    {
        "/" + route.path.replace("<path:object_id>", "1").replace("<id>", "1")
        for route in every_route()
        if room_of(route) is Room.STAFF and "(" not in route.path
    }
)


@pytest.mark.takes_long("it opens every page of staff")
def test_no_staff_page_opens_without_a_second_factor(robin: User) -> None:
    client = entered(robin)
    assert len(STAFF_ADDRESSES) > 100
    for address in STAFF_ADDRESSES:
        if address == reverse("admin:logout"):
            continue
        for response in (client.get(address), client.post(address, {"user_pk": "1"})):
            assert (response.status_code, leads_to(response)) == (302, reverse("second_factor")), address


def test_a_session_without_the_second_factor_cannot_call_the_operator_api(robin: User) -> None:
    client = entered(robin)
    for method, body in (("GET", ""), ("POST", json.dumps({"name": "Mine"}))):
        answer = client.generic(method, "/api/v1/operator/tenants", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_missing")


@pytest.mark.django_db(transaction=True)  # allauth mails about a new factor after the commit
def test_staff_without_a_factor_set_one_up_and_then_continue(robin: User) -> None:
    client = Client()
    log_in(client, robin.email)
    asked = client.get("/admin/accounts/tenant/?q=acme")
    assert parse_qs(urlsplit(asked.url).query)["next"] == ["/admin/accounts/tenant/?q=acme"]
    page = client.get(asked.url)
    assert "Set up a second factor" in page.text
    assert client.get("/accounts/second-factor/?next=https://evil.example/").status_code == 200
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    client.get(reverse("mfa_activate_totp"))
    secret = client.session[SECRET_SESSION_KEY]
    client.post(reverse("mfa_activate_totp"), {"code": code_now(secret)})
    assert client.get("/admin/accounts/tenant/?q=acme").status_code == 200
    assert leads_to(client.get(asked.url)) == "/admin/accounts/tenant/"
    assert leads_to(client.get("/accounts/second-factor/?next=https://evil.example/")) == "/admin/"


def test_staff_with_a_factor_must_use_it_at_sign_in(robin: User) -> None:
    TOTP.activate(robin, SECRET)
    client = Client()
    log_in(client, robin.email)
    assert client.get("/admin/").status_code == 302
    client.post(reverse("mfa_authenticate"), {"code": code_now()})
    assert client.get("/admin/").status_code == 200


def test_a_session_without_the_factor_must_add_it_and_a_password_is_not_enough(robin: User) -> None:
    client = entered(robin)
    TOTP.activate(robin, SECRET)
    asked = client.get("/admin/accounts/user/")
    assert leads_to(asked) == reverse("mfa_reauthenticate")
    assert leads_to(client.get(f"{reverse('second_factor')}?next=/admin/")) == reverse("mfa_reauthenticate")
    instead = client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert leads_to(instead) == reverse("mfa_reauthenticate")
    assert client.get("/admin/").status_code == 302
    back = client.post(asked.url, {"code": code_now(), "next": "/admin/accounts/user/"})
    assert back.url == "/admin/accounts/user/"
    assert client.get(back.url).status_code == 200


def test_a_passkey_is_requested_if_there_is_no_app(robin: User) -> None:
    client = entered(robin)
    Authenticator.objects.create(user=robin, type=Authenticator.Type.WEBAUTHN, data={})
    assert leads_to(client.get("/admin/")) == reverse("mfa_reauthenticate_webauthn")


def test_recovery_codes_alone_are_no_factor_and_a_removed_factor_counts_no_more(robin: User) -> None:
    factor = TOTP.activate(robin, SECRET).instance
    client = Client()
    log_in(client, robin.email)
    client.post(reverse("mfa_authenticate"), {"code": code_now()})
    assert client.get("/admin/").status_code == 200
    factor.delete()
    assert leads_to(client.get("/admin/")) == reverse("second_factor")


def test_viewing_as_a_customer_needs_the_factor_and_its_end_does_not(robin: User, dora: User) -> None:
    now = timezone.now()
    acme = open_tenant(name="Acme", owner=dora, actor=Actor.system("test"), as_of=now)
    wanted = {"user_pk": dora.pk, "tenant": str(acme.pk), "reason": "Ticket 4711", "next": "/t/acme/"}
    TOTP.activate(robin, SECRET)
    client = entered(robin)
    assert leads_to(client.post(reverse("hijack:acquire"), wanted)) == reverse("mfa_reauthenticate")
    client.post(reverse("mfa_reauthenticate"), {"code": code_now()})
    client.post(reverse("hijack:acquire"), wanted)
    client.post(reverse("hijack:release"))
    assert client.get("/admin/").status_code == 200


def test_customers_sign_in_with_a_password_alone(dora: User) -> None:
    open_tenant(name="Acme", owner=dora, actor=Actor.system("test"), as_of=timezone.now())
    assert entered(dora).get("/t/acme/").status_code == 200


def test_control_with_the_factor_waived_each_page_says_so(robin: User, settings: Any) -> None:
    # The control: the second factor alone refuses what is refused above.
    assert "In production staff need a second factor" not in entered(robin).get("/admin/login/").text
    settings.STAFF_SECOND_FACTOR = False
    client = entered(robin)
    for address in ("/admin/", "/admin/accounts/user/", f"/admin/accounts/user/{robin.pk}/change/"):
        assert "In production staff need a second factor" in client.get(address).text


def test_a_command_lets_a_person_in_who_has_lost_every_factor(robin: User) -> None:
    TOTP.activate(robin, SECRET)
    client = entered(robin)
    client.get(reverse("usersessions_list"))
    said = StringIO()
    call_command("reset_second_factor", "ROBIN@example.org", stdout=said)
    assert said.getvalue() == "robin@example.org: 1 removed; every session is ended.\n"
    assert not Authenticator.objects.exists()
    assert leads_to(client.get("/admin/")) == reverse("admin:login")
    entry = AuditEntry.objects.get(action="account.second_factors_removed")
    assert (entry.actor_label, entry.target_label) == ("manage.py reset_second_factor", "robin@example.org")
    with pytest.raises(CommandError, match="No user signs in"):
        call_command("reset_second_factor", "unknown@example.org")
