"""The admin's search finds tenants, people and documents, and shows only what the member of staff may see."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.models import Membership, Tenant, User
from accounts.services.tenants import open_tenant
from config.staff.search import FOUND_OF_ONE_KIND_MAX
from tests.config.staff.conftest import MADE_AT

pytestmark = pytest.mark.django_db


def search(client: Client, term: str) -> str:
    response = client.get(reverse("admin:search"), {"s": term, "extended": "1"})
    assert response.status_code == 200
    return response.content.decode()


def test_the_search_finds_a_tenant_by_its_slug(as_robin: Client, acme: Tenant) -> None:
    assert reverse("admin:accounts_tenant_change", args=[acme.pk]) in search(as_robin, "acme")


def test_the_search_is_bounded(as_robin: Client, alice: User) -> None:
    for number in range(FOUND_OF_ONE_KIND_MAX + 3):
        actor = Actor.member(user_id=alice.pk, label=alice.email)
        open_tenant(name=f"Globex {number}", owner=alice, actor=actor, as_of=MADE_AT, slug=f"globex-{number}")

    assert search(as_robin, "globex").count("/admin/accounts/tenant/") == FOUND_OF_ONE_KIND_MAX


def test_staff_without_the_permission_find_no_tenant(client: Client, acme: Tenant) -> None:
    newcomer = User.objects.create_user("new@example.org", None, is_staff=True)
    client.force_login(newcomer, backend="django.contrib.auth.backends.ModelBackend")

    assert "/admin/accounts/tenant/" not in search(client, "acme")


def test_a_tenant_with_that_slug_comes_before_one_with_such_a_member(
    as_robin: Client, acme: Tenant, alice: User
) -> None:
    guest = User.objects.create_user("bo@acme.example", None)
    actor = Actor.member(user_id=guest.pk, label=guest.email)
    other = open_tenant(name="Aardvark", owner=guest, actor=actor, as_of=MADE_AT, slug="aardvark")
    Membership.objects.create(tenant=other, user=alice, role=Role.VIEWER, created_at=MADE_AT)

    listed = as_robin.get(reverse("admin:accounts_tenant_changelist"), {"q": "acme"}).context["cl"].result_list

    assert [tenant.slug for tenant in listed] == ["acme", "aardvark"]


def test_an_empty_list_without_permission_to_add_offers_no_button(as_robin: Client) -> None:
    page = as_robin.get(reverse("admin:billing_billingexception_changelist")).content.decode()

    assert "No billing exceptions yet" in page
    assert "Create a new item" not in page
