"""The bell and the page of notices, as a member uses them."""

import pytest
from django.test import Client

from accounts.notices.models import MemberNotice, Notice
from accounts.notices.services.telling import NewNotice, notify_members
from tests.portal.conftest import NOW, Cast, signed_in

HOME = "/t/acme/notices/"


@pytest.fixture
def dora(cast: Cast) -> Client:
    return signed_in(cast.dora)


def test_the_bell_counts_what_is_unread_and_opening_a_notice_marks_it(cast: Cast, dora: Client) -> None:
    assert "No notices yet" in dora.get(HOME).content.decode()
    texts = {"a": "Eighty <b>percent</b>", "b": ""}
    notify_members(
        [NewNotice(cast.acme.pk, "usage_alert", key, f"Notice {key}", text) for key, text in texts.items()], as_of=NOW
    )
    page = dora.get("/t/acme/usage/").content.decode()
    assert "Notices: 2 unread" in page
    listed = dora.get(HOME).content.decode()
    assert "Eighty &lt;b&gt;percent&lt;/b&gt;" in listed

    url = f"{HOME}{Notice.objects.get(dedupe_key='a').pk}/"
    assert "Show what it is about" in dora.get(url).content.decode()
    opened = dora.post(url, {"then": "open"})
    assert opened["Location"] == "/t/acme/alerts/"
    unread = dora.get(f"{HOME}?show=unread").content.decode()
    assert "Notice b" in unread
    assert "Notice a" not in unread
    assert "1 notice marked as read." in dora.post(HOME, follow=True).content.decode()
    assert "Nothing unread" in dora.get(f"{HOME}?show=unread").content.decode()
    assert "unread</span>" not in dora.get(HOME).content.decode()


def test_a_notice_of_money_is_not_for_a_developer(cast: Cast, dora: Client) -> None:
    notify_members([NewNotice(cast.acme.pk, "invoice", "i", "Invoice 1")], as_of=NOW)
    told = Notice.objects.get()
    assert "Invoice 1" not in dora.get(HOME).content.decode()
    assert dora.post(f"{HOME}{told.pk}/").status_code == 404
    assert MemberNotice.objects.filter(read_at=None).count() == MemberNotice.objects.count() > 0
