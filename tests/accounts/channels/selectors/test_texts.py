"""The text of a message leads to the page that it is about."""

from datetime import datetime

from accounts.channels.models import ChannelMessage
from accounts.channels.selectors.texts import test_text_of as text_of_test_button
from accounts.channels.selectors.texts import text_of
from accounts.channels.services.routing import route_notices
from accounts.models import Tenant
from tests.accounts.channels.world import make_channel, tell


def test_a_notice_leads_to_its_page(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now)
    tell(acme, now)
    route_notices(as_of=now)
    text = text_of(ChannelMessage.objects.select_related("channel__tenant", "notice").get())
    assert text.url.endswith("/t/acme/alerts/")
    assert (text.title, text.about) == ("80 % is used", f"{acme.name} · Usage alerts")
    assert text_of_test_button(channel, as_of=now).is_test
