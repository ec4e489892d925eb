"""The page on which staff set how mails look."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import MailStyle, User

ADD = reverse("admin:accounts_mailstyle_add")
STYLE = {"sender_name": "Meridian", "reply_to": "", "colour": "#1d4d3a", "footer": ""}


@pytest.fixture
def as_robin(db: None) -> Client:
    client = Client()
    robin = User.objects.create_superuser("robin@example.org", None, name="Robin")
    client.force_login(robin, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_there_is_one_style_and_no_button_offers_another(as_robin: Client) -> None:
    assert b"_addanother" not in as_robin.get(ADD).content
    assert as_robin.post(ADD, STYLE).status_code == 302
    page = as_robin.get(reverse("admin:accounts_mailstyle_change", args=[MailStyle.objects.get().pk]))
    assert b"Meridian" in page.content
    assert b"_addanother" not in page.content
    assert as_robin.get(ADD).status_code == 403


def test_a_colour_on_which_white_cannot_be_read_is_refused_at_its_field(as_robin: Client) -> None:
    answer = as_robin.post(ADD, STYLE | {"colour": "#ffff00"})
    assert list(answer.context["adminform"].form.errors) == ["colour"]
    assert not MailStyle.objects.exists()
