"""Staff make, test, pause and delete channels of their own, and change none of a customer's."""

from datetime import datetime

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.channels.models import Channel
from accounts.channels.services import testing
from accounts.models import AuditEntry, Tenant, User
from tests.accounts.channels.world import DOWN, SLACK_URL, Wire, make_channel
from tests.billing.admin.desk import act, page, said

NEW = {"type": "slack", "name": "Billing desk", "url": SLACK_URL, "kinds": ["drift"], "digest_at": "09:00"}
ADDRESS = "/admin/channels/channel/new-staff-channel/"


def signed_in(group: str) -> Client:
    user = User.objects.create_user(f"{group}@example.org", None, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_staff_have_channels_of_their_own(now: datetime, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in("Billing")
    assert client.get(ADDRESS).status_code == 200
    assert "Enter both times" in client.post(ADDRESS, NEW | {"quiet_begins": "22:00"}).content.decode()
    assert "no address of Slack" in said(client.post(ADDRESS, NEW | {"url": "https://evil.example/"}))
    assert "The channel is created" in said(client.post(ADDRESS, NEW))
    channel = Channel.objects.get()
    assert (channel.tenant, channel.kinds) == (None, ["drift"])
    assert "sealed-part" not in client.get(page(channel)).content.decode()
    monkeypatch.setattr(testing, "way_out", lambda _: Wire())
    assert "arrived" in act(client, channel, "send_test")
    monkeypatch.setattr(testing, "way_out", lambda _: Wire(DOWN))
    assert "HTTP 500" in act(client, channel, "send_test")
    assert "paused" in act(client, channel, "pause")
    assert "Resume" in client.get(page(channel, "resume")).content.decode()
    assert "active" in act(client, channel, "resume")
    assert "Delete" in client.get(page(channel, "remove")).content.decode()
    assert "deleted" in act(client, channel, "remove")
    assert AuditEntry.objects.filter(tenant=None, action__startswith="channel.").count() == 6
    customers = make_channel(acme, now)
    assert client.get(page(customers, "remove")).status_code == 404


def test_readers_make_none(db: None) -> None:
    assert signed_in("Read-only").post(ADDRESS, NEW).status_code == 403
    assert not Channel.objects.exists()
    assert signed_in("Support").get(reverse("admin:channels_staffnotice_changelist")).status_code == 200
