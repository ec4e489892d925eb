"""Creating, changing, suspending and closing tenants."""

from collections.abc import Collection
from datetime import datetime
from typing import ClassVar

import pytest
from django.db import IntegrityError
from django.test import override_settings

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.domain.transitions import TENANT_TRANSITIONS, TenantStatus
from accounts.errors import (
    InvalidFieldsError,
    NotFoundError,
    PermissionMissingError,
    SlugTakenError,
    TenantStatusError,
    TooManyTenantsError,
)
from accounts.models import AuditEntry, Invitation, Membership, Tenant, User
from accounts.selectors.tenants import tenant_facts, tenants_of_user
from accounts.services import tenants
from accounts.services.tenants import (
    change_tenant_status,
    close_tenant,
    open_tenant,
    reactivate_tenant,
    suspend_tenant,
    update_tenant,
)
from tests.accounts.conftest import SYSTEM, member


def test_the_person_who_opens_a_tenant_owns_it(alice: User, now: datetime) -> None:
    tenant = open_tenant(name="  Café Zürich & Co. ", owner=alice, actor=member(alice), as_of=now)
    assert (tenant.slug, tenant.name) == ("cafe-zurich-co", "Café Zürich & Co.")
    assert [(member.tenant, member.role) for member in tenants_of_user(alice)] == [(tenant, Role.OWNER)]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_user, entry.ip, entry.request_id) == ("tenant.created", alice, "192.0.2.7", "r-1")
    assert entry.after == {"name": "Café Zürich & Co.", "slug": "cafe-zurich-co", "owner": "alice@example.com"}


@pytest.mark.parametrize(
    ("name", "slugs"),
    [
        ("Acme", ["acme", "acme-2", "acme-3"]),
        ("Admin", ["admin-2", "admin-3", "admin-4"]),
        ("東京", ["tenant", "tenant-2", "tenant-3"]),
    ],
)
def test_slugs_stay_apart_and_clear_of_reserved_words(db: None, now: datetime, name: str, slugs: list[str]) -> None:
    assert [open_tenant(name=name, owner=None, actor=SYSTEM, as_of=now).slug for _ in slugs] == slugs


def test_long_names_keep_slugs_within_their_length(db: None, now: datetime) -> None:
    made = {open_tenant(name="n" * 120, owner=None, actor=SYSTEM, as_of=now).slug for _ in range(12)}
    assert len(made) == 12
    assert max(map(len, made)) == 50


def test_a_requested_slug_is_given_or_refused(db: None, now: datetime) -> None:
    open_tenant(name="Acme", slug="mine", owner=None, actor=SYSTEM, as_of=now)
    with pytest.raises(SlugTakenError):
        open_tenant(name="Acme", slug="mine", owner=None, actor=SYSTEM, as_of=now)
    with pytest.raises(InvalidFieldsError):
        open_tenant(name="Acme", slug="static", owner=None, actor=SYSTEM, as_of=now)


def test_one_person_owns_a_bounded_number_of_tenants(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenants, "TENANTS_OWNED_MAX", 2)
    for _ in range(2):
        open_tenant(name="Acme", owner=alice, actor=member(alice), as_of=now)
    with pytest.raises(TooManyTenantsError):
        open_tenant(name="Acme", owner=alice, actor=member(alice), as_of=now)
    assert len(tenants_of_user(alice)) == 2


@override_settings(TIME_ZONE="UTC")
def test_a_change_of_a_tenant_is_stored_and_audited_if_it_is_one(acme: Tenant, alice: User, now: datetime) -> None:
    updated = update_tenant(
        tenant=acme,
        changes={"name": "Acme", "time_zone": "Europe/Brussels", "city": " Gent "},
        actor=member(alice),
        as_of=now,
    )
    assert (updated.time_zone, updated.city) == ("Europe/Brussels", "Gent")
    entry = AuditEntry.objects.get(action="tenant.updated")
    assert (entry.before, entry.after) == (
        {"time_zone": "UTC", "city": ""},
        {"time_zone": "Europe/Brussels", "city": "Gent"},
    )
    update_tenant(tenant=acme, changes={"time_zone": "Europe/Brussels"}, actor=member(alice), as_of=now)
    assert AuditEntry.objects.filter(action="tenant.updated").count() == 1


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("tax_id", "be 0403.019.261", "BE0403019261"),
        ("currency", "usd", "USD"),
        ("country", " be", "BE"),
        ("billing_email", "Bills@Example.com", "Bills@Example.com"),
        ("legal_name", "מזרח בע״מ", "מזרח בע״מ"),
    ],
)
def test_a_setting_is_kept_in_its_one_spelling(acme: Tenant, now: datetime, name: str, value: str, kept: str) -> None:
    updated = update_tenant(tenant=acme, changes={name: value}, actor=SYSTEM, as_of=now)
    assert getattr(updated, name) == kept


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", " "),
        ("name", "a\nb"),
        ("name", "x" * 121),
        ("time_zone", "Europe/Atlantis"),
        ("time_zone", "Factory"),
        ("time_zone", "../../etc/passwd"),
        ("currency", "XXX"),
        ("country", "UK"),
        ("tax_id", "!"),
        ("billing_email", "a@b"),
        ("billing_email", "a\x00@example.com"),
        ("backfill_days", 0),
    ],
)
def test_a_bad_setting_is_refused_by_name(acme: Tenant, now: datetime, name: str, value: object) -> None:
    with pytest.raises(InvalidFieldsError) as refusal:
        update_tenant(tenant=acme, changes={name: value}, actor=SYSTEM, as_of=now)
    assert refusal.value.field_errors[0].pointer == f"/{name}"


def test_a_tax_id_is_measured_by_the_tenants_country(acme: Tenant, now: datetime) -> None:
    update_tenant(tenant=acme, changes={"country": "DE"}, actor=SYSTEM, as_of=now)
    with pytest.raises(InvalidFieldsError):
        update_tenant(tenant=acme, changes={"tax_id": "BE0403019261"}, actor=SYSTEM, as_of=now)
    update_tenant(tenant=acme, changes={"tax_id": "DE136695976"}, actor=SYSTEM, as_of=now)


def test_only_permitted_members_change_settings(
    acme: Tenant, bob: User, vera: User, charlie: User, now: datetime
) -> None:
    for user in (bob, vera, charlie):
        # The role in the database counts, not the role that the caller holds.
        with pytest.raises(PermissionMissingError):
            update_tenant(tenant=acme, changes={"name": "Mine"}, actor=member(user, Role.OWNER), as_of=now)


def test_staff_who_view_as_a_customer_may_do_what_the_customer_may(acme: Tenant, now: datetime) -> None:
    actor = Actor(SYSTEM.kind, "sam as vera", role=Role.VIEWER)
    with pytest.raises(PermissionMissingError):
        update_tenant(tenant=acme, changes={"name": "Mine"}, actor=actor, as_of=now)


def test_a_suspension_is_shown_and_can_be_undone(acme: Tenant, now: datetime) -> None:
    assert tenant_facts("acme", now).is_active
    suspend_tenant(tenant=acme, reason="unpaid", actor=SYSTEM, as_of=now)
    assert not tenant_facts("acme", now).is_active
    assert acme.status_reason == "unpaid"
    reactivate_tenant(tenant=acme, actor=SYSTEM, as_of=now)
    assert tenant_facts("acme", now).is_active
    assert acme.status_reason == ""


def test_a_status_changes_along_the_table_alone(acme: Tenant, now: datetime) -> None:
    with pytest.raises(TenantStatusError):
        reactivate_tenant(tenant=acme, actor=SYSTEM, as_of=now)
    close_tenant(tenant=acme, reason="left", actor=SYSTEM, as_of=now)
    for status in TENANT_TRANSITIONS:
        if status is not TenantStatus.CLOSED:
            with pytest.raises(TenantStatusError):
                change_tenant_status(tenant=acme, status=status, reason="", actor=SYSTEM, as_of=now)
    assert change_tenant_status(tenant=acme, status=TenantStatus.CLOSED, reason="", actor=SYSTEM, as_of=now) == acme
    assert AuditEntry.objects.filter(action="tenant.closed").count() == 1


def test_of_two_who_saw_the_same_status_one_changes_it(acme: Tenant, now: datetime) -> None:
    seen_by_another = Tenant.objects.get(pk=acme.pk)
    suspend_tenant(tenant=acme, reason="", actor=SYSTEM, as_of=now)
    with pytest.raises(TenantStatusError):
        suspend_tenant(tenant=seen_by_another, reason="", actor=SYSTEM, as_of=now)


def test_an_unknown_tenant_is_not_changed(acme: Tenant, now: datetime) -> None:
    gone = Tenant(id=acme.pk, slug="x")
    Membership.objects.all().delete()
    gone.id = type(acme.pk)(int=1)
    with pytest.raises(NotFoundError):
        update_tenant(tenant=gone, changes={"name": "x"}, actor=SYSTEM, as_of=now)
    with pytest.raises(NotFoundError):
        tenant_facts("unknown", now)


def test_a_zone_that_the_database_does_not_know_is_refused(db: None) -> None:
    # Python's zones may be newer than those of PostgreSQL, which cuts the days.
    with pytest.raises(InvalidFieldsError, match="database"):
        tenants._check_zone_known({"time_zone": "Mars/Olympus"})


def test_an_error_that_is_not_about_the_slug_is_not_reported_as_a_taken_slug(acme: Tenant, now: datetime) -> None:
    with pytest.raises(IntegrityError, match="tenant_backfill_days_bounded"):
        tenants._insert({"name": "x", "backfill_days": 0}, ["free"], now)


# What the apps above add


class NotedPart:
    """A part that records its calls."""

    told: ClassVar[list[object]] = []

    def open(self, *, tenant: Tenant, actor: Actor, as_of: datetime) -> None:
        self.told.append(("open", tenant.slug, actor, as_of))

    def follow(self, *, tenant: Tenant, changed: Collection[str], as_of: datetime) -> None:
        self.told.append(("follow", tenant.city, sorted(changed), as_of))


class FailingPart:
    """A part that fails."""

    def open(self, **_: object) -> None:
        raise TenantStatusError("no")

    def follow(self, **_: object) -> None:
        raise TenantStatusError("no")


@pytest.fixture
def told() -> list[object]:
    NotedPart.told.clear()
    return NotedPart.told


@override_settings(TENANT_PARTS=[f"{__name__}.NotedPart"])
def test_each_part_is_called_for_a_new_tenant_and_for_its_changes(told: list[object], db: None, now: datetime) -> None:
    tenant = open_tenant(name="Initech", owner=None, actor=SYSTEM, as_of=now)
    update_tenant(tenant=tenant, changes={"city": "Gent", "name": "Initech"}, actor=SYSTEM, as_of=now)
    update_tenant(tenant=tenant, changes={"city": "Gent"}, actor=SYSTEM, as_of=now)
    assert told == [("open", "initech", SYSTEM, now), ("follow", "Gent", ["city"], now)]


@override_settings(TENANT_PARTS=[f"{__name__}.NotedPart", f"{__name__}.FailingPart"])
def test_a_tenant_is_opened_or_changed_with_all_its_parts_or_not_at_all(
    told: list[object], acme: Tenant, now: datetime
) -> None:
    with pytest.raises(TenantStatusError):
        update_tenant(tenant=acme, changes={"city": "Gent"}, actor=SYSTEM, as_of=now)
    with pytest.raises(TenantStatusError):
        open_tenant(name="Initech", owner=None, owner_email="olga@example.net", actor=SYSTEM, as_of=now)
    acme.refresh_from_db()
    assert acme.city == ""
    assert not Tenant.objects.filter(slug="initech").exists()
    assert not Invitation.objects.exists()


def test_the_owner_may_be_invited(db: None, now: datetime) -> None:
    tenant = open_tenant(name="Initech", owner=None, owner_email="olga@example.net", actor=SYSTEM, as_of=now)
    invited = Invitation.objects.get()
    assert (invited.tenant, invited.email, invited.role) == (tenant, "olga@example.net", Role.OWNER)
