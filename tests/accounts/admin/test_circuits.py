"""The admin's pages of outside services and their circuits."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib import admin
from django.test import RequestFactory
from django.utils import timezone

from accounts.admin.circuits import CircuitAdmin
from accounts.models import Circuit


@pytest.mark.django_db
@pytest.mark.parametrize("days", [-40, 0, 40])
def test_the_state_follows_the_clock_that_opened_the_circuit(rf: RequestFactory, days: int) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=days)):  # the web server's clock; PostgreSQL keeps its own
        shown = CircuitAdmin(Circuit, admin.site).get_queryset(rf.get("/"))
        Circuit.objects.create(name="stripe", failures=3)
        assert CircuitAdmin(Circuit, admin.site).state(shown.get()) == "Available"
        database_now = shown.get().asked_at
        Circuit.objects.update(opened_at=database_now, open_until=database_now + timedelta(seconds=30))
        assert CircuitAdmin(Circuit, admin.site).state(shown.get()) == "Unavailable"
        Circuit.objects.update(open_until=database_now)
        assert CircuitAdmin(Circuit, admin.site).state(shown.get()) == "Retrying"
