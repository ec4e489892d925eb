"""The demo has a channel to its receiver, with a past, and a digest for the owner: once, however often it is made."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.at_rest import CHANNEL_SECRET, unseal_text
from accounts.channels.models import Channel, ChannelMessage
from accounts.domain.actor import Actor
from accounts.domain.reach import WayIn, way_in
from accounts.domain.roles import Role
from accounts.models import Membership
from accounts.notices.services.telling import NewNotice, notify_members
from config.workbench.demo.cast import MAIN_TENANT
from config.workbench.demo.channels import NAME, add_channels
from tests.accounts.conftest import make_user
from tests.metering.ledger_world import make_tenant


@pytest.mark.django_db
def test_the_channels_are_made_once_and_follow_the_receiver() -> None:
    now = timezone.now()
    with way_in(WayIn.JOBS):
        tenant = make_tenant(MAIN_TENANT)
        Membership.objects.create(tenant=tenant, user=make_user("olga@example.com"), role=Role.OWNER, created_at=now)
        past = NewNotice(tenant.pk, "usage_alert", "usage_alert:1", "80 %")
        notify_members([past], as_of=now - timedelta(days=3))
        for url in ("", "https://receiver.example.com"):
            add_channels(tenants=[tenant], receiver_url=url, actor=Actor.system("test"), as_of=now)
        receiver, digest = Channel.objects.get(name=NAME), Channel.objects.exclude(name=NAME).get()
        address = unseal_text(receiver.sealed_url, purpose=CHANNEL_SECRET)
        told = ChannelMessage.objects.get()
    assert address == "https://receiver.example.com/notices"
    assert (told.channel_id, told.status) == (receiver.pk, "sent")
    assert digest.type == "mail"
    assert digest.next_digest_at is not None
