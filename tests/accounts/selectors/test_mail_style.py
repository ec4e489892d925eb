"""The style of mails has defaults until staff set it."""

import pytest
from django.db import IntegrityError, transaction

from accounts.models import MailStyle
from accounts.selectors.mail_style import mail_style

pytestmark = pytest.mark.django_db


def test_the_defaults_hold_until_a_row_is_stored_of_which_there_is_one() -> None:
    assert mail_style().sender_name == "Countinghouse"
    MailStyle.objects.create(sender_name="Acme Cloud")
    assert mail_style().sender_name == "Acme Cloud"
    with pytest.raises(IntegrityError, match="mail_style_only_one"), transaction.atomic():
        MailStyle.objects.create(pk=2)
