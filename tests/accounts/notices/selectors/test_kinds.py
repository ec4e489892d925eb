"""The registry of kinds."""

import pytest

from accounts.notices.selectors.kinds import kind_named, label_of, notice_kinds
from billing.domain.mails import INVOICE
from metering.alerts.domain.alerts import USAGE_ALERT


def test_kinds_are_found_by_name_in_the_order_of_the_setting() -> None:
    assert next(iter(notice_kinds().values())) == USAGE_ALERT
    assert kind_named("invoice") == INVOICE
    with pytest.raises(LookupError):
        kind_named("horoscope")


def test_a_kind_of_an_earlier_release_still_has_a_name() -> None:
    assert [label_of("usage_alert"), label_of("old_kind")] == ["Usage alerts", "Old kind"]
