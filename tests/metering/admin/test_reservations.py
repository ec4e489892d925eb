"""Reservations in the admin: read-only, found by tenant or event, released after a question."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Tenant
from metering.domain.reservations import ReservationState
from metering.models import Reservation
from metering.services.limits.reservations import reserve
from tests.metering.ledger_world import make_key
from tests.metering.services.limits.limit_world import Caller, caller_on_plan, quota_of

LIST = "admin:metering_reservation_changelist"


@pytest.fixture
def caller(db: None) -> Caller:
    return caller_on_plan(timezone.now(), [quota_of("5")])


@pytest.fixture
def reservation(caller: Caller) -> Reservation:
    now = timezone.now()
    event = caller.event(now, "mine")
    reserved = reserve(
        principal=caller.principal, tenant=caller.tenant, event=event, expires_in_seconds=3600, as_of=now
    ).reservation
    assert reserved is not None
    return reserved


def test_a_reservation_is_found_by_its_event_and_by_its_tenant(
    as_robin: Client, caller: Caller, reservation: Reservation
) -> None:
    for term, is_found in (("mine", True), (caller.tenant.slug, True), ("other", False), ("", True)):
        page = as_robin.get(reverse(LIST), {"q": term}).content.decode()
        assert (caller.tenant.name in page) == is_found, term


def test_staff_release_what_is_held_after_a_question_and_once(as_robin: Client, reservation: Reservation) -> None:
    page = reverse("admin:metering_reservation_change", args=[reservation.pk])
    shown = as_robin.get(page).content.decode()
    assert "Held" in shown
    assert "API requests: 1" in shown
    assert str(reservation.api_key_id) in shown
    release = reverse("admin:metering_reservation_release", args=[reservation.pk])
    assert release in shown
    assert "can no longer commit" in as_robin.get(release).content.decode()
    for said in ("The quota is free again.", "It had ended already."):
        assert said in as_robin.post(release, follow=True).content.decode()
    assert AuditEntry.objects.get(action="reservation.released").actor_label == "robin@example.org"
    assert release not in as_robin.get(page).content.decode()
    assert "Not possible now" in as_robin.get(release, follow=True).content.decode()


def test_the_page_leads_to_the_key_that_reserved(as_robin: Client, caller: Caller, reservation: Reservation) -> None:
    key, _ = make_key(Tenant.objects.get(slug=caller.tenant.slug), name="Gateway")
    Reservation.objects.update(api_key_id=key.pk)
    page = as_robin.get(reverse("admin:metering_reservation_change", args=[reservation.pk])).content.decode()
    assert f'<a href="/admin/accounts/apikey/{key.pk}/change/">Gateway' in page


def test_one_whose_time_is_over_is_shown_as_expired(as_robin: Client, reservation: Reservation) -> None:
    past = timezone.now() - timedelta(hours=2)
    Reservation.objects.update(created_at=past, expires_at=past + timedelta(seconds=1))
    page = as_robin.get(reverse("admin:metering_reservation_change", args=[reservation.pk])).content.decode()
    assert ReservationState.EXPIRED.value.capitalize() in page
