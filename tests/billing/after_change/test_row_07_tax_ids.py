"""Row 7: a tax id that cannot be one is refused on every way in, and together with the country whose id it is."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.roles import Role
from accounts.domain.tenant_settings import SETTINGS
from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry, Membership, Tenant, User
from accounts.services.tenants import open_tenant, update_tenant
from tests.accounts.conftest import Api, problem_of
from tests.metering.ledger_world import make_key, make_tenant

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, tzinfo=UTC)
STAFF = Actor.system("staff")
IMPOSSIBLE = [("DE", "DE000000000"), ("FR", "FR00000000000"), ("DE", "NONE1234"), ("CH", "CHE107787578")]


def operator_api() -> Api:
    _, secret = make_key(None, kind=KeyKind.SERVICE, scopes=["operator"])
    return Api(secret)


def signed_in(email: str, **rank: bool) -> tuple[User, Client]:
    user, client = User.objects.create_user(email, None, **rank), Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return user, client


@pytest.mark.parametrize(("country", "tax_id"), IMPOSSIBLE)
def test_an_id_that_cannot_be_one_is_refused_on_every_way_in(country: str, tax_id: str) -> None:
    acme, api = make_tenant("acme"), operator_api()
    given = {"country": country, "tax_id": tax_id}

    with pytest.raises(InvalidFieldsError):
        open_tenant(name="New", owner=None, settings=given, actor=STAFF, as_of=NOW)
    with pytest.raises(InvalidFieldsError):
        update_tenant(tenant=acme, changes=given, actor=STAFF, as_of=NOW)
    for answer in (
        api.post("/operator/tenants", {"name": "New"} | given),
        api.call("PATCH", "/operator/tenants/acme", given),
    ):
        [refused] = problem_of(answer, 422)["errors"]
        assert (refused["pointer"], refused["code"]) == ("/tax_id", "invalid_tax_id")

    assert [(row.slug, row.tax_id) for row in Tenant.objects.all()] == [("acme", "")]


def test_a_country_alone_is_refused_where_the_stored_id_is_none_of_its_own() -> None:
    make_tenant("acme", country="US", tax_id="NONE1234")

    answer = operator_api().call("PATCH", "/operator/tenants/acme", {"country": "DE"})

    [refused] = problem_of(answer, 422)["errors"]
    assert (refused["pointer"], refused["code"]) == ("/tax_id", "invalid_tax_id")
    assert Tenant.objects.get().country == "US"
    assert not AuditEntry.objects.exists()


def test_country_and_id_are_changed_together() -> None:
    make_tenant("acme", country="US", tax_id="NONE1234")
    answer = operator_api().call("PATCH", "/operator/tenants/acme", {"country": "DE", "tax_id": "de 136 695 976"})
    assert answer.status_code == 200, answer.content
    assert (Tenant.objects.get().country, Tenant.objects.get().tax_id) == ("DE", "DE136695976")


def test_an_id_that_an_earlier_release_took_does_not_stand_in_the_way_of_other_changes() -> None:
    acme = make_tenant("acme", country="DE", tax_id="DE000000000")
    update_tenant(tenant=acme, changes={"city": "Berlin"}, actor=STAFF, as_of=NOW)
    assert Tenant.objects.get().city == "Berlin"


def test_the_portal_refuses_the_same() -> None:
    acme = make_tenant("acme", country="US", tax_id="NONE1234")
    alice, client = signed_in("alice@acme.example")
    Membership.objects.create(user=alice, tenant=acme, role=Role.OWNER, created_at=NOW)
    form = {"name": "Acme", "time_zone": "UTC", "currency": "EUR", "country": "DE", "tax_id": "NONE1234"}

    answer = client.post("/t/acme/settings/", form)

    assert answer.status_code == 422
    assert answer.context["form"].errors == {"tax_id": ["NONE1234 is not a tax id of DE."]}


def test_the_admin_refuses_the_same() -> None:
    acme = make_tenant("acme", country="US", tax_id="NONE1234")
    _, client = signed_in("robin@example.org", is_staff=True, is_superuser=True)
    form = {name: getattr(acme, name) for name in SETTINGS} | {"country": "DE"}

    answer = client.post(reverse("admin:accounts_tenant_change", args=[acme.pk]), form)

    assert b"NONE1234 is not a tax id of DE." in answer.content
    assert Tenant.objects.get().country == "US"
