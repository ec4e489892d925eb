"""Leaked keys in the admin: the list, the usage since, and the act that voids it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import KeyLeak
from metering.models import EventVoid
from tests.metering.ledger_world import ledger_of, make_key, make_tenant, send

pytestmark = pytest.mark.django_db


def test_staff_see_what_was_used_and_void_it_in_one_act(as_robin: Client) -> None:
    now = timezone.now()
    tenant = make_tenant("acme")
    key, secret = make_key(tenant)
    leak = KeyLeak.objects.create(
        id=uuid4(),
        api_key=key,
        tenant=tenant,
        place_digest=b"1" * 32,
        url="https://example.com/leak",
        scanner="s",
        reported_at=now - timedelta(hours=1),
    )
    calls = [
        {"id": f"e{number}", "type": "http_request", "properties": {"resource_path": "/stolen"}} for number in (1, 2)
    ]
    send(ledger_of(tenant), calls, as_of=now - timedelta(minutes=5), api_key_id=key.pk)
    page = f"/admin/accounts/keyleak/{leak.pk}/void_usage/"

    listed = as_robin.get("/admin/accounts/keyleak/").content.decode()
    assert "https://example.com/leak" in listed
    assert secret not in listed
    own_page = f"/admin/accounts/keyleak/{leak.pk}/change/"
    assert "nothing" in as_robin.get(own_page).content.decode()
    asked = as_robin.get(page)
    assert "/stolen" in asked.content.decode()
    assert "Void 2 events" in asked.content.decode()
    assert not EventVoid.objects.exists()

    span = asked.context["form"].data
    late = as_robin.post(page, {"since": "2100-01-01 00:00", "until": span["until"], "confirmed": "1"})
    assert "Choose a time in the past." in late.content.decode()
    done = as_robin.post(page, {**span, "confirmed": "1"}, follow=True)
    assert "Voided 2 events." in done.content.decode()
    assert EventVoid.objects.count() == 2
    assert ": 2 events" in as_robin.get(own_page).content.decode()
    again = as_robin.post(page, {**span, "confirmed": "1"}, follow=True)
    assert "Nothing was used with this key in that time" in again.content.decode()
