"""Days of the issuer's time zone."""

from datetime import UTC, date, datetime

import pytest

from billing.selectors.issuer import issuers_day, issuers_time_zone
from tests.billing.world import set_issuer

pytestmark = pytest.mark.django_db


def test_a_billing_day_is_one_of_the_issuers_time_zone() -> None:
    late = datetime(2026, 3, 31, 16, tzinfo=UTC)
    assert issuers_day(late) == date(2026, 3, 31)
    set_issuer(time_zone="Asia/Tokyo")
    assert (issuers_time_zone(), issuers_day(late)) == ("Asia/Tokyo", date(2026, 4, 1))
