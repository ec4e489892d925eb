"""The pages of channels, as members use them."""

import pytest
from django.test import Client

from accounts.channels.models import Channel
from accounts.channels.services import testing
from accounts.channels.services.sending import send_channels
from accounts.models import Membership
from tests.accounts.channels.world import DOWN, SLACK_URL, Wire, make_channel, tell
from tests.portal.conftest import NOW, Cast, signed_in

HOME = "/t/acme/settings/channels/"
TERMS = {"name": "#billing", "url": SLACK_URL, "type": "slack", "whose": "shared"}


@pytest.fixture
def alice(cast: Cast) -> Client:
    return signed_in(cast.alice)


def test_an_owner_adds_a_channel_whose_address_no_page_shows(alice: Client) -> None:
    assert "No channels yet" in alice.get(HOME).content.decode()
    created = alice.post(f"{HOME}new/", TERMS | {"kinds": ["invoice"], "digest_at": "09:00"}, follow=True)
    assert "The channel is created" in created.content.decode()
    channel = Channel.objects.get()
    assert (channel.membership, channel.kinds, f"{channel.digest_at}") == (None, ["invoice"], "09:00:00")
    for address in (HOME, f"{HOME}{channel.pk}/", f"{HOME}{channel.pk}/edit/"):
        page = alice.get(address).content.decode()
        assert "#billing" in page
        assert "sealed-part" not in page


def test_the_secret_of_a_webhook_is_shown_once(alice: Client) -> None:
    terms = TERMS | {"type": "webhook", "url": "https://hooks.example.com/in"}
    created = alice.post(f"{HOME}new/", terms)
    assert created.status_code == 201
    assert "whsec_" in created.content.decode()
    assert "whsec_" not in alice.get(f"{HOME}{Channel.objects.get().pk}/").content.decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "https://evil.example/x"}, "This is no address of Slack."),
        ({"url": ""}, "Enter the URL."),
        ({"type": "mail", "url": ""}, "E-mail goes to one person"),
        ({"quiet_begins": "22:00"}, "Enter both times, or neither."),
        ({"quiet_begins": "22:00", "quiet_ends": "22:00"}, "end at another time"),
        ({"kinds": ["horoscope"]}, "horoscope"),
    ],
)
def test_what_is_refused_is_said_at_its_field(alice: Client, changes: dict[str, object], said: str) -> None:
    page = alice.post(f"{HOME}new/", TERMS | changes)
    assert page.status_code == 422
    assert said in page.content.decode()
    assert not Channel.objects.exists()


def test_a_viewer_has_channels_of_their_own_and_sees_no_others(cast: Cast) -> None:
    vera = signed_in(cast.vera)
    shared = make_channel(cast.acme, NOW)
    assert vera.post(f"{HOME}new/", TERMS).status_code == 422  # not offered to her
    vera.post(f"{HOME}new/", TERMS | {"whose": "mine", "name": "Mine"})
    own = Channel.objects.get(name="Mine")
    assert own.membership == Membership.objects.get(user=cast.vera)
    page = vera.get(HOME).content.decode()
    assert "Mine" in page
    assert "#billing" not in page
    assert vera.get(f"{HOME}{shared.pk}/").status_code == 404
    assert signed_in(cast.alice).get(f"{HOME}{own.pk}/").status_code == 404


def test_a_test_says_what_came_of_it(alice: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = make_channel(cast.acme, NOW)
    address = f"{HOME}{channel.pk}/test/"
    assert "Send a test message?" in alice.get(address).content.decode()
    monkeypatch.setattr(testing, "way_out", lambda _: Wire())
    assert "The test message arrived." in alice.post(address, follow=True).content.decode()
    monkeypatch.setattr(testing, "way_out", lambda _: Wire(DOWN))
    failed = alice.post(address, follow=True).content.decode()
    assert "did not arrive: HTTP 500" in failed
    assert "Failing since" in failed
    for _ in range(9):
        last = alice.post(address, follow=True)
    assert "Wait a minute" in last.content.decode()


def test_a_channel_is_edited_paused_resumed_and_deleted(alice: Client, cast: Cast) -> None:
    channel = make_channel(cast.acme, NOW)
    tell(cast.acme, NOW, title="80 % is used")
    send_channels(clock=lambda: NOW, outbound=Wire())
    address = f"{HOME}{channel.pk}/"
    assert "80 % is used" in alice.get(address).content.decode()
    terms = {"name": "Night", "quiet_begins": "22:00", "quiet_ends": "07:00", "time_zone": "Europe/Paris"}
    assert "22:00 to 07:00" in alice.post(f"{address}edit/", terms, follow=True).content.decode()
    assert "Pause this channel?" in alice.get(f"{address}status/").content.decode()
    assert "Nothing is sent to it" in alice.post(f"{address}status/", follow=True).content.decode()
    assert "The channel is active" in alice.post(f"{address}status/", follow=True).content.decode()
    assert "Delete this channel?" in alice.get(f"{address}delete/").content.decode()
    assert "The channel is deleted" in alice.post(f"{address}delete/", follow=True).content.decode()
    assert not Channel.objects.exists()
