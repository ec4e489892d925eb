"""A tenant's page is composed of the sections that the apps register. A new section is one class."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.admin import tenant_sections
from accounts.admin.tenant_sections import TenantSection, register_tenant_section, sections_of
from accounts.admin.tenants import TenantAdmin
from accounts.domain.actor import Actor
from accounts.models import Tenant, User
from accounts.services.tenants import open_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def page() -> TenantAdmin:
    registered = admin.site.get_model_admin(Tenant)
    assert isinstance(registered, TenantAdmin)
    return registered


@pytest.fixture
def tenant() -> Tenant:
    return open_tenant(name="Acme", owner=None, actor=Actor.system(), as_of=timezone.now())


@pytest.fixture
def as_robin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("robin@example.org", None, name="Robin"))
    return client


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> type[TenantSection]:
    monkeypatch.setattr(tenant_sections, "_registered", list(tenant_sections._registered))

    @register_tenant_section
    class WeatherSection(TenantSection):
        """A section of an app that does not exist yet."""

        place = 15
        columns = ("sky",)

        def above_form(self, tenant: Tenant) -> str:
            return f"It rains on {tenant.slug}."

        def fill_rows(self, tenants: Sequence[Any]) -> None:
            for tenant in tenants:
                tenant.cloudiness = len(tenants)

        @admin.display(description="Sky over it")
        def sky(self, tenant: Any) -> str:
            return f"{tenant.cloudiness} cloud"

    return WeatherSection


def test_every_section_has_its_own_place_and_what_it_names(page: TenantAdmin) -> None:
    sections = sections_of(page)
    places = [section.place for section in sections]
    assert places == sorted(set(places))
    for section in sections:
        for name in [*section.actions_detail, *section.columns, *section.list_actions]:
            assert callable(getattr(section, name)), (section, name)


def test_no_two_sections_offer_the_same_name(page: TenantAdmin) -> None:
    # The page finds a button, and the permission that it needs, by name alone.
    offered = [name for section in sections_of(page) for name in dir(type(section)) if section.offers(name)]
    assert len(offered) == len(set(offered))
    assert not set(offered) & set(dir(TenantAdmin))


def test_a_section_name_that_no_app_offers_is_not_found(page: TenantAdmin) -> None:
    assert not hasattr(page, "fly")
    assert not hasattr(page, "has_fly_permission")


def test_a_new_section_is_shown_on_the_page(weather: object, tenant: Tenant, as_robin: Client) -> None:
    answer = as_robin.get(reverse("admin:accounts_tenant_change", args=[tenant.pk]))
    assert "It rains on acme." in answer.content.decode()


def test_a_new_section_is_shown_in_the_list(weather: object, tenant: Tenant, as_robin: Client) -> None:
    listed = as_robin.get(reverse("admin:accounts_tenant_changelist")).content.decode()
    assert "Sky over it" in listed
    assert "1 cloud" in listed


def test_a_section_whose_text_is_not_marked_safe_is_escaped(
    tenant: Tenant, as_robin: Client, weather: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weather, "above_form", lambda _self, _tenant: "<script>")
    answer = as_robin.get(reverse("admin:accounts_tenant_change", args=[tenant.pk]))
    assert "&lt;script&gt;" in answer.content.decode()
