"""Who sees which channels."""

from datetime import datetime

import pytest

from accounts.channels.selectors.channels import channel_of, channels_shown, kinds_offered, messages_of
from accounts.channels.services.routing import route_notices
from accounts.errors import NotFoundError
from accounts.models import Membership, Tenant, User
from tests.accounts.channels.world import make_channel, tell


def test_a_member_sees_their_own_channels_and_managers_the_organisations_too(
    acme: Tenant, alice: User, bob: User, now: datetime
) -> None:
    shared = make_channel(acme, now)
    bobs = make_channel(acme, now, membership=Membership.objects.get(user=bob))
    owner, developer = Membership.objects.get(user=alice), Membership.objects.get(user=bob)
    assert list(channels_shown(tenant_id=acme.pk, membership=owner, sees_all=True)) == [shared]
    own = channels_shown(tenant_id=acme.pk, membership=developer, sees_all=False)
    assert channel_of(own, bobs.pk) == bobs
    with pytest.raises(NotFoundError):
        channel_of(own, shared.pk)
    assert not channels_shown(tenant_id=acme.pk, membership=None, sees_all=False)


def test_a_member_is_offered_what_their_role_may_get(acme: Tenant, bob: User) -> None:
    assert "invoice" not in kinds_offered(Membership.objects.get(user=bob))
    assert "invoice" in kinds_offered(None)
    assert "channel_mail" not in kinds_offered(None)
    assert "drift" in kinds_offered(None, is_of_staff=True)


def test_messages_are_listed(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now)
    tell(acme, now, title="80 %")
    route_notices(as_of=now)
    assert [str(message) for message in messages_of(channel)] == ["80 %"]
