"""Channels: who may have which, what is stored of a secret, and what the audit log says."""

from datetime import datetime, time, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.at_rest import CHANNEL_SECRET, unseal_text
from accounts.channels.domain.quiet import QuietHours
from accounts.channels.domain.terms import CHANNELS_MAX, ChannelTerms
from accounts.channels.domain.types import ChannelType
from accounts.channels.errors import ChannelStatusError, TooManyChannelsError
from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.services.channels import (
    change_channel,
    create_channel,
    delete_channel,
    pause_channel,
    resume_channel,
)
from accounts.channels.services.routing import route_notices
from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.errors import InvalidFieldsError, NotFoundError, PermissionMissingError
from accounts.models import AuditEntry, Membership, Tenant, User
from tests.accounts.channels.world import SLACK_URL, SYSTEM, make_channel, statuses, tell

HOUR = timedelta(hours=1)


def member(user: User, role: Role) -> Actor:
    return Actor.member(user_id=user.pk, label=user.email, role=role)


def test_a_secret_is_sealed_and_neither_shown_nor_in_the_audit_log(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c::text FROM channels_channel AS c UNION ALL SELECT a::text FROM accounts_auditentry AS a"
        )
        stored = "".join(row[0] for row in cursor.fetchall())
    assert "sealed-part" not in stored
    assert unseal_text(channel.sealed_url, purpose=CHANNEL_SECRET) == SLACK_URL
    assert channel.origin == "https://hooks.slack.com"
    entry = AuditEntry.objects.get(action="channel.created")
    assert entry.after["origin"] == "https://hooks.slack.com"


def test_the_secret_of_a_webhook_is_returned_once(acme: Tenant, now: datetime) -> None:
    terms = ChannelTerms("Program", "https://hooks.example.com/in")
    created = create_channel(
        tenant=acme, membership=None, channel_type=ChannelType.WEBHOOK, terms=terms, actor=SYSTEM, as_of=now
    )
    assert created.secret.startswith("whsec_")
    assert created.secret not in repr(created)
    assert unseal_text(created.channel.sealed_secret, purpose=CHANNEL_SECRET) == created.secret


def test_a_member_has_channels_of_their_own_and_manages_no_others(
    acme: Tenant, alice: User, bob: User, now: datetime
) -> None:
    owner, developer = Membership.objects.get(user=alice), Membership.objects.get(user=bob)
    terms = ChannelTerms("Mine", SLACK_URL, kinds=("usage_alert",))
    bobs = create_channel(
        tenant=acme,
        membership=developer,
        channel_type=ChannelType.SLACK,
        terms=terms,
        actor=member(bob, Role.DEVELOPER),
        as_of=now,
    ).channel
    for actor, whose in ((member(bob, Role.DEVELOPER), None), (member(bob, Role.DEVELOPER), owner)):
        with pytest.raises(PermissionMissingError):
            create_channel(
                tenant=acme,
                membership=whose,
                channel_type=ChannelType.SLACK,
                terms=terms,
                actor=actor,
                as_of=now,
            )
    with pytest.raises(PermissionMissingError):
        delete_channel(channel=bobs, actor=member(alice, Role.OWNER), as_of=now)
    with pytest.raises(InvalidFieldsError, match="kind of notice"):  # invoices are not for developers
        change_channel(
            channel=bobs, terms=ChannelTerms("Mine", kinds=("invoice",)), actor=member(bob, Role.DEVELOPER), as_of=now
        )


def test_only_staff_have_channels_without_a_tenant_and_only_members_one_for_mail(
    acme: Tenant, alice: User, now: datetime
) -> None:
    terms = ChannelTerms("Staff", SLACK_URL)
    with pytest.raises(PermissionMissingError):
        create_channel(
            tenant=None,
            membership=None,
            channel_type=ChannelType.SLACK,
            terms=terms,
            actor=member(alice, Role.OWNER),
            as_of=now,
        )
    with pytest.raises(PermissionMissingError):
        make_channel(acme, now, ChannelType.MAIL)


def test_there_are_only_so_many(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now)
    rows = [Channel(**{**_columns(channel), "id": f"00000000-0000-4000-8000-{n:012}"}) for n in range(CHANNELS_MAX - 1)]
    Channel.objects.bulk_create(rows)
    with pytest.raises(TooManyChannelsError):
        make_channel(acme, now)


def test_a_change_keeps_the_address_unless_it_is_named(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now)
    changed = change_channel(channel=channel, terms=ChannelTerms("Other"), actor=SYSTEM, as_of=now)
    assert unseal_text(changed.sealed_url, purpose=CHANNEL_SECRET) == SLACK_URL
    Channel.objects.update(failures=3, failing_since=now, last_error="HTTP 404")
    changed = change_channel(channel=channel, terms=ChannelTerms("Other", f"{SLACK_URL}2"), actor=SYSTEM, as_of=now)
    assert unseal_text(changed.sealed_url, purpose=CHANNEL_SECRET) == f"{SLACK_URL}2"
    assert (changed.failures, changed.last_error) == (0, "")
    assert AuditEntry.objects.filter(action="channel.changed").count() == 2


def test_a_pause_drops_what_waits_and_a_resumed_channel_is_told_what_happens_from_then_on(
    acme: Tenant, now: datetime
) -> None:
    channel = make_channel(acme, now)
    tell(acme, now)
    route_notices(as_of=now)
    pause_channel(channel=channel, actor=SYSTEM, as_of=now)
    with pytest.raises(ChannelStatusError):
        pause_channel(channel=channel, actor=SYSTEM, as_of=now)
    tell(acme, now)
    route_notices(as_of=now)
    assert statuses(channel) == ["dropped"]
    resume_channel(channel=channel, actor=SYSTEM, as_of=now)
    tell(acme, now)
    route_notices(as_of=now)
    assert sorted(statuses(channel)) == ["dropped", "pending"]


def test_what_waits_follows_new_terms(acme: Tenant, now: datetime) -> None:
    noon = now.replace(hour=12, minute=0)
    channel = make_channel(acme, noon - HOUR, digest_at=time(9))
    tell(acme, noon)
    route_notices(as_of=noon)
    assert statuses(channel) == ["held"]
    quiet = QuietHours(time(11), time(13))
    change_channel(channel=channel, terms=ChannelTerms("a", quiet=quiet), actor=SYSTEM, as_of=noon)
    message = ChannelMessage.objects.get()
    assert (message.status, message.next_attempt_at) == ("pending", noon.replace(hour=13, second=0, microsecond=0))
    change_channel(channel=channel, terms=ChannelTerms("a"), actor=SYSTEM, as_of=noon)
    assert ChannelMessage.objects.get().next_attempt_at == noon


def test_a_deleted_channel_takes_its_messages_along(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now)
    tell(acme, now)
    route_notices(as_of=now)
    delete_channel(channel=channel, actor=SYSTEM, as_of=now)
    assert not ChannelMessage.objects.exists()
    with pytest.raises(NotFoundError):
        delete_channel(channel=channel, actor=SYSTEM, as_of=now)


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("channel_status_known", {"status": "asleep"}),
        ("channel_type_known", {"type": "fax"}),
        ("channel_stopped_has_time", {"status": "stopped"}),
        ("channel_quiet_hours_have_two_ends", {"quiet_begins": time(7)}),
        ("channel_digest_has_next_time", {"digest_at": time(7)}),
        ("channel_has_url_or_member", {"sealed_url": ""}),
        ("channel_of_member_has_tenant", {"tenant": None}),
    ],
)
def test_a_channel_is_whole(
    acme: Tenant, alice: User, now: datetime, constraint: str, change: dict[str, object]
) -> None:
    make_channel(acme, now, membership=Membership.objects.get(user=alice))
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Channel.objects.update(**change)


def _columns(channel: Channel) -> dict[str, object]:
    return {field.attname: getattr(channel, field.attname) for field in Channel._meta.concrete_fields}
