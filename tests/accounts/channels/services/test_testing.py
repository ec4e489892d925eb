"""The test button sends one message at once, and says what came of it."""

from datetime import datetime

import pytest
from pytest_django import Settings

from accounts.channels.domain.types import ChannelType
from accounts.channels.models import Channel
from accounts.channels.services.sending import KEY_LOST
from accounts.channels.services.testing import STOPPED_MAILS, send_test_message
from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.errors import PermissionMissingError
from accounts.models import AuditEntry, Membership, Tenant, User
from accounts.notices.models import MailPreference, OutboundMail
from accounts.webhooks.domain.schedule import AttemptOutcome
from tests.accounts.channels.world import DOWN, SLACK_URL, SYSTEM, Wire, make_channel


def outcome_now(channel: Channel, now: datetime, wire: Wire) -> AttemptOutcome:
    return send_test_message(channel=channel, actor=SYSTEM, as_of=now, clock=lambda: now, outbound=wire)


def test_a_test_is_sent_and_recorded(acme: Tenant, now: datetime) -> None:
    channel, wire = make_channel(acme, now), Wire()
    assert outcome_now(channel, now, wire).is_success
    [(url, body, _)] = wire.sent
    assert url == SLACK_URL
    assert b"The channel" in body
    assert AuditEntry.objects.filter(action="channel.tested").count() == 1
    assert outcome_now(channel, now, Wire(DOWN)).error == "HTTP 500"
    assert Channel.objects.get().last_error == "HTTP 500"


def test_a_test_by_mail_is_queued(acme: Tenant, bob: User, now: datetime) -> None:
    channel = make_channel(acme, now, ChannelType.MAIL, membership=Membership.objects.get(user=bob))
    assert outcome_now(channel, now, Wire()).is_success
    assert "Test message" in OutboundMail.objects.get().subject
    MailPreference.objects.create(tenant=acme, membership=channel.membership, kind="channel_mail", is_wanted=False)
    assert outcome_now(channel, now, Wire()).error == STOPPED_MAILS


def test_a_secret_that_is_lost_is_told(acme: Tenant, now: datetime, settings: Settings) -> None:
    channel = make_channel(acme, now)
    settings.SECRET_KEY = "another signing secret, after the first was thrown away without a fallback"
    assert outcome_now(channel, now, Wire()).error == KEY_LOST


def test_nobody_tests_a_channel_of_another(acme: Tenant, bob: User, now: datetime) -> None:
    channel = make_channel(acme, now)
    actor = Actor.member(user_id=bob.pk, label=bob.email, role=Role.DEVELOPER)
    with pytest.raises(PermissionMissingError):
        send_test_message(channel=channel, actor=actor, as_of=now, clock=lambda: now, outbound=Wire())
